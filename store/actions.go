package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"lagerd/plan"
)

// ActionWhat says what a person did to a shop.
type ActionWhat string

// What people do.
const (
	ActionAdded        ActionWhat = "added"
	ActionSet          ActionWhat = "set"           // Detail: each setting before and after
	ActionPaused       ActionWhat = "paused"        // Detail: the reason
	ActionResumed      ActionWhat = "resumed"       //
	ActionApproved     ActionWhat = "approved"      // Detail: how many losses
	ActionAccepted     ActionWhat = "accepted"      // Detail: the agreement's number
	ActionCodeAdded    ActionWhat = "code_added"    //
	ActionCodeReplaced ActionWhat = "code_replaced" //
	ActionCodeRetired  ActionWhat = "code_retired"  //
	ActionAsked        ActionWhat = "asked"         // for the number, or, if that is empty, for Detail: a tick or a sweep
)

// SecretChanged stands in an action's detail for a secret's values.
const SecretChanged = "(new)"

// Action is something that a person did to a shop by a command.
type Action struct {
	ID      int64 `gorm:"primaryKey"`
	Shop    string
	What    ActionWhat
	Kind    plan.Kind // of Number
	Number  string    // the item or invoice asked for; "": the whole shop
	Detail  string    // never a secret
	Account string    // of the operating system, as the command saw it; "": unknown
	Command string
	ActedAt Time
}

// Actor is who runs a command.
type Actor struct {
	Account string // of the operating system; "": unknown
	Command string // without arguments, which may be secret
}

type actorKey struct{}

// By returns a context in which the store records as an action what a person does to a shop, in
// the transaction that does it: AddShop, SetShop, ChangeStockSource, AcceptAgreement, Approve,
// AddCode, ReplaceNewCode, RetireOldCodes, AddRequests, and RecordHints of cause operator. An
// action is recorded twice if the answer to its commit was lost.
func By(ctx context.Context, a Actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

// ByNobody returns a context in which nothing is recorded: what is done only follows from
// something that is recorded already.
func ByNobody(ctx context.Context) context.Context {
	return context.WithValue(ctx, actorKey{}, nil)
}

const (
	insertActions = "INSERT INTO actions (shop, what, kind, number, detail, account, command, acted_at)"
	actionArgs    = 8
)

// actions returns the arguments to insert actions of the context's actor; none if it has no actor.
func actions(ctx context.Context, list []Action) []any {
	by, ok := ctx.Value(actorKey{}).(Actor)
	if !ok {
		return nil
	}
	args := make([]any, 0, len(list)*actionArgs)
	for _, a := range list {
		args = append(args, a.Shop, string(a.What), string(a.Kind), clip(a.Number, 64), shorten(a.Detail, 500), clip(by.Account, 64), clip(by.Command, 64), a.ActedAt)
	}
	return args
}

// act records actions in a transaction of gorm's.
func act(ctx context.Context, db *gorm.DB, list ...Action) error {
	for args := actions(ctx, list); len(args) > 0; {
		rows := min(len(args)/actionArgs, rowsPerStatement)
		if err := db.Exec(insertActions+" VALUES "+placeholders(rows, actionArgs), args[:rows*actionArgs]...).Error; err != nil {
			return err
		}
		args = args[rows*actionArgs:]
	}
	return nil
}

// actOnSettings records what differs between a shop's former settings and the new ones, if
// anything does.
func actOnSettings(ctx context.Context, db *gorm.DB, before, after Shop, now time.Time) error {
	var list []Action
	if changed := ChangedSettings(before, after); len(changed) > 0 {
		texts := make([]string, len(changed))
		for i, c := range changed {
			texts[i] = c.String()
		}
		list = append(list, Action{Shop: after.Shop, What: ActionSet, Detail: strings.Join(texts, "; "), ActedAt: At(now)})
	}
	switch {
	case after.Paused() && (!before.Paused() || !before.PausedAt.Equal(after.PausedAt.Time)):
		list = append(list, Action{Shop: after.Shop, What: ActionPaused, Detail: after.PauseReason, ActedAt: At(now)})
	case before.Paused() && !after.Paused():
		list = append(list, Action{Shop: after.Shop, What: ActionResumed, ActedAt: At(now)})
	}
	return act(ctx, db, list...)
}

// WhichActions selects some of a shop's actions. One class never takes the place of another: a
// command that a schedule runs every few minutes would push out what people did.
type WhichActions struct {
	where string
	args  []any
}

// AnyAction selects all.
func AnyAction() WhichActions { return WhichActions{"1 = 1", nil} }

// Done selects what people did to the shop.
func Done() WhichActions { return WhichActions{"what <> ?", []any{ActionAsked}} }

// AskedFor selects what people asked for of a number.
func AskedFor(kind plan.Kind, number string) WhichActions {
	return WhichActions{"what = ? AND kind = ? AND number = ?", []any{ActionAsked, kind, number}}
}

// AskedForShop selects the checks of the whole shop that people asked for.
func AskedForShop() WhichActions {
	return WhichActions{"what = ? AND number = ''", []any{ActionAsked}}
}

// Actions returns some of what people did to a shop since the given time, oldest first: at most
// limit actions, the latest ones.
func (s *Store) Actions(ctx context.Context, shop string, which WhichActions, since time.Time, limit int) ([]Action, error) {
	var list []Action
	args := append([]any{shop, At(since)}, which.args...)
	err := s.db.WithContext(ctx).Raw("SELECT id, shop, what, kind, number, detail, account, command, acted_at FROM actions"+
		" WHERE shop = ? AND acted_at >= ? AND "+which.where+" ORDER BY acted_at DESC, id DESC LIMIT ?", append(args, limit)...).Scan(&list).Error
	if err != nil {
		return nil, fmt.Errorf("read what people did to %s: %w", shop, err)
	}
	slices.Reverse(list)
	return list, nil
}
