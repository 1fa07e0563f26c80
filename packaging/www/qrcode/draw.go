package qrcode

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// SVG returns the code as an SVG picture without a size of its own: each row's
// runs of dark modules are one path.
func (c *Code) SVG() []byte {
	var b bytes.Buffer
	n := c.Size()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, n, n)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, n, n)
	for y := range n {
		for x := 0; x < n; x++ {
			run := 0
			for x+run < n && c.dark(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x, y, run, run)
				x += run
			}
		}
	}
	b.WriteString(`"/></svg>` + "\n")
	return b.Bytes()
}

// maxScale keeps a picture below 185*64 = 12 thousand pixels a side.
const maxScale = 64

// PNG returns the code as a PNG picture of two colours, each module scale pixels
// wide; scale is from 1 to 64.
func (c *Code) PNG(scale int) ([]byte, error) {
	if scale < 1 || scale > maxScale {
		return nil, fmt.Errorf("drawing a QR code: scale %d is out of range: from 1 to %d", scale, maxScale)
	}
	side := c.Size() * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if c.dark(x/scale, y/scale) {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("drawing a QR code: %w", err)
	}
	return b.Bytes(), nil
}

// Escape sequences of ECMA-48 §8.3.117: black on bright white, and back.
const (
	blackOnWhite = "\x1b[30;107m"
	plain        = "\x1b[0m"
)

// Text returns the code as lines of half blocks, two rows of modules a line. With
// colour the colours are set, so that it reads on any terminal; without, it is
// drawn for light text on a dark ground.
func (c *Code) Text(colour bool) string {
	full, upper, lower, none := " ", "▄", "▀", "█" // what is drawn is the light modules
	start, end := "", ""
	if colour {
		full, upper, lower, none = "█", "▀", "▄", " "
		start, end = blackOnWhite, plain
	}
	var b strings.Builder
	n := c.Size()
	for y := 0; y < n; y += 2 {
		b.WriteString(start)
		for x := range n {
			above, below := c.dark(x, y), c.dark(x, y+1)
			switch {
			case above && below:
				b.WriteString(full)
			case above:
				b.WriteString(upper)
			case below:
				b.WriteString(lower)
			default:
				b.WriteString(none)
			}
		}
		b.WriteString(end + "\n")
	}
	return b.String()
}
