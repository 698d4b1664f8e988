package cli

import (
	"errors"
	"strings"
	"testing"
)

func TestInterruptedMigration(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"the schema is at version 12 of 24; what was done stays":                          interruptedMigration(12, 24, nil),
		"the schema's version is not known (no answer); what was done stays":              interruptedMigration(0, 0, errors.New("no answer")),
		"the schema is at version 24, as this lagerd needs it, and nothing else was done": interruptedMigration(24, 24, nil),
		"`lagerd migrate` goes on from there; until then no lagerd of this ver":           interruptedMigration(12, 24, nil),
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
}
