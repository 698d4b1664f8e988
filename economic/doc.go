// Package economic is the client for e-conomic's REST API: paging, filters,
// item-number escaping, errors and pacing.
//
//	Agreement.Product, Products, Invoices, …      one call = one HTTP request
//	      │
//	      ▼
//	Budget: daily calls, 429, token bucket, calls in flight     refuses or waits
//	      │
//	      ▼
//	send: the only place that makes a request   ──▶  rest.Getter: GET only  ──▶  e-conomic
//	      │
//	      ▼
//	bytes, limited in size; large answers one at a time, large PDFs two
//	      │
//	      ▼
//	decode: exact, names the invalid field (package rest reads the JSON)
//
// Guarantees:
//
//  1. It sends only GET, and only to the configured scheme and host: an
//     agreement's grant can write, and every request carries both tokens.
//     rest.Getter enforces this at the lowest level.
//  2. Absent is not zero. A figure that e-conomic did not send is nil, a truncated
//     or garbled answer is an error, and "not found" is believed only from
//     e-conomic itself, not from a gateway's page.
//  3. Figures are exact decimals, never floats.
//  4. It retries nothing; retrying is up to the caller. Each request, successful
//     or not, is reported to Options.Observe once and counted in the Budget.
//  5. No error contains a token.
//
// It never writes to e-conomic, and knows nothing of shops, stores, hints or
// schedules.
//
// Facts about e-conomic come from its own documentation
// (https://restdocs.e-conomic.com), its published schemas and observations of live
// agreements. If they disagree, the code follows the observations and a comment
// says so.
package economic
