package resolver

import (
	"context"
	"fmt"

	"golang.org/x/net/dns/dnsmessage"

	"chatmaild/applets/admin/dns/zone"
	"chatmaild/applets/dns"
)

// exchange asks one server, without asking for recursion: it is to say what it
// knows itself.
func exchange(ctx context.Context, server, name string, t zone.Type) (answer, error) {
	q, err := question(name, t)
	if err != nil {
		return answer{}, err
	}
	reply, err := dns.Ask(ctx, server, q, false)
	if err != nil {
		return answer{}, err
	}
	return parse(reply, t)
}

func question(name string, t zone.Type) (dnsmessage.Question, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return dnsmessage.Question{}, fmt.Errorf("%q is no DNS name: %w", name, err)
	}
	code, ok := codes[t]
	if !ok {
		return dnsmessage.Question{}, fmt.Errorf("record type %s is not known here", t)
	}
	return dnsmessage.Question{Name: n, Type: code, Class: dnsmessage.ClassINET}, nil
}
