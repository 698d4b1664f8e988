// Package sandboxtest gives tests access to a running sandbox: its control API, its data, and a
// comparison with a database.
//
// It owns the comparison of what a shop's own software reads (the views shop_stock and
// shop_invoices) with the sandbox's data. It can run a sandbox in the test's own process and
// starts no other. Only tests import it.
package sandboxtest
