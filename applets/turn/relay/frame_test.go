package relay

import (
	"bytes"
	"testing"
)

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa"))
	f.Add([]byte("\x40\x00\x00\x01xyyy"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, err := frameSize(b)
		if err == nil && size != 0 && (size < 4 || size > maxFrame || size%4 != 0) {
			t.Errorf("%x: a frame of %d bytes", b, size)
		}
	})
}

// FuzzChannelData wants what is read to be what is written, but for padding.
func FuzzChannelData(f *testing.F) {
	for _, s := range []string{"", "\x40\x00\x00\x00", "\x40\x00\x00\x01xyyy", "\x7f\xff\x00\x04abcd", "\x40\x00\x00\x05abcd", "\x80\x00\x00\x00", "\x3f\xff\x00\x01x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		number, data, ok := channelData(b)
		if !ok {
			return
		}
		if number < 0x4000 || number > 0x7fff {
			t.Errorf("%x: channel %#x", b, number)
		}
		again := make([]byte, channelHeader, channelHeader+len(data))
		putChannelHeader(again, number, len(data))
		if again = append(again, data...); !bytes.HasPrefix(b, again) {
			t.Errorf("%x: read as %x", b, again)
		}
	})
}
