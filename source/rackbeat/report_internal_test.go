package rackbeat

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"lagerd/rackbeat"
	"lagerd/source"
)

// answering is a Rackbeat that answers everything with the same body.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(a)), Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

// TestReportIsBounded: rows beyond what is kept are left out, and nothing is concluded of their items:
// not even that they hold nothing.
func TestReportIsBounded(t *testing.T) {
	t.Parallel()
	const text = `{"number":"NUMBER","stock_quantity":FIGURE,"locations":[{"number":1,"stock_quantity":FIGURE}]}`
	rowOf := func(number, figure string) string {
		return strings.NewReplacer("NUMBER", number, "FIGURE", figure).Replace(text)
	}
	client, err := rackbeat.New(rackbeat.Options{Transport: answering(`{"items":[` + rowOf("a", "1") + "," + rowOf("b", "2") + "," + rowOf("c", "0") + `],"pages":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	report := &report{rows: map[string]*row{}, size: 1000, next: 1, left: -1, kept: mostKept - rowBytes}
	s := &stock{account: client.Account("key", nil, nil), known: &known{places: places{"1": {Number: "1"}}}, chosen: &chosen{places: []string{"1"}, report: report}}
	if err := s.readReport(t.Context(), source.PriorityTick); err != nil || len(report.rows) != 1 || !report.full || report.left != 0 {
		t.Fatalf("kept %v, full %t, %v", report.rows, report.full, err)
	}
	items := rackbeat.Page[rackbeat.Item]{}
	for _, number := range []string{"a", "b", "c"} {
		figure := report.rows["a"].all
		if number == "c" {
			figure = figure.Sub(figure)
		}
		items.Items = append(items.Items, rackbeat.Item{Number: number, InStock: &figure})
	}
	if report.lacks(&items) {
		t.Error("the report has been read to its end, and lacks something")
	}
	found := report.take(s.chosen, s.known.tree(), &items)
	if found["a"].err != nil || !errors.Is(found["b"].err, errNotKept) || !errors.Is(found["c"].err, errNotKept) {
		t.Errorf("a: %v, b: %v, c: %v", found["a"].err, found["b"].err, found["c"].err)
	}
	if len(report.rows) != 0 || report.kept != mostKept-rowBytes {
		t.Errorf("%d rows and %d bytes are left", len(report.rows), report.kept)
	}
}
