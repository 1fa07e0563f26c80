// Package transport is the wiring of the road to other relays.
//
// # The way of a message that leaves
//
//	Postfix's queue                            packaging/postfix (qmgr, lmtp)
//	  LMTP over a unix socket                  lmtp: one transaction for all recipients
//	    kept, in memory or in a nameless file  spool
//	    signed with DKIM                       signer
//	    for each domain                        courier
//	      its hosts: MX, A and AAAA, literal   route
//	      is the host worth a try?             health
//	      connect, IPv6 and IPv4               dial (RFC 8305)
//	      POST /mxdeliv by HTTPS               mxdeliv
//	      else SMTP on port 25 with TLS        smtpout
//	  a reply for each recipient
//	Postfix: done, retried later, or bounced
//
// Queue, retries and bounces are Postfix's. Nothing is 250 here before a host has said so.
// A message lives in Postfix's queue and nowhere else: this process can end at any time,
// and what had no reply is tried again.
//
// # Decided
//
//   - HTTPS first: it works where port 25 is blocked, and is one exchange in place of five.
//     A host that has no /mxdeliv, or whose HTTPS failed while its SMTP worked, is not asked
//     for it for 30 minutes, and a hidden relay asks nobody, as no other mail server does. A refusal by HTTPS is for all recipients together, so for more
//     than one the host is asked again by SMTP, where each has a reply of its own.
//   - Certificates are verified, by HTTPS and by SMTP, but for names that begin with "_" and
//     for address literals, as everywhere among chatmail relays.
//   - A host that does not answer costs one attempt at a time, at growing intervals. All
//     other mail for it is deferred at once, so that it holds up nobody. An operator who
//     retries mail ends that (routes).
//   - Signing happens here, where what leaves is known: local mail needs no signature. Key,
//     selector and fields are those that OpenDKIM had on earlier relays. What has our
//     signature already is not signed again.
//   - With transport = "postfix", a switch for one release, all that is signed here goes back
//     to Postfix (handback), which finds the way itself.
//   - Logs and metrics name hosts at most; never addresses, nor who writes to whom.
package transport

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/applets/transport/courier"
	"chatmaild/applets/transport/handback"
	"chatmaild/applets/transport/health"
	"chatmaild/applets/transport/lmtp"
	"chatmaild/applets/transport/route"
	"chatmaild/applets/transport/routes"
	"chatmaild/applets/transport/signer"
)

// Command delivers to other relays.
var Command = command.Command{
	Name: "transport", Kind: command.Daemon,
	Synopsis:    "signs mail and delivers it to other relays",
	Description: "It takes mail from Postfix, and delivers by HTTPS where the other relay accepts that, else by SMTP.",
	Bind:        func(*flag.FlagSet) command.Run { return run },
}

// memoryPercent is the GC percentage: messages are small, and kept briefly.
const memoryPercent = 50

// room is what Postfix may have added to the largest message, in bytes.
const room = 256 << 10

// spoolDir is for large messages. The unit has one of its own (PrivateTmp=).
const spoolDir = "/var/tmp"

func run(ctx context.Context, env *command.Env, _ []string) error {
	conf, err := env.Config()
	if err != nil {
		return err
	}
	debug.SetGCPercent(memoryPercent)
	log := env.Log()
	sign, err := signing(conf, log)
	if err != nil {
		return err
	}
	metrics := service.NewMetrics("transport", time.Now())
	numbers := NewMetrics(metrics)
	options := lmtp.Options{
		Name: config.Hostname(conf), MaxMessageSize: int64(conf.MaxMessageSize) + room, MaxRecipients: conf.MaxSMTPRecipients,
		SpoolDir: spoolDir, Sign: numbers.signs(sign), Log: log,
	}
	known := deliver(&options, conf, metrics, numbers)
	server := lmtp.New(options)
	daemon := service.Service{
		Name: "transport", Address: service.Unix(conf.Socket("transport")), Serve: server.Serve, Log: log,
		Metrics: metrics, MetricsSocket: conf.MetricsSocket("transport"),
		More: []service.Endpoint{{
			Name: "routes", Address: service.Address{Network: "unix", Addr: config.RoutesSocket(conf), Mode: 0o600},
			Serve: routes.Server{Transport: known, Log: log}.Serve,
		}},
	}
	return daemon.Run(ctx)
}

// deliver adds to o what delivers a message that has been signed, and returns what answers for
// routes.
func deliver(o *lmtp.Options, conf *config.Config, metrics *metric.Set, numbers *Metrics) routes.Transport {
	if !config.OwnTransport(conf) {
		o.Deliver = (&handback.Client{Name: o.Name, Socket: handback.Socket}).Deliver
		return noRoutes{}
	}
	table := &routes.Table{Now: time.Now}
	hosts := &health.Tracker{Now: time.Now}
	numbers.follow(metrics, hosts)
	source, _ := conf.Literal() // others accept a literal that is the client's address
	c := courier.New(courier.Options{
		Name: o.Name, Resolver: &net.Resolver{PreferGo: true}, Own: route.Own,
		Health: hosts, Routes: table, Observer: numbers, IPv4Only: conf.DisableIPv6, Source: source,
		SMTPOnly: conf.Hidden,
	})
	o.Deliver, o.Resting = c.Deliver, c.Resting
	return &known{c, table, hosts}
}

// known is what is known of routes: a routes.Transport.
type known struct {
	*courier.Courier
	table *routes.Table
	hosts *health.Tracker
}

// Routes implements routes.Transport.
func (k *known) Routes() []routes.Route { return withRests(k.table.List(), k.hosts.Resting()) }

// noRoutes is the routes.Transport where Postfix finds them.
type noRoutes struct{}

func (noRoutes) Routes() []routes.Route                 { return nil }
func (noRoutes) Retry(context.Context, string) []string { return nil }

// withRests adds to routes which hosts do not answer.
func withRests(list []routes.Route, resting []health.State) []routes.Route {
	by := map[string]health.State{}
	for _, s := range resting {
		by[s.Host] = s
	}
	for i, r := range list {
		if s, ok := by[r.Host]; ok {
			list[i].Resting, list[i].Next = &s.Since, &s.Next
		}
	}
	return list
}

// credential is the DKIM key, as systemd passes it on (LoadCredential=).
const credential = "dkim"

// signing returns what signs. A relay without a name, which has no DNS, signs nothing. One
// whose key is missing defers all mail, and says so.
func signing(conf *config.Config, log *slog.Logger) (lmtp.Sign, error) {
	if !config.Signs(conf) {
		return func(func() io.Reader) (string, error) { return "", nil }, nil
	}
	path := filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), credential)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		log.Error("no mail can leave: there is no DKIM key; chatmaild run makes one", "path", path)
		return func(func() io.Reader) (string, error) { return "", errors.New("there is no DKIM key") }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the DKIM key: %w", err)
	}
	key, err := keys.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the DKIM key %s: %w", path, err)
	}
	s := &signer.Signer{Domain: conf.AddressDomain(), Selector: conf.DKIMSelector, Key: key}
	return s.Sign, nil
}
