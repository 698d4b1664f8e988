package mariadbtest

import (
	"strings"
	"testing"
)

func TestFindSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	_, err := find("mariadbd-that-is-not-there")
	if err == nil {
		t.Fatal("found a program that does not exist")
	}
	for _, want := range []string{"make test", "apt-get install mariadb-server", serverVariable} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
}
