package socketmap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// errBroken says that the peer broke the protocol and must be let go.
var errBroken = errors.New("broken socketmap protocol")

// readNetstring returns the bytes of the next netstring, max of them at most.
// The error is io.EOF if there is none, errBroken if it is malformed or too long.
func readNetstring(r *bufio.Reader, maxLen int) ([]byte, error) {
	length, err := readLength(r, maxLen)
	if err != nil {
		return nil, err
	}
	text := make([]byte, length+1)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, within(err)
	}
	if text[length] != ',' {
		return nil, fmt.Errorf("%w: no comma behind a netstring", errBroken)
	}
	return text[:length], nil
}

// readLength reads the length of a netstring and the colon behind it. A leading
// zero stands for nothing but itself.
func readLength(r *bufio.Reader, maxLen int) (length int, err error) {
	for digits := 0; ; digits++ {
		c, err := r.ReadByte()
		switch {
		case err != nil && digits == 0:
			return 0, err
		case err != nil:
			return 0, within(err)
		case c == ':' && digits > 0:
			return length, nil
		case c < '0' || c > '9' || digits > 0 && length == 0:
			return 0, fmt.Errorf("%w: a netstring without its length", errBroken)
		}
		if length = length*10 + int(c-'0'); length > maxLen {
			return 0, fmt.Errorf("%w: a netstring of more than %d bytes", errBroken, maxLen)
		}
	}
}

// within says of an error in the middle of a request that the peer is gone.
func within(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ended within a netstring", errBroken)
	}
	return err
}

func appendNetstring(b []byte, parts ...string) []byte {
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	b = append(strconv.AppendInt(b, int64(length), 10), ':')
	for _, p := range parts {
		b = append(b, p...)
	}
	return append(b, ',')
}

// parseRequest splits a request into the table's name and the key.
func parseRequest(text []byte) (table, key string, err error) {
	name, rest, ok := bytes.Cut(text, []byte{' '})
	if !ok || len(name) == 0 {
		return "", "", fmt.Errorf("%w: want a table, a space and a key", errBroken)
	}
	return string(name), string(rest), nil
}

// The words that replies begin with.
const (
	replyFound    = "OK "
	replyNotFound = "NOTFOUND "
	replyFault    = "TEMP "
)

// maxReply is what Postfix takes, in bytes.
const maxReply = 100_000

// appendReply appends the answer to a look-up.
func appendReply(b []byte, value string, found bool, err error) []byte {
	switch {
	case err != nil:
		return appendNetstring(b, replyFault, short(err.Error()))
	case !found:
		return appendNetstring(b, replyNotFound)
	case len(value) > maxReply-len(replyFound):
		return appendNetstring(b, replyFault, "the value is too long")
	default:
		return appendNetstring(b, replyFound, value)
	}
}

// short cuts a reason for the log to a line's length.
func short(reason string) string {
	const enough = 200
	return reason[:min(len(reason), enough)]
}
