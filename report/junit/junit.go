package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/report"
	"sallyport/report/document"
)

// maxText bounds one piece of text, in bytes.
const maxText = 2000

// suites is the root element. The order of fields is the order that the schema of Jenkins' xUnit plugin asks for.
type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Time     string   `xml:"time,attr"`
	Suite    suite    `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr"` // UTC without a zone, as the schema wants it
	Hostname   string     `xml:"hostname,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Name      string   `xml:"name,attr"`
	ClassName string   `xml:"classname,attr"`
	Time      string   `xml:"time,attr"`
	Skipped   *outcome `xml:"skipped"`
	Error     *outcome `xml:"error"`
	Failure   *outcome `xml:"failure"`
	Output    string   `xml:"system-out,omitempty"`
}

type outcome struct {
	Message string `xml:"message,attr,omitempty"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// Write writes the document. A failing check is a failure, one that could not be told is an error, skipped and waived
// ones are skipped; JUnit knows no warnings, so one passes, with what it warns of in its output.
func Write(w io.Writer, d document.Document) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(root(d)); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func root(d document.Document) suites {
	var total time.Duration
	cases := make([]testcase, len(d.Results))
	for i, item := range d.Results {
		cases[i] = newCase(item)
		total += item.Duration
	}
	s := suite{
		Name: "sallyport", Tests: len(cases), Failures: d.Counts.Fail, Errors: d.Counts.Unknown,
		Skipped: d.Counts.Skipped + d.Counts.Waived, Time: seconds(total),
		Timestamp: d.Time.UTC().Format("2006-01-02T15:04:05"), Hostname: printable(d.Host),
		Properties: []property{{"version", printable(d.Version)}, {"status", d.Status.String()}}, Cases: cases,
	}
	return suites{Name: s.Name, Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Time: s.Time, Suite: s}
}

func newCase(item document.Item) testcase {
	c := testcase{
		Name: printable(item.Check), ClassName: "sallyport." + printable(item.Kind), Time: seconds(item.Duration),
	}
	said := &outcome{Message: printable(item.Detail), Type: printable(string(item.Cause))}
	switch item.Status {
	case check.OK:
	case check.Warn:
		c.Output = text(item)
	case check.Fail:
		said.Text = text(item)
		c.Failure = said
	case check.Skipped, check.Waived:
		c.Skipped = &outcome{Message: said.Message, Type: item.Status.String()}
	default:
		said.Text = text(item)
		c.Error = said
	}
	return c
}

// text is what a person reads who opens the case: what was seen, at each address, and what to do.
func text(item document.Item) string {
	lines := []string{
		strings.TrimSpace(fmt.Sprintf("%s %s %s", item.Status, printable(item.Target), printable(string(item.Cause)))),
		printable(item.Detail),
	}
	for _, e := range item.Endpoints {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s",
			printable(e.Address), e.Status, printable(string(e.Cause)), printable(e.Detail))))
	}
	if item.Remedy != "" {
		lines = append(lines, "remedy: "+printable(item.Remedy))
	}
	return strings.Join(lines, "\n")
}

func printable(s string) string { return report.Printable(s, maxText) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
