package frame

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

var (
	private = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public  = Key(private.Public().(ed25519.PublicKey))
)

// raw is a frame of a type with a body, right or wrong.
func raw(t Type, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{byte(t)}, uint32(len(body))), body...)
}

// TestFrames holds each type to its layout, both ways.
func TestFrames(t *testing.T) {
	key := string(public[:])
	for _, tt := range []struct {
		text  []byte
		frame Frame
	}{
		{raw(4, key+"hello"), Frame{SendPacket, public, []byte("hello")}},
		{raw(4, key), Frame{SendPacket, public, []byte{}}},
		{raw(5, key+"hello"), Frame{ReceivePacket, public, []byte("hello")}},
		{raw(4, key+strings.Repeat("x", MaxPacket)), Frame{SendPacket, public, bytes.Repeat([]byte("x"), MaxPacket)}},
		{raw(6, ""), Frame{Type: KeepAlive, Data: []byte{}}},
		{raw(7, "\x01"), Frame{Type: NotePreferred, Data: []byte{1}}},
		{raw(8, key), Frame{PeerGone, public, []byte{}}},
		{raw(12, "12345678"), Frame{Type: Ping, Data: []byte("12345678")}},
		{raw(13, "12345678"), Frame{Type: Pong, Data: []byte("12345678")}},
		{raw(14, "not authenticated"), Frame{Type: Health, Data: []byte("not authenticated")}},
		{raw(15, "\x00\x00\x00\x0a\x00\x00\x00\x14"), Frame{Type: Restarting, Data: []byte{0, 0, 0, 10, 0, 0, 0, 20}}},
	} {
		got, n, err := Next(append(bytes.Clone(tt.text), "more"...))
		if err != nil || n != len(tt.text) || got.Type != tt.frame.Type || got.Key != tt.frame.Key || !bytes.Equal(got.Data, tt.frame.Data) {
			t.Errorf("%.50x: got %v, %d, %v", tt.text, got, n, err)
		}
		if got := Append(nil, tt.frame); !bytes.Equal(got, tt.text) || tt.frame.Size() != len(got) {
			t.Errorf("got %.50x of %d, want %.50x", got, tt.frame.Size(), tt.text)
		}
		for _, cut := range []int{0, 1, 4, len(tt.text) - 1} {
			if _, n, err := Next(tt.text[:cut]); n != 0 || err != nil {
				t.Errorf("%.50x cut after %d bytes: got %d, %v", tt.text, cut, n, err)
			}
		}
	}
}

// TestBadFrames wants each refused before its body is there.
func TestBadFrames(t *testing.T) {
	long := func(t Type, size uint32) string {
		return string(binary.BigEndian.AppendUint32([]byte{byte(t)}, size))
	}
	for _, text := range []string{
		"\x00", "\x01", "\x03", "\x09", "\x0a", "\x0b", "\x10", "\xff", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01",
		long(SendPacket, KeySize-1), long(SendPacket, KeySize+MaxPacket+1), long(SendPacket, 1<<31), long(SendPacket, 1<<32-1),
		long(ReceivePacket, 0), long(KeepAlive, 1), long(NotePreferred, 0), long(NotePreferred, 2), string(raw(NotePreferred, "\x02")),
		long(PeerGone, 31), long(PeerGone, 33), long(Ping, 7), long(Ping, 9), long(Pong, 0), long(Health, maxHealth+1),
		long(Restarting, 4), long(ClientInfo, uint32(proofSize)), long(ClientInfo, uint32(proofSize)+11), long(ClientInfo, 1<<20),
	} {
		if f, n, err := Next([]byte(text)); err == nil {
			t.Errorf("%q: got %v of %d bytes", text, f, n)
		}
	}
}

func TestProof(t *testing.T) {
	good := Prove(private)
	if key, err := Proven(good); err != nil || key != public {
		t.Fatalf("got %x, %v", key, err)
	}
	changed := func(at int) Frame {
		f := Frame{Type: ClientInfo, Data: bytes.Clone(good.Data)}
		f.Data[at] ^= 1
		return f
	}
	signed := func(message string) Frame {
		data := append([]byte(magic), public[:]...)
		data = append(data, ed25519.Sign(private, []byte(message))...)
		return Frame{Type: ClientInfo, Data: append(data, message...)}
	}
	for name, tt := range map[string]struct {
		frame Frame
		want  error
	}{
		"another magic":      {changed(0), ErrProof},
		"another key":        {changed(len(magic)), ErrProof},
		"another signature":  {changed(len(magic) + KeySize), ErrProof},
		"the proof's end":    {changed(proofSize - 1), ErrProof},
		"another message":    {changed(proofSize), ErrProof},
		"no message":         {Frame{Type: ClientInfo, Data: good.Data[:proofSize]}, ErrProof},
		"nothing":            {Frame{Type: ClientInfo}, ErrProof},
		"another type":       {Frame{Type: Health, Data: good.Data}, ErrProof},
		"version 2":          {signed("\x02"), ErrVersion},
		"version 4":          {signed("\x04"), ErrVersion},
		"more than a number": {signed("\x03\x00"), ErrVersion},
		"no end of a number": {signed("\x83"), ErrVersion},
		"too large a number": {signed("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), ErrVersion},
	} {
		if key, err := Proven(tt.frame); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %x, %v; want %v", name, key, err, tt.want)
		}
	}
}

// TestForgedProofs signs for keys of which nobody has the private one.
func TestForgedProofs(t *testing.T) {
	forged := 0
	for _, key := range smallOrder {
		for _, sign := range []byte{0, 0x80} {
			key[KeySize-1] = key[KeySize-1]&^0x80 | sign
			for _, r := range smallOrder {
				for _, rSign := range []byte{0, 0x80} {
					r[KeySize-1] = r[KeySize-1]&^0x80 | rSign
					signature := append(r[:], make([]byte, 32)...)
					if !ed25519.Verify(key[:], []byte{Version}, signature) {
						continue
					}
					forged++
					data := append([]byte(magic), key[:]...)
					data = append(append(data, signature...), Version)
					if _, err := Proven(Frame{Type: ClientInfo, Data: data}); !errors.Is(err, ErrProof) {
						t.Errorf("%x: got %v", key, err)
					}
				}
			}
		}
	}
	if forged < len(smallOrder) {
		t.Errorf("only %d forged signatures: is one of the points wrong?", forged)
	}
}

func TestDisco(t *testing.T) {
	magic, err := hex.DecodeString("5453f09f92ac")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		string(magic) + string(public[:]):       true,
		string(magic) + string(public[:31]):     false,
		"TS    " + string(public[:]):            false,
		"":                                      false,
		string(magic) + string(public[:]) + "x": true,
	} {
		if got := Disco([]byte(text)); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(raw(SendPacket, string(public[:])+"hello"))
	f.Add(Append(nil, Prove(private)))
	f.Add(raw(NotePreferred, "\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, n, err := Next(b)
		switch {
		case err != nil || n == 0:
			if n != 0 || frame.Data != nil {
				t.Errorf("%x: got %v and %v", b, frame, err)
			}
		case n > len(b) || n > MaxSize:
			t.Errorf("%x: %d bytes of %d", b, n, len(b))
		case !bytes.Equal(Append(nil, frame), b[:n]):
			t.Errorf("%x: is another than it was", b[:n])
		case frame.Type == ClientInfo:
			// A key of its own is proven by its owner alone.
			if key, err := Proven(frame); err == nil && !ed25519.Verify(key[:], []byte{Version}, frame.Data[len(magic)+KeySize:proofSize]) {
				t.Errorf("%x: proves nothing", b)
			}
		}
	})
}
