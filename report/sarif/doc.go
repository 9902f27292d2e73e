// Package sarif writes a document as SARIF 2.1.0 (OASIS), which code-scanning dashboards and security tools collect: a
// rule for each cause, a result for each check. It must not know of anything but the document.
package sarif
