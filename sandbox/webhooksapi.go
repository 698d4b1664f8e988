package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// webhooksAPI serves e-conomic's webhooks API (apis.e-conomic.com/webhooksapi/v1.0.0):
// one webhook per event type and agreement.
func (s *Sandbox) webhooksAPI(w http.ResponseWriter, r *http.Request) {
	a, ans := s.authenticate(r)
	if a != nil {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
		if err != nil {
			ans = problem(400, "InvalidRequest", err.Error())
		} else {
			ans = a.webhooksCall(r.Method, strings.TrimPrefix(r.URL.Path, "/webhooksapi/v1.0.0"), body)
		}
	}
	write(w, s.now(), ans)
}

func problem(status int, code, detail string) answer {
	ans := jsonAnswer(status, map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail, "errorCode": code})
	ans.contentType = "application/problem+json"
	return ans
}

func (a *agreement) webhooksCall(method, path string, body []byte) answer { //nolint:gocyclo // one check per parameter
	a.mu.Lock()
	defer a.mu.Unlock()
	eventType := strings.TrimPrefix(path, "/webhooks/")
	switch {
	case method == http.MethodGet && path == "/EventTypes":
		types := []any{}
		for _, name := range []string{inventoryUpdated, invoiceBooked} {
			field := mergeField[name]
			types = append(types, map[string]any{"name": name, "description": name, "mergeFields": []any{map[string]any{"fieldName": field, "description": field}}})
		}
		return jsonAnswer(200, types)
	case method == http.MethodGet && path == "/webhooks":
		items := []*hook{}
		for _, name := range []string{inventoryUpdated, invoiceBooked} {
			if h := a.hooks[name]; h != nil {
				items = append(items, h)
			}
		}
		return jsonAnswer(200, map[string]any{"items": items})
	case method == http.MethodPost && path == "/webhooks", method == http.MethodPut && path == "/webhooks":
		return a.putHook(method, body)
	case strings.HasPrefix(path, "/webhooks/") && a.hooks[eventType] != nil && method == http.MethodGet:
		return jsonAnswer(200, a.hooks[eventType])
	case strings.HasPrefix(path, "/webhooks/") && a.hooks[eventType] != nil && method == http.MethodDelete:
		delete(a.hooks, eventType)
		return answer{status: 204, contentType: "application/json"}
	}
	return problem(404, "NotFound", "not found")
}

func (a *agreement) putHook(method string, body []byte) answer { //nolint:gocyclo // one check per field
	var h hook
	if err := json.Unmarshal(body, &h); err != nil {
		return problem(400, "InvalidRequest", err.Error())
	}
	existing := a.hooks[h.EventType]
	switch {
	case mergeField[h.EventType] == "":
		return problem(400, "WebhookInvalidType", "unknown event type")
	case len(h.Name) == 0 || len(h.Name) > 100 || len(h.URL) > 1000 || len(h.ContentType) > 50 || len(h.PostData) > 4000:
		return problem(400, "InvalidRequest", "a value is missing or too long")
	case !strings.HasPrefix(h.URL, "https://"):
		return problem(400, "WebhookInvalidUrlScheme", "HTTPS only")
	case method == http.MethodPost && existing != nil:
		return problem(409, "WebhookAlreadyExistsForEventType", "one webhook for an event type")
	case method == http.MethodPut && (existing == nil || h.ObjectVersion != existing.ObjectVersion):
		return problem(409, "UpdateConflict", "objectVersion is not the current one")
	}
	version := 0
	if existing != nil {
		version, _ = strconv.Atoi(existing.ObjectVersion)
	}
	h.ObjectVersion = strconv.Itoa(version + 1)
	h.LastUpdated = a.now().Format("2006-01-02T15:04:05Z")
	a.hooks[h.EventType] = &h
	if method == http.MethodPut {
		return answer{status: 204, contentType: "application/json"}
	}
	return jsonAnswer(201, map[string]string{"eventType": h.EventType})
}
