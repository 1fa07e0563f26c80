package pgp

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"chatmaild/mailfilter/mailtest"
	"chatmaild/mailfilter/pgp/pgptest"
)

// fixtureArmors calls add with the text from the first head to the last tail of each
// fixture.
func fixtureArmors(f *testing.F, add func(text []byte)) {
	for _, fixture := range mailtest.Fixtures(f) {
		from, to := strings.Index(fixture.Message, Head), strings.LastIndex(fixture.Message, tail)
		if from >= 0 && from < to {
			add([]byte(fixture.Message[from : to+len(tail)+len("\r\n")]))
		}
	}
}

// check checks armor line by line, or takes what it can with Lines.
func check(a *Armor, text []byte, blocks bool) error {
	for {
		if blocks {
			text = text[a.Lines(text):]
		}
		if len(text) == 0 {
			return a.Close()
		}
		line, rest, _ := bytes.Cut(text, []byte("\r\n"))
		if err := a.Line(line); err != nil {
			return err
		}
		text = rest
	}
}

func FuzzArmor(f *testing.F) {
	fixtureArmors(f, func(text []byte) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text []byte) {
		var slow, quick Armor
		slow.Reset()
		quick.Reset()
		err := check(&slow, text, false)
		if q := check(&quick, text, true); q != err {
			t.Fatalf("line by line %v, with Lines %v", err, q)
		}
		if err != nil {
			return
		}
		if err := pgptest.Armored(text); err != nil {
			t.Errorf("accepted, but go-crypto: %v", err)
		}
	})
}

func FuzzPackets(f *testing.F) {
	fixtureArmors(f, func(text []byte) {
		_, data, _ := bytes.Cut(text, []byte("\r\n\r\n"))
		end := max(bytes.LastIndex(data, []byte("\r\n=")), 0)
		text, err := base64.StdEncoding.DecodeString(string(data[:end]))
		if err == nil {
			f.Add(text)
		}
	})
	f.Fuzz(func(t *testing.T, text []byte) {
		var seen, skipped packets
		err := walk(&seen, text, false)
		if s := walk(&skipped, text, true); s != err {
			t.Fatalf("byte by byte %v, skipping %v", err, s)
		}
		if err != nil {
			return
		}
		if err := pgptest.Packets(text); err != nil {
			t.Errorf("accepted, but go-crypto: %v", err)
		}
	})
}

// walk feeds bytes to p, all or only those that it wants to see.
func walk(p *packets, text []byte, skip bool) error {
	for len(text) > 0 {
		n := min(uint64(p.skippable()), uint64(len(text)))
		var err error
		if skip && n > 0 {
			err = p.skip(uint32(n))
			text = text[n:]
		} else {
			err = p.take(text[0])
			text = text[1:]
		}
		if err != nil {
			return err
		}
	}
	return p.close()
}
