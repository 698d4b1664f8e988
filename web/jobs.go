package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"lagerd/lang"
	"lagerd/status"
	"lagerd/store"
)

// jobKind is what a job does.
type jobKind string

const (
	jobLosses   jobKind = "losses"   // reads what a shop would lose
	jobWebhooks jobKind = "webhooks" // sets up a shop's webhooks at e-conomic
)

// job is what an operator asked for that takes longer than an answer may: it calls e-conomic. It
// lives in this lagerd alone.
type job struct {
	ID       string
	Kind     jobKind
	Shop     string
	Began    time.Time
	Ended    time.Time // zero: it goes on
	Reads    string    // what is being read
	Done, Of int       // of that
	Said     []string  // what became of it
	Failure  string    // why it failed; "": it did not
	Losses   *status.Diff

	shop store.Shop // as it was before its losses were read
}

const (
	mostJobs = 4                // at once
	keepJobs = 10 * time.Minute // once they have ended
	jobLasts = 10 * time.Minute
)

// jobs are the latest job of each shop.
type jobs struct {
	mu     sync.Mutex
	byShop map[string]*job
	ended  sync.WaitGroup
}

// of returns a copy of a shop's latest job.
func (j *jobs) of(shop string, now time.Time) (job, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	found := j.byShop[shop]
	if found == nil || !found.Ended.IsZero() && now.Sub(found.Ended) > keepJobs {
		return job{}, false
	}
	return *found, true
}

// forget removes a shop's job.
func (j *jobs) forget(shop, id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if found := j.byShop[shop]; found != nil && found.ID == id {
		delete(j.byShop, shop)
	}
}

// change changes a job.
func (j *jobs) change(of *job, change func(*job)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(of)
}

// add adds a job, unless its shop has one that goes on or too many do.
func (j *jobs) add(n *job, now time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	running := 0
	for shop, old := range j.byShop {
		switch {
		case old.Ended.IsZero():
			running++
		case now.Sub(old.Ended) > keepJobs:
			delete(j.byShop, shop)
		}
	}
	if old := j.byShop[n.Shop]; old != nil && old.Ended.IsZero() {
		return refusal{http.StatusConflict, lang.Text{Danish: "Vent lidt", English: "Wait a moment"},
			lang.Text{Danish: "Butikken bliver allerede læst.", English: "e-conomic is being asked for this shop already."}}
	}
	if running >= mostJobs {
		return refusal{http.StatusServiceUnavailable, lang.Text{Danish: "Vent lidt", English: "Wait a moment"},
			lang.Text{Danish: "Andre butikker bliver læst. Prøv igen om lidt.", English: "e-conomic is being asked for other shops. Try again in a moment."}}
	}
	if j.byShop == nil {
		j.byShop = map[string]*job{}
	}
	j.byShop[n.Shop] = n
	return nil
}

// begin starts a job of a visitor's, and goes on without the visitor.
func (p *Page) begin(v *visit, n *job, do func(ctx context.Context, n *job) error) error {
	n.ID, n.Began = rand.Text(), v.now
	if err := p.jobs.add(n, v.now); err != nil {
		return err
	}
	actor := v.actor()
	p.jobs.ended.Go(func() {
		ctx, cancel := context.WithTimeout(store.By(p.stopped, actor), jobLasts)
		defer cancel()
		err := do(ctx, n)
		p.jobs.change(n, func(n *job) {
			n.Ended = p.Now()
			switch {
			case p.stopped.Err() != nil:
				n.Failure = "lagerd stopped meanwhile"
			case errors.Is(err, context.DeadlineExceeded):
				n.Failure = fmt.Sprintf("it took longer than %s", jobLasts)
			case err != nil:
				n.Failure = err.Error()
			}
		})
	})
	return nil
}

// Wait waits until everything that the page has begun has ended, after Stop.
func (p *Page) Wait() { p.jobs.ended.Wait() }
