// Package revocation tells whether the certificates of a verified chain were revoked: by the OCSP response that the server
// staples, by the authority's OCSP responder, by the authority's list. What is an answer is decided by functions of bytes
// and an instant; a Checker fetches, within the time that it is given, and remembers. It knows nothing of checks, and does
// not say what an unknown status means for a connection: that is its caller's word.
package revocation
