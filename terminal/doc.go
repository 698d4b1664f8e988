// Package terminal makes text that others wrote safe to show.
//
// Names, references, notes and errors come from e-conomic, from webhooks and from
// database servers. A control character in one of them could clear an operator's
// screen, colour a line or forge one; a bidirectional override shows a text in
// another order than it has. [Escape] writes such characters out. Whoever puts
// foreign text into a line uses it, or the lines of a page could not be told from
// those that a name holds. [Writer] is the net below: a command writes through one,
// so that nothing but line ends and tabs ever reaches a terminal as it is.
//
// Escapes are those of JSON: a document that is escaped means what it meant before.
package terminal
