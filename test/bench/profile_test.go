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

var profileFile = flag.String("bench.profile", "", "file that gets where lagerd's time went in these benchmarks, as its compiler reads it")

// profiles are of the lagerd of all benchmarks.
var profiles struct {
	mu   sync.Mutex
	list []*profile.Profile
}

// profiled gathers the profiles of one of its processes until that or the benchmark
// ends, if they are asked for.
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

// writeProfile writes the profiles as one, without a word of the machine.
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
