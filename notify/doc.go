// Package notify tells people what needs them, and when it is over.
//
//	status.Overview, webhooks' health ─▶ Matters ─▶ Decide ─▶ store.Tell ─▶ claim ─▶ send ─▶ mark
//	                       incidents, last messages ──┘
//
// [Decide] is pure: from what is there now, what was told and the settings it computes which
// messages go to whom, and which incidents change. A [Notifier] acts: one lagerd of several, which
// holds the row of the table notifying, runs a round every half minute, in a number of statements
// that does not grow with the shops. Of webhooks' health it looks at the shops where something has
// moved (watch.go): a change was found without its webhook, or a call was not accepted.
//
//  1. What is decided is stored in one transaction with its messages, by the lagerd that holds the
//     row: nothing is told twice because two decided, or forgotten because one died.
//  2. A message is claimed before it is sent, and marked afterwards. If its lagerd dies in between,
//     the claim expires and the message is sent again, with the same id. Before its text leaves it
//     is stored that it may arrive; that is taken back if there was no connection, or a refusal. So
//     whatever becomes of lagerd and of answers each is sent at most twice. It arrives at least once,
//     unless both times lagerd died, or the connection broke, before the text was there, or an
//     address refuses it for three days. To an address messages go in order.
//  3. Nothing is told that does not last (notify.after, for owners notify.owners_after), and no
//     recipient gets two messages within notify.every, however much happens: what gathers until then
//     is one message.
//  4. An owner is told only what an owner can do something about, and nothing that so many shops have
//     at once that it is hardly their owners' own.
//
// The texts are in text.go, those for owners in both languages. Secrets are in no message: they are
// made of reasons, of what status shows, and of names.
package notify
