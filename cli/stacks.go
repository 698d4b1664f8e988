package cli

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// mostStackLines is how many lines a lagerd that is aborted leaves in its log.
const mostStackLines = 150

// stacks returns the stacks of all goroutines, as far as they fit.
func stacks() string {
	const most = 8 << 20
	buf := make([]byte, most)
	return string(buf[:runtime.Stack(buf, true)])
}

// varies are the parts of a stack that differ between goroutines that do the same.
var varies = regexp.MustCompile(`\((?:0x|\{|\.\.\.)[^\n]*\)|\+0x[0-9a-f]+|0x[0-9a-f]+| in goroutine \d+`)

// condense returns a dump of goroutines in that many lines at most: goroutines that do the same are
// shown once, and the rarest come first, since what hangs is rarely the crowd.
func condense(dump string, most int) string {
	type group struct {
		state, stack string
		count        int
	}
	var groups []*group
	bySame := map[string]*group{}
	for text := range strings.SplitSeq(strings.TrimSpace(dump), "\n\n") {
		head, stack, ok := strings.Cut(text, "\n")
		if !ok {
			continue
		}
		same := varies.ReplaceAllString(stack, "")
		if g := bySame[same]; g != nil {
			g.count++
			continue
		}
		state := "?"
		if from, to := strings.IndexByte(head, '['), strings.LastIndexByte(head, ']'); from >= 0 && to > from {
			state = head[from+1 : to]
		}
		g := &group{state, stack, 1}
		groups, bySame[same] = append(groups, g), g
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return a.count - b.count })
	var lines []string
	for n, g := range groups {
		stack := strings.Split(g.stack, "\n")
		if len(lines)+1+len(stack) > most-1 {
			lines = append(lines, fmt.Sprintf("and %d more kinds of goroutines", len(groups)-n))
			break
		}
		lines = append(append(lines, fmt.Sprintf("%d goroutine(s) [%s]:", g.count, g.state)), stack...)
	}
	return strings.Join(lines, "\n")
}
