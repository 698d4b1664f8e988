package move

import (
	"strings"
	"testing"
	"time"

	"lagerd/store"
)

// TestJudge: the table of judge.
func TestJudge(t *testing.T) {
	t.Parallel()
	mine := &store.Move{Source: "a", Other: "host:/lagerd.db"}
	ended := *mine
	ended.Ended = store.At(time.Date(2026, 11, 30, 21, 0, 0, 0, time.UTC))
	other := &store.Move{Source: "b", Other: "elsewhere:/lagerd.db"}
	some := []string{"items", "move", "shops"}
	for _, test := range []struct {
		what      string
		tables    []string
		mine, its *store.Move
		want      state
		refused   string
	}{
		{"empty", nil, nil, nil, fresh, ""},
		{"empty, and begun elsewhere before", nil, mine, nil, fresh, ""},
		{"ended before its first row", []string{"move"}, mine, nil, fresh, ""},
		{"a part", some, mine, mine, resumed, ""},
		{"recorded only", []string{"move"}, mine, mine, resumed, ""},
		{"used since", some, mine, &ended, fresh, "used since"},
		{"another move's", some, mine, other, fresh, "elsewhere:/lagerd.db"},
		{"another move's, and this begins", some, nil, other, fresh, "elsewhere:/lagerd.db"},
		{"a lagerd's", some[:1], mine, nil, fresh, "not empty: it has the table items"},
		{"another program's", []string{"wp_posts", "wp_users"}, nil, nil, fresh, "wp_posts and 1 more"},
	} {
		got, err := judge(test.tables, test.mine, test.its)
		if got != test.want || (err == nil) != (test.refused == "") || err != nil && !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: %v, %v", test.what, got, err)
		}
	}
}
