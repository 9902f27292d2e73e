// Package keystore reads the certificates that a trust store makes trusted: a Java KeyStore (JKS), a PKCS #12 file or a
// PEM bundle, told by content, for Java's cacerts is either. Files are hostile bytes to it: every length, every number of
// entries and every key derivation has a bound. It trusts exactly what Java's own trust manager would. It must not know
// where stores are, nor what is judged by them.
package keystore
