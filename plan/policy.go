package plan

import "time"

// Policy is the configurable part of lagerd's decisions. Its tags are configuration keys.
type Policy struct {
	Overlap    time.Duration   `yaml:"overlap"`      // how far a change query looks back
	Rereads    []time.Duration `yaml:"rereads"`      // delays between reads of a hint that shows nothing new
	SweepEvery time.Duration   `yaml:"sweep_every"`  // longest time between two sweeps
	RetryMin   time.Duration   `yaml:"retry_min"`    // first delay between retries
	RetryMax   time.Duration   `yaml:"retry_max"`    // longest such delay
	HeldRetry  time.Duration   `yaml:"held_retry"`   // how often a held shop or part is tried
	GapWindow  time.Duration   `yaml:"gap_window"`   // how long each tick asks for a missing invoice number
	LateWithin time.Duration   `yaml:"late_webhook"` // a webhook this long after its change is late, not missed

	LossPercent int `yaml:"loss_percent"` // share of a shop's items whose stock one reconciliation may take away without approval
	LossMin     int `yaml:"loss_min"`     // number of items for which it always may

	LossWindow        time.Duration `yaml:"loss_window"`         // within that time, all reconciliations together
	LossWindowPercent int           `yaml:"loss_window_percent"` // may take away the stock of this share of a shop's items without approval
	LossWindowMin     int           `yaml:"loss_window_min"`     // and always of this many
}

// LossLimit returns how many of a shop's items may lose their stock in one reconciliation, or by a
// changeover, without approval.
func (p *Policy) LossLimit(items int) int { return max(p.LossMin, items*p.LossPercent/100) }
