package webhooksapi_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"lagerd/economic/webhooksapi"
	"lagerd/test/hostiletest"
)

// TestHostileAnswers: whatever an answer contains, decoding it costs no more than it may. No test runs
// in parallel with it, because it measures.
func TestHostileAnswers(t *testing.T) { //nolint:paralleltest // it measures memory
	hostiletest.Read(t, hostiletest.WebhooksAnswers, map[hostiletest.Kind]func([]byte) error{
		hostiletest.Webhooks:   func(body []byte) error { _, err := webhooksapi.DecodeWebhooks(body); return err },
		hostiletest.EventTypes: webhooksapi.DecodeEventTypes,
	})
}

// TestRepeatedMembersAreRefused: which of two is meant is unclear, and the whole object is put back.
func TestRepeatedMembersAreRefused(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"items":[{"eventType":"x","isDisabled":true,"isDisabled":false}]}`,
		`{"items":[{"eventType":"x","custom":{"a":1,"\u0061":2}}]}`,
		`{"items":[],"items":[]}`,
		`{"items":[],"cursor":"a","cursor":""}`,
		`{"items":[{"eventType":"x","customHeaders":[{"key":"a","value":"b","value":"c"}]}]}`,
	} {
		if _, err := webhooksapi.DecodeWebhooks([]byte(body)); err == nil || !strings.Contains(err.Error(), "repeated") {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := webhooksapi.DecodeEventTypes([]byte(`[{"name":"a","name":"b"}]`)); err == nil || !strings.Contains(err.Error(), "repeated") {
		t.Errorf("an event type: %v", err)
	}
}

// FuzzWebhooks: whatever the answer is, it costs no more than it may, its error is one line, and each
// webhook is an object that can be read again as it would be put back.
func FuzzWebhooks(f *testing.F) {
	f.Add([]byte(`{"cursor":"7","items":[{"eventType":"INVOICE_BOOKED","url":"https://shop.test/?a=b","customHeaders":[{"key":"a","value":"b"}],"isDisabled":true,"lastDisabledDate":"2026-01-02T03:04:05","objectVersion":"x","new":{"a":[1e3,null]}}]}`))
	f.Add([]byte(`{"items":[{"eventType":"x","name":null,"customHeaders":null}],"items":null}`))
	f.Add([]byte(`[{"name":"x","mergeFields":[{"fieldName":"[A]"}]}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var back [][]byte
		var err error
		hostiletest.Within(t, body, func() { back, err = webhooksapi.DecodeWebhooks(body) })
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%q: %q", body, err)
		}
		for _, one := range back {
			again, err := webhooksapi.DecodeWebhooks([]byte(`{"items":[` + string(one) + `]}`))
			if err != nil || len(again) != 1 || !json.Valid(one) || !bytes.Equal(again[0], one) {
				t.Errorf("%q: %q was read as %q: %v", body, one, again, err)
			}
		}
		hostiletest.Within(t, body, func() { err = webhooksapi.DecodeEventTypes(body) })
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%q: %q", body, err)
		}
	})
}
