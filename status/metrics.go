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
	"lagerd/rackbeat"
	"lagerd/store"
)

// Metrics are the Prometheus metrics. None has a label per shop: with ten thousand
// shops, use `lagerd status --json` for that.
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
	rackbeatCalls  *prometheus.CounterVec
	callSeconds    *prometheus.HistogramVec
	passes         *prometheus.CounterVec
	passSeconds    prometheus.Histogram
	pdfs           prometheus.Counter
	pdfBytes       prometheus.Counter
	badItems       prometheus.Counter
	warnings       *prometheus.CounterVec
	marked         prometheus.Counter
	tooOld         prometheus.Counter
	fenced         prometheus.Counter
	logDropped     prometheus.Counter
	logSkipped     prometheus.Counter
	refusedCalls   *prometheus.CounterVec
	notifications  *prometheus.CounterVec
	shops          *prometheus.GaugeVec
	totals         totals

	// Gauges that the daemon sets.
	Leases        prometheus.Gauge
	Instances     prometheus.Gauge
	ShortOfCalls  prometheus.Gauge
	ShopsWaiting  prometheus.Gauge
	StuckWorkers  prometheus.Gauge
	LastTick      prometheus.Gauge
	ReloadOK      prometheus.Gauge
	ReloadSuccess prometheus.Gauge

	NotificationsWaiting prometheus.Gauge
}

var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// NewMetrics returns metrics with their own registry. outcomes are those that calls of the
// webhook endpoint may have.
func NewMetrics(version string, outcomes ...string) *Metrics {
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
		webhooks:       counters("lagerd_webhook_calls_total", "Calls of the webhook endpoint, by outcome.", "outcome"),
		webhookSeconds: histogram("lagerd_webhook_seconds", "Time from a webhook's arrival to its answer."),
		changes:        counters("lagerd_changes_total", "Changes found at e-conomic and stored, by cause.", "kind", "cause"),
		missed:         counters("lagerd_missed_webhooks_total", "Changes found without their webhook. Webhooks that came late are counted too.", "kind"),
		drift:          counter("lagerd_drift_total", "Differences found only by a sweep. Should stay at zero."),
		freshness:      histogram("lagerd_freshness_seconds", "Time from recording a webhook's hint to committing the resulting change."),
		readLag:        histogram("lagerd_read_lag_seconds", "Time from a webhook to the first read that showed its change, if e-conomic did not show it at once."),
		calls:          counters("lagerd_economic_calls_total", "Calls to e-conomic, by endpoint and result.", "endpoint", "result"),
		rackbeatCalls:  counters("lagerd_rackbeat_calls_total", "Calls to Rackbeat, by endpoint and result.", "endpoint", "result"),
		passes:         counters("lagerd_passes_total", "Passes over a shop, by outcome.", "outcome"),
		passSeconds:    histogram("lagerd_pass_seconds", "Duration of a pass over a shop."),
		pdfs:           counter("lagerd_pdfs_total", "Invoice PDFs stored."),
		pdfBytes:       counter("lagerd_pdf_bytes_total", "Total size of the invoice PDFs stored."),
		badItems:       counter("lagerd_bad_items_total", "Unreadable items and invoices in e-conomic's answers."),
		warnings:       counters("lagerd_warnings_total", "Items and invoices in e-conomic's answers with unreadable fields that are not required. Their other fields were used.", "kind"),
		marked:         counter("lagerd_webhooks_marked_total", "Webhooks of unknown numbers beyond the cap. No hint is kept for them; the shop's next sweep reads what they point at."),
		tooOld:         counter("lagerd_webhooks_too_old_total", "Webhooks of invoices before a shop's start. They are answered, and the invoices are not fetched."),
		fenced:         counter("lagerd_fenced_writes_total", "Writes rejected because another lagerd had taken the shop meanwhile."),
		logDropped:     counter("lagerd_webhook_log_dropped_total", "Calls missing from the webhook log because it could not be written fast enough. Their hints are not lost."),
		logSkipped:     counter("lagerd_webhook_log_skipped_total", "Calls without a valid code that were not recorded, because more come than are recorded of them."),
		refusedCalls:   counters("lagerd_refused_calls_total", "Calls of the webhook endpoint with a wrong code, or a wrong token of Rackbeat's: of shops that exist (known), and others (unknown).", "shop"),
		notifications:  counters("lagerd_notifications_total", "Tries to tell somebody what needs a person, and heartbeats, by channel and result: sent, failed (it is tried again), dropped (it could not be sent for three days).", "channel", "result"),
		Leases:         gauge("lagerd_leases", "Shops this lagerd reconciles."),
		Instances:      gauge("lagerd_instances", "Running lagerd that share this database, as this one sees them. One that died counts until lease.ttl."),
		ShortOfCalls:   gauge("lagerd_shops_short_of_calls", "Shops that have used up the calls of the day that hints may make, at either service."),
		ShopsWaiting:   gauge("lagerd_shops_waiting", "Shops waiting for their pass to begin."),
		StuckWorkers:   gauge("lagerd_stuck_workers", "Passes running for longer than 5 s, mostly because e-conomic does not answer."),
		LastTick:       gauge("lagerd_last_tick_timestamp_seconds", "When the last tick started."),
		ReloadOK:       gauge("lagerd_config_last_reload_successful", "1 if the last reload of the configuration succeeded, else 0."),
		ReloadSuccess:  gauge("lagerd_config_last_reload_success_timestamp_seconds", "When the configuration was last read successfully."),
		totals:         newTotals(r, gauge),

		NotificationsWaiting: gauge("lagerd_notifications_waiting", "Messages that have not been sent yet, as the lagerd that sends them saw last; 0 on the others."),
	}
	m.registerOthers(version)
	m.start(outcomes)
	return m
}

// totals are gauges over all shops of the database: each lagerd has the same values.
type totals struct {
	openHints, oldestHint, waitingForPDF, oldestGoodTick prometheus.Gauge
	failingHints                                         *prometheus.GaugeVec
}

func newTotals(r *prometheus.Registry, gauge func(name, help string) prometheus.Gauge) totals {
	t := totals{
		openHints:      gauge("lagerd_open_hints", "Open hints, over all shops."),
		oldestHint:     gauge("lagerd_oldest_hint_timestamp_seconds", "When the oldest open hint of a shop that is not paused was recorded, unless it waits for a listing; 0 if none is open."),
		failingHints:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lagerd_failing_hints", Help: "Open hints whose number could not be read, over all shops. They are read again and again."}, []string{"kind"}),
		waitingForPDF:  gauge("lagerd_invoices_waiting_for_pdf", "Invoices without a PDF yet, over all shops that are not paused."),
		oldestGoodTick: gauge("lagerd_oldest_good_tick_timestamp_seconds", "When the shop that has had no good tick for longest had its last one, over all shops that are neither paused nor held; 0 if there is none."),
	}
	r.MustRegister(t.failingHints)
	return t
}

// registerOthers registers the metrics that are neither plain counters nor gauges.
func (m *Metrics) registerOthers(version string) {
	m.shops = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lagerd_shops", Help: "Shops this lagerd reconciles, by state: running, paused by a person, or held, in whole or in part, by lagerd itself. A shop held for two reasons counts for each."}, []string{"state", "reason"})
	m.callSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "lagerd_economic_call_seconds", Help: "Duration of a call to e-conomic.", Buckets: seconds}, []string{"endpoint"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lagerd_build_info", Help: "Always 1; the version is a label."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.shops, m.callSeconds, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// start creates every series with value zero, so that the first event is an increase
// and not a new series.
func (m *Metrics) start(outcomes []string) {
	for _, outcome := range outcomes {
		m.webhooks.WithLabelValues(outcome)
	}
	for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
		m.missed.WithLabelValues(string(kind))
		m.warnings.WithLabelValues(string(kind))
		m.totals.failingHints.WithLabelValues(string(kind))
		for _, cause := range []plan.Cause{plan.CauseWebhook, plan.CauseTick, plan.CauseInvoice, plan.CauseSweep, plan.CauseOperator} {
			m.changes.WithLabelValues(string(kind), string(cause))
		}
	}
	m.Shops(0, 0, nil)
	for _, known := range []bool{true, false} {
		m.refusedCalls.WithLabelValues(whose(known))
	}
	for _, channel := range []string{string(store.ChannelMail), string(store.ChannelWebhook), "owner_webhook"} {
		for _, result := range []string{"sent", "failed", "dropped"} {
			m.notifications.WithLabelValues(channel, result)
		}
	}
	m.notifications.WithLabelValues("heartbeat", "sent")
	m.notifications.WithLabelValues("heartbeat", "failed")
	for _, outcome := range []string{"ok", "failed"} {
		m.passes.WithLabelValues(outcome)
	}
}

// Watch adds a gauge whose value is read on each scrape.
func (m *Metrics) Watch(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// WatchTotal adds a counter whose value is read on each scrape.
func (m *Metrics) WatchTotal(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Shops sets the number of running, paused and, by reason, held shops.
func (m *Metrics) Shops(running, paused int, held map[plan.Reason]int) {
	m.shops.WithLabelValues(StateRunning, "").Set(float64(running))
	m.shops.WithLabelValues(StatePaused, "").Set(float64(paused))
	for _, reason := range plan.Reasons() {
		m.shops.WithLabelValues(StateHeld, string(reason)).Set(float64(held[reason]))
	}
}

// Totals sets the counts over all shops of the database.
func (m *Metrics) Totals(t store.Totals) {
	m.totals.openHints.Set(float64(t.OpenHints))
	m.totals.oldestHint.Set(timestamp(t.OldestHint))
	for kind, failing := range t.FailingHints {
		m.totals.failingHints.WithLabelValues(string(kind)).Set(float64(failing))
	}
	m.totals.waitingForPDF.Set(float64(t.WaitingForPDF))
	m.totals.oldestGoodTick.Set(timestamp(t.OldestGoodTick))
}

// timestamp returns a time as a gauge's value: Unix seconds, 0 if it is zero.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

// Handler returns an HTTP handler that serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Webhook counts a call of the webhook endpoint.
func (m *Metrics) Webhook(outcome string, took time.Duration) {
	m.webhooks.WithLabelValues(outcome).Inc()
	m.webhookSeconds.Observe(took.Seconds())
}

// WebhookLogDropped counts calls missing from the webhook log.
func (m *Metrics) WebhookLogDropped(n int) { m.logDropped.Add(float64(n)) }

// WebhookLogSkipped counts a call without a valid code that was not recorded.
func (m *Metrics) WebhookLogSkipped() { m.logSkipped.Inc() }

// RefusedCall counts a call of the webhook endpoint with a wrong code or token.
func (m *Metrics) RefusedCall(known bool) { m.refusedCalls.WithLabelValues(whose(known)).Inc() }

func whose(known bool) string {
	if known {
		return "known"
	}
	return "unknown"
}

// Notified counts a try to tell somebody something.
func (m *Metrics) Notified(channel, result string) {
	m.notifications.WithLabelValues(channel, result).Inc()
}

// Called counts a call to e-conomic.
func (m *Metrics) Called(c economic.Call) {
	m.calls.WithLabelValues(c.Endpoint, resultOf(string(c.Kind), c.Status)).Inc()
	m.callSeconds.WithLabelValues(c.Endpoint).Observe(c.Duration.Seconds())
}

// CalledRackbeat counts a call to Rackbeat.
func (m *Metrics) CalledRackbeat(c rackbeat.Call) {
	m.rackbeatCalls.WithLabelValues(c.Endpoint, resultOf(string(c.Kind), c.Status)).Inc()
}

// resultOf returns a call's result as a label: what failed, or the HTTP status.
func resultOf(failed string, status int) string {
	if failed != "" {
		return failed
	}
	return strconv.Itoa(status)
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

// Overflowed implements reconcile.Observer.
func (m *Metrics) Overflowed(_ string, marked, tooOld int64) {
	m.marked.Add(float64(marked))
	m.tooOld.Add(float64(tooOld))
}

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
