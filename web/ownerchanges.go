package web

import (
	"strconv"
	"strings"
	"time"

	"lagerd/lang"
	"lagerd/store"
)

// rowsShown is how many rows a page of a list has.
const rowsShown = 50

// ownersChanges is a page of a shop's history, newest first.
type ownersChanges struct {
	Changes []changeLine
	First   bool   // it is the first page
	Next    string // path of the next page; "": it is the last
}

func (p *Page) ownerChanges(v *visit) error {
	before, err := placeOf(v.r.FormValue("before"))
	if err != nil {
		return errNotFound
	}
	progress, err := p.Store.Progress(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	// One more than is shown: it tells whether there is another page.
	list, err := p.Store.LatestChanges(v.r.Context(), v.owner.Shop, before, rowsShown+1)
	if err != nil {
		return err
	}
	page := ownersChanges{First: before == nil}
	if len(list) > rowsShown {
		list = list[:rowsShown]
		page.Next = ownerChanges + "?before=" + textOfPlace(list[rowsShown-1])
	}
	if page.Changes, err = p.linesOf(v, progress.ItemsDataset, list); err != nil {
		return err
	}
	events := ""
	if page.First {
		events = ownerEvents
	}
	return p.show(v, sheet{Name: "owner-changes", Title: lang.Text{Danish: "Ændringer", English: "Changes"}, Data: page, Events: events})
}

// textOfPlace returns a change's place in the history, for an address.
func textOfPlace(c store.Change) string {
	list := []int64{c.CommittedAt.UnixMicro(), c.Token, c.Seq, int64(c.N)}
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, "-")
}

// placeOf is the reverse of textOfPlace; nil: there is none.
func placeOf(text string) (*store.Change, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // the first page
	}
	parts := strings.Split(text, "-")
	var list [4]int64
	if len(parts) != len(list) {
		return nil, strconv.ErrSyntax
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 62)
		if err != nil {
			return nil, err
		}
		list[i] = int64(n)
	}
	return &store.Change{CommittedAt: store.At(time.UnixMicro(list[0])), Token: list[1], Seq: list[2], N: int(list[3])}, nil
}
