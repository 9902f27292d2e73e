// Package junit writes a document as JUnit XML, in the dialect that Jenkins and GitLab read: a test case for each check.
// It must not know of anything but the document.
package junit
