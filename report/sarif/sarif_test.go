package sarif

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/report/document"
	"sallyport/report/document/documenttest"
	"sallyport/report/internal/golden"
)

func TestGolden(t *testing.T) {
	for file, name := range map[string]string{
		"sample.sarif": "sample.json", "status.sarif": "status.json", "empty.sarif": "empty.json",
	} {
		t.Run(file, func(t *testing.T) { golden.Compare(t, file, written(t, documenttest.Sample(t, name))) })
	}
}

// object is any JSON object: the output is read back without the types that wrote it.
type object = map[string]any

// written is the output, held against what the specification demands.
func written(t *testing.T, d document.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	var top struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool        struct{ Driver struct{ Rules []object } }
			Results     []object
			Invocations []object
		}
	}
	if err := json.Unmarshal(b.Bytes(), &top); err != nil {
		t.Fatal(err)
	}
	if top.Version != "2.1.0" || top.Schema == "" || len(top.Runs) != 1 || len(top.Runs[0].Results) != len(d.Results) {
		t.Fatalf("version %q, %d runs", top.Version, len(top.Runs))
	}
	for _, r := range top.Runs[0].Results {
		checkResult(t, r, top.Runs[0].Tool.Driver.Rules)
	}
	if done, ok := top.Runs[0].Invocations[0]["executionSuccessful"].(bool); !ok || !done { // required: section 3.20.14
		t.Error("no executionSuccessful")
	}
	golden.Shown(t, b.String())
	return b.String()
}

func checkResult(t *testing.T, r object, rules []object) {
	t.Helper()
	index := int(r["ruleIndex"].(float64))
	if index < 0 || index >= len(rules) || rules[index]["id"] != r["ruleId"] {
		t.Errorf("ruleIndex %d is not that of %v (section 3.27.6)", index, r["ruleId"])
	}
	kinds := []any{"pass", "open", "informational", "notApplicable", "review", "fail"}
	if !slices.Contains(kinds, r["kind"]) {
		t.Errorf("kind %v (section 3.27.9)", r["kind"])
	}
	if (r["level"] == "none") != (r["kind"] != "fail") {
		t.Errorf("level %v with kind %v (section 3.27.10)", r["level"], r["kind"])
	}
	if text, _ := r["message"].(object)["text"].(string); text == "" {
		t.Errorf("no message (section 3.27.11) in %v", r)
	}
}

// TestHostileText: the worst that a check could leave in a result stays a string.
func TestHostileText(t *testing.T) {
	hostile := "\",\"level\":\"none\x00\x1b\u202e\xff\u009b"
	r := check.Result{
		Check: hostile, Kind: hostile, Target: hostile, Status: check.Fail, Cause: check.CertExpired,
		Detail: hostile, Remedy: hostile,
	}
	written(t, document.New(hostile, hostile, time.Unix(0, 0), []check.Result{r}))
}
