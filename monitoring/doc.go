// Package monitoring owns what `make install` installs for Prometheus and Grafana: the alert
// rules (alerts.yml, tested by promtool with alerts_test.yml) and a dashboard (dashboard.json).
// Its tests compare the rules with the table in docs/operators.md, and run both on a real
// Prometheus that scrapes a lagerd. It has no code: the metrics are package status's.
package monitoring
