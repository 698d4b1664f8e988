package hostiletest

import "strings"

// The kinds of answers of e-conomic's webhooks API.
const (
	Webhooks   Kind = "webhooks"    // a page of an agreement's webhooks
	EventTypes Kind = "event types" // what webhooks can be called for
)

// WebhooksAnswers returns answers that e-conomic's webhooks API could send to use up lagerd's memory or
// time. They are as large as such an answer may be, a part of largest.
func WebhooksAnswers(largest int) []Answer {
	const (
		list, listEnd       = `{"items":[`, `]}`
		webhook, webhookEnd = `{"items":[{"eventType":"x",`, `}]}`
	)
	largest /= 32
	return []Answer{
		{"empty webhooks", Webhooks, fill(list, `{},`, listEnd, largest), "more than 1000"},
		{"many webhooks", Webhooks, fill(list, `{"eventType":"x"},`, listEnd, largest), "more than 1000"},
		{"numbers as webhooks", Webhooks, fill(list, `0,`, listEnd, largest), "/items/0 has an unexpected value"},
		{"many members", Webhooks, func() []byte {
			var s strings.Builder
			s.WriteString(webhook + `"a":0`)
			for n := 0; s.Len() < largest-len(webhookEnd)-20; n++ {
				s.WriteString(`,"` + strings.Repeat("m", n%7) + strings.Repeat("n", n/7%7) + strings.Repeat("o", n/49) + `":1`)
			}
			return []byte(s.String() + webhookEnd)
		}, "more than 100"},
		{"one member often", Webhooks, fill(webhook, `"isDisabled":true,`, webhookEnd, largest), "repeated"},
		{"lists of webhooks", Webhooks, fill(`{`, `"items":[],`, `}`, largest), "repeated"},
		{"a member often below", Webhooks, fill(webhook+`"x":{`, `"isDisabled":true,`, `}`+webhookEnd, largest), "repeated"},
		{"headers", Webhooks, fill(webhook+`"customHeaders":[`, `{},`, `]`+webhookEnd, largest), "more than 1000"},
		{"a list", Webhooks, fill(webhook+`"x":[`, `[],`, `]`+webhookEnd, largest), ""},
		{"deep lists", Webhooks, func() []byte {
			return []byte(webhook + `"x":` + strings.Repeat("[", largest/3) + strings.Repeat("]", largest/3) + webhookEnd)
		}, "not JSON"},
		{"a long name", Webhooks, fill(webhook+`"name":"`, "ab", `"`+webhookEnd, largest), ""},
		{"an escaped name", Webhooks, fill(webhook+`"name":"`, `\u00e6`, `"`+webhookEnd, largest), ""},
		{"a long date", Webhooks, fill(webhook+`"lastDisabledDate":"`, "2", `"`+webhookEnd, largest), ""},
		{"spaces", Webhooks, fill(webhook+`"isDisabled":`, " ", `true`+webhookEnd, largest), ""},
		{"empty event types", EventTypes, fill(`[`, `{},`, `]`, largest), "more than 1000"},
		{"merge fields", EventTypes, fill(`[{"name":"x","mergeFields":[`, `{},`, `]}]`, largest), "more than 1000"},
		{"brackets", EventTypes, fill(`[{"name":"x","mergeFields":[{"fieldName":"`, `[]`, `"}]}]`, largest), ""},
		{"zeroes", EventTypes, func() []byte { return make([]byte, largest) }, "unexpected value"},
		{"a page", Webhooks, fill("<html>", "<b>", "</html>", largest), "not JSON"},
	}
}
