// Package rackbeat is the Rackbeat source: it turns the client's answers (package
// lagerd/rackbeat) into the observations that lagerd plans with.
//
//	rackbeat.Item                            ─▶ plan.Observation, or plan.Unreadable
//	rackbeat.Item and its stock by place     ─▶ likewise, for a shop that chose places
//
// It has stock only: the invoices of such a shop stay with e-conomic. A tick reads everything,
// since it is not known whether Rackbeat's updated_at moves with the stock.
//
// A deleted item (deleted_at is set) is an observation that it does not exist, and an item that
// one page shows twice cannot be understood. An item with "/" in its number is read by the URL-friendly
// number that a listing has shown, or else found in a listing (friendly.go). So is one that Rackbeat
// answers for with another item.
//
// Where a shop chose places of the warehouse, an item's figure is their sum (places.go). It is
// doubted unless the places that are listed add up to the item's own figure. A listing has them from a
// report beside it (report.go).
//
// It compares nothing with what is stored, and stores nothing.
package rackbeat
