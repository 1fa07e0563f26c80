package filtermail

import (
	"testing"

	"chatmaild/applets/config"
)

// TestLimiter: a sender has the burst that the configuration says, on a relay that is one
// machine, and on one of several that counts itself.
func TestLimiter(t *testing.T) {
	for _, cluster := range []string{"", "[cluster]\nname = \"a\"\nmembers = [\"a 10.7.0.1\"]\n"} {
		conf, err := config.Parse("test.toml", "mail_domain = \"chat.example\"\nmax_user_send_burst_size = 3\n"+cluster)
		if err != nil {
			t.Fatal(err)
		}
		l, all, err := limiter(conf)
		if err != nil || (all != nil) != config.Clustered(conf) {
			t.Fatalf("%q: %v, %v", cluster, all, err)
		}
		sent := 0
		for range 10 {
			if l.Allow("alice@chat.example") {
				sent++
			}
		}
		if sent != 3 && sent != 4 { // one more each second
			t.Errorf("%q: %d were allowed, want 3", cluster, sent)
		}
	}
}
