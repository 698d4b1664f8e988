// Package rest reads from a REST API of somebody else: it sends GET requests to one host,
// bounds what an answer may cost, and decodes JSON exactly.
//
//	Getter.Get ──▶ guard: GET only, one host ──▶ the API
//	     │
//	     ▼
//	bytes, limited in size and time (large.go), and in what all answers hold (room.go)
//	     │
//	     ▼
//	Decode ──▶ Reader: one pass over the syntax ──▶ Fields: the type of each field
//
// Guarantees:
//
//  1. No request but GET leaves, none with a body, and none to another scheme or host.
//     Redirects are not followed: they would take the secrets along.
//  2. An answer that is cut, too large, too deep or not JSON is an error. One hostile
//     answer costs a bounded amount of memory and time, and so do all together (Room).
//  3. Absent is not zero: a field that is missing, null, repeated or of another type reads
//     as absent, and what is wrong with it is an error that names its path.
//  4. Figures are exact decimals, never floats.
//
// It knows nothing of any API's paths and fields (packages economic and rackbeat do), only what
// kinds of failure all of them have (kind.go). It counts no calls (package budget does), and
// retries nothing.
package rest
