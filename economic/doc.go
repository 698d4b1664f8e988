// Package economic is the client for e-conomic's REST API: paging, filters,
// item-number escaping, errors and pacing.
//
//	Agreement.Product, Products, Invoices, …      one call = one HTTP request
//	      │
//	      ▼
//	Budget: daily calls, 429, token bucket, calls in flight     may refuse or wait
//	      │
//	      ▼
//	send: the only place that makes a request   ──▶  getOnly  ──▶  e-conomic
//	      │
//	      ▼
//	bytes, limited in size  ──▶  decode: exact, names the field that is wrong
//
// What it holds to:
//
//  1. It only ever sends GET, and only to the configured scheme and host: an
//     agreement's grant can write, and both tokens ride on every request.
//     getOnly enforces both, below everything else.
//  2. Absent is not zero. A figure that e-conomic did not send is nil, a cut or
//     garbled answer is an error, and "not found" is believed only from
//     e-conomic itself, not from a gateway's page.
//  3. Figures are exact decimals, never floats.
//  4. It retries nothing: the caller owns that. Each request, good or bad, is
//     shown to Options.Observe once and counted in the Budget.
//  5. No token is in an error.
//
// It never writes to e-conomic, and knows nothing of shops, stores, hints or
// schedules.
//
// The facts about e-conomic are from its own documentation
// (https://restdocs.e-conomic.com), its published schemas, and from what was
// seen on live agreements; where they disagree, what was seen is followed and
// the comment says so.
package economic
