package main

import (
	"encoding/binary"
	"errors"
	"time"
)

const (
	payload = 1200 // bytes
	// window is how many packets are on their way: enough to keep the server busy, and few
	// enough for its socket's buffer.
	window = 64
)

// load sends as fast as packets come back, and returns how many were relayed in a second,
// and the CPU time of the server for each, in µs.
func load(s *server, length time.Duration) (rate, cpu float64, err error) {
	from, err := newClient(s, 0)
	if err != nil {
		return 0, 0, err
	}
	defer from.close()
	to, err := newClient(s, 1)
	if err != nil {
		return 0, 0, err
	}
	defer to.close()
	if err := errors.Join(from.bind(to.relayed), to.bind(from.relayed)); err != nil {
		return 0, 0, err
	}
	frame := binary.BigEndian.AppendUint16(nil, channel)
	frame = binary.BigEndian.AppendUint16(frame, payload)
	frame = append(frame, make([]byte, payload)...)
	buf := make([]byte, 1500)
	before, err := s.CPU()
	if err != nil {
		return 0, 0, err
	}
	start, relayed, due := time.Now(), 0, 0
	for time.Since(start) < length {
		for ; due < window; due++ {
			if _, err := from.conn.Write(frame); err != nil {
				return 0, 0, err
			}
		}
		if err := to.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			return 0, 0, err
		}
		if _, err := to.conn.Read(buf); err != nil {
			due = 0 // what was on its way got lost
			continue
		}
		due--
		relayed += 2
	}
	took := time.Since(start)
	after, err := s.CPU()
	if err != nil {
		return 0, 0, err
	}
	if relayed == 0 {
		return 0, 0, errors.New("nothing arrived")
	}
	return float64(relayed) / took.Seconds(), float64((after - before).Microseconds()) / float64(relayed), nil
}
