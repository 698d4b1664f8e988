package inbox

import (
	"iter"
	"maps"
	"slices"

	"lagerd/plan"
	"lagerd/store"
)

// Hints are open hints of one kind by number, as they were before a read began. A hint that the
// read has answered or postponed is removed.
type Hints map[string]plan.Hint

// packed reports whether a hint has no row: its webhook is still in a batch.
func packed(h plan.Hint) bool { return h.Gen == 0 }

// Pieces yields the hints that have rows and satisfy which, in order of their numbers, as many
// at a time as one transaction writes: 100,000 rows in one would block a Galera cluster. Hints
// without rows get their turn when they are unpacked.
func (h Hints) Pieces(which func(plan.Hint) bool) iter.Seq[[]plan.Hint] {
	var rows []plan.Hint
	for _, number := range slices.Sorted(maps.Keys(h)) {
		if hint := h[number]; !packed(hint) && which(hint) {
			rows = append(rows, hint)
		}
	}
	return slices.Chunk(rows, store.RowsPerPiece)
}

// add merges hints that wait in batches into those with rows. A number with both becomes one
// hint, with the webhooks of both.
func (h Hints) add(waiting Hints) {
	for number, w := range waiting {
		row, open := h[number]
		if !open {
			h[number] = w
			continue
		}
		h[number] = merged(row, w)
	}
}

// merged returns a row's hint merged with webhooks of the same number.
func merged(row, waiting plan.Hint) plan.Hint {
	if row.Cause != plan.CauseOperator {
		row.Cause = waiting.Cause
	}
	row.Webhooks += waiting.Webhooks
	if waiting.FirstAt.Before(row.FirstAt) {
		row.FirstAt = waiting.FirstAt
	}
	if waiting.WebhookAt.After(row.WebhookAt) {
		row.WebhookAt = waiting.WebhookAt
	}
	return row
}

// record returns the row of a hint that has none, to be reread as again says.
func record(shop string, h plan.Hint, again plan.Reread) store.HintRecord {
	return store.HintRecord{
		Shop: shop, Kind: h.Kind, Number: h.Number, Cause: h.Cause, At: h.WebhookAt, FirstAt: h.FirstAt,
		DueAt: again.DueAt, Tries: again.Tries, Failures: again.Failures, Reason: again.Reason, Note: again.Note, More: max(h.Webhooks-1, 0),
	}
}

// records returns the rows of hints that have none, by number.
func records(shop string, hints Hints) []store.HintRecord {
	list := make([]store.HintRecord, 0, len(hints))
	for _, number := range slices.Sorted(maps.Keys(hints)) {
		list = append(list, record(shop, hints[number], plan.Reread{}))
	}
	return list
}
