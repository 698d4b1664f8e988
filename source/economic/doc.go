// Package economic is the e-conomic source: it turns the client's answers (package
// lagerd/economic) into the observations that lagerd plans with.
//
//	economic.Product ─▶ plan.Observation, or plan.Unreadable
//	economic.Invoice ─▶ plan.Invoice, or plan.Unreadable
//
// It decides, by the shop's settings, whether an item or invoice is usable without a
// field that cannot be read. It compares nothing and stores nothing.
package economic
