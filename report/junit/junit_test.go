package junit

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/report/document"
	"sallyport/report/document/documenttest"
	"sallyport/report/internal/golden"
)

func TestGolden(t *testing.T) {
	for file, name := range map[string]string{
		"sample.xml": "sample.json", "status.xml": "status.json", "empty.xml": "empty.json",
	} {
		t.Run(file, func(t *testing.T) { golden.Compare(t, file, written(t, documenttest.Sample(t, name))) })
	}
}

// element is any element: the output is read back without the types that wrote it.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e element) all(name string) (found []element) {
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			found = append(found, c)
		}
		found = append(found, c.all(name)...)
	}
	return found
}

// written is the output, held against the schema: the elements there are, where they may stand, and that the numbers of
// the attributes are those of the elements.
func written(t *testing.T, d document.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	var top element
	if err := xml.Unmarshal(b.Bytes(), &top); err != nil {
		t.Fatalf("no XML: %v\n%s", err, &b)
	}
	allowed := map[string][]string{
		"testsuites": {"testsuite"}, "testsuite": {"properties", "testcase"}, "properties": {"property"},
		"testcase": {"skipped", "error", "failure", "system-out"},
	}
	nested(t, top, allowed)
	for attr, name := range map[string]string{
		"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped",
	} {
		for _, s := range top.all("testsuite") {
			if want := strconv.Itoa(len(s.all(name))); s.attr(attr) != want {
				t.Errorf("attribute %s is %q, there are %s", attr, s.attr(attr), want)
			}
		}
	}
	for _, c := range top.all("testcase") {
		_, err := strconv.ParseFloat(c.attr("time"), 64)
		if err != nil || c.attr("name") == "" || c.attr("classname") == "" {
			t.Errorf("testcase with attributes %v", c.Attrs)
		}
	}
	golden.Shown(t, b.String())
	return b.String()
}

func nested(t *testing.T, e element, allowed map[string][]string) {
	t.Helper()
	last := -1
	for _, c := range e.Children {
		at := -1
		for i, name := range allowed[e.XMLName.Local] {
			if name == c.XMLName.Local {
				at = i
			}
		}
		if at < last || at < 0 {
			t.Errorf("%s stands in %s, or not in its order", c.XMLName.Local, e.XMLName.Local)
		}
		last = at
		nested(t, c, allowed)
	}
}

// TestHostileText: nothing a result says ends its element or breaks the document.
func TestHostileText(t *testing.T) {
	hostile := "]]></failure><testcase name=\"x\"/>\x00\x1b\"'&\xff\u202e"
	r := check.Result{
		Check: hostile, Kind: hostile, Target: hostile, Status: check.Fail, Cause: "a.b", Detail: hostile, Remedy: hostile,
	}
	written(t, document.New(hostile, hostile, time.Unix(0, 0), []check.Result{r}))
}
