// Package economic reads stock and invoices from e-conomic: it makes of the client's
// answers (package lagerd/economic) what lagerd decides about.
//
//	economic.Product ─▶ plan.Observation, or plan.Unreadable
//	economic.Invoice ─▶ plan.Invoice, or plan.Unreadable
//
// Of a field that cannot be understood it decides, by the shop's settings, whether the
// item or invoice can do without. It never decides what differs, and stores nothing.
package economic
