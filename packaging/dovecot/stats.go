// Package dovecot reads what Dovecot counts: the metrics that its configuration
// defines, from the socket stats-reader (client-reader.c of Dovecot 2.3).
//
// This directory is all about Dovecot: its configuration are the templates beside this
// file, packages authserver and dict answer its questions for accounts and METADATA,
// and idle is a library that is loaded into its imap processes.
package dovecot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Ask is what to write to the socket to have ReadStats read the answer.
const Ask = "VERSION\tstats-reader-client\t2\t0\nDUMP\tcount\tsum\n"

// Stat is one metric since Dovecot started.
type Stat struct {
	Count uint64
	Took  time.Duration // all of them together
}

// Bounds of an answer.
const (
	maxLine  = 64 << 10 // bytes
	maxLines = 1000
)

// ReadStats reads the answer to [Ask]: a line for each metric with its name, count
// and sum in microseconds, divided by tabs, and an empty line at the end. What is
// counted by a field's value is called METRIC_VALUE.
func ReadStats(r io.Reader) (map[string]Stat, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "VERSION\tstats-reader-server\t2\t") {
		return nil, errors.Join(errors.New("dovecot's statistics are of another version"), lines.Err())
	}
	all := map[string]Stat{}
	for range maxLines {
		if !lines.Scan() {
			return nil, errors.Join(errors.New("dovecot's statistics were cut off"), lines.Err())
		}
		if lines.Text() == "" {
			return all, nil
		}
		part := strings.Split(lines.Text(), "\t")
		if len(part) < 3 {
			return nil, fmt.Errorf("dovecot's statistics have a line of %d words", len(part))
		}
		count, err := strconv.ParseUint(part[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading dovecot's statistics: %w", err)
		}
		micros, err := strconv.ParseUint(part[2], 10, 63)
		if err != nil || micros > uint64(maxMicros) {
			return nil, fmt.Errorf("dovecot's statistics have a sum of %q microseconds", part[2])
		}
		all[part[0]] = Stat{count, time.Duration(micros) * time.Microsecond}
	}
	return nil, fmt.Errorf("dovecot's statistics have more than %d lines", maxLines)
}

// maxMicros is the longest time.Duration.
const maxMicros = int64(1<<63-1) / int64(time.Microsecond)
