package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// apiTime is how the webhooks API writes times.
const apiTime = "2006-01-02T15:04:05Z"

const webhooksAPIPath = "/webhooksapi/v1.0.0"

// webhooksAPI serves e-conomic's webhooks API (apis.e-conomic.com/webhooksapi/v1.0.0): one webhook
// per event type and agreement, of which an app sees those that it has made.
func (s *Sandbox) webhooksAPI(w http.ResponseWriter, r *http.Request) {
	a, _ := s.authenticate(r)
	if a == nil {
		write(w, s.now(), problem(401, "Unauthorized", "", "the tokens are not accepted"))
		return
	}
	var ans answer
	f := a.faults()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
	_, ok := a.spend(listCost, "webhooksapi")
	switch {
	case err != nil:
		ans = problem(400, "InvalidRequest", "", err.Error())
	case !ok || s.strikes(a, f.RateLimit, "rateLimit"):
		ans = problem(429, "TooManyRequests", "", "You are over your quota.")
		ans.header = map[string]string{"Retry-After": strconv.Itoa(a.wait())}
	case f.WebhooksForbidden:
		ans = problem(403, "Forbidden", "", "The role SuperUser is required.")
	case s.strikes(a, f.ServerError, "serverError"):
		ans = problem(500, "InternalServerError", "", "Something went wrong.")
	default:
		ans = a.webhooksCall(r, body, f)
	}
	write(w, f.now(), ans)
}

// problem is an error as the API's specification describes it (RFC 9457).
func problem(status int, code, property, detail string) answer {
	one := map[string]any{"message": detail, "errorCode": code}
	if property != "" {
		one["property"] = property
	}
	ans := jsonAnswer(status, map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "errors": []any{one},
		"traceId": fmt.Sprintf("%016x-sandbox", rand.Uint64())})
	ans.contentType = "application/problem+json"
	return ans
}

// conflict is the error of an update, as the API's documentation shows it.
func conflict() answer {
	ans := jsonAnswer(http.StatusConflict, map[string]any{"message": "Update conflict. Version does not match.",
		"developerHint": "The resource has been updated by another user. Retrieve the resource/object and try the update again.",
		"logId":         fmt.Sprintf("%016x-sandbox", rand.Uint64()), "property": "version"})
	return ans
}

func (a *agreement) webhooksCall(r *http.Request, body []byte, f *Faults) answer { //nolint:gocyclo // one case per address
	path := strings.TrimPrefix(r.URL.Path, webhooksAPIPath)
	eventType, one := strings.CutPrefix(path, "/webhooks/")
	a.mu.Lock()
	defer a.mu.Unlock()
	made := a.made[eventType]
	switch {
	case r.Method == http.MethodGet && path == "/EventTypes":
		return jsonAnswer(200, eventTypes(f))
	case r.Method == http.MethodGet && path == "/webhooks":
		items := []hook{}
		for _, name := range []string{inventoryUpdated, invoiceBooked} {
			if h := a.made[name]; h != nil {
				items = append(items, h.shown(f))
			}
		}
		return webhookPage(items, r.URL.Query().Get("cursor"), f)
	case r.Method == http.MethodPost && path == "/webhooks", r.Method == http.MethodPut && path == "/webhooks":
		a.hookWrites++
		return a.putHook(r.Method, body, f)
	case one && made != nil && r.Method == http.MethodGet:
		return jsonAnswer(200, made.shown(f))
	case one && made != nil && r.Method == http.MethodDelete:
		a.hookWrites++
		delete(a.made, eventType)
		return answer{status: 204, contentType: "application/json"}
	}
	return problem(404, "NotFound", "", "not found")
}

// eventTypes are what webhooks can be called for. Whether stock is among them is not known.
func eventTypes(f *Faults) []any {
	types := []any{}
	for _, name := range []string{inventoryUpdated, invoiceBooked, "CUSTOMER_UPDATED"} {
		if name == inventoryUpdated && f.NoInventoryEvent {
			continue
		}
		fields := []any{}
		for field := range strings.FieldsSeq(cmp.Or(mergeField[name], "[OLDNUMBER] [NEWNUMBER]")) {
			if f.BareMergeFields {
				field = strings.Trim(field, "[]")
			}
			fields = append(fields, map[string]any{"fieldName": field, "description": field})
		}
		types = append(types, map[string]any{"name": name, "description": name, "mergeFields": fields})
	}
	return types
}

// webhookPage returns a page of webhooks: all of them, or one by one.
func webhookPage(items []hook, cursor string, f *Faults) answer {
	from, _ := strconv.Atoi(cursor)
	from = min(max(from, 0), len(items))
	page := map[string]any{"items": items[from:]}
	if f.WebhookPages && from+1 < len(items) {
		page["items"], page["cursor"] = items[from:from+1], strconv.Itoa(from+1)
	}
	return jsonAnswer(200, page)
}

// shown returns a webhook as the API shows it.
func (h hook) shown(f *Faults) hook {
	if f.HideHeaders {
		h.CustomHeaders = nil
	}
	return h
}

// replace stores a webhook that the app has made, with a new version. a.mu is held.
func (a *agreement) replace(h *hook) {
	version := 0
	if existing := a.made[h.EventType]; existing != nil {
		version, _ = strconv.Atoi(existing.ObjectVersion)
	}
	h.ObjectVersion, h.LastUpdated = strconv.Itoa(version+1), a.now().UTC().Format(apiTime)
	a.made[h.EventType] = h
}

// putHook creates or updates a webhook. a.mu is held.
func (a *agreement) putHook(method string, body []byte, f *Faults) answer {
	var fields map[string]json.RawMessage
	var h hook
	if err := json.Unmarshal(body, &fields); err != nil {
		return problem(400, "InvalidRequest", "", err.Error())
	}
	for name, value := range fields {
		if string(bytes.TrimSpace(value)) == "null" {
			return problem(400, "InvalidRequest", name, "null is not accepted: leave the property out")
		}
	}
	if err := json.Unmarshal(body, &h); err != nil {
		return problem(400, "InvalidRequest", "", err.Error())
	}
	if wrong := h.invalid(f); wrong != nil {
		return *wrong
	}
	existing := a.made[h.EventType]
	if method == http.MethodPost {
		if existing != nil || a.hooks[h.EventType] != nil && !f.SlotPerApp {
			return problem(400, "WebhookAlreadyExistsForEventType", "eventType", "Only one webhook is allowed for an event type.")
		}
		h.failed, h.LastDisabledDate = &atomic.Int64{}, ""
		a.replace(&h)
		return jsonAnswer(201, map[string]string{"eventType": h.EventType})
	}
	return a.update(existing, &h)
}

// update puts a webhook in the place of one that the app has made. a.mu is held.
func (a *agreement) update(existing, h *hook) answer {
	if existing == nil {
		return problem(404, "NotFound", "", "not found")
	}
	if a.sandbox.strikes(a, 0, "webhookConflict") { // somebody was faster
		again := *existing
		a.replace(&again)
		existing = &again
	}
	switch {
	case h.ObjectVersion != existing.ObjectVersion:
		return conflict()
	case h.LastUpdated != "" && h.LastUpdated != existing.LastUpdated, h.LastDisabledDate != "" && h.LastDisabledDate != existing.LastDisabledDate:
		return problem(400, "InvalidRequest", "lastUpdated", "a read-only property has another value")
	}
	h.failed, h.LastDisabledDate = &atomic.Int64{}, existing.LastDisabledDate
	if h.IsDisabled && !existing.IsDisabled {
		h = h.disabled(a.now())
	}
	a.replace(h)
	return answer{status: 204, contentType: "application/json"}
}

// invalid returns the answer to a webhook that the API refuses, or nil.
func (h hook) invalid(f *Faults) *answer { //nolint:gocyclo // one check per field
	refuse := func(code, property, detail string) *answer {
		ans := problem(400, code, property, detail)
		return &ans
	}
	headers, _ := json.Marshal(h.CustomHeaders) //nolint:errchkjson // it is text
	switch {
	case mergeField[h.EventType] == "" || h.EventType == inventoryUpdated && f.NoInventoryEvent:
		return refuse("WebhookInvalidType", "eventType", "unknown event type")
	case h.Name == "" || len(h.Name) > 100 || len(h.URL) > 1000 || h.ContentType == "" || len(h.ContentType) > 50 || len(h.PostData) > 4000:
		return refuse("InvalidRequest", "", "a value is missing or too long")
	case !strings.HasPrefix(h.URL, "https://") && !f.PlainWebhooks:
		return refuse("WebhookInvalidUrlScheme", "url", "HTTPS only")
	case len(h.CustomHeaders) > 5:
		return refuse("WebhookCustomHeadersTooMany", "customHeaders", "at most 5")
	case len(headers) > 1000:
		return refuse("WebhookCustomHeadersTooLong", "customHeaders", "at most 1000 characters")
	}
	for _, custom := range h.CustomHeaders {
		if custom.Key == "" || custom.Value == "" {
			return refuse("WebhookCustomHeadersInvalid", "customHeaders", "a key or a value is missing")
		}
	}
	return nil
}

// hookChange changes a webhook that the app has made, as somebody else would.
type hookChange struct {
	EventType string  `json:"eventType"`
	Disabled  *bool   `json:"disabled"`
	URL       *string `json:"url"`
	PostData  *string `json:"postData"`
	Delete    bool    `json:"delete"`
	Entered   bool    `json:"entered"` // delete or change the one that a person has entered instead
}

func (a *agreement) changeHook(c hookChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.made
	if c.Entered {
		of = a.hooks
	}
	existing := of[c.EventType]
	if existing == nil {
		return fmt.Errorf("there is no such webhook of %q", c.EventType)
	}
	if c.Delete {
		delete(of, c.EventType)
		return nil
	}
	h := *existing
	if c.URL != nil {
		h.URL = *c.URL
	}
	if c.PostData != nil {
		h.PostData = *c.PostData
	}
	changed := &h
	if c.Disabled != nil {
		if h.IsDisabled = *c.Disabled; h.IsDisabled {
			changed = h.disabled(a.now())
		}
	}
	if c.Entered {
		of[c.EventType] = changed
		return nil
	}
	a.replace(changed)
	return nil
}
