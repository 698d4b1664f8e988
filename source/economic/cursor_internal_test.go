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
		"nothing has changed for long":                    {never, 10, 30, 30, 25},
		"nothing has changed for long, and no clock":      {never, 10, 30, never, 10},
		"nothing has ever changed":                        {never, never, 30, 30, 25},
		"nothing has ever changed, and no clock":          {never, never, 30, never, never},
		"a change in the future":                          {never, 50, 30, 30, 30},
		"a change in the future, and no clock":            {never, 50, 30, never, 30},
		"e-conomic's clock is behind":                     {never, 28, 30, 20, 20},
		"e-conomic's clock is behind, and nothing new":    {never, 10, 30, 20, 15},
		"e-conomic's clock is ahead":                      {never, 28, 30, 50, 28},
		"e-conomic's clock is ahead, and nothing new":     {never, 10, 30, 50, 25},
		"it never goes back":                              {29, 28, 30, 30, 29},
		"it never goes back, by a clock that was set":     {29, 28, 30, 10, 29},
		"it never goes back, where there is no change":    {29, never, 30, never, 29},
		"it follows although what changed is known":       {20, 20, 30, 30, 25},
		"it stays while less than the overlap has passed": {27, 27, 30, 30, 27},
	} {
		got := products{}.Cursor(at(c.was), source.Times{Latest: at(c.latest), Began: at(c.began), ServerDate: at(c.serverDate)}, 5*time.Minute)
		if !got.Equal(at(c.want)) {
			t.Errorf("%s: %s, expected %s", name, got.Format("15:04"), at(c.want).Format("15:04"))
		}
	}
}
