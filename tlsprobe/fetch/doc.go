// Package fetch gets the small files that certificates name: issuers, revocation lists, OCSP responses. Who writes the
// addresses of these is whoever made the certificate, who may be hostile: so every fetch is plain HTTP (RFC 5280 section
// 8: what is fetched is signed, and HTTPS would need certificates of its own), bounded in bytes, time and number, follows
// few redirects, and never goes to where only this host or its cloud's metadata service would answer. It knows nothing of
// what it fetches.
package fetch
