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
				taken := q.take(nil, int(op[0]-'0'), 3)
				q.answered(len(taken))
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

// TestCrowds has one row per rule of a queue of nine in which a shop with three calls is a crowd. "=2"
// lets two calls of crowds be taken, "4" takes up to four calls, up to three of a shop, and "!4" answers four.
func TestCrowds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, do, want string }{
		{"no more than the quota is taken of a crowd", "a1 a2 a3 a4 a5 =1 9 9 =2 9", "a1 - a2,a3,a4"},
		{"others take their turns beside it", "a1 a2 a3 a4 a5 b1 b2 =1 9 b3 9", "a1,b1,b2 b3"},
		{"however few are taken", "a1 a2 a3 a4 a5 b1 b2 =5 1 1 1", "a1 b1 a2"},
		{"crowds share the quota", "a1 a2 a3 a4 a5 b1 b2 b3 b4 =3 9", "a1,b1,a2"},
		{"one that has shrunk is none any more", "a1 a2 a3 =1 9", "a1,a2,a3"},
		{"but has had its share", "a1 a2 a3 a4 b1 =2 9 9", "a1,b1,a2,a3 a4"},
		{"a shop becomes one", "a1 a2 9 a3 a4 a5 9 =1 9", "a1,a2 - a3,a4,a5"},
		{"taken calls count as queued", "a1 a2 a3 b1 c1 =9 9 a4 a5 a6 a7 a8 !1 a9", "a1,b1,c1,a2,a3 a8"},
		{"but not for a shop's first call", "a1 a2 b1 b2 c1 c2 d1 d2 e1 9 f1 f2", "a1,b1,c1,d1,e1,a2,b2,c2,d2 f2"},
	} {
		q := newQueue(9, 3)
		var got []string
		for op := range strings.FieldsSeq(row.do) {
			switch n := int(op[len(op)-1] - '0'); {
			case op[0] == '=':
				q.refill(n)
			case op[0] == '!':
				q.answered(n)
			case len(op) == 1:
				got = append(got, names(q.take(nil, n, 3)))
			default:
				if refused := q.add(callOf(op)); refused != nil {
					got = append(got, names([]*waiting{refused}))
				}
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
		limit, crowd := rapid.IntRange(1, 12).Draw(t, "limit"), rapid.IntRange(2, 8).Draw(t, "crowd")
		q := newQueue(limit, crowd)
		model := map[string][]string{} // the shops' calls
		var turns, aside []string      // the shops in the order of their turns; those without a quota
		size, taken, quota := 0, 0, 0
		for n := range rapid.IntRange(0, 80).Draw(t, "operations") {
			switch rapid.IntRange(0, 9).Draw(t, "operation") {
			case 0, 1:
				var want []string
				most := rapid.IntRange(0, 5).Draw(t, "most")
				share, took := rapid.IntRange(1, 4).Draw(t, "share"), map[string]int{}
				for len(want) < most && len(turns) > 0 {
					shop := turns[0]
					is := len(model[shop]) >= crowd
					if is && quota == 0 {
						turns, aside = turns[1:], append(aside, shop)
						continue
					}
					if took[shop] == share {
						break
					}
					took[shop]++
					if is {
						quota--
					}
					turns = turns[1:]
					want = append(want, model[shop][0])
					if model[shop] = model[shop][1:]; len(model[shop]) > 0 {
						turns = append(turns, shop)
					}
				}
				size, taken = size-len(want), taken+len(want)
				got := q.take(nil, most, share)
				for _, w := range got {
					if w.older != nil || w.newer != nil {
						t.Fatalf("%s is taken, and still linked", names([]*waiting{w}))
					}
				}
				if names(got) != cmp.Or(strings.Join(want, ","), "-") {
					t.Fatalf("took %s, want %v", names(got), want)
				}
			case 2:
				calls := rapid.IntRange(0, taken).Draw(t, "answered")
				taken -= calls
				q.answered(calls)
			case 3:
				quota = rapid.IntRange(0, 4).Draw(t, "quota")
				turns, aside = append(turns, aside...), nil
				q.refill(quota)
			default:
				shop := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "shop")
				longest := 0
				for _, calls := range model {
					longest = max(longest, len(calls))
				}
				name := fmt.Sprint(shop, n)
				refused := q.add(callOf(name))
				full := size+taken >= limit
				switch {
				case full && len(model[shop])+1 < longest:
					if refused == nil {
						t.Fatal("none was refused in a full queue")
					}
					from := refused.hint.Shop
					calls := model[from]
					if len(calls) != longest || calls[len(calls)-1] != names([]*waiting{refused}) {
						t.Fatalf("%s was refused, want the newest of a shop with %d", names([]*waiting{refused}), longest)
					}
					model[from] = calls[:len(calls)-1]
				case full && (size >= limit || len(model[shop]) > 0):
					if refused == nil || names([]*waiting{refused}) != name {
						t.Fatalf("%s was not refused", name)
					}
					continue
				case refused != nil:
					t.Fatalf("%s was refused with room", names([]*waiting{refused}))
				default:
					size++
				}
				if len(model[shop]) == 0 {
					turns = append(turns, shop)
				}
				model[shop] = append(model[shop], name)
			}
			if q.size != size || q.quota != quota {
				t.Fatalf("size %d and quota %d, want %d and %d", q.size, q.quota, size, quota)
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
		q.refill(limit)
		if rest := q.take(nil, limit, limit); len(rest) != size || q.longest != 0 || slices.ContainsFunc(q.byLength, func(l *line) bool { return l != nil }) {
			t.Fatalf("%d are left, want %d; then the longest has %d", len(rest), size, q.longest)
		}
	})
}
