// Package documenttest hands the documents of package document's golden files to the tests of the formats that are made
// of them, so that all of them are held against the same results. Only tests import it.
package documenttest
