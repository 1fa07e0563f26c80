package dovecot

import "testing"

// TestReloads: another machine of the relay is no reason to end all sessions.
func TestReloads(t *testing.T) {
	const one = "protocols = imap\nlogin_trusted_networks =\nservice imap {\n}\n"
	const two = "protocols = imap\nlogin_trusted_networks = 10.7.0.2\nremote 10.7.0.2 {\n  ssl = yes\n}\nservice imap {\n}\n"
	for _, test := range []struct {
		former, next string
		want         bool
	}{
		{one, two, true},
		{two, one, true},
		{one, "protocols = imap lmtp\nlogin_trusted_networks =\nservice imap {\n}\n", false},
		{two, two + "listen = *\n", false},
		{"", one, false},
	} {
		if got := Reloads([]byte(test.former), []byte(test.next)); got != test.want {
			t.Errorf("from %q to %q: got %t", test.former, test.next, got)
		}
	}
}
