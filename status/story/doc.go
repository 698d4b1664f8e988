// Package story tells the life of one item or invoice: what came, what was read, what changed
// and why, what people did, what is stored, what its source says now, whether the two agree,
// and what happens next.
//
//	store ──▶ Read ──▶ Facts ──▶ Tell ──▶ Story ──▶ Text, in a Language ──▶ Write
//	source ─▶ Answer ───┘                   └─────▶ WriteJSON
//
// A Story is values: typed events in order, and a typed state. Text is made from it alone, so
// that a terminal, a page and a mail say the same. Tell and what it decides do no I/O.
//
// It computes no stock and changes nothing. Foreign text in a Story and a Text is as it came;
// Write escapes it.
package story
