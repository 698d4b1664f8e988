package move

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"lagerd/store"
)

// Options says what to move where.
type Options struct {
	From *store.Store // the embedded database: reserved by the caller, and of this lagerd's schema unless it is marked already
	To   *store.Store // the server's database

	FromPlace string // names From to whoever looks at To
	Now       func() time.Time
	Migrate   func(*store.Store) error                   // brings To to this lagerd's schema, with MigrateForMove
	Tell      func(what string, done, of int)            // how far it is; may be nil
	Reached   func(ctx context.Context, step Step) error // for tests: an error ends the move there; may be nil
}

// Step is a point in a move.
type Step string

// The steps of a move, in their order.
const (
	StepBegun    Step = "begun"    // recorded in the source
	StepRecorded Step = "recorded" // and in the target
	StepMigrated Step = "migrated"
	StepClosed   Step = "closed"
	StepCopying  Step = "copying" // after each piece
	StepCopied   Step = "copied"
	StepVerified Step = "verified"
	StepMarked   Step = "marked" // the source
)

// Summary is what a move has done, or would do.
type Summary struct {
	Tables   []Count
	Rows     int     // in all
	Resumed  bool    // the target holds part of it already
	Marked   bool    // the source was marked before: only the end was missing
	Problems []error // of a preview: values that a server would refuse or change
	Written  int     // rows written; others were there already
}

// Count is how many rows a table has.
type Count struct {
	Table string
	Rows  int
}

// state is what the target is to this move.
type state int

const (
	fresh   state = iota // empty
	resumed              // it holds part of this move
)

// judge decides whether a move may write to a target, by the tables that it has and by what both
// databases record of a move.
//
//	the target has            records           judged
//	no table                                    fresh
//	the table move alone      nothing           fresh: ended before its first row
//	tables                    this move, open   resumed
//	tables                    this move, ended  refused: it has been used since
//	tables                    another move      refused
//	tables                    nothing           refused
func judge(tables []string, mine, its *store.Move) (state, error) {
	switch {
	case len(tables) == 0, its == nil && slices.Equal(tables, []string{"move"}):
		return fresh, nil
	case its == nil:
		return fresh, fmt.Errorf("it is not empty: it has the table %s and %d more: move into a new, empty database (`lagerd check --grants` prints the statements)", tables[0], len(tables)-1)
	case mine == nil || its.Source != mine.Source:
		return fresh, fmt.Errorf("it holds what was moved from %s: move into a new, empty database", its.Other)
	case !its.Ended.IsZero():
		return fresh, errors.New("this embedded database was moved into it before, and it has been used since: move into a new, empty database, or use that one")
	}
	return resumed, nil
}

// mover carries one move.
type mover struct {
	Options
	tables []store.Table
	counts map[string]int
	sum    Summary
}

// Preview returns what Run would do, with every value that keeps it from doing so. It changes
// nothing.
func Preview(ctx context.Context, o Options) (Summary, error) {
	m, _, err := judged(ctx, o)
	if err != nil || m.sum.Marked {
		return m.sum, err
	}
	held, err := o.From.Hold(ctx, true)
	if err != nil {
		return Summary{}, err
	}
	defer held.Release()
	m.sum.Problems, err = m.check(ctx, held)
	return m.sum, err
}

// Run moves the database. It may be run again after any error.
func Run(ctx context.Context, o Options) (Summary, error) {
	m, mine, err := judged(ctx, o)
	if err != nil {
		return Summary{}, err
	}
	if m.sum.Marked {
		return m.sum, m.end(ctx)
	}
	record := store.Move{Source: rand.Text(), Other: o.To.Place(), Began: store.At(o.Now())}
	if mine != nil {
		record.Source = mine.Source
	}
	if err := o.From.BeginMove(ctx, record); err != nil {
		return Summary{}, err
	}
	if err := m.reached(ctx, StepBegun); err != nil {
		return Summary{}, err
	}
	held, err := o.From.Hold(ctx, false)
	if err != nil {
		return Summary{}, err
	}
	defer held.Release()
	if err := m.carry(ctx, held, record); err != nil {
		return Summary{}, err
	}
	return m.sum, nil
}

// judged returns the mover of a move that may begin or go on, or whose source is marked already, and
// what the source records of it, nil if that is nothing.
func judged(ctx context.Context, o Options) (m *mover, mine *store.Move, err error) {
	if m, err = newMover(o); err != nil {
		return m, nil, err
	}
	if mine, err = o.From.Moved(ctx); err != nil {
		return m, nil, err
	}
	if mine != nil && !mine.Ended.IsZero() {
		m.sum.Marked = true
		return m, mine, m.belongs(ctx, mine)
	}
	return m, mine, m.judgeTarget(ctx, mine)
}

func newMover(o Options) (*mover, error) {
	tables, err := store.Tables()
	tell := o.Tell
	o.Tell = func(what string, done, of int) {
		const often = 100
		if tell != nil && (done%often == 0 || done == of) {
			tell(what, done, of)
		}
	}
	return &mover{Options: o, tables: tables, counts: map[string]int{}}, err
}

func (m *mover) reached(ctx context.Context, step Step) error {
	if m.Reached == nil {
		return nil
	}
	return m.Reached(ctx, step)
}

func (m *mover) judgeTarget(ctx context.Context, mine *store.Move) error {
	tables, err := m.To.TableNames(ctx)
	if err != nil {
		return err
	}
	its, err := m.To.Moved(ctx)
	if err != nil {
		return err
	}
	s, err := judge(tables, mine, its)
	if err != nil {
		return fmt.Errorf("%s: %w", m.To.Place(), err)
	}
	m.sum.Resumed = s == resumed
	return nil
}

// belongs returns an error unless the target is the one that a marked source was moved to.
func (m *mover) belongs(ctx context.Context, mine *store.Move) error {
	its, err := m.To.Moved(ctx)
	if err == nil && (its == nil || its.Source != mine.Source) {
		err = fmt.Errorf("the embedded database has been moved already, to %s", mine.Other)
	}
	return err
}

// carry checks the held source, makes the target, copies and compares every row, marks the source,
// and opens the target.
func (m *mover) carry(ctx context.Context, held *store.Held, record store.Move) error {
	problems, err := m.check(ctx, held)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return Refused(problems)
	}
	if err := m.makeTarget(ctx, record); err != nil {
		return err
	}
	if err := m.copy(ctx, held); err != nil {
		return err
	}
	if err := m.reached(ctx, StepCopied); err != nil {
		return err
	}
	if err := m.verify(ctx, held); err != nil {
		return err
	}
	if err := m.reached(ctx, StepVerified); err != nil {
		return err
	}
	if err := held.MarkMoved(ctx, m.Now()); err != nil {
		return err
	}
	if err := m.reached(ctx, StepMarked); err != nil {
		return err
	}
	return m.end(ctx)
}

// end opens the target, also if it is interrupted: the source is marked.
func (m *mover) end(ctx context.Context) error {
	if err := m.To.EndMove(context.WithoutCancel(ctx), m.Now()); err != nil {
		return fmt.Errorf("the embedded database is marked as moved, but the server's is not open yet: run the same command again: %w", err)
	}
	return nil
}

// mostProblems bounds what is listed.
const mostProblems = 20

// Refused returns the error of values that a server would refuse or change.
func Refused(problems []error) error {
	more := ""
	if len(problems) > mostProblems {
		more = fmt.Sprintf(" (the first %d of them)", mostProblems)
		problems = problems[:mostProblems]
	}
	return fmt.Errorf("a server would refuse or change what is stored%s; nothing has been moved:\n%w", more, errors.Join(problems...))
}

// check counts the source's rows and returns the values that do not fit.
func (m *mover) check(ctx context.Context, held *store.Held) (problems []error, err error) {
	for _, t := range m.tables {
		n, err := held.Count(ctx, t)
		if err != nil {
			return nil, err
		}
		m.counts[t.Name] = n
		m.sum.Rows += n
		m.sum.Tables = append(m.sum.Tables, Count{t.Name, n})
	}
	done, largest := 0, 0
	for _, t := range m.tables {
		for raw, err := range held.Rows(ctx, t) {
			if err != nil {
				return nil, err
			}
			row, err := fitRow(t, raw)
			if err != nil && len(problems) <= mostProblems {
				problems = append(problems, err)
			}
			largest = max(largest, size(row))
			done++
			m.Tell("rows checked", done, m.sum.Rows)
		}
	}
	if err := m.To.TakesPackets(ctx, int64(max(largest, mostBytes))); err != nil {
		problems = append(problems, err)
	}
	return problems, nil
}

// makeTarget records the move in the target, makes its tables, and closes it.
func (m *mover) makeTarget(ctx context.Context, record store.Move) error {
	// Again, since the check of the source may have taken minutes.
	if err := m.judgeTarget(ctx, &record); err != nil {
		return err
	}
	record.Other = m.FromPlace
	if err := m.To.BeginMove(ctx, record); err != nil { // from here on every lagerd refuses it
		return err
	}
	if err := m.reached(ctx, StepRecorded); err != nil {
		return err
	}
	switch isClosed, err := m.To.Closed(ctx); {
	case err != nil:
		return fmt.Errorf("%s: %w: drop the database, create it again, and run the same command again", m.To.Place(), err)
	case isClosed:
		return nil
	}
	if err := m.Migrate(m.To); err != nil {
		return err
	}
	if err := m.reached(ctx, StepMigrated); err != nil {
		return err
	}
	if err := m.To.CloseWhileMoving(ctx); err != nil {
		return err
	}
	return m.reached(ctx, StepClosed)
}

// A piece is what one transaction writes: a large one would stall a Galera cluster.
const (
	mostRows  = 1000
	mostBytes = 1 << 20
)

// piece collects what is to be written to a table.
type piece struct {
	put, remove [][]any
	bytes       int
}

func (p *piece) add(t store.Table, pair pair) {
	if pair.source == nil {
		p.remove = append(p.remove, key(t, pair.target))
		return
	}
	p.put = append(p.put, pair.source)
	p.bytes += size(pair.source)
}

func (p *piece) full() bool { return len(p.put)+len(p.remove) >= mostRows || p.bytes >= mostBytes }

// pairs returns the rows of a table in both databases, side by side.
func (m *mover) pairs(ctx context.Context, held *store.Held, t store.Table) iter.Seq2[pair, error] {
	return merge(t, fitted(t, held.Rows(ctx, t)), fitted(t, m.To.TableRows(ctx, t)))
}

func (m *mover) copy(ctx context.Context, held *store.Held) error {
	done := 0
	for _, t := range m.tables {
		var p piece
		for pair, err := range m.pairs(ctx, held, t) {
			if err != nil {
				return err
			}
			if !pair.same() {
				p.add(t, pair)
			}
			if p.full() {
				if err := m.write(ctx, t, &p); err != nil {
					return err
				}
			}
			if pair.source != nil {
				done++
				m.Tell("rows copied", done, m.sum.Rows)
			}
		}
		if err := m.write(ctx, t, &p); err != nil {
			return err
		}
	}
	next, err := held.NextIDs(ctx)
	if err != nil {
		return err
	}
	for table, id := range next {
		if err := m.To.ContinueIDs(ctx, table, id); err != nil {
			return err
		}
	}
	return nil
}

// write writes a piece and empties it. Rows go first that others' unique keys may collide with.
func (m *mover) write(ctx context.Context, t store.Table, p *piece) error {
	if len(p.remove) > 0 {
		if err := m.To.RemoveRows(ctx, t, p.remove); err != nil {
			return err
		}
	}
	if len(p.put) > 0 {
		if err := m.To.PutRows(ctx, t, p.put); err != nil {
			return err
		}
	}
	m.sum.Written += len(p.put) + len(p.remove)
	*p = piece{}
	return m.reached(ctx, StepCopying)
}

// verify compares every row of both databases.
func (m *mover) verify(ctx context.Context, held *store.Held) error {
	done := 0
	for _, t := range m.tables {
		different, count, example := 0, 0, ""
		for pair, err := range m.pairs(ctx, held, t) {
			if err != nil {
				return err
			}
			if !pair.same() {
				different++
				example = keyText(t, pair.row())
			}
			if pair.source != nil {
				done++
				count++
				m.Tell("rows compared", done, m.sum.Rows)
			}
		}
		if different > 0 || count != m.counts[t.Name] {
			return fmt.Errorf("table %s: %d rows differ on the server after they were copied, such as %s, and %d of %d were compared: nothing is marked as moved: see that no lagerd runs on that database, and run `lagerd move` again",
				t.Name, different, example, count, m.counts[t.Name])
		}
	}
	return nil
}
