package webhooksapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/budget"
	"lagerd/economic/webhooksapi"
	"lagerd/rest"
	"lagerd/sandbox"
	"lagerd/secret"
	"lagerd/test/sandboxtest"
)

const (
	appToken  = "sandbox-app-token"
	grant     = "sandbox-grant-1"
	agreement = 100001
	inventory = "INVENTORY_UPDATED"
	booked    = "INVOICE_BOOKED"
	code      = "7w2m9k4x8c3v6b1n5q0zhjfdgs"
)

// world is a sandbox and a client of it.
type world struct {
	*testing.T
	sandboxtest.Client
	calls int
	*webhooksapi.Agreement
}

func newWorld(t *testing.T, mayWrite bool) *world {
	t.Helper()
	w := &world{T: t, Client: sandboxtest.Start(t, sandbox.Options{Agreements: 1, Products: 3})}
	client, err := webhooksapi.New(webhooksapi.Options{URL: w.URL + "/webhooksapi/v1.0.0/", AppSecretToken: appToken, Timeout: 5 * time.Second, Observe: func() { w.calls++ }})
	if err != nil {
		t.Fatal(err)
	}
	w.Agreement = client.Agreement(webhooksapi.Access{Grant: grant, Budget: budget.New(budget.Options{DailyCalls: 1000}), MayWrite: mayWrite})
	return w
}

func (w *world) faults(named map[string]any) {
	w.Helper()
	w.must(w.Faults(named))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func draft(eventType string) webhooksapi.Draft {
	return webhooksapi.Draft{EventType: eventType, Name: "lagerd", URL: "https://lagerd.example.dk/webhooks.php?type=x&username=shop1234",
		ContentType: "application/x-www-form-urlencoded", PostData: "number=[NUMBER]", Header: webhooksapi.Header{Key: "Lagerd-Webhook-Code", Value: secret.NewText(code)}}
}

// only returns the one webhook there is.
func (w *world) only() webhooksapi.Webhook {
	w.Helper()
	list, err := w.Webhooks(w.Context())
	w.must(err)
	if len(list) != 1 {
		w.Fatalf("%d webhooks, expected 1", len(list))
	}
	return list[0]
}

func (w *world) writes() int {
	w.Helper()
	var stats []struct{ WebhookWrites int }
	w.must(w.Send(http.MethodGet, "/sandbox/stats", nil, &stats))
	return stats[0].WebhookWrites
}

// TestEventTypes: their merge fields have brackets, however e-conomic names them; stock may be
// missing.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	names := func(faults map[string]any) (list []string) {
		w.faults(faults)
		types, err := w.EventTypes(t.Context())
		w.must(err)
		for _, e := range types {
			list = append(list, e.Name+" "+strings.Join(e.MergeFields, " "))
		}
		return list
	}
	all := []string{"INVENTORY_UPDATED [NUMBER]", "INVOICE_BOOKED [INVOICENO]", "CUSTOMER_UPDATED [OLDNUMBER] [NEWNUMBER]"}
	for _, bare := range []bool{false, true} {
		if diff := cmp.Diff(all, names(map[string]any{"bareMergeFields": bare})); diff != "" {
			t.Errorf("without brackets %t (-want +got):\n%s", bare, diff)
		}
	}
	if diff := cmp.Diff(all[1:], names(map[string]any{"noInventoryEvent": true})); diff != "" {
		t.Errorf("without stock (-want +got):\n%s", diff)
	}
}

// TestCreate: what the app has made is listed, page by page, and takes the event type; what others
// have made is not listed, and takes it too.
func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	if list, err := w.Webhooks(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("%d webhooks at first: %v", len(list), err)
	}
	w.must(w.Create(t.Context(), draft(inventory)))
	h := w.only()
	value, ok := h.Header("lagerd-webhook-code")
	if h.EventType != inventory || h.Name != "lagerd" || h.URL.Reveal() != draft("").URL || h.PostData.Reveal() != "number=[NUMBER]" || !ok || value != code || h.Disabled || !h.LastDisabled.IsZero() {
		t.Errorf("listed: %+v, %q", h, value)
	}
	w.must(w.Create(t.Context(), draft(booked)))
	w.faults(map[string]any{"webhookPages": true})
	before := w.calls
	if list, err := w.Webhooks(t.Context()); err != nil || len(list) != 2 || w.calls-before != 2 {
		t.Errorf("%d webhooks in %d calls: %v", len(list), w.calls-before, err)
	}
	if err := w.Create(t.Context(), draft(inventory)); !webhooksapi.HasCode(err, webhooksapi.CodeTaken) || webhooksapi.KindOf(err) != rest.KindBadRequest {
		t.Errorf("a second one: %v", err)
	}

	others := newWorld(t, true)
	others.must(others.Post(agreement, "webhooks", map[string]any{"baseURL": "https://shop.example.dk", "username": "u", "password": "p"}, nil))
	if list, err := others.Webhooks(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%d of others' webhooks are listed: %v", len(list), err)
	}
	if err := others.Create(t.Context(), draft(inventory)); !webhooksapi.HasCode(err, webhooksapi.CodeTaken) {
		t.Errorf("in a taken slot: %v", err)
	}
	others.faults(map[string]any{"slotPerApp": true})
	others.must(others.Create(t.Context(), draft(inventory)))
	bad := draft(booked)
	bad.URL = "http://lagerd.example.dk/webhooks.php"
	if err := others.Create(t.Context(), bad); !webhooksapi.HasCode(err, webhooksapi.CodeNotHTTPS) || strings.Contains(fmt.Sprint(err), code) {
		t.Errorf("without https: %v", err)
	}
}

// TestReplace: a webhook is put back whole: with its headers, and with fields that the client does
// not know. If it has changed since it was read, nothing is written.
func TestReplace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.must(w.Create(t.Context(), draft(inventory)))
	w.must(w.Post(agreement, "hook", map[string]any{"eventType": inventory, "disabled": true}, nil))
	off := w.only()
	if !off.Disabled || time.Since(off.LastDisabled).Abs() > time.Minute {
		t.Fatalf("switched off: %t, %s", off.Disabled, off.LastDisabled)
	}
	w.faults(map[string]any{"force": map[string]int{"webhookConflict": 1}})
	if err := w.Replace(t.Context(), off.SwitchedOn()); !errors.Is(err, webhooksapi.ErrConflict) || !strings.Contains(err.Error(), "has changed since it was read") {
		t.Errorf("somebody was faster: %v", err)
	}
	if !w.only().Disabled {
		t.Error("it was written all the same")
	}
	w.must(w.Replace(t.Context(), w.only().SwitchedOn()))
	on := w.only()
	if value, _ := on.Header("Lagerd-Webhook-Code"); on.Disabled || value != code || on.URL != off.URL && on.URL.Reveal() != off.URL.Reveal() || on.PostData.Reveal() != off.PostData.Reveal() {
		t.Errorf("switched on: %+v", on)
	}
	w.must(w.Replace(t.Context(), on.WithHeader(webhooksapi.Header{Key: "LAGERD-webhook-code", Value: secret.NewText("another")})))
	if list := w.only().Headers; len(list) != 1 || list[0].Value.Reveal() != "another" {
		t.Errorf("with another header: %d", len(list))
	}
}

// TestPutsBackWhatItDoesNotKnow: all fields go back as they came, except nulls, which are refused,
// and isDisabled, which is left out.
func TestPutsBackWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	var sent map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprint(w, `{"items":[{"eventType":"INVOICE_BOOKED","name":"n","url":"https://x.dk","contentType":"text/plain","postData":null,"isDisabled":true,"lastDisabledDate":"2026-11-30T02:00:00",
			"customHeaders":[{"key":"A","value":"1"}],"objectVersion":"9","retryPolicy":{"tries":7}}]}`)
	}))
	defer server.Close()
	client, err := webhooksapi.New(webhooksapi.Options{URL: server.URL, AppSecretToken: appToken})
	if err != nil {
		t.Fatal(err)
	}
	a := client.Agreement(webhooksapi.Access{Grant: grant, Budget: budget.New(budget.Options{}), MayWrite: true})
	list, err := a.Webhooks(t.Context())
	if err != nil || len(list) != 1 || !list[0].Disabled || list[0].LastDisabled.Hour() != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := a.Replace(t.Context(), list[0].SwitchedOn().WithHeader(webhooksapi.Header{Key: "B", Value: secret.NewText("2")})); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"eventType": "INVOICE_BOOKED", "name": "n", "url": "https://x.dk", "contentType": "text/plain", "lastDisabledDate": "2026-11-30T02:00:00",
		"customHeaders": []any{map[string]any{"key": "A", "value": "1"}, map[string]any{"key": "B", "value": "2"}}, "objectVersion": "9", "retryPolicy": map[string]any{"tries": 7.0}}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("put back (-want +got):\n%s", diff)
	}
}

// TestCallsAndSwitchingOff: a webhook is called with its header and the number in its body; after
// calls that failed e-conomic switches it off, and it can be switched on again.
func TestCallsAndSwitchingOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.faults(map[string]any{"plainWebhooks": true, "disableAfter": 2})
	called := make(chan string, 100)
	shop := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		called <- fmt.Sprintf("%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Lagerd-Webhook-Code"), body)
		res.WriteHeader(http.StatusInternalServerError)
	}))
	defer shop.Close()
	d := draft(inventory)
	d.URL = shop.URL + "/webhooks.php?type=stockUpdate"
	w.must(w.Create(t.Context(), d))
	for range 2 {
		w.must(w.Post(agreement, "sell", map[string]any{"number": "00001", "quantity": 1}, nil))
	}
	if got, want := <-called, "POST /webhooks.php?type=stockUpdate "+code+" number=00001"; got != want {
		t.Errorf("called with %q, expected %q", got, want)
	}
	for deadline := time.Now().Add(20 * time.Second); !w.only().Disabled; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not switched off")
		}
	}
	w.must(w.Replace(t.Context(), w.only().SwitchedOn()))
	if h := w.only(); h.Disabled || h.LastDisabled.IsZero() {
		t.Errorf("switched on: %t, last off %s", h.Disabled, h.LastDisabled)
	}
}

// TestWritesOnlyIfAllowed: unless the shop allows it, nothing but GET is sent.
func TestWritesOnlyIfAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	for _, err := range []error{w.Create(t.Context(), draft(inventory)), w.Replace(t.Context(), webhooksapi.Webhook{EventType: inventory})} {
		if !errors.Is(err, webhooksapi.ErrNotAllowed) || !strings.Contains(err.Error(), "the shop does not allow lagerd to set up its webhooks") {
			t.Errorf("not allowed: %v", err)
		}
	}
	if w.writes() != 0 || w.calls != 0 {
		t.Errorf("%d calls, %d that write", w.calls, w.writes())
	}
}

// TestErrors: each refusal has a kind that says what it stops, and no error has a token or a code,
// though an answer repeats them.
func TestErrors(t *testing.T) {
	t.Parallel()
	echo := fmt.Sprintf(`{"title":"%s","errors":[{"errorCode":"X","message":"%s %s"}]}`, appToken, grant, code)
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             rest.Kind
	}{
		{"wrong token", "application/problem+json", echo, 401, rest.KindUnauthorized},
		{"no super-user", "application/problem+json", echo, 403, rest.KindForbidden},
		{"gone", "application/problem+json", echo, 404, rest.KindNotFound},
		{"another's 404", "text/html", "<html>" + appToken, 404, rest.KindUnavailable},
		{"refused", "application/problem+json", echo, 400, rest.KindBadRequest},
		{"conflict", "application/json", `{"message":"` + grant + `","logId":"7"}`, 409, rest.KindBadRequest},
		{"too many", "application/problem+json", echo, 429, rest.KindRateLimited},
		{"broken", "text/plain", code, 500, rest.KindUnavailable},
		{"not JSON", "application/json", "[" + code, 200, rest.KindMalformed},
		{"another type", "application/json", `{"items":[{"eventType":{"` + code + `":1}}]}`, 200, rest.KindMalformed},
		{"too large", "application/json", strings.Repeat(" ", 1<<20+1), 200, rest.KindUnavailable},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		client, err := webhooksapi.New(webhooksapi.Options{URL: server.URL, AppSecretToken: appToken})
		if err != nil {
			t.Fatal(err)
		}
		access := func() webhooksapi.Access {
			return webhooksapi.Access{Grant: grant, Budget: budget.New(budget.Options{}), MayWrite: true}
		}
		_, err = client.Agreement(access()).Webhooks(t.Context())
		if webhooksapi.KindOf(err) != c.want {
			t.Errorf("%s: %q, %v", c.name, webhooksapi.KindOf(err), err)
		}
		if c.status == 409 != errors.Is(err, webhooksapi.ErrConflict) {
			t.Errorf("%s: a conflict: %v", c.name, err)
		}
		create := client.Agreement(access()).Create(t.Context(), draft(inventory))
		if (create == nil) != (c.status == 200 && c.want != rest.KindUnavailable) {
			t.Errorf("%s: create: %v", c.name, create)
		}
		if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, appToken) || strings.Contains(text, grant) {
			t.Errorf("%s: %s", c.name, text)
		}
		if text := fmt.Sprintf("%v %+v", create, create); strings.Contains(text, appToken) || strings.Contains(text, grant) || strings.Contains(text, code) {
			t.Errorf("%s: create: %s", c.name, text)
		}
		server.Close()
	}
}

// TestGuard: whatever is asked of the client, nothing leaves it but GET, and POST and PUT of
// webhooks, to its own host.
func TestGuard(t *testing.T) {
	t.Parallel()
	seen := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen++ }))
	defer server.Close()
	guard, err := webhooksapi.Guard(server.URL + "/api")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, address string
		passes          bool
	}{
		{"GET", server.URL + "/api/EventTypes", true}, {"POST", server.URL + "/api/webhooks", true}, {"PUT", server.URL + "/api/webhooks", true},
		{"DELETE", server.URL + "/api/webhooks/INVOICE_BOOKED", false}, {"POST", server.URL + "/api/invoices", false}, {"PUT", server.URL + "/api/webhooks/", false},
		{"PATCH", server.URL + "/api/webhooks", false}, {"GET", server.URL + "/invoices", false}, {"GET", server.URL + "/apis/x", false}, {"GET", "http://127.0.0.1:1/api/webhooks", false},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := guard.RoundTrip(req)
		if (err == nil) != c.passes {
			t.Errorf("%s %s: %v", c.method, c.address, err)
		}
		if err == nil {
			res.Body.Close()
		}
	}
	if seen != 3 {
		t.Errorf("%d requests arrived", seen)
	}
}

// TestForbidden: an app that is no super-user is told so.
func TestForbidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.faults(map[string]any{"webhooksForbidden": true})
	_, err := w.EventTypes(t.Context())
	if webhooksapi.KindOf(err) != rest.KindForbidden || !strings.Contains(fmt.Sprint(err), "with the role SuperUser") {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []webhooksapi.Options{{}, {AppSecretToken: "a b"}, {AppSecretToken: "x", URL: "apis.e-conomic.com"}, {AppSecretToken: "x", URL: "https://u:secret@h/"}} {
		if _, err := webhooksapi.New(o); err == nil || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%+v: %v", o.URL, err)
		}
	}
}
