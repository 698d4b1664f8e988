// Package sandbox is a simulated e-conomic for development and tests: the REST
// endpoints that lagerd uses, webhooks as e-conomic sends them, trade, and
// faults on demand.
//
//	/…                     e-conomic's REST API, GET only
//	/webhooksapi/v1.0.0/…  its webhooks API
//	/sandbox/…             the control API: trade, faults of all agreements or
//	                       of one, the true state, past events
//
// It answers as real e-conomic does, to clients other than lagerd too, and refuses
// what e-conomic would refuse; it keeps a list of such violations. It imports
// no package of lagerd: where the two disagree about the API, a test must show it.
//
// The facts are from e-conomic's documentation (restdocs.e-conomic.com), its
// published schemas, and observations of live agreements. Where nothing is known
// (how late PDFs are, how often a failed webhook is retried), a fault or an option
// selects the behaviour.
package sandbox
