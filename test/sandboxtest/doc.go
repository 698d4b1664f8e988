// Package sandboxtest is what tests need of a running sandbox: its control API,
// the truth it holds, and whether a database says the same.
//
// It owns the comparison of what a shop's own software reads (the views shop_stock
// and shop_invoices) with that truth. It runs one in a test's own process where asked
// to, starts no other, and only tests import it.
package sandboxtest
