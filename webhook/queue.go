package webhook

// queue holds the calls that wait for their commit and shares the committer between the shops:
//
//   - The shops take turns, one call each. A shop's calls keep their order. A commit takes no
//     more than a share of one shop's.
//   - Of the shops with very many calls, crowds, only a quota is taken. Then they stand aside until
//     the next one.
//   - A shop may fill the whole queue while the others leave it room. Once the queue is full, a
//     call of another shop takes the place of the newest call of the shop with the most.
//   - The newcomer itself is refused if its shop would then have as many as any other.
//   - Calls that have been taken count until they are answered: each has a connection, and a flood
//     must be refused before it has all of them. But a shop's first call is not refused for those.
//
// Every operation takes constant time per call. A queue is not safe for concurrent use.
type queue struct {
	limit, size int
	taken       int // calls that have been taken and not been answered
	crowd       int // how many calls make a shop's line a crowd
	quota       int // how many calls of crowds may still be taken
	lines       map[string]*line
	turns       turns   // of the lines
	aside       turns   // of those that were crowds when their turn came, without a quota
	byLength    []*line // one line of each length; the others of that length follow it
	longest     int     // the length of the longest line
	takes       int     // how often take was called
}

// line is what waits of one shop, one call at least.
type line struct {
	shop           string
	oldest, newest *waiting
	length         int
	next           *line // whose turn comes after this one's
	take, took     int   // how many of it a take has taken
	before, after  *line // of the same length
}

// turns are lines in the order of their turns.
type turns struct{ first, last *line }

// add gives a line the last turn.
func (t *turns) add(l *line) {
	if l.next = nil; t.first == nil {
		t.first = l
	} else {
		t.last.next = l
	}
	t.last = l
}

// next removes the line whose turn it is.
func (t *turns) next() *line {
	l := t.first
	t.first = l.next
	return l
}

func newQueue(limit, crowd int) *queue {
	return &queue{limit: limit, crowd: crowd, lines: map[string]*line{}, byLength: make([]*line, limit+1)}
}

// add queues w and returns the call that there is no room for: nil, w itself, or the one that
// gave way to it.
func (q *queue) add(w *waiting) (refused *waiting) {
	l := q.lines[w.hint.Shop]
	if q.size+q.taken >= q.limit {
		length := 0
		if l != nil {
			length = l.length
		}
		switch {
		case length+1 < q.longest:
			refused = q.drop(q.byLength[q.longest])
		case length > 0 || q.size >= q.limit:
			return w
		}
	}
	if l == nil {
		l = &line{shop: w.hint.Shop}
		q.lines[l.shop] = l
		q.turns.add(l)
	}
	if w.older = l.newest; w.older != nil {
		w.older.newer = w
	} else {
		l.oldest = w
	}
	l.newest = w
	q.size++
	q.resize(l, l.length+1)
	return refused
}

// refill sets how many calls of crowds may be taken.
func (q *queue) refill(quota int) {
	q.quota = quota
	for q.aside.first != nil {
		q.turns.add(q.aside.next())
	}
}

// ready reports whether a shop has its turn.
func (q *queue) ready() bool { return q.turns.first != nil }

// take moves up to n calls to batch, up to share of each shop. They count as queued until they are
// answered.
func (q *queue) take(batch []*waiting, n, share int) []*waiting {
	q.takes++
	for n > 0 && q.turns.first != nil {
		l := q.turns.first
		crowd := l.length >= q.crowd
		if crowd && q.quota == 0 {
			q.aside.add(q.turns.next())
			continue
		}
		if l.take != q.takes {
			l.take, l.took = q.takes, 0
		}
		if l.took == share {
			break // the others have had as many turns
		}
		l.took++
		if crowd {
			q.quota--
		}
		batch = append(batch, q.pop(q.turns.next()))
		n--
	}
	q.taken += len(batch)
	return batch
}

// answered makes room for as many calls.
func (q *queue) answered(calls int) { q.taken -= calls }

// pop removes the oldest call of a line whose turn it was.
func (q *queue) pop(l *line) *waiting {
	w := l.oldest
	if l.oldest = w.newer; l.oldest != nil {
		l.oldest.older = nil
		q.turns.add(l)
	} else {
		delete(q.lines, l.shop)
	}
	w.newer = nil
	q.size--
	q.resize(l, l.length-1)
	return w
}

// drop removes the newest call of a line with several.
func (q *queue) drop(l *line) *waiting {
	w := l.newest
	l.newest, w.older = w.older, nil
	l.newest.newer = nil
	q.size--
	q.resize(l, l.length-1)
	return w
}

// resize moves a line to those of another length, one more or one less than it had.
func (q *queue) resize(l *line, length int) {
	if l.before != nil {
		l.before.after = l.after
	} else if l.length > 0 {
		q.byLength[l.length] = l.after
	}
	if l.after != nil {
		l.after.before = l.before
	}
	l.before, l.after = nil, nil
	if l.length = length; length > 0 {
		if l.after = q.byLength[length]; l.after != nil {
			l.after.before = l
		}
		q.byLength[length] = l
	}
	if length > q.longest {
		q.longest = length
	} else if q.longest > 0 && q.byLength[q.longest] == nil {
		q.longest-- // to where l is now
	}
}
