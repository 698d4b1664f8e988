package bench_test

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"lagerd/reconcile/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// What a commit carries on average in a burst over 64 connections.
const (
	commitHints = 13
	commitShops = 10
)

// BenchmarkWaiting: what a burst over 64 connections would come to if a commit took
// nothing but its time: the server that stores nothing has its calls wait as they wait
// for lagerd's commits, each for as long as one takes that has the machine to itself.
func BenchmarkWaiting(b *testing.B) {
	once(b, func() {
		l := install(b, false, "http://127.0.0.1:1", burstShops, never)
		numbers := make([]string, burstCalls)
		for i := range numbers {
			numbers[i] = fmt.Sprint("item-", i)
		}
		requests := webhookCalls(burstShops, numbers)
		plain := startPlain(b, 0)
		var list []row
		var commits []float64
		for range *rounds {
			commit := commitAlone(b, l)
			commits = append(commits, milliseconds(commit))
			waiting := startPlain(b, commit)
			without := send(b, plain, 64, requests)
			list = append(list, row{send(b, waiting, 64, requests).perSecond(), without.perSecond()})
		}
		report(b, "burst if commits only took their time, 64 connections", "requests/s", list, "for comparison")
		note(b, "such a commit alone, p50", "ms", commits, "for comparison")
	})
}

// commitAlone returns how long webhooks of one commit of a burst take to be recorded
// while nothing else runs.
func commitAlone(b *testing.B, l *lagerd) time.Duration {
	b.Helper()
	hints := make([]store.HintRecord, commitHints)
	for i := range hints {
		hints[i] = store.HintRecord{Shop: shopName(i * commitShops / commitHints), Kind: plan.KindStock, Number: fmt.Sprint("item-", i), Cause: plan.CauseWebhook, At: time.Now()}
	}
	took := make([]time.Duration, 1000)
	for i := range took {
		began := time.Now()
		must(b, l.store.RecordWebhooks(b.Context(), hints))
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// committer has calls wait as they wait for commits that take so long.
func committer(ctx context.Context, commit time.Duration) webhook.Recorder {
	pause := commit - oversleep()
	c := webhook.NewCommitter(webhook.CommitterOptions{Write: func(context.Context, []webhook.Hint) error {
		sleep(pause)
		return nil
	}})
	go func() { _ = c.Run(ctx) }() // as long as the process
	return c
}

// sleep is by the system: the runtime's timers are coarser than a commit is long.
func sleep(d time.Duration) {
	if d > 0 {
		t := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&t, nil)
	}
}

// oversleep returns how much longer than asked for the system sleeps.
func oversleep() time.Duration {
	const asked = 100 * time.Microsecond
	took := make([]time.Duration, 100)
	for i := range took {
		began := time.Now()
		sleep(asked)
		took[i] = time.Since(began) - asked
	}
	slices.Sort(took)
	return took[len(took)/2]
}
