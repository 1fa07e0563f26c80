package journal

import (
	"context"
	"net"
	"path/filepath"
	"testing"
)

func TestParseSyslog(t *testing.T) {
	for line, want := range map[string]Entry{
		"<22>Nov 28 22:00:05 postfix/qmgr[5]: 4c1: removed\n":      {"postfix/qmgr", "4c1: removed"},
		"<22>Nov  8 22:00:05 dovecot: imap-login: Logged in: x: y": {"dovecot", "imap-login: Logged in: x: y"},
		"<86>Nov 28 22:00:05 sshd[7]: text":                        {}, // another facility
		"<22>Nov 28 22:00:05 no tag":                               {},
		"<22>short":                                                {},
		"<2x>Nov 28 22:00:05 a: b":                                 {},
		"<99999>Nov 28 22:00:05 a: b":                              {},
		"Nov 28 22:00:05 a: b":                                     {},
		"":                                                         {},
	} {
		got, err := parseSyslog([]byte(line))
		if got != want || (err == nil) != (want != Entry{}) {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
}

func FuzzParseSyslog(f *testing.F) {
	f.Add([]byte("<22>Nov 28 22:00:05 postfix/qmgr[5]: 4c1: removed"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if e, err := parseSyslog(datagram); err == nil && len(e.Identifier)+len(e.Message) > len(datagram) {
			t.Errorf("%q makes %q", datagram, e)
		}
	})
}

func TestFollow(t *testing.T) {
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "log"), Net: "unixgram"}
	in, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	out, err := net.DialUnix("unixgram", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	entries, ended := make(chan Entry, 1), make(chan error, 1)
	go func() { ended <- Follow(ctx, in, func(e Entry) { entries <- e }) }()
	for _, line := range []string{"nonsense", "<22>Nov 28 22:00:05 postfix/qmgr[5]: 4c1: removed"} {
		if _, err := out.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if e := <-entries; e.Message != "4c1: removed" {
		t.Errorf("got %q", e)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
