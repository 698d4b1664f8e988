// Package store owns lagerd's tables: models, migrations and every SQL
// statement, for MySQL and MariaDB (Galera too) and for embedded SQLite.
//
//	webhook ──▶ RecordWebhooks ──▶ hint_batches ── Packed (a burst's) ─┐
//	                              │ Unpack ──▶ hint_marks (over a cap) │
//	operator ──▶ RecordHints ──▶ hints                                 │
//	                              │ OpenHints                          │
//	                              ▼                                    ▼
//	reconcile ◀── Items, Hints, Progress ── Apply ──▶ items, changes, invoices,
//	                              (one transaction)    cursors, hints answered
//	shop's software ◀── views shop_stock, shop_stock_places, shop_invoices ◀── readers: who sees which shop
//
// What it guarantees:
//
//  1. RecordWebhooks and RecordHints return nil only after the hints are
//     committed. A batch is deleted under the fence: in the transaction that unpacks
//     it into hints or marks (Unpack), or after a listing has answered it (Forget).
//     CompactBatches alone replaces batches without the fence, by a mark.
//  2. Apply writes rows, history, cursors and answered hints in one
//     transaction whose first statement writes the shop's fence; a holder that
//     lost its lease gets ErrFenced and has written nothing. This is a
//     compare-and-set and relies on no row lock, so it holds on Galera, where locks
//     are local to a node and a conflict shows up at commit.
//  3. A failed statement poisons its transaction: nothing is committed after an
//     error, since MariaDB reports success for a COMMIT that follows a deadlock.
//     Deadlocks, lock timeouts and lost connections retry the whole transaction; the
//     fence's sequence number detects a retry of a committed transaction, so nothing
//     is applied twice.
//  4. A hint is answered by generation, never deleted by number, and a batch is
//     deleted by id: a hint that arrives while its number is being read stays open.
//
// It never talks to e-conomic, decides nothing about stock, and never compares times
// from the clocks of different machines.
package store
