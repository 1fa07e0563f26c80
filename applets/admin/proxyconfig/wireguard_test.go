package proxyconfig

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chatmaild/applets/config"
)

// TestTunnel holds that the two scripts fit together, are the same when they are printed
// again, and are scripts for a shell.
func TestTunnel(t *testing.T) {
	const domain = "mail_domain = \"chat.example.org\"\n"
	for _, tt := range []struct {
		name, settings string
		proxy, relay   []string // in the scripts
		not            string   // in neither
	}{
		{
			"both families", `proxy_addresses = ["2001:db8::1", "192.0.2.1"]`,
			[]string{"Address = 10.177.43.1/32, fd63:6861:746d::1/128\n", "AllowedIPs = 10.177.43.2/32, fd63:6861:746d::2/128\n", "dnat ip6 to fd63:6861:746d::2", "udp dport { 3478, 61000-61999 }"},
			[]string{"Endpoint = 192.0.2.1:51820\n", "AllowedIPs = 0.0.0.0/0, ::/0\n", `turn_external_address = ["2001:db8::1", "192.0.2.1"]`}, "disable_ipv6",
		},
		{
			"IPv4", `proxy_addresses = ["192.0.2.1"]`,
			[]string{"Address = 10.177.43.1/32\n"}, []string{"AllowedIPs = 0.0.0.0/0\n", "disable_ipv6 = true"}, "fd63",
		},
		{
			"IPv6", `proxy_addresses = ["2001:db8::1"]`,
			[]string{"Address = fd63:6861:746d::1/128\n"}, []string{"Endpoint = [2001:db8::1]:51820\n", "AllowedIPs = ::/0\n"}, "10.177",
		},
		{
			"other ports, no calls", "proxy_addresses = [\"192.0.2.1\"]\nextra_ports = [2053]\nturn = \"off\"",
			[]string{"tcp dport { 25, 80, 143, 443, 465, 587, 993, 2053 } "}, nil, "udp dport",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf, err := config.Parse("test.toml", domain+tt.settings)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "keys")
			print := func(end string) string {
				t.Helper()
				var text strings.Builder
				if err := tunnelConfig(&text, end, conf, dir); err != nil {
					t.Fatal(err)
				}
				return text.String()
			}
			proxy, relay := print(proxyEnd), print(relayEnd)
			if print(proxyEnd) != proxy || print(relayEnd) != relay {
				t.Error("printed again, a script is another one")
			}
			for _, part := range tt.proxy {
				if !strings.Contains(proxy, part) {
					t.Errorf("the proxy's script has no %q:\n%s", part, proxy)
				}
			}
			for _, part := range tt.relay {
				if !strings.Contains(relay, part) {
					t.Errorf("the relay's script has no %q:\n%s", part, relay)
				}
			}
			for _, script := range []string{proxy, relay} {
				if strings.Contains(script, tt.not) {
					t.Errorf("%q is in a script:\n%s", tt.not, script)
				}
				check := exec.Command("sh", "-n")
				check.Stdin = strings.NewReader(script)
				if out, err := check.CombinedOutput(); err != nil {
					t.Errorf("sh: %v: %s", err, out)
				}
			}
			keys := regexp.MustCompile(`(?:Private|Public)Key = (\S{44})\n`)
			ours, theirs := keys.FindAllStringSubmatch(proxy, -1), keys.FindAllStringSubmatch(relay, -1)
			if len(ours) != 2 || len(theirs) != 2 {
				t.Fatalf("got %d and %d keys, want 2 each", len(ours), len(theirs))
			}
			if strings.Contains(relay, ours[0][1]) || strings.Contains(proxy, theirs[0][1]) {
				t.Error("an end has the private key of the other")
			}
			if info, err := os.Stat(filepath.Join(dir, "relay.key")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the relay's key: %v, %v", info, err)
			}
		})
	}
}
