// Package terminal makes foreign text safe to show in a terminal, and lays text out in it.
//
// Names, references, notes and errors come from e-conomic, from webhooks and from
// database servers. A control character in one of them could clear an operator's
// screen, or colour or forge a line; a bidirectional override shows a text in a
// different order. [Escape] escapes such characters. Use it for any foreign text
// that becomes part of a line, or a line break in a name could pass for a new line
// of output. [Writer] is the safety net: commands write through one, so that of all
// control characters only line ends and tabs reach a terminal.
//
// It uses JSON's escapes, so an escaped JSON document keeps its meaning.
//
// How wide lines may be is decided here alone: [Width] says how many columns there are, and
// [Table], [WriteFields] and [WriteWrapped] write no line that is longer.
//
// [Meter] shows how far something long is. It alone moves the cursor, by carriage returns.
package terminal
