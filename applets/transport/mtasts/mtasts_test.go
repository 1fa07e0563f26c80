package mtasts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const policy = "version: STSv1\r\nmode: enforce\r\nmx: mx.a.test\r\nmx: *.b.test\r\nmax_age: 604800\r\n"

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text string
		want *Policy
	}{
		{policy, &Policy{true, []string{"mx.a.test", "*.b.test"}, 604800 * time.Second}},
		{strings.ReplaceAll(policy, "\r\n", "\n"), &Policy{true, []string{"mx.a.test", "*.b.test"}, 604800 * time.Second}},
		{"version:STSv1\nmode:testing\nmax_age:1\nmx: MX.A.Test.\nfuture: x\n", &Policy{false, []string{"mx.a.test"}, time.Second}},
		{"version: STSv1\nmode: none\nmax_age: 99999999\n", &Policy{false, nil, maxMaxAge}},
		{"version: STSv1\nmode: none\nmode: enforce\nmax_age: 1\n", &Policy{false, nil, time.Second}},
		{"", nil},
		{"<html>", nil},
		{"version: STSv2\nmode: none\nmax_age: 1\n", nil},
		{"version: STSv1\nmode: strict\nmax_age: 1\n", nil},
		{"version: STSv1\nmode: none\nmax_age: -1\n", nil},
		{"version: STSv1\nmode: none\n", nil},
		{"version: STSv1\nmode: enforce\nmax_age: 1\n", nil},
		{"mode: none\nmax_age: 1\n", nil},
		{policy + strings.Repeat("mx: x\n", maxHosts), nil},
	} {
		got, err := Parse(test.text)
		if (err == nil) != (test.want != nil) || err == nil &&
			(got.Enforce != test.want.Enforce || got.MaxAge != test.want.MaxAge || !slices.Equal(got.Hosts, test.want.Hosts)) {
			t.Errorf("%.60q: got %+v, %v; want %+v", test.text, got, err, test.want)
		}
	}
}

func TestAllows(t *testing.T) {
	p, err := Parse(policy)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"mx.a.test": true, "MX.a.test.": true, "x.a.test": false, "a.test": false,
		"x.b.test": true, "b.test": false, "x.y.b.test": false, ".b.test": false, "xb.test": false, "": false,
	} {
		if p.Allows(host) != want {
			t.Errorf("%q: got %v", host, !want)
		}
	}
	if !(Policy{}).Allows("x.test") {
		t.Error("a domain without a policy allows nothing")
	}
}

func TestID(t *testing.T) {
	for _, test := range []struct {
		records []string
		want    string
	}{
		{[]string{"v=STSv1; id=20261129;"}, "20261129"},
		{[]string{"v=spf1 -all", "v=STSv1;id=x"}, "x"},
		{[]string{"v=STSv1; id=a", "v=STSv1; id=b"}, ""},
		{[]string{"v=STSv1"}, ""},
		{nil, ""},
	} {
		if got := ID(test.records); got != test.want {
			t.Errorf("%q: got %q, want %q", test.records, got, test.want)
		}
	}
}

// domain is one that publishes a policy, or not.
type domain struct {
	id, text       string
	silent, broken bool
	asked, fetched int
}

func (d *domain) records(_ context.Context, name string) ([]string, error) {
	if d.asked++; name != "_mta-sts.a.test." || d.silent {
		return nil, errors.New("no answer about " + name)
	}
	if d.id == "" {
		return nil, nil
	}
	return []string{"v=STSv1; id=" + d.id}, nil
}

func (d *domain) fetch(context.Context, string) (string, error) {
	if d.fetched++; d.broken {
		return "", errors.New("broken")
	}
	return d.text, nil
}

// TestCache has a domain get a policy, change it, and lose it.
func TestCache(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	d := &domain{}
	c := &Cache{Records: d.records, Fetch: d.fetch, Now: func() time.Time { return now }}
	step := 0
	want := func(host string, allowed bool, fetched int) {
		t.Helper()
		step++
		if got := c.Policy(t.Context(), "a.test").Allows(host); got != allowed || d.fetched != fetched {
			t.Errorf("step %d: allows %s: %v, after %d fetches; want %v, %d", step, host, got, d.fetched, allowed, fetched)
		}
	}
	want("evil.test", true, 0)
	d.id, d.text = "1", policy
	want("evil.test", true, 0) // asked a moment ago
	now = now.Add(checkAfter)
	want("evil.test", false, 1)
	want("mx.a.test", true, 1)
	now = now.Add(checkAfter)
	want("evil.test", false, 1) // the same id
	d.id, d.broken = "2", true
	now = now.Add(checkAfter)
	want("evil.test", false, 2)
	d.broken, d.text = false, "version: STSv1\nmode: enforce\nmx: new.a.test\nmax_age: 3600\n"
	now = now.Add(checkAfter)
	want("mx.a.test", false, 3)
	want("new.a.test", true, 3)
	d.silent = true
	now = now.Add(checkAfter)
	want("mx.a.test", false, 3)
	d.silent, d.id = false, ""
	now = now.Add(checkAfter)
	want("mx.a.test", false, 3) // true until it expires
	now = now.Add(time.Hour)
	want("evil.test", true, 3)
}

func TestBound(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	c := &Cache{
		Records: func(context.Context, string) ([]string, error) { return []string{"v=STSv1; id=1"}, nil },
		Fetch:   func(context.Context, string) (string, error) { return policy, nil },
		Now:     func() time.Time { return now },
	}
	for n := range 3 * maxDomains {
		c.Policy(t.Context(), fmt.Sprint(n))
	}
	if len(c.domains) > maxDomains {
		t.Errorf("%d domains are remembered", len(c.domains))
	}
}

// FuzzParse wants a policy that was read to be one that enforces hosts, or nothing.
func FuzzParse(f *testing.F) {
	f.Add(policy, "mx.a.test")
	f.Add("version: STSv1\nmode: none\nmax_age: 1\n", "x")
	f.Fuzz(func(t *testing.T, text, host string) {
		p, err := Parse(text)
		if err == nil && (p.MaxAge < 0 || p.MaxAge > maxMaxAge || p.Enforce && len(p.Hosts) == 0 || len(p.Hosts) > maxHosts) {
			t.Errorf("got %+v", p)
		}
		p.Allows(host)
	})
}
