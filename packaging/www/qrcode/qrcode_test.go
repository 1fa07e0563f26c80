package qrcode

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/png"
	"strings"
	"testing"
)

// testdata/web/check decodes the pictures with zbar; here they are compared with each
// other and with the code.

var texts = []string{
	"x",
	"DCACCOUNT:https://chat.example.org/new",
	"dclogin:abcdefghj@[192.0.2.17]?p=0123456789abcdefghijkl&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3",
	strings.Repeat("https://example.org/", MaxText/20),
}

func encode(t testing.TB, text string) *Code {
	t.Helper()
	code, err := Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// matrix is the code as lines of "#" and ".".
func matrix(size int, dark func(x, y int) bool) string {
	var b strings.Builder
	for y := range size {
		for x := range size {
			if dark(x, y) {
				b.WriteByte('#')
			} else {
				b.WriteByte('.')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestPicturesShowTheCode(t *testing.T) {
	for _, text := range texts {
		code := encode(t, text)
		want := matrix(code.Size(), code.dark)
		if got := fromSVG(t, code); got != want {
			t.Errorf("%.20s: SVG shows\n%swant\n%s", text, got, want)
		}
		if got := fromPNG(t, code, 3); got != want {
			t.Errorf("%.20s: PNG shows\n%swant\n%s", text, got, want)
		}
		if got := fromText(code, true); got != want {
			t.Errorf("%.20s: coloured text shows\n%swant\n%s", text, got, want)
		}
		if got := fromText(code, false); got != want {
			t.Errorf("%.20s: plain text shows\n%swant\n%s", text, got, want)
		}
	}
}

func TestQuietZone(t *testing.T) {
	code := encode(t, texts[1])
	n := code.Size()
	for i := range n {
		for d := range 4 {
			if code.dark(i, d) || code.dark(d, i) || code.dark(i, n-1-d) || code.dark(n-1-d, i) {
				t.Fatalf("module %d of border line %d is dark", i, d)
			}
		}
	}
	if !code.dark(4, 4) {
		t.Error("the finder pattern does not begin at 4,4")
	}
}

func fromSVG(t *testing.T, code *Code) string {
	t.Helper()
	var doc struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal(code.SVG(), &doc); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("0 0 %d %d", code.Size(), code.Size()); doc.ViewBox != want || len(doc.Paths) != 2 || doc.Paths[0].Fill != "#fff" {
		t.Fatalf("got viewBox %q and %d paths, want %q, a white ground and the code", doc.ViewBox, len(doc.Paths), want)
	}
	dark := map[[2]int]bool{}
	for _, run := range strings.Split(strings.TrimSuffix(doc.Paths[1].D, "z"), "z") {
		var x, y, right, left int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &right, &left); err != nil || right != left {
			t.Fatalf("run %q: %v", run, err)
		}
		for i := range right {
			dark[[2]int{x + i, y}] = true
		}
	}
	return matrix(code.Size(), func(x, y int) bool { return dark[[2]int{x, y}] })
}

func fromPNG(t *testing.T, code *Code, scale int) string {
	t.Helper()
	data, err := code.PNG(scale)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := img.Bounds().Dx(), code.Size()*scale; got != want {
		t.Fatalf("PNG is %d pixels wide, want %d", got, want)
	}
	return matrix(code.Size(), func(x, y int) bool {
		r, _, _, _ := img.At(x*scale+scale/2, y*scale+scale/2).RGBA()
		return r == 0
	})
}

// fromText reads what a person sees: with colour what is drawn is dark, without it
// is light.
func fromText(code *Code, colour bool) string {
	var rows [][]rune
	for line := range strings.Lines(code.Text(colour)) {
		line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), blackOnWhite)
		rows = append(rows, []rune(strings.TrimSuffix(line, plain)))
	}
	return matrix(code.Size(), func(x, y int) bool {
		half := rows[y/2][x]
		drawn := half == '█' || half == '▀' && y%2 == 0 || half == '▄' && y%2 == 1
		return drawn == colour
	})
}

func TestBounds(t *testing.T) {
	if _, err := Encode(strings.Repeat("x", MaxText+1)); err == nil {
		t.Errorf("%d bytes are encoded, want an error", MaxText+1)
	}
	for _, scale := range []int{-1, 0, maxScale + 1} {
		if _, err := encode(t, "x").PNG(scale); err == nil {
			t.Errorf("scale %d is drawn, want an error", scale)
		}
	}
}

func BenchmarkSVG(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		encode(b, texts[2]).SVG()
	}
}
