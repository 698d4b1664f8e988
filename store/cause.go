package store

import "strings"

// cause shortens an error's text, as people read it, to so many characters on one
// line. An error says first what was attempted and last why it failed: so the end is
// kept, and what is left out is in the middle.
func cause(text string, characters int) string {
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
