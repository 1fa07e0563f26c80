package lab

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/core"
)

// TestNames has relays of all kinds write to each other: one with a plain name and one that
// is a guest of its domain, which must prove theirs by a certificate, and one whose name
// begins with "_" and cannot.
func TestNames(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	one, rootOne := startPlain(t, l, "one.test", "one.test", deb)
	two, rootTwo := startPlain(t, l, "two.test", "chat.two.test", deb, "extra_ports = [2053]")
	three := startRelayIn(t, l, deb, "_three.test")
	trust(t, one, "two", rootTwo)
	trust(t, two, "one", rootOne)
	trust(t, three, "one", rootOne)

	alice := startProfile(t, l, "alice", login("alice1234", one.Domain))
	// Core trusts no authority of the lab, and so no autoconfig: the link names host and port.
	bob := startProfile(t, l, "bob", login("bob123456", two.Domain)+
		"&ih=chat.two.test&ip=2053&is=ssl&sh=chat.two.test&sp=2053&ss=ssl")
	carol := startProfile(t, l, "carol", three.SignUpQR())
	for _, pair := range []struct {
		name         string
		join, invite *core.Profile
	}{
		{"two plain names", bob, alice},
		{"one of each", carol, alice},
	} {
		t.Run(pair.name, func(t *testing.T) {
			join(t, pair.join, pair.invite).converse(t)
		})
	}

	t.Run("guest", func(t *testing.T) { guest(t, l, two, rootTwo, one) })

	// Mail waits rather than going to a server that cannot prove its name.
	t.Run("a certificate that proves nothing", func(t *testing.T) {
		ctx := deadline(t, stepTimeout)
		// A core whose connection breaks waits for half a minute.
		rpc(t, bob, nil, "stop_io")
		sh(t, two, "rm /usr/local/share/ca-certificates/one.crt; update-ca-certificates; systemctl restart chatmaild-transport")
		if err := bob.StartIO(ctx); err != nil {
			t.Fatal(err)
		}
		chat, err := bob.ChatWith(ctx, alice)
		if err != nil {
			t.Fatal(err)
		}
		const text = "not before I know who you are"
		send(t, bob, chat, text)
		waitDeferred(t, two, "certificate signed by unknown authority")
		trust(t, two, "one", rootOne)
		if _, err := two.Run(ctx, "postqueue", "-f"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := alice.WaitText(ctx, text); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("from outside", func(t *testing.T) { fromOutside(t, l, one, rootOne, three) })
}

// startPlain starts a relay with a plain name and a certificate of its own making, which is
// its own root. Its host has the domain's name or another one: then the domain is that of a
// web site elsewhere.
func startPlain(t *testing.T, l *Lab, domain, hostname, deb string, settings ...string) (r *Relay, root string) {
	t.Helper()
	return startSigned(t, l, domain, hostname, deb, nil, settings...)
}

// startSigned is startPlain with a certificate of an issuer's.
func startSigned(t *testing.T, l *Lab, domain, hostname, deb string, issuer *tls.Certificate, settings ...string) (r *Relay, root string) {
	t.Helper()
	ctx := deadline(t, installTimeout)
	label, _, _ := strings.Cut(domain, ".")
	host := startHost(t, l, label)
	r = &Relay{Host: host, Domain: domain, lab: l}
	diagnose(t, r)
	publish, other := r.publishAddresses, "www."+domain
	settings = append(settings, `tls_external_cert_and_key = "/etc/ssl/relay.pem /etc/ssl/relay.key"`)
	if hostname != domain {
		publish = func(ctx context.Context) error { return r.publishGuest(ctx, hostname) }
		settings = append(settings, fmt.Sprintf("hostname = %q", hostname))
		other = "autoconfig." + domain
	}
	own, err := pki.New(issuer, pki.Request{Names: []string{hostname, other, "mta-sts." + domain}})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pki.PEM(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return publish(ctx) },
		func() error { return r.InstallDeb(ctx, deb) },
		func() error { return r.WriteFile(ctx, "/etc/ssl/relay.pem", 0o644, strings.NewReader(string(cert))) },
		func() error { return r.WriteFile(ctx, "/etc/ssl/relay.key", 0o600, strings.NewReader(string(key))) },
		func() error { return r.configure(ctx, settings) },
		func() error { return r.setUp(ctx) },
		func() error { return r.publishKey(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if issuer != nil {
		return r, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate[0]}))
	}
	return r, string(cert)
}

// trust makes a relay take a root certificate for good. Postfix and the transport read them
// when they start.
func trust(t *testing.T, r *Relay, name, root string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	if err := r.TrustRoot(ctx, name, []byte(root)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(ctx, "systemctl", "try-restart", r.PostfixUnit(), "chatmaild-transport"); err != nil {
		t.Fatal(err)
	}
}

// login is what an app scans whose user chose name and password. The client does
// not know the lab's roots.
func login(name, domain string) string {
	return fmt.Sprintf("dclogin:%s@%s?p=password-of-%s&v=1&ic=3", name, domain, name)
}

// waitDeferred waits until a message is in the queue for a reason.
func waitDeferred(t *testing.T, r *Relay, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	for {
		queue, err := r.Run(ctx, "postqueue", "-p")
		if err != nil {
			t.Fatalf("waiting for a message to be deferred because %q: %v", reason, err)
		}
		if strings.Contains(queue, reason) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no message was deferred because %q; the queue:\n%s", reason, queue)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
