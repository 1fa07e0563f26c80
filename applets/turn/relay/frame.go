package relay

import (
	"encoding/binary"
	"errors"
)

// maxFrame is the largest that the library takes, in bytes.
const maxFrame = 1500

// channelHeader is how long the header of channel data is, in bytes.
const channelHeader = 4

// errFrame ends a connection whose client sends something else than a frame.
var errFrame = errors.New("neither STUN nor channel data")

// isRequest looks at the two bits of a STUN message's class (RFC 8489 §5).
func isRequest(frame []byte) bool { return frame[0]&0xc1 == 0 && frame[1]&0x10 == 0 }

// frameSize is how long the frame at the begin of b is, with its padding (RFC 8656
// §12.5); 0 while that cannot be told.
func frameSize(b []byte) (int, error) {
	if len(b) < 4 {
		return 0, nil
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	switch b[0] >> 6 {
	case 0:
		if size += 20; size%4 != 0 {
			return 0, errFrame
		}
	case 1:
		size = (channelHeader + size + 3) &^ 3
	default:
		return 0, errFrame
	}
	if size > maxFrame {
		return 0, errFrame
	}
	return size, nil
}

// channelData returns the number of the channel and the data of a datagram that is
// channel data (RFC 8656 §12.4). What follows the data is padding.
func channelData(datagram []byte) (number uint16, data []byte, ok bool) {
	if len(datagram) < channelHeader || datagram[0]>>6 != 1 {
		return 0, nil, false
	}
	size := int(binary.BigEndian.Uint16(datagram[2:]))
	if size > len(datagram)-channelHeader {
		return 0, nil, false
	}
	return binary.BigEndian.Uint16(datagram), datagram[channelHeader : channelHeader+size], true
}

// putChannelHeader writes what comes before size bytes of data. A datagram needs no
// padding.
func putChannelHeader(b []byte, number uint16, size int) {
	binary.BigEndian.PutUint16(b, number)
	binary.BigEndian.PutUint16(b[2:], uint16(size))
}
