package main

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quietZone is the empty border that scanners want, in modules.
const quietZone = 2

// terminalQR draws a QR code with half blocks, two rows of modules a line. The
// colours are set, since a scanner wants dark modules on light, whatever the
// terminal's own are.
func terminalQR(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("making a QR code: %w", err)
	}
	const blackOnWhite, reset = "\x1b[30;107m", "\x1b[0m"
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString("  " + blackOnWhite)
		for x := -quietZone; x < code.Size+quietZone; x++ {
			upper, lower := code.Black(x, y), code.Black(x, y+1)
			switch {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString(reset + "\n")
	}
	return b.String(), nil
}
