package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatmaild/testdata/lab/peer"
)

// dns compares the records with what the lab's server answers: all fine, then
// each of them missing and different.
func (p *plain) dns(t *testing.T) {
	zone := p.run(t, "chatmaild dns --zonefile -")
	contains(t, "the zone file", zone, "CAA 0 issue \"pebble.letsencrypt.org;accounturi=https://"+peer.AuthorityHost)
	type record struct{ name, kind, data string }
	var records []record
	for line := range strings.Lines(zone) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 5) // name, TTL, IN, type, data
		if strings.HasPrefix(line, ";") || len(fields) != 5 {
			continue
		}
		records = append(records, record{fields[0], fields[3], fields[4]})
		publish(t, p.lab, fields[0], fields[3], fields[4])
	}
	if len(records) < 13 {
		t.Fatalf("the zone file has %d records:\n%s", len(records), zone)
	}
	said := p.run(t, "chatmaild dns")
	if strings.Contains(said, "missing") || strings.Contains(said, "different") {
		t.Errorf("dns finds fault with its own zone file:\n%s", said)
	}

	required := []string{"MX", "CNAME", "DKIM"}
	wrong := map[string]string{
		"MX": "10 elsewhere.test.", "CNAME": "elsewhere.test.", "SRV": "0 1 1 elsewhere.test.",
		"CAA": `0 issue "other.example"`, "TXT": `"v=DKIM1; k=rsa; p=AAAA"`,
	}
	for _, r := range records {
		kind := r.kind
		if strings.Contains(r.name, "._domainkey.") && strings.HasPrefix(r.data, `"v=DKIM1`) {
			kind = "DKIM"
		}
		other := wrong[r.kind]
		if r.kind == "TXT" && kind != "DKIM" {
			version, _, _ := strings.Cut(strings.Trim(r.data, `"`), " ")
			other = fmt.Sprintf("%q", strings.TrimSuffix(version, ";")+"; other")
			switch {
			case strings.HasPrefix(r.data, `"v=spf1`):
				other = `"v=spf1 +all"`
			case strings.HasPrefix(r.data, `"v=STSv1`): // with any identifier
				other = `"v=STSv2; id=1"`
			}
		}
		for _, data := range []string{"", other} {
			p.lab.Zone.Remove(r.name, r.kind)
			state := "missing"
			if data != "" {
				state = "different"
				publish(t, p.lab, r.name, r.kind, data)
			}
			res, err := p.relay.Exec(deadline(t, stepTimeout), nil, "chatmaild", "dns")
			if err != nil {
				t.Fatal(err)
			}
			status := 0
			if slices.Contains(required, kind) {
				status = 1
			}
			line := fmt.Sprintf("%s 3600 IN %s %s\n", r.name, r.kind, r.data)
			if res.Code != status || !strings.Contains(res.Stdout, line) || !strings.Contains(res.Stdout, state) {
				t.Errorf("%s %s %s: got exit status %d, want %d, %q and %q in\n%s", r.name, r.kind, state, res.Code, status, state, line, res.Stdout)
			}
		}
		publish(t, p.lab, r.name, r.kind, r.data)
	}
	// A relay whose address is gone cannot be found at all.
	p.lab.Zone.Remove(plainDomain, "A")
	contains(t, "dns without an address", p.fails(t, "chatmaild", "dns"), "missing")
	publish(t, p.lab, plainDomain, "A", p.relay.IPv4.String())
	p.run(t, "chatmaild dns")
}
