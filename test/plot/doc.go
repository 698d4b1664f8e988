// Command plot draws curves from a CSV file as an SVG: panels one above the
// other, one x axis, a line for each column and each value of the series column.
//
//	go run ./test/plot --in docs/data/soak.csv --out docs/soak.svg --title "One hour" \
//		--x seconds/60:minutes --series instance \
//		--panel "Memory:MiB:rss_bytes/1048576,heap_bytes/1048576" \
//		--panel "Rows:thousands:hints_rows@a/1000,changes_rows@a/1000"
//
// column/60 divides by 60, and column@a is drawn for the series a only.
//
// It owns the look of curves. It computes nothing except that scale: whatever is shown is a
// column of the file. It knows nothing about lagerd.
package main
