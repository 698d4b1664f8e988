package webhook

import (
	"strings"
	"testing"

	"lagerd/lang"
)

// TestSaid: the page says of a call what its answer said, for every outcome but those of calls that
// were in order.
func TestSaid(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[string]string{
		OutcomeRefused: "Forkert butik eller kode.", OutcomeBadToken: "Rackbeat-Webhook-Token", OutcomeLimited: "sket for tit", OutcomeBadType: "Ukendt type",
		OutcomeNoNumber: "Intet nummer", OutcomeNumberTooLong: "for langt", OutcomeBadNumber: "ikke et fakturanummer", OutcomeMergeField: "Faktura bogført",
		OutcomePlaceholder: "fakturanumre", OutcomeTried: "kun en prøve", OutcomeFromBrowser: "fra en browser", OutcomeHTMLEscaped: "&amp;", OutcomeDoubleEncoded: "kodet to gange", OutcomeInvisible: "usynlige tegn",
		OutcomeQuoted: "anførselstegn", OutcomeBadBody: "afbrudt", OutcomeTooLarge: "For meget tekst", OutcomeBadMethod: "GET eller POST", OutcomeUnavailable: "databasen",
		OutcomeFull: "for mange kald", OutcomeGone: "databasen", OutcomePanic: "loggen", OutcomeUnreadable: "",
	} {
		text, ok := Said(KindInvoice, outcome, false)
		if !ok || text.Danish == "" || text.English == "" || !strings.Contains(text.Danish, want) || strings.HasSuffix(text.Danish, "\n") {
			t.Errorf("%s: %v %+v", outcome, ok, text)
		}
	}
	for _, outcome := range []string{OutcomeRecorded, OutcomeEverything, "another"} {
		if text, ok := Said(KindStock, outcome, true); ok {
			t.Errorf("%s: %+v", outcome, text)
		}
	}
	if text, _ := Said(KindStock, OutcomeMergeField, false); !strings.Contains(text.Danish, "Varelager opdateret") {
		t.Errorf("of stock: %s", text.Danish)
	}
	if text, _ := Said(KindStock, OutcomeMergeField, true); !strings.HasPrefix(text.Danish, "Er det et varenummer?") {
		t.Errorf("of stock, accepted: %s", text.Danish)
	}
}

// TestObstacle: only where something stands in the way.
func TestObstacle(t *testing.T) {
	t.Parallel()
	for next, want := range map[Next]string{NextRead: "", NextAtRackbeat: "", NextPaused: "sat på pause", NextHeld: "er stoppet", NextOff: "ikke for tiden"} {
		for _, kind := range []Kind{KindStock, KindInvoice} {
			text, ok := Shop{Lang: lang.Danish, Stock: next, Invoices: next}.Obstacle(kind)
			if ok != (want != "") || !strings.Contains(text.Danish, want) || strings.HasSuffix(text.Danish, "\n") {
				t.Errorf("%d, %s: %v %q", next, kind, ok, text.Danish)
			}
		}
	}
}
