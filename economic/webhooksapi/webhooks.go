package webhooksapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"lagerd/rest"
	"lagerd/secret"
)

// EventType is something that a webhook can be called for.
type EventType struct {
	Name        string // INVOICE_BOOKED
	Description string

	// MergeFields are the names that e-conomic replaces in the sent data, with their brackets:
	// [INVOICENO].
	MergeFields []string
}

// Header is a header that e-conomic sends with a webhook's calls.
type Header struct {
	Key   string
	Value secret.Text // it may be a code
}

// Webhook is a webhook as it was read. What it is called with may hold a code.
type Webhook struct {
	EventType    string
	Name         string
	URL          secret.Text
	PostData     secret.Text
	Headers      []Header
	Disabled     bool
	LastDisabled time.Time // when it was last switched off; zero: never

	fields object // all that it was read with
}

// Draft is a webhook to create.
type Draft struct {
	EventType   string
	Name        string // for people
	URL         string
	ContentType string
	PostData    string // with merge fields
	Header      Header
}

// EventTypes returns what webhooks can be called for. It makes one call.
func (a *Agreement) EventTypes(ctx context.Context) ([]EventType, error) {
	const op = "read the event types of webhooks"
	body, err := a.do(ctx, request{op: op, method: http.MethodGet, path: "/EventTypes"})
	if err != nil {
		return nil, err
	}
	types, err := readEventTypes(body)
	if err != nil {
		return nil, malformed(op, err)
	}
	return types, nil
}

// readEventTypes reads the answer about event types.
func readEventTypes(body []byte) ([]EventType, error) {
	var sent list[struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		MergeFields list[struct {
			FieldName string `json:"fieldName"`
		}] `json:"mergeFields"`
	}]
	if err := decode(body, &sent); err != nil {
		return nil, err
	}
	types := make([]EventType, len(sent))
	for i, t := range sent {
		types[i] = EventType{Name: t.Name, Description: t.Description}
		for _, f := range t.MergeFields {
			// Whether the brackets are part of a field's name is not documented.
			types[i].MergeFields = append(types[i].MergeFields, "["+strings.Trim(f.FieldName, "[] ")+"]")
		}
	}
	return types, nil
}

// mostPages is how many pages of webhooks are read: an agreement has one for an event type, and a
// page has a thousand.
const mostPages = 10

// mostListed is how many elements a list of an answer may have, and mostWebhooks how many webhooks all
// pages together; mostFields is how many members a webhook may have: published are ten.
const (
	mostListed, mostWebhooks = 1000, 1000
	mostFields               = 100
)

// Webhooks returns the webhooks that this app has made for the agreement. It makes one call, or one
// for each thousand.
func (a *Agreement) Webhooks(ctx context.Context) ([]Webhook, error) {
	const op = "read the webhooks"
	var all []Webhook
	query := url.Values{}
	for range mostPages {
		body, err := a.do(ctx, request{op: op, method: http.MethodGet, path: "/webhooks", query: query})
		if err != nil {
			return nil, err
		}
		page, cursor, err := readPage(body)
		if err == nil && len(all)+len(page) > mostWebhooks {
			err = tooManyError(mostWebhooks)
		}
		if err != nil {
			return nil, malformed(op, err)
		}
		all = append(all, page...)
		if cursor == "" {
			return all, nil
		}
		query.Set("cursor", cursor)
	}
	return nil, malformed(op, fmt.Errorf("more than %d pages", mostPages))
}

// readPage reads a page of webhooks, and where the next begins; "": there is none.
func readPage(body []byte) (webhooks []Webhook, cursor string, err error) {
	var page struct {
		Cursor string       `json:"cursor"`
		Items  list[object] `json:"items"`
	}
	if err := decode(body, &page); err != nil {
		return nil, "", err
	}
	for _, fields := range page.Items {
		w, err := read(fields)
		if err != nil {
			return nil, "", err
		}
		webhooks = append(webhooks, w)
	}
	return webhooks, page.Cursor, nil
}

// read returns the webhook with these fields.
func read(fields object) (Webhook, error) {
	raw, err := json.Marshal(fields, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return Webhook{}, errors.New("a webhook: not an object of JSON")
	}
	var w struct {
		EventType     string `json:"eventType"`
		Name          string `json:"name"`
		URL           string `json:"url"`
		PostData      string `json:"postData"`
		CustomHeaders list[struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		}] `json:"customHeaders"`
		IsDisabled       bool   `json:"isDisabled"`
		LastDisabledDate string `json:"lastDisabledDate"`
	}
	if err := decode(raw, &w); err != nil {
		return Webhook{}, fmt.Errorf("a webhook: %w", err)
	}
	if w.EventType == "" {
		return Webhook{}, errors.New("a webhook: eventType: expected text, got nothing")
	}
	got := Webhook{EventType: w.EventType, Name: w.Name, URL: secret.NewText(w.URL), PostData: secret.NewText(w.PostData), Disabled: w.IsDisabled, fields: fields}
	for _, h := range w.CustomHeaders {
		got.Headers = append(got.Headers, Header{h.Key, secret.NewText(h.Value)})
	}
	if w.LastDisabledDate != "" {
		// Only shown: a date that cannot be read is none.
		got.LastDisabled, _ = rest.ParseTime(w.LastDisabledDate, time.RFC3339, "2006-01-02T15:04:05")
	}
	return got, nil
}

// Header returns the value of a header that the webhook is called with, and whether it has one.
func (w Webhook) Header(key string) (value string, ok bool) {
	for _, h := range w.Headers {
		if strings.EqualFold(h.Key, key) && !h.Value.IsZero() {
			return h.Value.Reveal(), true
		}
	}
	return "", false
}

// SwitchedOn returns the webhook as it is to be put back to be on, with everything else as read.
func (w Webhook) SwitchedOn() Webhook {
	w.fields = maps.Clone(w.fields)
	w.Disabled = false
	delete(w.fields, "isDisabled") // false is left out
	return w
}

// WithHeader returns the webhook with a header set, beside the others.
func (w Webhook) WithHeader(set Header) Webhook {
	headers := []Header{}
	for _, h := range w.Headers {
		if !strings.EqualFold(h.Key, set.Key) && !h.Value.IsZero() {
			headers = append(headers, h)
		}
	}
	w.Headers = slices.Concat(headers, []Header{set})
	w.fields = maps.Clone(w.fields)
	w.fields["customHeaders"] = encodeHeaders(w.Headers)
	return w
}

// encodeHeaders returns headers in JSON.
func encodeHeaders(list []Header) jsontext.Value {
	type pair struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	pairs := make([]pair, len(list))
	for i, h := range list {
		pairs[i] = pair{h.Key, h.Value.Reveal()}
	}
	raw, _ := json.Marshal(pairs) // cannot fail: it is text
	return raw
}

// Create makes a webhook, in one call. It fails with CodeTaken if the event type has one, whoever has
// made it.
func (a *Agreement) Create(ctx context.Context, d Draft) error {
	body, err := json.Marshal(map[string]any{
		"eventType": d.EventType, "name": d.Name, "url": d.URL, "contentType": d.ContentType, "postData": d.PostData,
		"customHeaders": encodeHeaders([]Header{d.Header}),
	}, json.Deterministic(true))
	if err != nil {
		return &Error{Op: "set up a webhook", Kind: rest.KindBadRequest, Err: err}
	}
	_, err = a.do(ctx, request{op: "set up the webhook " + d.EventType, method: http.MethodPost, path: "/webhooks", body: body, hide: []string{d.Header.Value.Reveal()}})
	return err
}

// Replace puts a webhook back, in one call: every field that it was read with, as SwitchedOn and
// WithHeader have changed it. It fails with ErrConflict if the webhook has changed since.
func (a *Agreement) Replace(ctx context.Context, w Webhook) error {
	fields := maps.Clone(w.fields)
	for name, value := range fields {
		if rest.Absent(value) {
			delete(fields, name) // nulls are refused
		}
	}
	op := "put back the webhook " + w.EventType
	body, err := json.Marshal(fields, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return &Error{Op: op, Kind: rest.KindBadRequest, Err: err}
	}
	hide := []string{w.URL.Reveal(), w.PostData.Reveal()}
	for _, h := range w.Headers {
		hide = append(hide, h.Value.Reveal())
	}
	_, err = a.do(ctx, request{op: op, method: http.MethodPut, path: "/webhooks", body: body, hide: hide})
	return err
}

// malformed returns the error for an answer that cannot be understood, without quoting it: it may
// hold codes.
func malformed(op string, err error) *Error {
	e := &Error{Op: op, Kind: rest.KindMalformed, Err: err}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		e.Err = errors.New("a member of an object is repeated: which of them is meant is unclear")
	} else if many, ok := errors.AsType[tooManyError](err); ok {
		e.Err = many
	} else if bad, ok := errors.AsType[*json.SemanticError](err); ok {
		e.Err = fmt.Errorf("%s has an unexpected value", cmp.Or(rest.OneLine(string(bad.JSONPointer), 100), "the answer"))
	} else if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		e.Err = fmt.Errorf("at byte %d: not JSON", bad.ByteOffset)
	}
	return e
}
