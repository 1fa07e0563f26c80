package lab

import (
	"testing"

	"chatmaild/testdata/lab/debian"
)

// literal adds a relay that has an address and no name, with a client that writes
// to Bob: neither DNS nor a signature speaks for it.
func (f *federation) literal(t *testing.T) {
	ctx := deadline(t, installTimeout)
	host := startHost(t, f.lab, "address")
	r := &Relay{Host: host, Domain: host.IPv4.String()}
	diagnose(t, r)
	deb, err := debian.Deb()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return r.InstallDeb(ctx, deb) },
		func() error { return r.configure(ctx, nil) },
		func() error { return r.setUp(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	dave := startProfile(t, f.lab, "dave", printed(t, r))
	join(t, dave, f.bob).converse(t)
}
