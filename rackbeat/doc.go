// Package rackbeat is the client for Rackbeat's API (Lager af Rackbeat), as far as lagerd reads
// it: items and their figures, warehouse places, webhooks, and whose the key is.
//
//	Account.Item, Items, Places, …      one call = one HTTP request, except Places and Webhooks
//	      │
//	      ▼
//	budget.Budget: a day's calls, calls a minute, 429     refuses or waits
//	      │
//	      ▼
//	send: the only place that makes a request   ──▶  rest.Getter: GET only  ──▶  Rackbeat
//	      │
//	      ▼
//	decode: exact, names the invalid field (package rest reads the JSON)
//
// Guarantees:
//
//  1. It sends only GET, and only to the configured scheme and host: a key has full access to
//     its account, and Rackbeat has no other kind.
//  2. Absent is not zero. A figure that Rackbeat did not send, or sent for an item whose stock
//     it does not keep, is nil. A page without its list or its total is an error, and so is a
//     read of one item that answers with another. "Not found" is believed only if it comes as
//     JSON, not from a gateway's page.
//  3. A number is the text that Rackbeat sent, digit by digit, and is compared exactly.
//  4. Figures are exact decimals, from numbers or numeric strings, never floats.
//  5. Nothing is decided by a time: Rackbeat sends some without a zone.
//  6. It retries nothing. Each request is reported to Options.Observe once and counted in the
//     Budget.
//  7. No error contains the key.
//
// It never writes to Rackbeat, and knows nothing of shops, stores, hints or schedules.
//
// Facts about Rackbeat come from its documentation (https://rackbeat.docs.apiary.io), from its own
// Laravel clients and from other clients that are public. Nobody who wrote this could ask the
// service itself, so where they leave two answers open, either works; comments name the source.
package rackbeat
