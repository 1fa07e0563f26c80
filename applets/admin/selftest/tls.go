package selftest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"chatmaild/applets/admin/remote"
)

// renewal is the part of its life, at the end, in which a certificate should have
// been renewed: two weeks of the usual 90 days. Clients do so with a third left.
const renewal = 6

// greeting holds that a server answers at a port, whatever version of IP a client
// has. A domain with no address of a kind promises nothing to those who have no other.
func greeting(service remote.Service, family remote.Family) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		found, err := s.relay.AddressesOf(ctx, family)
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			return "", errNotPromised
		}
		if !s.relay.HasWay(ctx, found[0]) {
			return "", &unprovenError{"this machine has no IPv" + string(family)}
		}
		return s.relay.Over(family).Greet(ctx, service)
	}
}

// tlsVersion holds that a service has a TLS of today, and none of yesterday.
func tlsVersion(service remote.Service) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		config := func(newest uint16) *tls.Config {
			// crypto/tls offers nothing below 1.2 by itself; a server that would take it has to be
			// asked for it. Whose certificate it is another check finds out.
			return &tls.Config{
				ServerName: s.relay.Host, InsecureSkipVerify: true,
				MinVersion: tls.VersionTLS10, MaxVersion: newest,
			}
		}
		conn, err := s.relay.Secure(ctx, service, config(tls.VersionTLS13))
		if err != nil {
			return "", err
		}
		version := conn.ConnectionState().Version
		conn.Close()
		if version < tls.VersionTLS12 {
			return "", fmt.Errorf("only %s", tls.VersionName(version))
		}
		old, err := s.relay.Secure(ctx, service, config(tls.VersionTLS11))
		if _, ok := errors.AsType[*remote.HandshakeError](err); ok {
			return tls.VersionName(version), nil
		}
		if err != nil {
			return "", err
		}
		defer old.Close()
		return "", fmt.Errorf("%s is accepted, too", tls.VersionName(old.ConnectionState().Version))
	}
}

// certificate holds that a client believes a service who it is, and will for
// some time.
func certificate(service remote.Service) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		conn, err := s.relay.Secure(ctx, service, s.relay.TLSConfig(service))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		cert := conn.ConnectionState().PeerCertificates[0]
		// A relay at an address can have an authority's certificate by now (RFC 8738), and is then
		// checked like others.
		if (s.relay.SelfSigned() || s.relay.Insecure) && !verifies(s, conn.ConnectionState().PeerCertificates) {
			return unproven(s, cert)
		}
		left := cert.NotAfter.Sub(s.Now)
		seen := fmt.Sprintf("by %s, valid until %s (%d days)", issuer(cert), cert.NotAfter.Format(time.DateOnly), int(left.Hours()/24))
		if left < cert.NotAfter.Sub(cert.NotBefore)/renewal {
			return "", notef("%s", seen)
		}
		return seen, nil
	}
}

// verifies reports whether an authority has signed what a server shows, for the relay.
func verifies(s *session, chain []*x509.Certificate) bool {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: s.relay.Host, Roots: s.relay.Roots, Intermediates: between, CurrentTime: s.Now})
	return err == nil
}

// unproven looks at a certificate that nobody vouches for. Clients take every one
// then, so that what is wrong with it is only worth a note.
func unproven(s *session, cert *x509.Certificate) (string, error) {
	if err := cert.VerifyHostname(s.relay.Host); err != nil {
		return "", notef("%v", err)
	}
	if s.Now.After(cert.NotAfter) || s.Now.Before(cert.NotBefore) {
		return "", notef("valid from %s to %s", cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly))
	}
	return "self-signed, valid until " + cert.NotAfter.Format(time.DateOnly), nil
}

// issuer names who signed a certificate, for the table.
func issuer(cert *x509.Certificate) string {
	if len(cert.Issuer.Organization) > 0 {
		return cert.Issuer.Organization[0]
	}
	return cert.Issuer.CommonName
}

// hidesPassword holds that nobody can log in before TLS.
func hidesPassword(service remote.Service) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		hides, said, err := s.relay.HidesPassword(ctx, service)
		if err == nil && !hides {
			err = errors.New(said)
		}
		return said, err
	}
}

// mailNeedsTLS holds that port 25 takes no message before STARTTLS.
func mailNeedsTLS(ctx context.Context, s *session) (string, error) {
	return refusal(s.relay.TakesMailWithoutTLS(ctx, remote.FromRelays))
}

// refusal is a reply that has to be one for good.
func refusal(reply remote.Reply, err error) (string, error) {
	if err == nil && !reply.Refused() {
		err = errors.New(reply.String())
	}
	return reply.String(), err
}
