// Package export turns stored rows into files for people and programs: which columns an
// export has, and how a cell is written as CSV, as CSV for a spreadsheet, or as JSON.
//
//	rows, one by one ─▶ Table (columns) ─▶ cells ─▶ CSV, Excel's CSV or JSON ─▶ io.Writer
//
// It holds one row at a time, runs no statement and opens no file.
//
// Invariants:
//
//  1. A figure is written digit by digit as it is stored; none passes through a float.
//  2. Absent is not zero: a figure or time that is not known is an empty cell, in JSON null.
//  3. No text in a CSV is a formula to a spreadsheet, or a command to a terminal, unless
//     Options.Raw asks for the text as it is stored.
package export
