package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"chatmaild/testdata/lab/network"
)

// echExtension is encrypted_client_hello (RFC 9849 §5).
const echExtension = 0xfe0d

// firstPackets has the real client connect to a server that notes what it says before
// encryption begins, whether it verifies certificates or not: the manual says so. If it
// ever has ECH, that is to be offered.
func (h *hidden) firstPackets(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	const name = "watched.test"
	watched, err := h.lab.AddStation(ctx, "watched")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, h.lab, name, "A", watched.IPv4.String())
	client, err := h.lab.StartClient(ctx, "dave")
	if err != nil {
		t.Fatal(err)
	}
	for port, alpn := range map[int][]string{993: nil, 2053: {"imap"}} {
		for _, checks := range []string{"ic=1", "ic=3"} {
			hello := h.firstPacket(ctx, t, watched, port, func(ctx context.Context) {
				// It cannot get further than that.
				_, _ = client.SignUp(ctx, "dave", fmt.Sprintf("dclogin:dave@%[1]s?p=password-of-dave&v=1&ih=%[1]s&ip=%[2]d&is=ssl&sh=%[1]s&sp=465&ss=ssl&%[3]s", name, port, checks))
			})
			if hello.ServerName != name || !slices.Equal(hello.SupportedProtos, alpn) || slices.Contains(hello.Extensions, echExtension) {
				t.Errorf("port %d, %s: name %q, ALPN %q, extensions %d; want %q, %q, and no ECH", port, checks, hello.ServerName, hello.SupportedProtos, hello.Extensions, name, alpn)
			}
		}
	}
}

// firstPacket is what a client says first at a port while it does what connect does.
func (h *hidden) firstPacket(ctx context.Context, t *testing.T, at network.Station, port int, connect func(context.Context)) *tls.ClientHelloInfo {
	t.Helper()
	l, err := at.Listen(port)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { connect(ctx) })
	defer done.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var hello *tls.ClientHelloInfo
	_ = tls.Server(conn, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = info
		return nil, errors.New("seen")
	}}).HandshakeContext(ctx)
	if hello == nil {
		t.Fatalf("port %d: no TLS", port)
	}
	return hello
}
