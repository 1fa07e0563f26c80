package postfix

import "testing"

func TestReloadsMain(t *testing.T) {
	const former = "# inet_protocols = ipv4\ninet_interfaces = all\ninet_protocols =\n\tall\nmyhostname = a.test\n"
	for next, want := range map[string]bool{
		former: true,
		"myhostname = b.test\ninet_protocols = all\ninet_interfaces=all\n":        true,
		"inet_interfaces = all\ninet_protocols = ipv4\n":                          false,
		"inet_interfaces = all\ninet_protocols = all\ninet_protocols = ipv4\n":    false,
		"inet_interfaces = loopback-only\ninet_protocols = all\n":                 false,
		"inet_protocols = all\n":                                                  false,
		"inet_interfaces = all\ninet_protocols = all\nqueue_directory = /queue\n": false,
	} {
		if got := ReloadsMain([]byte(former), []byte(next)); got != want {
			t.Errorf("%q: got %v, want %v", next, got, want)
		}
	}
}

func TestReloadsMaster(t *testing.T) {
	const former = "smtp inet n - y - 100 smtpd\n  -o syslog_name=a\n# 465 inet n - y - - smtpd\n587 inet n - y - - smtpd\npickup unix n - y 60 1 pickup\n"
	for next, want := range map[string]bool{
		former: true,
		"smtp inet n - y - 200 smtpd\n  -o syslog_name=b\n587 inet n - n - - smtpd\nlmtp unix - - y - - lmtp\n": true,
		former + "127.0.0.1:2525 inet n - y - - smtpd\n":                                                        true,
		"smtp inet n - y - 100 smtpd\n":                                                                         true,
		"192.0.2.1:25 inet n - y - 100 smtpd\n587 inet n - y - - smtpd\n":                                       false,
	} {
		if got := ReloadsMaster([]byte(former), []byte(next)); got != want {
			t.Errorf("%q: got %v, want %v", next, got, want)
		}
	}
}
