package courier

import (
	"testing"
)

// TestPolicy has a domain say by MTA-STS which hosts are its own, while its MX record names
// two more: mail goes to its own, however far behind, and to no other one.
func TestPolicy(t *testing.T) {
	const policy = "version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 86400\n"
	evil, own := &peer{rcpt: anyone}, &peer{rcpt: anyone}
	web := &peer{https: status(200, policy)}
	for _, test := range []struct {
		hosts []string
		code  int
	}{
		{[]string{"mx.evil.test", "mx.a.test"}, 250},
		{[]string{"mx.evil.test"}, 451},
	} {
		w := newWorld(t, map[string][]string{"a.test": test.hosts}, map[string]*peer{
			"mx.evil.test": evil, "mx.a.test": own, "mta-sts.a.test": web,
		})
		c, _, _ := w.courier()
		if r := c.Deliver(t.Context(), "a.test", to("x@a.test"))[0]; r.Code != test.code {
			t.Errorf("%q: got %+v, want %d", test.hosts, r, test.code)
		}
	}
	if evil.ports() != "" || own.messages() != "smtp x@a.test" || web.ports() != "443 443" {
		t.Errorf("the other host was asked at %q, its own got %q", evil.ports(), own.messages())
	}
}
