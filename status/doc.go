// Package status formats what operators and shop owners see: the Prometheus metrics,
// and the text and JSON of `lagerd status`, `shops`, `diff` and `webhooks`. It decides from counted
// facts how a shop's webhooks fare (HealthOf). Package story tells of one number.
//
// It computes nothing about stock, changes nothing, and shows no secrets: no label,
// line or field contains a code, a token or a webhook's query.
package status
