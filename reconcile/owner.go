package reconcile

import (
	"fmt"
)

// owner is whose a token is: an agreement at e-conomic, or an account of the stock's own source.
type owner struct {
	of  *Shop
	own bool // the stock's own source; else e-conomic
}

// ofStock reports whether it is the stock's own source that the token is for.
func (o owner) ofStock() bool { return o.own }

// name returns what is read with the token, for people.
func (o owner) name() string {
	if o.ofStock() {
		return "stock"
	}
	return "invoices"
}

// whose returns whose the token is, for people.
func (o owner) whose() string {
	if o.ofStock() {
		return fmt.Sprintf("%s's account %d", o.of.stock.source.Can().Name, o.known())
	}
	return fmt.Sprintf("agreement %d", o.known())
}

// known returns the number of the agreement or account that the shop's token answered for, 0 if
// it has not yet.
func (o owner) known() int64 {
	if o.ofStock() {
		return o.of.progress.StockAccount
	}
	return o.of.progress.AgreementNumber
}
