package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Audience is who is told of something.
type Audience string

// The audiences.
const (
	AudienceOperator Audience = "operator"
	AudienceOwner    Audience = "owner" // of one shop
)

// Channel is the way on which a message goes.
type Channel string

// The channels.
const (
	ChannelMail    Channel = "mail"
	ChannelWebhook Channel = "webhook"
)

// IncidentKey identifies an incident.
type IncidentKey struct {
	Audience Audience
	Shop     string // "": the installation
	What     string // the need: its scope and reason
}

// Incident is a need as it was noticed for an audience. All times are by the database's clock.
type Incident struct {
	IncidentKey
	SeenAt time.Time // since when it is there
	ToldAt time.Time // when a message about it was decided; zero: not yet
	GoneAt time.Time // since when it is over, which has not been told yet; zero: it is there
	ToldTo string    // which addresses of an owner were told, as notify knows them; "": all
}

// MessageState is what became of a message.
type MessageState string

// The states of messages.
const (
	MessageWaiting MessageState = "waiting"
	MessageSent    MessageState = "sent"
	MessageDropped MessageState = "dropped" // it could not be sent for too long, or was withdrawn
	MessageUnsure  MessageState = "unsure"  // it was sent twice and never answered: it may have arrived
)

// Message is what is sent to one address. All times are by the database's clock.
type Message struct {
	ID           string // the same whenever it is sent
	Audience     Audience
	Shop         string // whose owner it is for; "": the operator
	Channel      Channel
	Address      string // of mail; a digest of a shop's webhook; "": the webhook of the configuration
	Content      []byte // JSON
	State        MessageState
	DecidedAt    time.Time
	DueAt        time.Time // when it is tried next
	ClaimedUntil time.Time // until then a lagerd is sending it
	Claims       int       // how often sending it has begun
	Unsure       int       // how many tries may have arrived: the text was sent, and no answer came
	Refused      bool      // the last try was answered with a refusal for good
	EndedAt      time.Time // when it was sent or dropped
	Error        string    // of the last try
}

// Recipient is an audience, or the owner of a shop.
type Recipient struct {
	Audience Audience
	Shop     string // "": the operator
}

// Told is what a round of notifications decided. It is stored as a whole or not at all.
type Told struct {
	At       time.Time  // when it was decided
	Put      []Incident // new and changed ones
	Delete   []IncidentKey
	Messages []Message // new ones
	Withdraw []string  // ids of messages not to be sent after all
}

// ErrNotNotifying is returned when another lagerd notifies, and nothing was written.
var ErrNotNotifying = errors.New("another lagerd sends the notifications")

// ErrMessageTaken is returned when a message is being sent that was to be withdrawn, and nothing was
// written.
var ErrMessageTaken = errors.New("a message to be withdrawn is being sent")

// errNoNotifying is returned if the one row of notifying is missing.
var errNoNotifying = errors.New("the table notifying has no row: run `lagerd migrate`")

// TakeNotifying makes the instance the one that notifies until a time, unless another is at the
// time now. Both times are by the database's clock.
func (s *Store) TakeNotifying(ctx context.Context, instance string, now, until time.Time) (taken bool, err error) {
	if _, err := s.exec(ctx, "UPDATE notifying SET holder = ?, until_at = ? WHERE holder = ? OR until_at <= ?", instance, At(until), instance, At(now)); err != nil {
		return false, fmt.Errorf("take the notifications: %w", err)
	}
	// Read back: the answer to the update may have been lost.
	var holder string
	var at Time
	err = s.conn.QueryRowContext(ctx, "SELECT holder, until_at FROM notifying").Scan(&holder, &at)
	if err != nil {
		return false, errors.Join(fmt.Errorf("read who sends the notifications: %w", err), errNoNotifying)
	}
	return holder == instance && at.After(now), nil
}

// ReleaseNotifying lets another lagerd notify at once.
func (s *Store) ReleaseNotifying(ctx context.Context, instance string, now time.Time) error {
	if _, err := s.exec(ctx, "UPDATE notifying SET holder = '', until_at = ? WHERE holder = ?", At(now), instance); err != nil {
		return fmt.Errorf("release the notifications: %w", err)
	}
	return nil
}

// Incidents returns all incidents.
func (s *Store) Incidents(ctx context.Context) ([]Incident, error) { return s.incidents(ctx, "") }

func (s *Store) incidents(ctx context.Context, where string, args ...any) ([]Incident, error) {
	fail := func(err error) ([]Incident, error) { return nil, fmt.Errorf("read the incidents: %w", err) }
	rows, err := s.conn.QueryContext(ctx, "SELECT audience, shop, what, seen_at, told_at, gone_at, told_to FROM incidents"+where, args...)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []Incident
	for rows.Next() {
		var i Incident
		var seen, told, gone Time
		if err := rows.Scan(&i.Audience, &i.Shop, &i.What, &seen, &told, &gone, &i.ToldTo); err != nil {
			return fail(err)
		}
		i.SeenAt, i.ToldAt, i.GoneAt = seen.Time, told.Time, gone.Time
		list = append(list, i)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

// LastMessages returns when the last message to each recipient was decided.
func (s *Store) LastMessages(ctx context.Context) (map[Recipient]time.Time, error) {
	fail := func(err error) (map[Recipient]time.Time, error) {
		return nil, fmt.Errorf("read when messages were decided: %w", err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT audience, shop, MAX(decided_at) FROM messages GROUP BY audience, shop")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	last := map[Recipient]time.Time{}
	for rows.Next() {
		var r Recipient
		var at Time
		if err := rows.Scan(&r.Audience, &r.Shop, &at); err != nil {
			return fail(err)
		}
		last[r] = at.Time
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return last, nil
}

// Tell stores what the instance has decided, in one transaction, if it is still the one that
// notifies; else it returns ErrNotNotifying. It may be repeated.
func (s *Store) Tell(ctx context.Context, instance string, told Told) error {
	err := s.inTx(ctx, func(t *tx) error {
		// A write, so that two nodes of a cluster cannot both pass.
		if t.exec("UPDATE notifying SET rounds = rounds + 1 WHERE holder = ?", instance) == 0 && t.err == nil {
			return ErrNotNotifying
		}
		args := make([]any, 0, 7*len(told.Put))
		for _, i := range told.Put {
			args = append(args, i.Audience, i.Shop, i.What, At(i.SeenAt), At(i.ToldAt), At(i.GoneAt), i.ToldTo)
		}
		t.insertRows("INSERT INTO incidents (audience, shop, what, seen_at, told_at, gone_at, told_to)", 7, s.dialect.onConflict("audience, shop, what", overwrite("seen_at", "told_at", "gone_at", "told_to")...), args)
		t.deleteIncidents(told.Delete)
		if err := t.withdraw(told.Withdraw, told.At); err != nil {
			return err
		}
		args = make([]any, 0, 8*len(told.Messages))
		for _, m := range told.Messages {
			args = append(args, m.ID, m.Audience, m.Shop, m.Channel, m.Address, string(m.Content), At(m.DecidedAt), At(m.DueAt))
		}
		t.insertRows("INSERT INTO messages (id, audience, shop, channel, address, content, decided_at, due_at)", 8, s.dialect.onConflict("id", "due_at = due_at"), args)
		return t.err
	})
	if err != nil {
		return fmt.Errorf("store %d messages: %w", len(told.Messages), err)
	}
	return nil
}

func (t *tx) deleteIncidents(keys []IncidentKey) {
	shops := map[IncidentKey][]any{} // by the key without its shop
	for _, k := range keys {
		of := IncidentKey{Audience: k.Audience, What: k.What}
		shops[of] = append(shops[of], k.Shop)
	}
	for of, list := range shops {
		for chunk := range slices.Chunk(list, rowsPerStatement) {
			t.exec("DELETE FROM incidents WHERE audience = ? AND what = ? AND shop IN "+placeholders(1, len(chunk)), append([]any{of.Audience, of.What}, chunk...)...)
		}
	}
}

// withdraw ends messages that nobody is sending, or may have sent.
func (t *tx) withdraw(ids []string, at time.Time) error {
	for chunk := range slices.Chunk(ids, rowsPerStatement) {
		args := []any{MessageDropped, At(at)}
		for _, id := range chunk {
			args = append(args, id)
		}
		n := t.exec("UPDATE messages SET state = ?, ended_at = ?, error = 'withdrawn: it was over before this could be sent' WHERE id IN "+placeholders(1, len(chunk))+
			" AND state = 'waiting' AND unsure = 0 AND (claimed_until IS NULL OR claimed_until <= ?)", append(args, At(at))...)
		if t.err == nil && int(n) != len(chunk) {
			return ErrMessageTaken
		}
	}
	return t.err
}

const selectMessages = "SELECT id, audience, shop, channel, address, content, state, decided_at, due_at, claimed_until, claims, unsure, refused, ended_at, error FROM messages"

// isDue selects messages that are to be sent at a time: none that a lagerd is sending.
const isDue = "state = 'waiting' AND due_at <= ? AND (claimed_until IS NULL OR claimed_until <= ?)"

// inTurn selects messages of m for whose address no earlier one waits, but for those that it refused.
const inTurn = "NOT EXISTS (SELECT 1 FROM messages e WHERE e.audience = m.audience AND e.shop = m.shop AND e.decided_at < m.decided_at" +
	" AND e.channel = m.channel AND e.address = m.address AND e.state = 'waiting' AND e.refused = 0)"

// DueMessages returns messages of a channel for one of the audiences that are to be sent at the time
// now, those due longest first. To an address they go in the order in which they were decided.
func (s *Store) DueMessages(ctx context.Context, channel Channel, to []Audience, now time.Time, limit int) ([]Message, error) {
	args := []any{At(now), At(now), channel}
	for _, audience := range to {
		args = append(args, audience)
	}
	list, err := s.messages(ctx, selectMessages+" m WHERE "+isDue+" AND "+inTurn+" AND channel = ? AND audience IN "+placeholders(1, len(to))+" ORDER BY due_at, id LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read the messages to send: %w", err)
	}
	return list, nil
}

// Messages returns the messages to a shop's owner, or if shop is "" all, the latest first.
func (s *Store) Messages(ctx context.Context, shop string, limit int) ([]Message, error) {
	query, args := selectMessages, []any{}
	if shop != "" {
		query, args = query+" WHERE shop = ?", append(args, shop)
	}
	list, err := s.messages(ctx, query+" ORDER BY decided_at DESC, id LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read the messages: %w", err)
	}
	return list, nil
}

func (s *Store) messages(ctx context.Context, query string, args ...any) ([]Message, error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Message
	for rows.Next() {
		var m Message
		var decided, due, claimed, ended Time
		if err := rows.Scan(&m.ID, &m.Audience, &m.Shop, &m.Channel, &m.Address, &m.Content, &m.State, &decided, &due, &claimed, &m.Claims, &m.Unsure, &m.Refused, &ended, &m.Error); err != nil {
			return nil, err
		}
		m.DecidedAt, m.DueAt, m.ClaimedUntil, m.EndedAt = decided.Time, due.Time, claimed.Time, ended.Time
		list = append(list, m)
	}
	return list, rows.Err()
}

// ClaimMessage claims a message as it was read, until a time: meanwhile no other lagerd sends it.
// It returns false if another has claimed it first.
func (s *Store) ClaimMessage(ctx context.Context, m Message, until time.Time) (claimed bool, err error) {
	n, err := s.exec(ctx, "UPDATE messages SET claimed_until = ?, claims = claims + 1 WHERE id = ? AND state = 'waiting' AND claims = ?", At(until), m.ID, m.Claims)
	if err != nil {
		return false, fmt.Errorf("claim the message %s: %w", m.ID, err)
	}
	return n == 1, nil
}

// EndMessage stores that a message was sent, or dropped because of an error ("": none).
func (s *Store) EndMessage(ctx context.Context, id string, state MessageState, at time.Time, text string) error {
	_, err := s.exec(ctx, "UPDATE messages SET state = ?, ended_at = ?, claimed_until = NULL, error = ? WHERE id = ? AND state = 'waiting'", state, At(at), shorten(text, 500), id)
	if err != nil {
		return fmt.Errorf("store that the message %s is %s: %w", id, state, err)
	}
	return nil
}

// StartMessage stores, before the text of a claimed message is sent, that it may have arrived, and until
// when its answer is awaited. m is the message as it was read. It returns false if the message is no
// longer this lagerd's.
func (s *Store) StartMessage(ctx context.Context, m Message, until time.Time) (ours bool, err error) {
	n, err := s.exec(ctx, "UPDATE messages SET unsure = ?, claimed_until = ? WHERE id = ? AND state = 'waiting' AND claims = ?", m.Unsure+1, At(until), m.ID, m.Claims+1)
	if err != nil {
		return false, fmt.Errorf("store that the message %s is being sent: %w", m.ID, err)
	}
	return n == 1, nil
}

// PostponeMessage ends the claim of a message that could not be sent: it is due again at m.DueAt, with
// m's Unsure, Refused and Error.
func (s *Store) PostponeMessage(ctx context.Context, m Message) error {
	_, err := s.exec(ctx, "UPDATE messages SET due_at = ?, claimed_until = NULL, unsure = ?, refused = ?, error = ? WHERE id = ? AND state = 'waiting'", At(m.DueAt), m.Unsure, m.Refused, shorten(m.Error, 500), m.ID)
	if err != nil {
		return fmt.Errorf("postpone the message %s: %w", m.ID, err)
	}
	return nil
}

// UnsentMessages returns the messages waiting at the time now that nobody is sending, and of which no
// address of their recipient has got, or may have got, what was decided with them.
func (s *Store) UnsentMessages(ctx context.Context, now time.Time) ([]Message, error) {
	list, err := s.messages(ctx, selectMessages+" m WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM messages o WHERE o.audience = m.audience AND o.shop = m.shop AND o.decided_at = m.decided_at"+
		" AND (o.state <> 'waiting' OR o.unsure > 0 OR o.claimed_until > ?)) ORDER BY decided_at, id", At(now))
	if err != nil {
		return nil, fmt.Errorf("read the messages that nobody has got: %w", err)
	}
	return list, nil
}

// OpenIncidents returns incidents of some kinds that are there, whoever was told.
func (s *Store) OpenIncidents(ctx context.Context, what ...string) ([]Incident, error) {
	return s.incidents(ctx, " WHERE gone_at IS NULL AND what IN "+placeholders(1, len(what)), values(what)...)
}

// HasNotifyHooks reports whether any shop's owner has a webhook.
func (s *Store) HasNotifyHooks(ctx context.Context) (has bool, err error) {
	if err := s.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM shops WHERE notify_origin <> '')").Scan(&has); err != nil {
		return false, fmt.Errorf("read whether owners have webhooks: %w", err)
	}
	return has, nil
}

// CountWaitingMessages returns how many messages have not been sent yet.
func (s *Store) CountWaitingMessages(ctx context.Context) (count int, err error) {
	if err := s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM messages WHERE state = 'waiting'").Scan(&count); err != nil {
		return 0, fmt.Errorf("count the messages: %w", err)
	}
	return count, nil
}

// PruneMessages deletes messages that ended before a time, at most RowsPerPiece.
func (s *Store) PruneMessages(ctx context.Context, before time.Time) error {
	if _, err := s.exec(ctx, s.dialect.deletePiece("messages", "state <> 'waiting' AND ended_at < ?"), At(before)); err != nil {
		return fmt.Errorf("delete old messages: %w", err)
	}
	return nil
}
