package move_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/move"
	"lagerd/store"
)

// TestFit: what a server holds exactly gets one form, whichever database it comes from; what it
// would refuse or change is an error that does not quote it.
func TestFit(t *testing.T) {
	t.Parallel()
	decimal := store.Column{Name: "stock", Type: "DECIMAL", Length: 19, Scale: 4, Null: true}
	text := store.Column{Name: "name", Type: "VARCHAR", Length: 4}
	at := store.Column{Name: "at", Type: "DATETIME", Length: 6}
	date := store.Column{Name: "date", Type: "DATE"}
	hash := store.Column{Name: "hash", Type: "BINARY", Length: 2}
	blob := store.Column{Name: "pdf", Type: "MEDIUMBLOB"}
	long := store.Column{Name: "data", Type: "MEDIUMTEXT"}
	const refused = "refused"
	for _, test := range []struct {
		column store.Column
		value  any
		want   any
	}{
		{store.Column{Type: "BIGINT"}, int64(1) << 62, int64(1) << 62},
		{store.Column{Type: "BIGINT"}, "1", refused},
		{store.Column{Type: "BIGINT"}, 1.0, refused},
		{store.Column{Type: "INT"}, int64(1) << 31, refused},
		{store.Column{Type: "INT"}, int64(-1) << 31, int64(-1) << 31},
		{store.Column{Type: "TINYINT"}, int64(128), refused},
		{store.Column{Type: "TINYINT"}, int64(1), int64(1)},
		{store.Column{Type: "JSON"}, "{}", refused},

		{decimal, nil, nil},
		{decimal, "5", "5.0000"},
		{decimal, []byte("5.0000"), "5.0000"},
		{decimal, int64(-5), "-5.0000"},
		{decimal, "-0.50", "-0.5000"},
		{decimal, "-0", "0.0000"},
		{decimal, "007.10", "7.1000"},
		{decimal, "100", "100.0000"},
		{decimal, "999999999999999.9999", "999999999999999.9999"},
		{decimal, "1000000000000000", refused},
		{decimal, "0.00001", refused},
		{decimal, "0.10000000", "0.1000"},
		{decimal, "1e5", refused},
		{decimal, "NaN", refused},
		{decimal, "", refused},
		{decimal, ".", refused},
		{decimal, "-", refused},
		{decimal, 0.1, refused},

		{at, "2026-11-30 21:00:00.123456", "2026-11-30 21:00:00.123456"},
		{at, "2026-11-30 21:00:00", "2026-11-30 21:00:00.000000"},
		{at, time.Date(2026, 11, 30, 21, 0, 0, 123456000, time.UTC), "2026-11-30 21:00:00.123456"},
		{at, "2026-11-30 21:00:00.1234567", refused},
		{at, "2026-11-30T21:00:00Z", refused},
		{at, "2026-02-30 21:00:00.000000", refused},
		{at, "0001-01-01 00:00:00.000000", refused},
		{at, int64(0), refused},
		{at, nil, refused},
		{date, "2026-11-30", "2026-11-30"},
		{date, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), "2026-11-30"},
		{date, "0000-00-00", refused},
		{date, "2026-11-31", refused},

		{text, "abc ", "abc "},
		{text, []byte("abc"), "abc"},
		{text, "æ𝄞\x00ø", "æ𝄞\x00ø"},
		{text, "æøå𝄞x", refused},
		{text, "a\xff", refused},
		{text, "\xed\xa0\x80", refused}, // half of a surrogate pair
		{text, int64(1), refused},
		{text, "", ""},
		{store.Column{Type: "CHAR", Length: 4}, "abc", "abc"},
		{store.Column{Type: "CHAR", Length: 4}, "abc ", refused},
		{long, strings.Repeat("x", 1<<24), refused},
		{long, strings.Repeat("x", 70_000), strings.Repeat("x", 70_000)},

		{hash, []byte{0, 255}, []byte{0, 255}},
		{hash, "ab", []byte("ab")},
		{hash, []byte{0}, refused},
		{hash, []byte{0, 1, 2}, refused},
		{hash, int64(1), refused},
		{blob, []byte{}, []byte{}},
		{blob, bytes.Repeat([]byte{0}, 1<<24), refused},
	} {
		got, err := move.Fit(test.column, test.value)
		if test.want == refused {
			if quoted, isText := test.value.(string); err == nil || isText && len(quoted) > 2 && strings.Contains(err.Error(), quoted) {
				t.Errorf("%s %.30q: %v, %v", test.column.Type, test.value, got, err)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s %.30q: %v %s", test.column.Type, test.value, err, diff)
		}
	}
}
