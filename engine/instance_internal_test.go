package engine

import (
	"reflect"
	"testing"
	"time"

	economicsource "lagerd/source/economic"
)

// TestReconcileOptions: each option comes from its own configuration key.
func TestReconcileOptions(t *testing.T) {
	t.Parallel()
	i := &instance{}
	n := int64(0)
	number(reflect.ValueOf(&i.cfg).Elem(), &n)
	number(reflect.ValueOf(&i.Pace).Elem(), &n)
	r, c := i.reconcileOptions(), i.cfg
	read := r.Source.(*economicsource.Service)
	keys := map[string][2]any{
		"Concurrency": {read.Budgets.Concurrency, c.Economic.Concurrency}, "budgets' DailyCalls": {read.Budgets.DailyCalls, c.Economic.DailyCalls},
		"pages read": {read.PageSize, i.Pace.PageSize}, "PDFConcurrency": {r.PDFConcurrency, c.PDF.Concurrency}, "DailyCalls": {r.DailyCalls, c.Economic.DailyCalls},
		"PageSize": {r.PageSize, i.Pace.PageSize}, "ListingTurn": {r.ListingTurn, i.Pace.ListingTurn}, "UnpackAtOnce": {r.UnpackAtOnce, i.Pace.UnpackAtOnce},
		"Overlap": {r.Overlap, c.Reconcile.Overlap}, "SweepEvery": {r.SweepEvery, c.Reconcile.SweepEvery},
		"RetryMin": {r.RetryMin, c.Reconcile.RetryMin}, "RetryMax": {r.RetryMax, c.Reconcile.RetryMax}, "HeldRetry": {r.HeldRetry, c.Reconcile.HeldRetry},
		"GapWindow": {r.GapWindow, c.Reconcile.GapWindow}, "LateWithin": {r.LateWithin, c.Reconcile.LateWithin},
		"KeepHistory": {r.KeepHistory, c.Retention.History}, "KeepHints": {r.KeepHints, c.Retention.Hints},
		"LossPercent": {r.LossPercent, c.Reconcile.LossPercent}, "LossMin": {r.LossMin, c.Reconcile.LossMin}, "LossWindow": {r.LossWindow, c.Reconcile.LossWindow},
		"LossWindowPercent": {r.LossWindowPercent, c.Reconcile.LossWindowPercent}, "LossWindowMin": {r.LossWindowMin, c.Reconcile.LossWindowMin},
		"Rereads": {r.Rereads[0], c.Reconcile.Rereads[0]},
	}
	for field, is := range keys {
		if is[0] != is[1] {
			t.Errorf("%s is %v, expected %v", field, is[0], is[1])
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(r)) {
		switch f.Type.Kind() {
		case reflect.Int, reflect.Int64, reflect.Slice:
			if _, known := keys[f.Name]; !known {
				t.Errorf("where does %s come from?", f.Name)
			}
		default:
		}
	}
}

// number sets each numeric field in v to a distinct value.
func number(v reflect.Value, n *int64) {
	switch {
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			number(field, n)
		}
	case v.Kind() == reflect.Int, v.Kind() == reflect.Int64:
		*n++
		v.SetInt(*n)
	case v.Type() == reflect.TypeFor[[]time.Duration]():
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		number(v.Index(0), n)
	}
}
