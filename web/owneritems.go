package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status/story"
	"lagerd/store"
)

const (
	longestSearch = 100             // characters of a search
	searchLasts   = 5 * time.Second // then it is given up: a text that few items have reads them all
	nearShown     = 10
)

// ownersItems is a page of a shop's items.
type ownersItems struct {
	Search string
	Exact  *itemLine // the item whose number is the search
	Items  []itemLine
	Near   []string // numbers that nearly are the search, if nothing has it
	First  bool
	Next   string // path of the next page; "": it is the last
}

// itemLine is an item as it is listed.
type itemLine struct {
	Number, Name string
	Path         string // of its story
	Stock        string
	State        plan.State
	Changed      time.Time
}

func itemLineOf(r plan.Row, l lang.Lang) itemLine {
	return itemLine{Number: r.Number, Name: r.Name, Path: storyPath(r.Number, plan.KindStock), Stock: stockOf(l, r.Stock), State: r.State, Changed: r.ChangedAt}
}

// ownersItemsOf returns a page of items. list has one more than is shown if there are others.
func ownersItemsOf(search, after string, exact map[string]plan.Row, list []plan.Row, l lang.Lang) ownersItems {
	page := ownersItems{Search: search, First: after == ""}
	if row, ok := exact[search]; ok && page.First {
		line := itemLineOf(row, l)
		page.Exact = &line
	}
	if len(list) > rowsShown {
		list = list[:rowsShown]
		page.Next = ownerItems + "?" + url.Values{"search": {search}, "after": {list[rowsShown-1].Number}}.Encode()
	}
	for _, r := range list {
		if page.Exact == nil || r.Number != search {
			page.Items = append(page.Items, itemLineOf(r, l))
		}
	}
	return page
}

// searchOf returns what is searched for.
func searchOf(v *visit) (string, bool) {
	text := strings.TrimSpace(strings.ToValidUTF8(v.r.FormValue("search"), ""))
	return text, len([]rune(text)) <= longestSearch
}

func (p *Page) ownerItems(v *visit) error {
	search, ok := searchOf(v)
	after := v.r.FormValue("after")
	if !ok || len(after) > longestSearch*4 {
		return errNotFound
	}
	progress, err := p.Store.Progress(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), searchLasts)
	defer cancel()
	dataset := progress.ItemsDataset
	exact, err := p.Store.Items(ctx, dataset, []string{search})
	if err != nil {
		return tooSlow(ctx, v, err)
	}
	list, err := p.Store.FindItems(ctx, dataset, search, after, rowsShown+1)
	if err != nil {
		return tooSlow(ctx, v, err)
	}
	page := ownersItemsOf(search, after, exact, list, v.lang)
	if search != "" && page.First && page.Exact == nil && len(page.Items) == 0 {
		if page.Near, err = p.nearly(ctx, dataset, search); err != nil {
			return tooSlow(ctx, v, err)
		}
	}
	return p.show(v, sheet{Name: "owner-items", Title: lang.Text{Danish: "Varer", English: "Items"}, Data: page})
}

// nearly returns numbers of items that nearly are the one searched for.
func (p *Page) nearly(ctx context.Context, dataset store.Dataset, search string) ([]string, error) {
	var list []string
	for number, err := range p.Store.PresentNumbers(ctx, dataset) {
		if err != nil {
			return nil, err
		}
		if story.IsNear(search, number) {
			if list = append(list, number); len(list) == nearShown {
				break
			}
		}
	}
	return list, nil
}

// tooSlow returns a refusal if a search took too long, otherwise the error.
func tooSlow(ctx context.Context, v *visit, err error) error {
	if ctx.Err() == nil || v.r.Context().Err() != nil {
		return err
	}
	return refusal{http.StatusServiceUnavailable, lang.Text{Danish: "Søgningen tog for lang tid", English: "The search took too long"},
		lang.Text{Danish: "Skriv mere af nummeret eller navnet, og prøv igen.", English: "Enter more of the number or the name, and try again."}}
}

// decimalOf returns a number with the language's decimal mark.
func decimalOf(l lang.Lang, text string) string {
	if l == lang.English {
		return text
	}
	return strings.Replace(text, ".", ",", 1)
}

// stockOf returns a stock figure, or that there is none.
func stockOf(l lang.Lang, d decimal.NullDecimal) string {
	if !d.Valid {
		return lang.Text{Danish: "intet tal", English: "no figure"}.In(l)
	}
	return decimalOf(l, d.Decimal.String())
}
