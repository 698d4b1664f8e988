package secret_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"lagerd/secret"
)

// TestCheckCode: a code that a person sets must be as hard to guess as one may expect.
func TestCheckCode(t *testing.T) {
	t.Parallel()
	for code, why := range map[string]string{
		"hvk4mq2x7wzt9b3c":                      "", // 16 characters at random
		"hvk4mq2x7wzt9b3":                       "it has 15 characters",
		"HVK4MQ2X7WZT9B3C":                      "",
		"9c1f27a8-4e0b-4d55-9f3a-6b2d81c7e04f":  "", // a UUID
		"code-of-shop1234-18ab5d7f1e3c9a46":     "",
		"code-of-shop1234":                      "without the shop's name and common words",
		"shop1234shop1234shop1234":              "without the shop's name",
		"SHOP1234-hvk4mq2x7wzt9b":               "without the shop's name",
		"password-password-webhook":             "without the shop's name",
		"Sommer2026Sommer2026!x":                "without the shop's name",
		"aaaaaaaaaaaaaaaaaaaa":                  "it has only 1 different",
		"kxkykxkyzxkxzzykxk":                    "it has only 4 different",
		"abcdefghijklmnopqrst":                  "most of it is a row",
		"0123456789876543210":                   "most of it is a row",
		"k7x2m9q4w8k7x2m9q4w8":                  "it repeats itself",
		"k7x2m9q4w8k7x2m9q4w":                   "it repeats itself",
		"k7x2m9q4w8h7x2m9q4w":                   "",
		strings.Repeat("hvk4mq2x7wzt9b3c5d", 7): "it repeats itself",
	} {
		err := secret.CheckCode("shop1234", code)
		switch {
		case why == "" && err != nil, why != "" && (err == nil || !strings.Contains(err.Error(), why)):
			t.Errorf("%s: %v, expected %q", code, err, why)
		case err != nil && strings.Contains(err.Error(), code):
			t.Errorf("the error shows the code: %v", err)
		}
	}
	for range 2000 {
		if code := secret.NewCode(rand.Reader); secret.CheckCode("a", code) != nil {
			t.Errorf("lagerd's own code %s: %v", code, secret.CheckCode("a", code))
		}
	}
}
