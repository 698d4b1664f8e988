package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestQueue has one row per rule of a queue of four, of which a take takes up to three of a shop. "a1" adds call 1 of shop a, and "3" takes up
// to three; the answers are the call that was refused, and those that were taken.
func TestQueue(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, do, want string }{
		{"a shop's calls keep their order", "a1 a2 a3 2 2", ". . . a1,a2 a3"},
		{"the shops take turns", "a1 a2 a3 b1 4", ". . . . a1,b1,a2,a3"},
		{"a turn goes on where the last one ended", "a1 a2 b1 b2 1 1 1 1", ". . . . a1 b1 a2 b2"},
		{"a shop that comes anew has the last turn", "a1 b1 1 a2 c1 3", ". . a1 . . b1,a2,c1"},
		{"a shop that was emptied begins anew", "a1 1 a2 b1 2 1", ". a1 . . a2,b1 -"},
		{"one shop may fill the queue", "a1 a2 a3 a4 4 4", ". . . . a1,a2,a3 a4"},
		{"and no more", "a1 a2 a3 a4 a5 4", ". . . . a5 a1,a2,a3"},
		{"its newest gives way to another shop's", "a1 a2 a3 a4 b1 4", ". . . . a4 a1,b1,a2,a3"},
		{"until both have as many", "a1 a2 a3 a4 b1 b2 b3 4", ". . . . a4 a3 b3 a1,b1,a2,b2"},
		{"none gives way to a shop that would then have as many", "a1 a2 b1 c1 b2 4", ". . . . b2 a1,b1,c1,a2"},
		{"nor to a shop that has the most", "a1 a2 a3 b1 a4 4", ". . . . a4 a1,b1,a2,a3"},
		{"nor where each has one", "a1 b1 c1 d1 e1 4", ". . . . e1 a1,b1,c1,d1"},
		{"the longest gives way, whoever came first", "b1 a1 a2 a3 c1 4", ". . . . a3 b1,a1,c1,a2"},
		{"what was taken makes room", "a1 a2 a3 a4 1 a5 a6 4", ". . . . a1 . a6 a2,a3,a4"},
	} {
		q := newQueue(4, 100)
		var got []string
		for op := range strings.FieldsSeq(row.do) {
			answer := "."
			if n := strings.IndexAny(op, "abcde"); n < 0 {
				taken, _ := q.take(nil, int(op[0]-'0'), 3, 0)
				answer = names(taken)
			} else if refused := q.add(callOf(op)); refused != nil {
				answer = names([]*waiting{refused})
			}
			got = append(got, answer)
		}
		if got := strings.Join(got, " "); got != row.want {
			t.Errorf("%s: %s\n got %s\nwant %s", row.name, row.do, got, row.want)
		}
	}
}

func callOf(name string) *waiting { return &waiting{hint: Hint{Shop: name[:1], Number: name[1:]}} }

func names(calls []*waiting) string {
	if len(calls) == 0 {
		return "-"
	}
	var list []string
	for _, w := range calls {
		list = append(list, w.hint.Shop+w.hint.Number)
	}
	return strings.Join(list, ",")
}

// TestCrowds has one row per rule of a queue in which a shop with three calls is a crowd. "4/2" takes
// up to four calls, two of them of crowds.
func TestCrowds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, do, want string }{
		{"no more are taken of a crowd than may be", "a1 a2 a3 a4 a5 9/0 9/1 9/0", "- a1 -"},
		{"those of the others are, after them", "a1 a2 a3 a4 a5 9/0 b1 b2 9/2", "- a1,a2,b1,b2"},
		{"whether or not it has a turn", "a1 a2 a3 a4 a5 9/0 b1 b2 9/0", "- b1,b2"},
		{"crowds take turns", "a1 a2 a3 a4 b1 b2 b3 b4 9/0 9/3", "- a1,b1,a2,a3,a4"},
		{"one that has shrunk is none any more", "a1 a2 a3 9/0 9/1 9/0", "- a1,a2,a3 -"},
		{"a shop becomes one", "a1 a2 9/0 a3 a4 a5 9/0 9/1", "a1,a2 - a3,a4,a5"},
	} {
		q := newQueue(20, 3)
		var got []string
		for op := range strings.FieldsSeq(row.do) {
			if n, crowded, takes := strings.Cut(op, "/"); takes {
				taken, _ := q.take(nil, int(n[0]-'0'), 9, int(crowded[0]-'0'))
				got = append(got, names(taken))
			} else if refused := q.add(callOf(op)); refused != nil {
				t.Errorf("%s: %s was refused", row.name, op)
			}
		}
		if got := strings.Join(got, " "); got != row.want {
			t.Errorf("%s: %s\n got %s\nwant %s", row.name, row.do, got, row.want)
		}
	}
}

// TestQueueOfAny compares a queue with a plain model of its rules, in any order of calls.
func TestQueueOfAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		model := map[string][]string{} // the shops' calls
		var turns []string             // the shops in the order of their turns
		var crowds []string
		crowd := rapid.IntRange(2, 8).Draw(t, "crowd")
		q := newQueue(limit, crowd)
		size := 0
		for n := range rapid.IntRange(0, 80).Draw(t, "operations") {
			if rapid.IntRange(0, 3).Draw(t, "take") == 0 { //nolint:nestif // the model of taking
				var want []string
				most := rapid.IntRange(0, 5).Draw(t, "most")
				share, took := rapid.IntRange(1, 4).Draw(t, "share"), map[string]int{}
				crowded, ofCrowds := rapid.IntRange(0, 3).Draw(t, "crowded"), 0
				pop := func(of *[]string) {
					shop := (*of)[0]
					took[shop]++
					*of = (*of)[1:]
					want = append(want, model[shop][0])
					switch model[shop] = model[shop][1:]; {
					case len(model[shop]) >= crowd:
						crowds = append(crowds, shop)
					case len(model[shop]) > 0:
						turns = append(turns, shop)
					}
					size--
				}
				if ready, want := q.ready(crowded), len(turns) > 0 || crowded > 0 && len(crowds) > 0; ready != want {
					t.Fatalf("ready: %t, want %t", ready, want)
				}
				for ; len(want) < most && ofCrowds < crowded && len(crowds) > 0 && took[crowds[0]] < share; ofCrowds++ {
					pop(&crowds)
				}
				for len(want) < most && len(turns) > 0 {
					if shop := turns[0]; len(model[shop]) >= crowd {
						turns, crowds = turns[1:], append(crowds, shop)
						continue
					} else if took[shop] == share {
						break
					}
					pop(&turns)
				}
				got, gotOfCrowds := q.take(nil, most, share, crowded)
				if gotOfCrowds != ofCrowds {
					t.Fatalf("took %d of crowds, want %d", gotOfCrowds, ofCrowds)
				}
				for _, w := range got {
					if w.older != nil || w.newer != nil {
						t.Fatalf("%s is taken, and still linked", names([]*waiting{w}))
					}
				}
				if names(got) != cmp.Or(strings.Join(want, ","), "-") {
					t.Fatalf("took %s, want %v", names(got), want)
				}
			} else {
				shop := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "shop")
				longest := 0
				for _, calls := range model {
					longest = max(longest, len(calls))
				}
				name := fmt.Sprint(shop, n)
				refused := q.add(callOf(name))
				switch {
				case size < limit:
					if refused != nil {
						t.Fatalf("%s was refused with room", names([]*waiting{refused}))
					}
					size++
				case len(model[shop])+1 >= longest:
					if refused == nil || names([]*waiting{refused}) != name {
						t.Fatalf("%s was not refused", name)
					}
					continue
				default:
					if refused == nil {
						t.Fatal("none was refused in a full queue")
					}
					from := refused.hint.Shop
					calls := model[from]
					if len(calls) != longest || calls[len(calls)-1] != names([]*waiting{refused}) {
						t.Fatalf("%s was refused, want the newest of a shop with %d", names([]*waiting{refused}), longest)
					}
					model[from] = calls[:len(calls)-1]
				}
				if len(model[shop]) == 0 {
					turns = append(turns, shop)
				}
				model[shop] = append(model[shop], name)
			}
			if q.size != size {
				t.Fatalf("size %d, want %d", q.size, size)
			}
			shops := 0
			for _, calls := range model {
				if len(calls) > 0 {
					shops++
				}
			}
			if len(q.lines) != shops {
				t.Fatalf("%d shops are kept, want %d", len(q.lines), shops)
			}
		}
		rest, _ := q.take(nil, limit, limit, limit)
		rest, _ = q.take(rest, limit, limit, limit) // those that were crowds
		if len(rest) != size || q.longest != 0 || slices.ContainsFunc(q.byLength, func(l *line) bool { return l != nil }) {
			t.Fatalf("%d are left, want %d; then the longest has %d", len(rest), size, q.longest)
		}
	})
}
