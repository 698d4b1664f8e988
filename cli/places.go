package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"lagerd/act"
	"lagerd/budget"
	"lagerd/config"
	"lagerd/rackbeat"
	rackbeatsource "lagerd/source/rackbeat"
	"lagerd/store"
	"lagerd/terminal"
)

type placesCmd struct {
	Shop            string `arg:"" help:"The shop."`
	RackbeatKeyFile string `help:"File with the key of a Rackbeat account, to see its places before the shop is moved there; '-' for standard input. Default: the key that is stored." placeholder:"FILE"`
	JSON            bool   `help:"As JSON."`
}

func (placesCmd) Help() string {
	return "Read-only. Reads the places of the shop's Rackbeat account there, or of the account of another key, which is not stored. What is in a place counts in those around it too, so none that is inside a chosen one can be chosen."
}

func (cmd placesCmd) Run(c *call) error {
	cfg, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	at, err := cmd.account(c, cfg, s, shop)
	if err != nil {
		return err
	}
	all, err := readPlaces(c.ctx, at)
	if closed := at.Close(c.ctx); closed != nil {
		fmt.Fprintf(c.Stderr, "Note: calls to Rackbeat that were booked and not made count as made: %s\n", terminal.Line(closed.Error()))
	}
	if err != nil {
		return err
	}
	chosen := shop.ChosenPlaces()
	if cmd.RackbeatKeyFile != "" {
		chosen = nil // it may be another account's
	}
	for _, number := range chosen {
		if !slices.ContainsFunc(all, func(p rackbeat.Place) bool { return p.Number == number }) {
			fmt.Fprintf(c.Stderr, "Warning: place %s is chosen, and Rackbeat does not list it\n", number)
		}
	}
	list := nested(all, chosen)
	if cmd.JSON {
		e := json.NewEncoder(c.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	return writePlaces(c.Stdout, list, c.columns)
}

// account opens the account of the key that is given or, if none is, of the shop's.
func (cmd placesCmd) account(c *call, cfg config.Config, s *store.Store, shop store.Shop) (act.RackbeatAccount, error) {
	if cmd.RackbeatKeyFile == "" && !shop.ReadsRackbeat() {
		return act.RackbeatAccount{}, fmt.Errorf("the stock of %[1]s is not read from Rackbeat: name the file with its account's key, `lagerd shops places %[1]s --rackbeat-key-file FILE`", cmd.Shop)
	}
	if cmd.RackbeatKeyFile == "" {
		progress, err := s.Progress(c.ctx, cmd.Shop)
		if err != nil {
			return act.RackbeatAccount{}, err
		}
		return openRackbeat(cfg, s, shop, progress)
	}
	key, err := c.readRackbeatKey(cfg, cmd.RackbeatKeyFile)
	if err != nil {
		return act.RackbeatAccount{}, err
	}
	asked, err := acting(cfg, s, nil).Rackbeat()
	if err != nil {
		return act.RackbeatAccount{}, err
	}
	at := asked.Open(key, store.Progress{})
	self, err := at.Self(c.ctx)
	if err != nil {
		return act.RackbeatAccount{}, errors.Join(err, asked.Close(c.ctx))
	}
	_, err = fmt.Fprintf(c.Stderr, "Rackbeat says: %s\n", accountName(self))
	return at, err
}

// readPlaces reads the places of the account. An error says what to do.
func readPlaces(ctx context.Context, a act.RackbeatAccount) ([]rackbeat.Place, error) {
	all, err := a.Raw.Places(ctx, budget.PriorityPerson)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, act.ToDoAtRackbeat(err))
	}
	return all, nil
}

// checkPlaces returns an error if the shop's stock cannot be read in the places chosen for it.
func checkPlaces(ctx context.Context, a act.RackbeatAccount, shop store.Shop) error {
	if shop.Places == "" {
		return nil
	}
	all, err := readPlaces(ctx, a)
	if err != nil {
		return err
	}
	if err := rackbeatsource.CheckChoice(all, shop.ChosenPlaces(), shop.StockFigure); err != nil {
		return fmt.Errorf("places %s: %w: the account's are %s", shop.Places, err, placeList(all))
	}
	return nil
}

// placeList lists places with those inside them in parentheses: 1, 4 (41, 42).
func placeList(all []rackbeat.Place) string {
	const shown = 20
	var b strings.Builder
	depth := 0
	for i, p := range nested(all, nil) {
		switch {
		case i == shown:
			fmt.Fprintf(&b, "%s and %d more", strings.Repeat(")", depth), len(all)-shown)
			return b.String()
		case p.depth > depth:
			b.WriteString(" (")
		case i > 0:
			b.WriteString(strings.Repeat(")", depth-p.depth) + ", ")
		}
		b.WriteString(terminal.Escape(p.Number))
		depth = p.depth
	}
	return cmp.Or(b.String()+strings.Repeat(")", depth), "none")
}

// place is a place in the list of an account's places.
type place struct {
	Number string `json:"number"`
	Name   string `json:"name"`
	Parent string `json:"parent"` // "": it is a top place
	Chosen bool   `json:"chosen"`

	depth int // how many places are around it
}

// nested returns the places, each before those inside it.
func nested(all []rackbeat.Place, chosen []string) []place {
	inside := map[string][]rackbeat.Place{}
	for _, p := range all {
		inside[p.Parent] = append(inside[p.Parent], p)
	}
	list := make([]place, 0, len(all))
	var add func(around string, depth int)
	add = func(around string, depth int) {
		for _, p := range inside[around] {
			list = append(list, place{p.Number, p.Name, p.Parent, slices.Contains(chosen, p.Number), depth})
			add(p.Number, depth+1)
		}
	}
	add("", 0)
	return list
}

func writePlaces(w io.Writer, list []place, columns int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "none")
		return err
	}
	t := terminal.NewTable(terminal.Column{Name: "PLACE"}, terminal.Column{Name: "NAME"}, terminal.Column{Name: "CHOSEN"})
	for _, p := range list {
		chosen := "-"
		if p.Chosen {
			chosen = "chosen"
		}
		t.Row(strings.Repeat("  ", p.depth)+p.Number, cmp.Or(p.Name, "-"), chosen)
	}
	return t.Write(w, columns)
}

// openRackbeat opens the account of a shop whose stock is read at Rackbeat. Close it.
func openRackbeat(cfg config.Config, s *store.Store, shop store.Shop, p store.Progress) (act.RackbeatAccount, error) {
	keys, err := loadKey(cfg, "Rackbeat key")
	if err != nil {
		return act.RackbeatAccount{}, err
	}
	return acting(cfg, s, keys).OpenRackbeat(shop, p)
}
