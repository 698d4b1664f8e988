package plan

import "time"

// Policy is what a person sets of how lagerd decides. Its tags are the keys of the
// configuration.
type Policy struct {
	Overlap    time.Duration   `yaml:"overlap"`      // how far a change query looks back
	Rereads    []time.Duration `yaml:"rereads"`      // distances between reads of a hint that shows nothing new
	SweepEvery time.Duration   `yaml:"sweep_every"`  // longest time between two sweeps
	RetryMin   time.Duration   `yaml:"retry_min"`    // first distance between tries of what failed
	RetryMax   time.Duration   `yaml:"retry_max"`    // longest such distance
	HeldRetry  time.Duration   `yaml:"held_retry"`   // how often what is held, a shop or a part of it, is tried again
	GapWindow  time.Duration   `yaml:"gap_window"`   // how long a missing invoice number is asked for each tick
	LateWithin time.Duration   `yaml:"late_webhook"` // a webhook this long after its change is late, not missed

	LossPercent int `yaml:"loss_percent"` // of a shop's items, that one reconciliation may take away unasked
	LossMin     int `yaml:"loss_min"`     // and so many it may always

	LossWindow        time.Duration `yaml:"loss_window"`         // what is taken away within that time, by however many reconciliations,
	LossWindowPercent int           `yaml:"loss_window_percent"` // may not exceed this share of a shop's items unasked
	LossWindowMin     int           `yaml:"loss_window_min"`     // and so many it may always
}
