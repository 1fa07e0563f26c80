package selftest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chatmaild/applets/admin/dns/zone"
	"chatmaild/applets/lookup/authoritative"
	"chatmaild/mailfilter/dkim"
)

// addresses looks for what every other check needs. A relay at an IP address is its own.
func addresses(ctx context.Context, s *session) (string, error) {
	found, err := s.relay.Addresses(ctx)
	if err != nil {
		return "", err
	}
	return strings.Join(found, " "), nil
}

// names holds that the relay's other names lead to it, as aliases or not.
func names(ctx context.Context, s *session) (string, error) {
	home, err := s.relay.Addresses(ctx)
	if err != nil {
		return "", err
	}
	labels := []string{"www", "mta-sts"}
	if s.relay.Host != s.relay.Domain {
		labels[0] = "autoconfig"
	}
	for _, label := range labels {
		name := label + "." + s.relay.Domain
		found, err := s.relay.Records().LookupHost(ctx, name)
		if err != nil {
			return "", err
		}
		if !slices.ContainsFunc(found, func(a string) bool { return slices.Contains(home, a) }) {
			return "", fmt.Errorf("%s is at %s", name, strings.Join(found, " "))
		}
	}
	return strings.Join(labels, " and "), nil
}

// values asks the domain's own servers.
func (s *session) values(ctx context.Context, w zone.Record) ([]string, error) {
	r := authoritative.Resolver{System: s.relay.Records(), Port: s.relay.NameServerPort}
	return r.Values(ctx, w.Name, string(w.Type))
}

// record compares the records of a name below the domain, "" for itself, with
// those that the relay wants.
func record(label string, kind zone.Type, prefix string) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		// The table of the command dns, so that the two cannot want different records. Any policy
		// id is fine: zone compares the rest.
		want := zone.Relay{Domain: s.relay.Domain, Host: s.relay.Host, DKIMSelector: s.DKIMSelector, PolicyID: "1"}.Records()
		i := slices.IndexFunc(want, func(w zone.Wanted) bool {
			return w.Name == label+s.relay.Domain+"." && w.Type == kind && strings.HasPrefix(w.Value, prefix)
		})
		if i < 0 {
			return "", errors.New("this record is not needed")
		}
		w := want[i]
		found, err := s.values(ctx, w.Record)
		if err != nil {
			return "", err
		}
		f := zone.Compare(w, found)
		if f.State == zone.Fine {
			return strings.Join(f.Found, " "), nil
		}
		seen := "no such record"
		if len(f.Found) > 0 {
			seen = fmt.Sprintf("%q", f.Found)
		}
		if !w.Required {
			return "", advise(notef("%s", seen), "set: %s", w.Line())
		}
		return "", advise(errors.New(seen), "set: %s", w.Line())
	}
}

// dkimRecord holds that there is one key, and that it is good for signatures. If
// it is the one that the relay signs with, another relay has to say.
func dkimRecord(ctx context.Context, s *session) (string, error) {
	name := s.DKIMSelector + "._domainkey." + s.relay.Domain + "."
	found, err := s.values(ctx, zone.Record{Name: name, Type: zone.TXT})
	if err != nil {
		return "", err
	}
	if err := dkim.CheckKey(found); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return name, nil
}
