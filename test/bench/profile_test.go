package bench_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/google/pprof/profile"

	"lagerd/test/lagerdtest"
)

var profileFile = flag.String("bench.profile", "", "file to write lagerd's CPU profile of these benchmarks to, for PGO")

// profiles are those of the lagerd of all benchmarks.
var profiles struct {
	mu   sync.Mutex
	list []*profile.Profile
}

// profiled collects profiles of one process until it or the benchmark ends, if requested.
func (l *lagerd) profiled(of *lagerdtest.Process) {
	if *profileFile == "" {
		return
	}
	ctx, stop := context.WithCancel(l.b.Context())
	var gathering sync.WaitGroup
	gathering.Go(func() {
		for {
			p, err := readProfile(ctx, l.Admin)
			if ctx.Err() != nil || of.Ordered.Load() || !of.Running() {
				return
			}
			if err != nil {
				l.b.Errorf("read lagerd's profile: %v", err)
				return
			}
			profiles.mu.Lock()
			profiles.list = append(profiles.list, p)
			profiles.mu.Unlock()
		}
	})
	l.b.Cleanup(func() {
		stop()
		gathering.Wait()
	})
}

func readProfile(ctx context.Context, admin string) (*profile.Profile, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/debug/pprof/profile?seconds=1", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", res.Status, raw)
	}
	return profile.ParseData(raw)
}

// writeProfile writes the merged profiles, without data about the machine.
func writeProfile() error {
	if *profileFile == "" {
		return nil
	}
	merged, err := profile.Merge(profiles.list)
	if err != nil {
		return fmt.Errorf("merge %d profiles: %w", len(profiles.list), err)
	}
	for _, m := range merged.Mapping {
		m.File, m.BuildID = "", ""
	}
	merged.TimeNanos = 0
	var out bytes.Buffer
	if err := merged.Write(&out); err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	return os.WriteFile(*profileFile, out.Bytes(), 0o644)
}
