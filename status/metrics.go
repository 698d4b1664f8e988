package status

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lagerd/economic"
	"lagerd/plan"
)

// Metrics counts what happens, for Prometheus. No metric has a label per shop:
// with ten thousand shops that is what `lagerd status --json` is for.
type Metrics struct {
	registry *prometheus.Registry

	webhooks       *prometheus.CounterVec
	webhookSeconds prometheus.Histogram
	changes        *prometheus.CounterVec
	missed         *prometheus.CounterVec
	drift          prometheus.Counter
	freshness      prometheus.Histogram
	readLag        prometheus.Histogram
	calls          *prometheus.CounterVec
	callSeconds    *prometheus.HistogramVec
	passes         *prometheus.CounterVec
	passSeconds    prometheus.Histogram
	pdfs           prometheus.Counter
	pdfBytes       prometheus.Counter
	badItems       prometheus.Counter
	warnings       *prometheus.CounterVec
	fenced         prometheus.Counter
	logDropped     prometheus.Counter
	shops          *prometheus.GaugeVec

	// Gauges that the daemon sets.
	Leases        prometheus.Gauge
	ShopsWaiting  prometheus.Gauge
	StuckWorkers  prometheus.Gauge
	OpenHints     prometheus.Gauge
	OldestHint    prometheus.Gauge
	LastTick      prometheus.Gauge
	ReloadOK      prometheus.Gauge
	ReloadSuccess prometheus.Gauge
}

var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// NewMetrics returns metrics on a registry of their own.
func NewMetrics(version string) *Metrics {
	r := prometheus.NewRegistry()
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help string) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds})
		r.MustRegister(h)
		return h
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	m := &Metrics{
		registry:       r,
		webhooks:       counters("lagerd_webhook_calls_total", "Calls of the webhook endpoint by what came of them.", "outcome"),
		webhookSeconds: histogram("lagerd_webhook_seconds", "Time from a webhook's arrival to its answer."),
		changes:        counters("lagerd_changes_total", "Changes found at e-conomic and stored, by what led to them.", "kind", "cause"),
		missed:         counters("lagerd_missed_webhooks_total", "Changes found by something other than a webhook when one should have come. Those that came late are counted here too.", "kind"),
		drift:          counter("lagerd_drift_total", "Differences that only a sweep found. Should stay at zero."),
		freshness:      histogram("lagerd_freshness_seconds", "Time from a webhook's hint being recorded to the change it led to being committed."),
		readLag:        histogram("lagerd_read_lag_seconds", "Where e-conomic's reading side did not show a change at once: time from its webhook to the read that did."),
		calls:          counters("lagerd_economic_calls_total", "Calls to e-conomic, by endpoint and result.", "endpoint", "result"),
		passes:         counters("lagerd_passes_total", "Passes over a shop by outcome.", "outcome"),
		passSeconds:    histogram("lagerd_pass_seconds", "Time of a pass over a shop."),
		pdfs:           counter("lagerd_pdfs_total", "Invoice PDFs stored."),
		pdfBytes:       counter("lagerd_pdf_bytes_total", "Size of the invoice PDFs stored."),
		badItems:       counter("lagerd_bad_items_total", "Items and invoices in e-conomic's answers that could not be understood."),
		warnings:       counters("lagerd_warnings_total", "Items and invoices in e-conomic's answers of which fields could not be understood that are not needed: the rest of them was taken.", "kind"),
		fenced:         counter("lagerd_fenced_writes_total", "Writes that were refused because another lagerd had taken the shop meanwhile."),
		logDropped:     counter("lagerd_webhook_log_dropped_total", "Calls left out of the webhook log because it could not be written fast enough. No hint is lost by that."),
		Leases:         gauge("lagerd_leases", "Shops this lagerd reconciles."),
		ShopsWaiting:   gauge("lagerd_shops_waiting", "Shops that wait for their pass to begin."),
		StuckWorkers:   gauge("lagerd_stuck_workers", "Passes under way that have taken longer than 5 s, mostly since e-conomic does not answer."),
		OpenHints:      gauge("lagerd_open_hints", "Hints not answered yet, over all shops."),
		OldestHint:     gauge("lagerd_oldest_hint_timestamp_seconds", "When the oldest open hint was recorded; 0 if none is open."),
		LastTick:       gauge("lagerd_last_tick_timestamp_seconds", "When the last tick was started."),
		ReloadOK:       gauge("lagerd_config_last_reload_successful", "1 if the last reload of the configuration succeeded, else 0."),
		ReloadSuccess:  gauge("lagerd_config_last_reload_success_timestamp_seconds", "When the configuration was last read successfully."),
	}
	m.shops = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lagerd_shops", Help: "Shops this lagerd reconciles, by state: running, paused by a person, or held by lagerd itself, the shop or a part of it. One that is held for two reasons counts with each."}, []string{"state", "reason"})
	m.callSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "lagerd_economic_call_seconds", Help: "Time of a call to e-conomic.", Buckets: seconds}, []string{"endpoint"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lagerd_build_info", Help: "Always 1; the version is a label."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	r.MustRegister(m.shops, m.callSeconds, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.start()
	return m
}

// start makes every series exist from the start, so that a first event is a
// step from zero and not a series out of nowhere.
func (m *Metrics) start() {
	for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
		m.missed.WithLabelValues(string(kind))
		m.warnings.WithLabelValues(string(kind))
		for _, cause := range []plan.Cause{plan.CauseWebhook, plan.CauseTick, plan.CauseInvoice, plan.CauseSweep, plan.CauseOperator} {
			m.changes.WithLabelValues(string(kind), string(cause))
		}
	}
	m.Shops(0, 0, nil)
	for _, outcome := range []string{"ok", "failed"} {
		m.passes.WithLabelValues(outcome)
	}
}

// Watch adds a gauge that is read whenever the metrics are.
func (m *Metrics) Watch(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// WatchTotal adds a counter that is read whenever the metrics are.
func (m *Metrics) WatchTotal(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Shops sets how many shops run, are paused, and are held, by reason.
func (m *Metrics) Shops(running, paused int, held map[plan.Reason]int) {
	m.shops.WithLabelValues(StateRunning, "").Set(float64(running))
	m.shops.WithLabelValues(StatePaused, "").Set(float64(paused))
	for _, reason := range plan.Reasons() {
		m.shops.WithLabelValues(StateHeld, string(reason)).Set(float64(held[reason]))
	}
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Webhook counts a call of the webhook endpoint.
func (m *Metrics) Webhook(outcome string, took time.Duration) {
	m.webhooks.WithLabelValues(outcome).Inc()
	m.webhookSeconds.Observe(took.Seconds())
}

// WebhookLogDropped counts calls left out of the webhook log.
func (m *Metrics) WebhookLogDropped(n int) { m.logDropped.Add(float64(n)) }

// Called counts a call to e-conomic.
func (m *Metrics) Called(c economic.Call) {
	result := string(c.Kind)
	if result == "" {
		result = strconv.Itoa(c.Status)
	}
	m.calls.WithLabelValues(c.Endpoint, result).Inc()
	m.callSeconds.WithLabelValues(c.Endpoint).Observe(c.Duration.Seconds())
}

// Changed implements reconcile.Observer.
func (m *Metrics) Changed(_ string, changes []plan.Change, committed time.Time) {
	for _, c := range changes {
		m.changes.WithLabelValues(string(c.Kind), string(c.Cause)).Inc()
		if c.Webhook == plan.WebhookMissed {
			m.missed.WithLabelValues(string(c.Kind)).Inc()
			if c.Cause == plan.CauseSweep {
				m.drift.Inc()
			}
		}
		if !c.HintedAt.IsZero() {
			m.freshness.Observe(committed.Sub(c.HintedAt).Seconds())
		}
		if c.Lagged {
			m.readLag.Observe(c.ObservedAt.Sub(c.HintedAt).Seconds())
		}
	}
}

// PDFStored implements reconcile.Observer.
func (m *Metrics) PDFStored(_ string, size int) {
	m.pdfs.Inc()
	m.pdfBytes.Add(float64(size))
}

// BadItem implements reconcile.Observer.
func (m *Metrics) BadItem(string) { m.badItems.Inc() }

// Warned implements reconcile.Observer.
func (m *Metrics) Warned(_ string, kind plan.Kind) { m.warnings.WithLabelValues(string(kind)).Inc() }

// Fenced implements reconcile.Observer.
func (m *Metrics) Fenced(string) { m.fenced.Inc() }

// Passed implements reconcile.Observer.
func (m *Metrics) Passed(_ string, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.passes.WithLabelValues(outcome).Inc()
	m.passSeconds.Observe(took.Seconds())
}
