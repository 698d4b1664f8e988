package status

import (
	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// AnswersOf returns what the answers to a shop's webhook calls depend on. What is wider, and
// what only a person ends, is said first:
//
//	                          stock                          invoices
//	paused                    paused                         paused
//	off, or without a key     off                            off
//	the shop is held          held                           held
//	the part is held          held                           held
//	PDFs are held             (as below)                     PDF held
//	otherwise                 read where the stock is        read
func AnswersOf(s store.Shop, holds plan.Holds) webhook.Shop {
	a := webhook.Shop{Lang: s.Lang, Stock: webhook.NextRead, Invoices: webhook.NextRead}
	switch {
	case s.Paused():
		a.Stock = webhook.NextPaused
	case !s.ReadsStock():
		a.Stock = webhook.NextOff
	case holds.Any(plan.ScopeShop, plan.ScopeStock):
		a.Stock = webhook.NextHeld
	case s.StockSource == store.SourceRackbeat:
		a.Stock = webhook.NextAtRackbeat
	}
	switch {
	case s.Paused():
		a.Invoices = webhook.NextPaused
	case !s.InvoicesOn:
		a.Invoices = webhook.NextOff
	case holds.Any(plan.ScopeShop, plan.ScopeInvoices):
		a.Invoices = webhook.NextHeld
	case holds.Any(plan.ScopePDFs):
		a.Invoices = webhook.NextPDFHeld
	}
	return a
}
