package engine

import (
	"time"

	"lagerd/config"
	"lagerd/schedule"
	"lagerd/status"
)

// LookOf returns the configuration's part of what is looked at.
func LookOf(cfg config.Config) status.Look {
	return status.Look{Pace: PaceOf(cfg), Limits: LimitsOf(cfg), AppPublicToken: cfg.Economic.AppPublicToken, NoAppToken: cfg.Economic.TokenMissing()}
}

// LimitsOf returns how many calls the configuration allows.
func LimitsOf(cfg config.Config) status.CallLimits {
	return status.CallLimits{EconomicDaily: cfg.Economic.DailyCalls, RackbeatDaily: cfg.Rackbeat.DailyCalls, RackbeatPerMinute: cfg.Rackbeat.CallsPerMinute}
}

// PaceOf returns the pace that the configuration requires of a lagerd.
func PaceOf(cfg config.Config) status.Pace {
	p := status.Pace{SweepEvery: cfg.Reconcile.SweepEvery, NextTick: func(t time.Time) time.Time { return t }, Limits: LimitsOf(cfg)}
	if ticks, err := schedule.ParseSchedule(cfg.Reconcile.Schedule); err == nil { // always: the configuration is validated
		p.NextTick = func(t time.Time) time.Time { return ticks.Next(t.UTC()) }
	}
	return p
}
