package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func newKey(t testing.TB, modern bool) openpgp.EntityList {
	t.Helper()
	c := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}
	if modern {
		c.AEADConfig = &packet.AEADConfig{}
	}
	e, err := openpgp.NewEntity("keeper", "", "", c)
	if err != nil {
		t.Fatal(err)
	}
	return openpgp.EntityList{e}
}

// seal encrypts the parts, each as a message of its own.
func seal(t testing.TB, k Keys, parts ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, k)
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Cut(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func open(sealed []byte, k Keys) ([]byte, error) {
	return io.ReadAll(NewReader(bytes.NewReader(sealed), k))
}

func TestSealAndOpen(t *testing.T) {
	large := make([]byte, 3<<20+17)
	rand.Read(large)
	modern, old := newKey(t, true), newKey(t, false)
	for _, tt := range []struct {
		name       string
		lock, open Keys
	}{
		{"passphrase", Keys{Passphrase: []byte("correct horse")}, Keys{Passphrase: []byte("correct horse")}},
		{"modern key", Keys{Public: modern}, Keys{Secret: modern}},
		{"old key", Keys{Public: old}, Keys{Secret: old}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sealed := seal(t, tt.lock, []byte("one"), large, []byte("three"))
			if !Sealed(sealed) {
				t.Error("it is not seen that the stream is encrypted")
			}
			want := append(append([]byte("one"), large...), "three"...)
			if got, err := open(sealed, tt.open); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
			}
			for _, wrong := range []Keys{{}, {Passphrase: []byte("wrong")}, {Secret: newKey(t, true)}} {
				if _, err := open(sealed, wrong); !errors.Is(err, ErrKey) {
					t.Errorf("with other keys: got %v", err)
				}
			}
		})
	}
}

// TestDamage changes and cuts a sealed stream at many places.
func TestDamage(t *testing.T) {
	key := newKey(t, true)
	sealed := seal(t, Keys{Public: key}, []byte("first"), []byte("second"))
	for i := 0; i < len(sealed); i += 3 {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 4
		got, err := open(damaged, Keys{Secret: key})
		// Who may open it is not secured, only what comes out.
		if err == nil && string(got) != "firstsecond" || !bytes.HasPrefix([]byte("firstsecond"), got) {
			t.Errorf("byte %d changed: got %q, %v", i, got, err)
		}
		got, err = open(sealed[:i], Keys{Secret: key})
		if whole := err == nil; whole && string(got) != "first" && i > 0 {
			t.Errorf("cut off at %d: got %q", i, got)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off at %d: got %v", i, err)
		}
	}
}

func TestReadKeys(t *testing.T) {
	key := newKey(t, true)
	var binary, text bytes.Buffer
	if err := key[0].Serialize(&binary); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(key[0].Serialize(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{"binary": binary.String(), "armored": text.String()} {
		if keys, err := ReadKeys(bytes.NewReader([]byte(in))); err != nil || len(keys) != 1 || keys[0].PrimaryKey.KeyId != key[0].PrimaryKey.KeyId {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	for _, in := range []string{"", "no key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"} {
		if keys, err := ReadKeys(bytes.NewReader([]byte(in))); err == nil {
			t.Errorf("%q: got %v", in, keys)
		}
	}
	if err := Unlock(openpgp.EntityList{key[0]}, nil); err != nil {
		t.Error(err)
	}
	locked := newKey(t, true)
	if err := locked[0].EncryptPrivateKeys([]byte("pass"), nil); err != nil {
		t.Fatal(err)
	}
	if err := Unlock(locked, []byte("wrong")); err == nil {
		t.Error("a wrong passphrase opened a key")
	}
	if err := Unlock(locked, []byte("pass")); err != nil {
		t.Error(err)
	}
}

// FuzzReader: whatever comes, what is handed out was encrypted by us; and a message's
// bytes are those of the stream.
func FuzzReader(f *testing.F) {
	key := newKey(f, true)
	sealed := seal(f, Keys{Public: key}, []byte("first"), []byte("second"))
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-10])
	f.Add([]byte("\xd2\xe0\x01\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m := &message{r: NewReader(bytes.NewReader(in), Keys{}).r}
		if data, _ := io.ReadAll(m); !bytes.HasPrefix(in, data) {
			t.Fatalf("the message is %x", data)
		}
		got, _ := open(in, Keys{Secret: key})
		for len(got) > 0 { // messages may be doubled: the archive finds that
			rest, one := bytes.CutPrefix(got, []byte("first"))
			if !one {
				rest, one = bytes.CutPrefix(got, []byte("second"))
			}
			if !one && !bytes.HasPrefix([]byte("first"), got) && !bytes.HasPrefix([]byte("second"), got) {
				t.Fatalf("got %q", got)
			}
			if !one {
				return
			}
			got = rest
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	block := make([]byte, 256<<10)
	w := NewWriter(io.Discard, Keys{Passphrase: []byte("correct horse")})
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(block); err != nil {
			b.Fatal(err)
		}
	}
}
