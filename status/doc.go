// Package status owns what operators and shop owners look at: the metrics for
// Prometheus and the lines and JSON of `lagerd status`, `shops` and `why`.
//
// It computes nothing about stock, changes nothing, and shows no secret: no
// label, line or field of it carries a code, a token or a webhook's query.
package status
