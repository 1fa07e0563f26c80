package renewal

import (
	"context"
	"fmt"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"
)

// Bounds of dynamic updates.
const (
	updateTimeout = 20 * time.Second
	// settle is how long the zone's other servers may take to hear of a change
	// (RFC 1996): the authority asks any of them.
	settle      = 15 * time.Second
	updateTTL   = 60  // seconds, of the challenge's record
	updateFudge = 300 // seconds that the clocks may differ (RFC 8945 §10)
)

// NameServer solves DNS-01 challenges (RFC 8555 §8.4) by dynamic updates (RFC
// 2136) that a shared key signs (TSIG, RFC 8945).
type NameServer struct {
	Address string // host:port
	Key     Key
	Now     func() time.Time

	changed time.Time // when the last record was added; there is one order at a time
}

var (
	_ acmez.Solver = (*NameServer)(nil)
	_ acmez.Waiter = (*NameServer)(nil)
)

// Present adds the challenge's record.
func (s *NameServer) Present(ctx context.Context, c acme.Challenge) error {
	err := s.change(ctx, c, (*dns.Msg).Insert)
	s.changed = s.Now()
	return err
}

// Wait lets the records spread: all of an order's are added before the first wait,
// so that they wait together.
func (s *NameServer) Wait(ctx context.Context, _ acme.Challenge) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.changed.Add(settle).Sub(s.Now())):
		return nil
	}
}

// CleanUp removes it again.
func (s *NameServer) CleanUp(ctx context.Context, c acme.Challenge) error {
	return s.change(context.WithoutCancel(ctx), c, (*dns.Msg).Remove)
}

// updateError is a fault of the name server, or of its configuration.
type updateError struct{ error }

func (e updateError) Unwrap() error { return e.error }

func (s *NameServer) change(ctx context.Context, c acme.Challenge, how func(*dns.Msg, []dns.RR)) error {
	if err := s.update(ctx, c, how); err != nil {
		return updateError{err}
	}
	return nil
}

func (s *NameServer) update(ctx context.Context, c acme.Challenge, how func(*dns.Msg, []dns.RR)) error {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	name := dns.Fqdn(c.DNS01TXTRecordName())
	zone, err := s.zone(ctx, name)
	if err != nil {
		return err
	}
	message := new(dns.Msg).SetUpdate(zone)
	how(message, []dns.RR{&dns.TXT{
		Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Ttl: updateTTL}, Txt: []string{c.DNS01KeyAuthorization()},
	}})
	message.SetTsig(s.Key.Name, dns.HmacSHA256, updateFudge, s.Now().Unix())
	client := dns.Client{Net: "tcp", Timeout: updateTimeout, TsigSecret: map[string]string{s.Key.Name: s.Key.Secret}}
	reply, _, err := client.ExchangeContext(ctx, message, s.Address)
	// A server that refuses need not sign that, or cannot.
	if err != nil && (reply == nil || reply.Rcode == dns.RcodeSuccess) {
		return fmt.Errorf("updating the name server: %w", err)
	}
	switch reply.Rcode {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeNotAuth:
		return fmt.Errorf("the name server %s refuses to change %s: it does not know the key, or its clock differs", s.Address, zone)
	case dns.RcodeRefused:
		return fmt.Errorf("the name server %s refuses to change %s: the key may not do that", s.Address, zone)
	}
	return fmt.Errorf("the name server %s refuses to change %s: %s", s.Address, zone, dns.RcodeToString[reply.Rcode])
}

// zone asks the server which of its zones the name is in.
func (s *NameServer) zone(ctx context.Context, name string) (string, error) {
	client := dns.Client{Net: "tcp", Timeout: updateTimeout}
	for _, start := range dns.Split(name) {
		zone := name[start:]
		reply, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(zone, dns.TypeSOA), s.Address)
		if err != nil {
			return "", fmt.Errorf("asking the name server for its zone: %w", err)
		}
		for _, record := range reply.Answer {
			if _, ok := record.(*dns.SOA); ok && dns.CanonicalName(record.Header().Name) == dns.CanonicalName(zone) {
				return zone, nil
			}
		}
	}
	return "", fmt.Errorf("the name server %s has no zone for %s", s.Address, name)
}
