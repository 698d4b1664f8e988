package lang

import (
	"fmt"
	"time"
	_ "time/tzdata" // Danish time, on machines without time zones too
)

// Denmark returns the time zone of Denmark, in which shops' owners are told times.
func Denmark() *time.Location {
	zone, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		panic(fmt.Sprintf("the time zone of Denmark is built in: %v", err))
	}
	return zone
}

// DanishDate returns the day and the month of a time: "1. januar".
func DanishDate(t time.Time) string {
	months := [...]string{"januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september", "oktober", "november", "december"}
	return fmt.Sprintf("%d. %s", t.Day(), months[t.Month()-1])
}
