package sandbox

import "time"

// Costs of calls in tokens, as observed on live agreements.
const (
	listCost = 3
	pdfCost  = 13
)

// spend takes tokens from the bucket; refused calls are charged too.
func (a *agreement) spend(cost int, endpoint string) (used int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if now.Sub(a.windowStart) >= time.Minute {
		a.windowStart, a.used = now, 0
	}
	if day := a.now().Format(time.DateOnly); day != a.day {
		a.day, a.today = day, 0
	}
	a.used += cost
	a.today++
	a.calls[endpoint]++
	return a.used, a.used <= a.bucket && (a.sandbox.o.Daily == 0 || a.today <= a.sandbox.o.Daily)
}

// wait returns the number of seconds until the bucket is full again.
func (a *agreement) wait() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(1, int((time.Minute-time.Since(a.windowStart))/time.Second)+1)
}
