package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/DATA-DOG/go-sqlmock"
	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

// TestApplyReturnsTheProgress: Apply returns the stored progress, whatever the
// transaction changed.
func TestApplyReturnsTheProgress(t *testing.T) {
	t.Parallel()
	change := func(number string, cause plan.Cause, webhook plan.Webhook, lag time.Duration) plan.Change {
		return plan.Change{Kind: plan.KindStock, Number: number, What: plan.WhatStock, Cause: cause, Webhook: webhook, ObservedAt: noon, Lagged: lag > 0, HintedAt: noon.Add(-lag)}
	}
	gap := func(from, to int64) plan.Gap { return plan.Gap{Range: plan.Range{From: from, To: to}, SeenAt: noon} }
	losses := plan.Hold{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "150 of 300", Since: noon}
	refused := plan.Hold{Scope: plan.ScopeShop, Reason: plan.HeldTokenRefused, Detail: strings.Repeat("æ", 600), Since: noon}
	forbidden := plan.Hold{Scope: plan.ScopeStock, Reason: plan.HeldForbidden, Since: noon.Add(time.Hour)}
	steps := []struct {
		what string
		a    store.Applied
	}{
		{"an agreement", store.Applied{Progress: store.Patch{AgreementNumber: new(int64(7))}}},
		{"a listing", store.Applied{Progress: store.Patch{Suspicion: new("all_zero"), Items: new(int64(300)), ItemsCursor: new(store.At(noon)), SweptAt: new(store.At(noon))}}},
		{"how many items there are", store.Applied{Progress: store.Patch{ItemsAnnounced: new(int64(301))}}},
		{"another, of as many items", store.Applied{Progress: store.Patch{Suspicion: new(""), Items: new(int64(300)), SweptAt: new(store.At(noon.Add(time.Hour)))}}},
		{"invoices", store.Applied{Progress: store.Patch{InvoicesBegun: new(true), InvoicesSweptAt: new(store.At(noon))}, Window: &plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(1, 3), gap(5, 5)}}}},
		{"a gap less", store.Applied{Window: &plan.Window{Cursor: 9, Gaps: []plan.Gap{gap(1, 3)}}}},
		{"the gap of the last", store.Applied{Window: &plan.Window{Cursor: 11}}},
		{"two are held", store.Applied{Holds: []plan.Hold{losses, refused}}},
		{"one for another reason", store.Applied{Holds: []plan.Hold{forbidden}}},
		{"one ends", store.Applied{EndHolds: []plan.Scope{plan.ScopeShop}}},
		{"webhooks", store.Applied{Changes: []plan.Change{change("a", plan.CauseTick, plan.WebhookMissed, 0), change("b", plan.CauseSweep, plan.WebhookMissed, 0),
			change("c", plan.CauseWebhook, plan.WebhookCame, 3*time.Second), change("d", plan.CauseWebhook, plan.WebhookCame, 2*time.Second)}}},
		{"a shorter lag, and a late webhook", store.Applied{Changes: []plan.Change{change("e", plan.CauseWebhook, plan.WebhookCame, time.Second)},
			Late: map[plan.Kind][]string{plan.KindStock: {"a"}}, LateFrom: noon.Add(-time.Hour)}},
		{"another dataset", store.Applied{Progress: store.Patch{ItemsDataset: new(store.Dataset("shop1/2")), ItemsSince: new(store.At(noon))}, EndApproval: true}},
		{"nothing", store.Applied{}},
	}
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		known, err := s.Progress(t.Context(), "shop1")
		must(t, err)
		for seq, step := range steps {
			a := step.a
			a.Known = known
			if a.Empty() != (step.what == "nothing") {
				t.Errorf("%s: empty %t", step.what, a.Empty())
			}
			f := fenceOf(t, s, "shop1", token, int64(seq)+1)
			after, err := s.Apply(t.Context(), f, a, noon)
			must(t, err)
			stored, err := s.Progress(t.Context(), "shop1")
			must(t, err)
			if diff := cmp.Diff(stored, after, exactly); diff != "" {
				t.Errorf("%s: what is stored (-) and what Apply returned (+):\n%s", step.what, diff)
			}
			if seq < len(steps)-1 && cmp.Equal(known, after, exactly) {
				t.Errorf("%s: nothing has changed", step.what)
			}
			known = after
			a.Known = known
			a.Changes, a.Late, a.Holds, a.EndHolds, a.EndApproval = nil, nil, nil, nil, false
			if !a.Empty() {
				t.Errorf("%s: applied again, it is not empty", step.what)
			}
			// With an error the known progress is returned.
			f.Token++
			a.Progress.Items = new(int64(1))
			if after, err = s.Apply(t.Context(), f, a, noon); err == nil || !cmp.Equal(known, after, exactly) {
				t.Errorf("%s: %v, and Apply returned %+v", step.what, err, after)
			}
		}
	})
}

// TestApplyWritesWhatDiffers: only those columns of a patch are written that differ from
// the known progress.
func TestApplyWritesWhatDiffers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		known, err := s.Progress(t.Context(), "shop1")
		must(t, err)
		known.Items, known.ItemsCursor, known.Suspicion = 5, store.At(noon), "x"
		known.InvoiceCursor, known.Gaps = 9, []plan.Gap{{Range: plan.Range{From: 1, To: 2}, SeenAt: noon}}
		window := known.Window()
		_, err = s.Apply(t.Context(), fenceOf(t, s, "shop1", token, 1), store.Applied{Known: known, Window: &window,
			Progress: store.Patch{Items: new(int64(5)), ItemsCursor: new(store.At(noon)), Suspicion: new("y"), SweptAt: new(store.At(noon))}}, noon)
		must(t, err)
		p, err := s.Progress(t.Context(), "shop1")
		must(t, err)
		if p.Items != 0 || !p.ItemsCursor.IsZero() || p.InvoiceCursor != 0 || len(p.Gaps) > 0 {
			t.Errorf("written although it does not differ: %+v", p)
		}
		if p.Suspicion != "y" || !p.SweptAt.Equal(noon) {
			t.Errorf("not written although it differs: %+v", p)
		}
	})
}

// TestProgressAfterALostAnswer: if a commit's answer was lost and the transaction had been
// committed, the progress after it is returned nevertheless.
func TestProgressAfterALostAnswer(t *testing.T) {
	t.Parallel()
	s, mock := mocked(t)
	mock.ExpectBegin()
	mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
	mock.ExpectExec("UPDATE progress SET items = \\? WHERE").WillReturnResult(sqlmock.NewResult(0, 1))
	mock.ExpectCommit().WillReturnError(mysql.ErrInvalidConn)
	mock.ExpectBegin()
	mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 0))
	mock.ExpectQuery(whoSQL).WillReturnRows(sqlmock.NewRows([]string{"token", "applied_seq", "generation"}).AddRow(3, 5, 1))
	mock.ExpectCommit()
	f := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: 3, Seq: 5}
	p, err := s.Apply(t.Context(), f, store.Applied{Known: store.Progress{Items: 1, AgreementNumber: 7},
		Progress: store.Patch{Items: new(int64(2)), AgreementNumber: new(int64(7))}}, noon)
	if err != nil || p.Items != 2 || p.AgreementNumber != 7 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := mock.ExpectationsWereMet(); err != nil {
		t.Error(err)
	}
}
