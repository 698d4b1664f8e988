// Package limit limits events by key, in the same memory for any number of keys: calls of the
// webhook endpoint without a valid code, and tries to sign in on the page.
//
// It counts and decides; what an event beyond the limit means, its caller says. It imports nothing
// of lagerd.
package limit
