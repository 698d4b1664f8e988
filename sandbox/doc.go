// Package sandbox is a simulated e-conomic for development and tests, and the Rackbeat of
// those of its customers who keep their stock there: the REST endpoints that lagerd uses,
// webhooks as the two services send them, trade, and faults on demand.
//
//	/…                     e-conomic's REST API, GET only
//	/webhooksapi/v1.0.0/…  its webhooks API
//	/api/…                 Rackbeat's API, as below https://app.rackbeat.com; GET only, except
//	                       that webhooks can be set up
//	/sandbox/…             the control API: trade, faults of all agreements or
//	                       of one, the true state, past events
//
// It answers as the real services do, to clients other than lagerd too, and refuses
// what they would refuse; it keeps a list of such violations. It imports
// no package of lagerd: where the two disagree about the API, a test must show it.
//
// Both services show one world. An agreement with a Rackbeat account has the same item
// numbers in both, and its stock moves at Rackbeat only: what e-conomic shows of it is
// absent, or as it was when the account was opened. A sale is an order at Rackbeat, then a
// shipment, and then an invoice booked at e-conomic.
//
// The facts about e-conomic are from its documentation (restdocs.e-conomic.com), its
// published schemas, and observations of live agreements; those about Rackbeat from its
// documentation and the source of its own and others' clients. Where nothing is known
// (how late PDFs are, how often a failed webhook is retried, whether a list answers 200 or
// 206), a fault or an option selects the behaviour: see Faults and RackbeatFaults.
package sandbox
