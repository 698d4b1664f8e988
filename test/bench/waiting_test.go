package bench_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// Average contents of a commit in a burst over 64 connections.
const (
	commitHints = 13
	commitShops = 10
)

// BenchmarkWaiting measures a burst over 64 connections if a commit took only time: the calls
// of the server that stores nothing wait as they would for lagerd's commits, each as long as
// one on an idle machine.
func BenchmarkWaiting(b *testing.B) {
	once(b, func() {
		l := install(b, false, "http://127.0.0.1:1", burstShops, never)
		numbers := make([]string, burstCalls)
		for i := range numbers {
			numbers[i] = fmt.Sprint("item-", i)
		}
		requests := webhookCalls(burstShops, numbers)
		plain := startPlain(b, 0)
		var shares, rates, commits []float64
		for range *rounds {
			commit := commitAlone(b, l)
			waiting := startPlain(b, commit)
			without := send(b, plain, 64, requests)
			with := send(b, waiting, 64, requests)
			if with.refused > 0 || without.refused > 0 {
				b.Errorf("%d of %d webhooks were refused, %d by the server that waits for nothing", with.refused, burstCalls, without.refused)
			}
			commits = append(commits, milliseconds(commit))
			rates = append(rates, with.perSecond())
			shares = append(shares, with.perSecond()/without.perSecond())
		}
		note(b, "burst if commits only took their time, 64 connections: share of the same server, storing nothing", "of its requests/s", shares, "for comparison")
		note(b, "burst if commits only took their time, 64 connections", "requests/s", rates, "for comparison")
		note(b, "such a commit alone", "ms", commits, "for comparison")
	})
}

// commitAlone returns the average time to record the webhooks of one commit of a burst on an
// idle machine.
func commitAlone(b *testing.B, l *lagerd) time.Duration {
	b.Helper()
	l.exec("DELETE FROM hint_batches")
	l.flushed()
	hints := make([]store.HintRecord, commitHints)
	for i := range hints {
		hints[i] = store.HintRecord{Shop: shopName(i * commitShops / commitHints), Kind: plan.KindStock, Number: fmt.Sprint("item-", i), Cause: plan.CauseWebhook, At: time.Now()}
	}
	const commits = 1000
	began := time.Now()
	for range commits {
		must(b, l.store.RecordWebhooks(b.Context(), hints))
	}
	return time.Since(began) / commits
}

// waitingCommitter makes calls wait as for commits of the given duration.
func waitingCommitter(commit time.Duration) (*webhook.Committer, error) {
	over, err := oversleep()
	if err != nil {
		return nil, err
	}
	if over >= commit {
		return nil, fmt.Errorf("the system oversleeps by %s: expected less than the %s of a commit", over, commit)
	}
	return webhook.NewCommitter(webhook.CommitterOptions{Write: func(context.Context, []webhook.Hint) error {
		return sleep(commit - over)
	}}), nil
}

// sleep uses the system call, since the runtime's timers are coarser than a commit is long.
func sleep(d time.Duration) error {
	left := syscall.NsecToTimespec(int64(d))
	for {
		t := left
		if err := syscall.Nanosleep(&t, &left); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// oversleep returns by how much the system oversleeps on average.
func oversleep() (time.Duration, error) {
	const asked, times = 100 * time.Microsecond, 100
	began := time.Now()
	for range times {
		if err := sleep(asked); err != nil {
			return 0, fmt.Errorf("sleep: %w", err)
		}
	}
	return time.Since(began)/times - asked, nil
}
