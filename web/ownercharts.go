package web

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"lagerd/lang"
	"lagerd/store"
)

const (
	chartDays    = 30
	chartChanges = 100_000 // of the history that are read, the latest
	chartsLast   = 2 * time.Minute
	chartsKept   = 256 // shops
	chartsAtOnce = 2   // of which the history is read
	chartLasts   = 10 * time.Second
)

// dayOfChanges is what a shop's history has of a Danish day.
type dayOfChanges struct {
	Day                   time.Time // its beginning
	Changes, Missed, Late int64
	Delays                int64 // of how many changes it is known how long they took
	Mean, Longest         time.Duration
}

// daysOf adds hours up to the latest Danish days, all of them, the oldest first.
func daysOf(hours []store.HourOfChanges, now time.Time) []dayOfChanges {
	days, at := make([]dayOfChanges, chartDays), map[string]*dayOfChanges{}
	for i := range days {
		days[i].Day = dayBefore(now, chartDays-1-i)
		at[days[i].Day.Format(time.DateOnly)] = &days[i]
	}
	for _, h := range hours {
		d := at[h.Hour.In(lang.Denmark()).Format(time.DateOnly)]
		if d == nil {
			continue
		}
		d.Changes, d.Missed, d.Late, d.Delays = d.Changes+h.Changes, d.Missed+h.Missed, d.Late+h.Late, d.Delays+h.Delays
		d.Mean += h.Delay // the sum, until all are added
		d.Longest = max(d.Longest, h.Longest)
	}
	for i := range days {
		if days[i].Delays > 0 {
			days[i].Mean /= time.Duration(days[i].Delays)
		}
	}
	return days
}

// dayBefore returns the beginning of the Danish day that is so many days ago.
func dayBefore(now time.Time, days int) time.Time {
	now = now.In(lang.Denmark())
	return time.Date(now.Year(), now.Month(), now.Day()-days, 0, 0, 0, 0, lang.Denmark())
}

// charts keeps the days of shops for a while: they are read from many rows.
type charts struct {
	mu     sync.Mutex
	kept   map[string]keptDays
	reader chan struct{} // one for each history that is being read
}

type keptDays struct {
	at   time.Time
	days []dayOfChanges
	all  bool // no change was left out
}

func newCharts() charts {
	return charts{kept: map[string]keptDays{}, reader: make(chan struct{}, chartsAtOnce)}
}

// daysOf returns a shop's days.
func (p *Page) daysOf(ctx context.Context, shop string, now time.Time) (keptDays, error) {
	if kept, ok := p.charts.get(shop, now); ok {
		return kept, nil
	}
	ctx, cancel := context.WithTimeout(ctx, chartLasts)
	defer cancel()
	select {
	case p.charts.reader <- struct{}{}:
		defer func() { <-p.charts.reader }()
	case <-ctx.Done():
		return keptDays{}, ctx.Err()
	}
	if kept, ok := p.charts.get(shop, now); ok { // somebody has read it meanwhile
		return kept, nil
	}
	hours, err := p.Store.ChangesByHour(ctx, shop, dayBefore(now, chartDays-1), chartChanges)
	if err != nil {
		return keptDays{}, err
	}
	kept := keptDays{at: now, days: daysOf(hours, now)}
	var changes int64
	for _, h := range hours {
		changes += h.Changes
	}
	kept.all = changes < chartChanges
	p.charts.put(shop, kept)
	return kept, nil
}

func (c *charts) get(shop string, now time.Time) (keptDays, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, ok := c.kept[shop]
	age := now.Sub(kept.at)
	return kept, ok && age >= 0 && age < chartsLast
}

func (c *charts) put(shop string, kept keptDays) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= chartsKept {
		clear(c.kept)
	}
	c.kept[shop] = kept
}

// chart is one of the plots.
type chart struct {
	File  string
	Title lang.Text
	Axis  lang.Text
	of    func(dayOfChanges) float64
	all   func([]dayOfChanges, lang.Lang) string // what the plot shows, in words
}

var chartList = []chart{
	{"delay.svg", lang.Text{Danish: "Tid, før en ændring er i webshoppen", English: "Time until a change is in the webshop"}, lang.Text{Danish: "sekunder i gennemsnit", English: "seconds on average"},
		func(d dayOfChanges) float64 { return d.Mean.Seconds() }, delaysInWords},
	{"changes.svg", lang.Text{Danish: "Ændringer", English: "Changes"}, lang.Text{Danish: "ændringer om dagen", English: "changes a day"},
		func(d dayOfChanges) float64 { return float64(d.Changes) },
		func(days []dayOfChanges, l lang.Lang) string {
			return countInWords(days, l, func(d dayOfChanges) int64 { return d.Changes }, lang.Text{Danish: "Ændringer", English: "Changes"})
		}},
	{"missed.svg", lang.Text{Danish: "Ændringer, som der ikke kom noget webhook om", English: "Changes that no webhook announced"}, lang.Text{Danish: "uden webhook om dagen", English: "without a webhook a day"},
		func(d dayOfChanges) float64 { return float64(d.Missed) },
		func(days []dayOfChanges, l lang.Lang) string {
			return countInWords(days, l, func(d dayOfChanges) int64 { return d.Missed }, lang.Text{Danish: "Ændringer uden webhook", English: "Changes without a webhook"})
		}},
}

func countInWords(days []dayOfChanges, l lang.Lang, of func(dayOfChanges) int64, what lang.Text) string {
	sum, most := int64(0), days[0]
	for _, d := range days {
		if sum += of(d); of(d) > of(most) {
			most = d
		}
	}
	if sum == 0 {
		return fmt.Sprintf(lang.Text{Danish: "%s i de seneste %d dage: ingen.", English: "%s in the last %d days: none."}.In(l), what.In(l), len(days))
	}
	return fmt.Sprintf(lang.Text{Danish: "%[2]s i de seneste %[3]d dage: %[1]s. Flest den %[5]s: %[4]s.", English: "%[2]s in the last %[3]d days: %[1]s. Most on %[5]s: %[4]s."}.In(l),
		numberOf(l, sum), what.In(l), len(days), numberOf(l, of(most)), dayOf(l, most.Day))
}

func delaysInWords(days []dayOfChanges, l lang.Lang) string {
	var sum, longest time.Duration
	var n int64
	for _, d := range days {
		sum, n, longest = sum+d.Mean*time.Duration(d.Delays), n+d.Delays, max(longest, d.Longest)
	}
	if n == 0 {
		return lang.Text{Danish: "Det vides ikke for nogen ændring i de seneste 30 dage.", English: "It is known of no change in the last 30 days."}.In(l)
	}
	return fmt.Sprintf(lang.Text{Danish: "I gennemsnit %s, længst %s.", English: "%s on average, %s at most."}.In(l), secondsOf(l, sum/time.Duration(n)), secondsOf(l, longest))
}

// dayOf returns a day: 3. november or 3 Nov.
func dayOf(l lang.Lang, day time.Time) string {
	if l == lang.English {
		return day.Format("2 Jan")
	}
	return lang.DanishDate(day)
}

// secondsOf returns a duration in seconds, or in minutes from two minutes on.
func secondsOf(l lang.Lang, d time.Duration) string {
	if d >= 2*time.Minute {
		return numberOf(l, int64(d.Round(time.Minute)/time.Minute)) + " min."
	}
	return decimalOf(l, strconv.FormatFloat(d.Seconds(), 'f', 1, 64)) + lang.Text{Danish: " sek.", English: " s"}.In(l)
}

// ownersCharts is what the plots show, and their figures as a table.
type ownersCharts struct {
	Charts []chartLine
	Days   []dayLine
	All    bool
	Most   int
}

type chartLine struct{ Title, Path, Words string }

type dayLine struct {
	Day                   string
	Changes, Missed, Late int64
	Mean, Longest         string
}

// ownersChartsOf returns the page of a shop's days, the latest first.
func ownersChartsOf(kept keptDays, l lang.Lang) ownersCharts {
	page := ownersCharts{All: kept.all, Most: chartChanges}
	for _, c := range chartList {
		page.Charts = append(page.Charts, chartLine{c.Title.In(l), ownerCharts + "/" + c.File, c.all(kept.days, l)})
	}
	for _, d := range slices.Backward(kept.days) {
		line := dayLine{Day: dayOf(l, d.Day), Changes: d.Changes, Missed: d.Missed, Late: d.Late}
		if d.Delays > 0 {
			line.Mean, line.Longest = secondsOf(l, d.Mean), secondsOf(l, d.Longest)
		}
		page.Days = append(page.Days, line)
	}
	return page
}

func (p *Page) ownerCharts(v *visit) error {
	kept, err := p.daysOf(v.r.Context(), v.owner.Shop, v.now)
	if err != nil {
		return err
	}
	return p.show(v, sheet{Name: "owner-charts", Title: lang.Text{Danish: "De seneste 30 dage", English: "The last 30 days"}, Data: ownersChartsOf(kept, v.lang)})
}

// chartPolicy lets a plot have the styles that its library writes, and nothing else.
const chartPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

func (p *Page) ownerChart(v *visit) error {
	for _, c := range chartList {
		if c.File != v.r.PathValue("file") {
			continue
		}
		kept, err := p.daysOf(v.r.Context(), v.owner.Shop, v.now)
		if err != nil {
			return err
		}
		picture, err := c.draw(kept.days, v.lang)
		if err != nil {
			return fmt.Errorf("draw the plot %s of %s: %w", c.File, v.owner.Shop, err)
		}
		v.w.Header().Set("Content-Type", "image/svg+xml")
		v.w.Header().Set("Content-Security-Policy", chartPolicy)
		_, _ = v.w.Write(picture) // a visitor who has gone away is nobody to tell
		return nil
	}
	return errNotFound
}

// draw returns the plot as SVG.
func (c chart) draw(days []dayOfChanges, l lang.Lang) ([]byte, error) {
	values := make(plotter.Values, len(days))
	var ticks []plot.Tick
	for i, d := range days {
		values[i] = c.of(d)
		if (len(days)-1-i)%7 == 0 { // counted from today
			ticks = append(ticks, plot.Tick{Value: float64(i), Label: d.Day.Format(lang.Text{Danish: "2/1", English: "2 Jan"}.In(l))})
		}
	}
	bars, err := plotter.NewBarChart(values, vg.Points(8))
	if err != nil {
		return nil, err
	}
	bars.Color, bars.LineStyle.Width = color.RGBA{R: 0x0b, G: 0x4f, B: 0x7d, A: 0xff}, 0
	p := plot.New()
	p.Add(plotter.NewGrid(), bars)
	p.Y.Label.Text, p.Y.Min = c.Axis.In(l), 0
	if p.Y.Max <= 0 {
		p.Y.Max = 1
	}
	p.X.Min, p.X.Max = -1, float64(len(days))
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(ticks), wholeTicks{l}
	const letters = 12 // points: to be read on a phone too
	for _, text := range []*plot.Axis{&p.X, &p.Y} {
		text.Label.TextStyle.Font.Variant, text.Tick.Label.Font.Variant = "Sans", "Sans"
		text.Label.TextStyle.Font.Size, text.Tick.Label.Font.Size = letters, letters
	}
	const width, height = 420, 200
	w, err := p.WriterTo(vg.Points(width), vg.Points(height), "svg")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		return nil, err
	}
	// Letters are placed by the widths of Liberation Sans, which Arial has too.
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,sans-serif")), nil
}

// wholeTicks are the usual ticks of an axis, labelled as numbers of the language.
type wholeTicks struct{ lang lang.Lang }

// Ticks implements plot.Ticker.
func (w wholeTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		switch {
		case t.Label == "":
		case strings.Contains(t.Label, "e"):
			ticks[i].Label = numberOf(w.lang, strconv.FormatFloat(t.Value, 'f', 0, 64))
		case strings.Contains(t.Label, "."):
			ticks[i].Label = decimalOf(w.lang, t.Label)
		default:
			ticks[i].Label = numberOf(w.lang, t.Label)
		}
	}
	return ticks
}
