package webhook

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lagerd/lang"
)

// everyText returns what answers may say, besides what was received.
func everyText() []lang.Text {
	list := []lang.Text{{Danish: success, English: success}, triedShop, trialOfStock, trialOfInvoices, trialOfRackbeat}
	for _, a := range []answer{
		answerRefused, answerNoCode, answerLimited, answerBadToken, answerTokenLimited, answerBadType, answerTypeInBody, answerNoNumber, answerNumberTooLong, answerBadItemNumber, answerBadInvoiceNumber,
		answerStockMergeField, answerInvoiceMergeField, answerStockPlaceholder, answerInvoicePlaceholder, answerBadBody, answerTooLarge, answerBadMethod, answerNotFound, answerUnavailable,
		answerFull, answerGone, answerPanic,
	} {
		list = append(list, *a.text)
	}
	for _, o := range []oddity{oddHTML, oddDoubleEncoded, oddInvisible, oddQuoted, oddMergeField, allOfOrder, allUnnamed, allUnreadable} {
		list = append(list, o.text)
	}
	return slices.Concat(list, []lang.Text{fromBrowser}, nextItem[:], nextInvoice[:], nextAll[:], tryStock[:], tryInvoices[:])
}

// TestOwnersAreToldOfAnswers: what docs/shop-owners.md quotes of answers is said by some, in the
// language of its part.
func TestOwnersAreToldOfAnswers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/shop-owners.md")
	if err != nil {
		t.Fatal(err)
	}
	danish, english, found := strings.Cut(string(text), "\n## English\n")
	if !found {
		t.Fatal("there is no English part")
	}
	quoted := regexp.MustCompile(`\*\*([^*]+)\*\*`)
	for l, part := range map[lang.Lang]string{lang.Danish: danish, lang.English: english} {
		quotes := 0
		for line := range strings.Lines(part) {
			if !strings.HasPrefix(line, "| `Success`") && !strings.HasPrefix(line, "| 4") && !strings.HasPrefix(line, "| 5") {
				continue
			}
			sees, _, _ := strings.Cut(line[2:], " | ")
			for _, quote := range quoted.FindAllStringSubmatch(sees, -1) {
				quotes++
				if !slices.ContainsFunc(everyText(), func(said lang.Text) bool { return strings.Contains(said.In(l), quote[1]) }) {
					t.Errorf("%s: no answer says %q", l, quote[1])
				}
			}
		}
		if quotes < 16 {
			t.Errorf("%s: %d quotes", l, quotes)
		}
	}
}

// TestTextsAreWhole: each text is there in both languages or in neither, and ends with a line end.
func TestTextsAreWhole(t *testing.T) {
	t.Parallel()
	for _, text := range everyText() {
		if (text.Danish == "") != (text.English == "") || text.Danish == text.English && text.Danish != success && text.Danish != "" {
			t.Errorf("one language lacks it: %q, %q", text.Danish, text.English)
		}
		for _, said := range []string{text.Danish, text.English} {
			if said != "" && said != triedShop.Danish && said != triedShop.English && (!strings.HasSuffix(said, "\n") || strings.HasSuffix(said, "\n\n")) {
				t.Errorf("%q does not end with one line end", said)
			}
		}
	}
	for _, next := range []Next{NextRead, NextAtRackbeat, NextPaused, NextHeld, NextOff} {
		for name, table := range map[string][nexts]lang.Text{"an item": nextItem, "all items": nextAll} {
			if table[next].Danish == "" {
				t.Errorf("nothing is said of %s, %d", name, next)
			}
		}
	}
	for _, next := range []Next{NextRead, NextPaused, NextHeld, NextPDFHeld, NextOff} {
		if nextInvoice[next].Danish == "" {
			t.Errorf("nothing is said of an invoice, %d", next)
		}
	}
}
