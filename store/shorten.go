package store

import "strings"

// shorten returns an error's text as one line of at most that many characters. An error
// starts with what was attempted and ends with why it failed, so the text is cut in the
// middle.
func shorten(text string, characters int) string { //nolint:unparam // the width of the column, beside it
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	text = strings.Join(lines, "; ")
	const left = " … "
	all := []rune(text)
	if len(all) <= characters {
		return text
	}
	head := characters / 4
	tail := characters - head - len([]rune(left))
	return string(all[:head]) + left + string(all[len(all)-tail:])
}
