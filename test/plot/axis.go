package main

import (
	"math"
	"strconv"
	"strings"
)

// axis maps values to positions from 0 to 1.
type axis struct {
	from, to float64
	step     float64 // between ticks; 0: the axis is logarithmic
}

func (a axis) place(v float64) float64 {
	if a.step == 0 {
		return (math.Log(v) - math.Log(a.from)) / (math.Log(a.to) - math.Log(a.from))
	}
	return (v - a.from) / (a.to - a.from)
}

// axisFromZero starts at zero, so that growth is shown in proportion. Both its ends are ticks.
func axisFromZero(least, most float64) axis {
	a := axisOver(min(0, least), max(0, most), 5)
	a.from, a.to = math.Floor(a.from/a.step)*a.step, math.Ceil(a.to/a.step)*a.step
	return a
}

func axisOver(from, to, parts float64) axis {
	if from == to {
		to = from + 1
	}
	return axis{from: from, to: to, step: niceStep((to - from) / parts)}
}

func logAxis(from, to float64) axis {
	if from == to {
		from, to = from/2, to*2
	}
	return axis{from: from, to: to}
}

// niceStep rounds a step up to 1, 2 or 5 times a power of ten.
func niceStep(rough float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, times := range []float64{1, 2, 5} {
		if power*times >= rough*0.999 {
			return power * times
		}
	}
	return power * 10
}

type tick struct {
	at    float64
	label string
}

func (a axis) ticks() []tick {
	if a.step == 0 {
		return a.logTicks()
	}
	var list []tick
	decimals := max(0, -int(math.Floor(math.Log10(a.step)+1e-9)))
	for n := int(math.Ceil(a.from/a.step - 1e-9)); float64(n) <= a.to/a.step+1e-9; n++ {
		at := float64(n) * a.step
		list = append(list, tick{at, label(at, decimals)})
	}
	return list
}

// logTicks returns only the decades if there are many of them.
func (a axis) logTicks() []tick {
	var list []tick
	times := []float64{1, 2, 5}
	if math.Log10(a.to/a.from) > 3 {
		times = []float64{1}
	}
	for decade := int(math.Floor(math.Log10(a.from))); decade <= int(math.Ceil(math.Log10(a.to))); decade++ {
		for _, t := range times {
			if v := t * math.Pow10(decade); v >= a.from*(1-1e-9) && v <= a.to*(1+1e-9) {
				list = append(list, tick{v, label(v, max(0, -decade))})
			}
		}
	}
	return list
}

// label formats a number with separated thousands.
func label(v float64, decimals int) string {
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, rest, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return sign + whole + rest
}
