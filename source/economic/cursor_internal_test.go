package economic

import (
	"testing"
	"time"

	"lagerd/source"
)

// TestCursor: times are minutes after noon.
func TestCursor(t *testing.T) {
	t.Parallel()
	const never = -1
	at := func(minute int) time.Time {
		if minute == never {
			return time.Time{}
		}
		return time.Date(2026, 11, 26, 12, minute, 0, 0, time.UTC)
	}
	for name, c := range map[string]struct{ was, latest, began, serverDate, want int }{
		"the latest change":                               {never, 28, 30, 30, 28},
		"nothing changed for a long time":                 {never, 10, 30, 30, 25},
		"nothing changed for a long time, no clock":       {never, 10, 30, never, 10},
		"nothing ever changed":                            {never, never, 30, 30, 25},
		"nothing ever changed, no clock":                  {never, never, 30, never, never},
		"a change in the future":                          {never, 50, 30, 30, 30},
		"a change in the future, no clock":                {never, 50, 30, never, 30},
		"e-conomic's clock is behind":                     {never, 28, 30, 20, 20},
		"e-conomic's clock is behind, nothing new":        {never, 10, 30, 20, 15},
		"e-conomic's clock is ahead":                      {never, 28, 30, 50, 28},
		"e-conomic's clock is ahead, nothing new":         {never, 10, 30, 50, 25},
		"it never goes back":                              {29, 28, 30, 30, 29},
		"it never goes back, even if a clock was set":     {29, 28, 30, 10, 29},
		"it never goes back, without a change":            {29, never, 30, never, 29},
		"it advances although the change is known":        {20, 20, 30, 30, 25},
		"it stays while less than the overlap has passed": {27, 27, 30, 30, 27},
	} {
		got := products{}.Cursor(at(c.was), source.Times{Latest: at(c.latest), Began: at(c.began), ServerDate: at(c.serverDate)}, 5*time.Minute)
		if !got.Equal(at(c.want)) {
			t.Errorf("%s: %s, expected %s", name, got.Format("15:04"), at(c.want).Format("15:04"))
		}
	}
}
