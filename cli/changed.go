package cli

import (
	"cmp"
	"fmt"
	"io"

	"lagerd/store"
	"lagerd/terminal"
)

// tellChanged tells which of a shop's settings a command has changed, or that it changed none.
func tellChanged(w io.Writer, shop string, list []store.SettingChange) error {
	if len(list) == 0 {
		_, err := fmt.Fprintf(w, "%s has these settings already: nothing was changed.\n", shop)
		return err
	}
	fmt.Fprintf(w, "%s is changed:\n", shop)
	for _, c := range list {
		text := "stored anew"
		if !c.Secret {
			text = orNone(c.From) + " → " + orNone(c.To)
		}
		if _, err := fmt.Fprintf(w, "  %s: %s\n", c.Name, terminal.Escape(text)); err != nil {
			return err
		}
	}
	return nil
}

func orNone(text string) string { return cmp.Or(text, "none") }

func shownTime(t store.Time) string { return t.UTC().Format(timeShown) + " UTC" }
