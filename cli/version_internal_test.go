package cli

import (
	"runtime/debug"
	"testing"
)

// TestBuild: what a binary says of itself, by what it was stamped with.
func TestBuild(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: "2026-11-30T21:27:28Z"}, {Key: "vcs.modified", Value: "true"}}
	for _, c := range []struct {
		name, stamp string
		info        *debug.BuildInfo
		want        string
	}{
		{"by make", "v1.4.0 " + commit + " 2026-11-30T21:27:28Z", &debug.BuildInfo{Settings: vcs}, "lagerd v1.4.0 (commit " + commit + ", 2026-11-30T21:27:28Z)"},
		{"by go build", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs}, "lagerd devel-0123456789ab+dirty (commit " + commit + ", 2026-11-30T21:27:28Z)"},
		{"by go install", "", &debug.BuildInfo{Main: debug.Module{Version: "v1.4.0"}}, "lagerd v1.4.0"},
		{"without git", "", &debug.BuildInfo{}, "lagerd devel"},
		{"without a date", "", &debug.BuildInfo{Settings: vcs[:1]}, "lagerd devel-0123456789ab (commit " + commit + ", of an unknown date)"},
		{"without anything", "", nil, "lagerd unknown"},
	} {
		if got := buildOf(c.stamp, c.info).String(); got != c.want {
			t.Errorf("%s: %q, expected %q", c.name, got, c.want)
		}
	}
}
