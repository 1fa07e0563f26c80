// Package tabline reads and writes the lines that Dovecot's protocols are made of:
// fields between tabs, in which \001 escapes the characters that would end a field
// or a line (src/lib/strescape.c). Dict and auth read them through this package
// alone, so that no two of our servers can read one line differently.
package tabline
