package webhook

// queue holds the calls that wait for their commit and shares the committer between the shops:
//
//   - The shops take turns, one call each. A shop's calls keep their order. A commit takes no
//     more than a share of one shop's.
//   - A shop may fill the whole queue while the others leave it room. Once the queue is full, a
//     call of another shop takes the place of the newest call of the shop with the most.
//   - The newcomer itself is refused if its shop would then have as many as any other.
//
// Every operation takes constant time per call. A queue is not safe for concurrent use.
type queue struct {
	limit, size int
	lines       map[string]*line
	first, last *line   // the lines in the order of their turns
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

func newQueue(limit int) *queue {
	return &queue{limit: limit, lines: map[string]*line{}, byLength: make([]*line, limit+1)}
}

// add queues w and returns the call that there is no room for: nil, w itself, or the one that
// gave way to it.
func (q *queue) add(w *waiting) (refused *waiting) {
	l := q.lines[w.hint.Shop]
	if q.size >= q.limit {
		length := 0
		if l != nil {
			length = l.length
		}
		if length+1 >= q.longest {
			return w
		}
		refused = q.drop(q.byLength[q.longest])
	}
	if l == nil {
		l = &line{shop: w.hint.Shop}
		q.lines[l.shop] = l
		q.queue(l)
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

// take moves up to n calls to batch, up to share of each shop.
func (q *queue) take(batch []*waiting, n, share int) []*waiting {
	q.takes++
	for ; n > 0 && q.first != nil; n-- {
		l := q.first
		if l.take != q.takes {
			l.take, l.took = q.takes, 0
		}
		if l.took == share {
			break // the others have had as many turns
		}
		l.took++
		if q.first = l.next; q.first == nil {
			q.last = nil
		}
		w := l.oldest
		if l.oldest = w.newer; l.oldest != nil {
			l.oldest.older = nil
			q.queue(l)
		} else {
			delete(q.lines, l.shop)
		}
		w.newer = nil
		q.size--
		q.resize(l, l.length-1)
		batch = append(batch, w)
	}
	return batch
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

// queue gives a line the last turn.
func (q *queue) queue(l *line) {
	if l.next = nil; q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
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
