// Package qrcode draws QR codes (ISO/IEC 18004) as SVG, as PNG and as text for a
// terminal. It is pure: text in, picture out. The code itself comes from rsc.io/qr.
//
// Dark modules are always black on white, with the quiet zone that the standard
// asks for, whatever the page or terminal around looks like: many phones do not
// read an inverted code.
package qrcode

import (
	"fmt"

	"rsc.io/qr"
)

// quiet is the width of the light border, in modules (ISO/IEC 18004 §6.3.8).
const quiet = 4

// MaxText bounds what is drawn, in bytes: a link, not a document. More would
// make modules too small for a phone's camera.
const MaxText = 800

// Code is a QR code that can be drawn.
type Code struct{ code *qr.Code }

// Encode makes the code of text, with error correction M (15 %): a screen is clean,
// and larger modules read better than more redundancy.
func Encode(text string) (*Code, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("encoding a QR code: %d bytes exceed the maximum of %d", len(text), MaxText)
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("encoding a QR code: %w", err)
	}
	return &Code{code}, nil
}

// Size is the number of modules on a side, the quiet zone included.
func (c *Code) Size() int { return c.code.Size + 2*quiet }

// dark reports whether the module in column x and row y is dark; both count from
// the corner of the quiet zone.
func (c *Code) dark(x, y int) bool { return c.code.Black(x-quiet, y-quiet) }
