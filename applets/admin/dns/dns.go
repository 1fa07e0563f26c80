// Package dns compares the records that a relay needs with those that the domain's own
// name servers answer with.
//
// Below it, zone knows which records are needed and what counts as equal, without asking
// anybody. The authoritative servers are asked, not a cache, since an operator who has
// just set a record wants to see it now.
package dns

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/dns/zone"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
	"chatmaild/applets/lookup/authoritative"
)

// letsEncrypt is what a CAA record calls the authority that is asked unless
// acme_directory says otherwise (RFC 8659 §4.2).
const letsEncrypt = "letsencrypt.org"

// Command is chatmaild dns.
var Command = command.Command{
	Name: "dns", Kind: command.Admin,
	Synopsis: "compares the DNS records of this relay with those that it needs",
	Description: `The domain's authoritative servers are asked, not a cache. The exit status is 1
while a required record is missing or wrong.

The A and AAAA records may name any public address of this machine; an AAAA record
without an A record is enough. An address that is on no
interface (NAT, a floating address) is reported as "elsewhere", and is not an error.
Mail may leave from any of the machine's own addresses: SPF has to permit those that
the A and AAAA records do not name, too.

With hostname in chatmail.toml(5) it also prints what the web server of mail_domain
may forward to the relay.`,
	Examples: command.Examples{
		{"dns", "print a table, and the records to add"},
		{"dns --zonefile -", "print all needed records, without asking a server"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "print JSON, for programs")
		zoneFile := fs.String("zonefile", "", "write all needed records to `FILE` (- for standard output), and exit")
		return command.Configured(func(ctx context.Context, env *command.Env, conf *config.Config) error {
			return compare(ctx, env, conf, host.Host{}, *asJSON, *zoneFile)
		})
	},
}

// elsewhere is about the web server of a domain whose relay has a host name of its own.
const elsewhere = `
The web server of %[1]s is not this machine: nothing there has to change. If you
want to, have it forward these paths to https://%[2]s, for
    /.well-known/autoconfig/mail/config-v1.1.xml  mail programs that look there alone
    /new                                          links to https://%[1]s/new
    /mxdeliv                                      relays that deliver there (Madmail)
`

// compare prints what is needed and what is there. A relay with a self-signed
// certificate needs no records: clients do not verify its name.
func compare(ctx context.Context, env *command.Env, conf *config.Config, machine host.Host, asJSON bool, zoneFile string) error {
	if conf.SelfSigned() {
		fmt.Fprintf(env.Stdout, "%s needs no DNS records.\n", conf.MailDomain)
		return nil
	}
	relay, err := zoneOf(conf, machine)
	if err != nil {
		return err
	}
	if relay.DKIMRecord == "" {
		return command.WithHint(errors.New("there is no DKIM key yet"), "chatmaild run creates it; with --skip-dns-check while its record is missing")
	}
	if zoneFile != "" {
		return writeZone(env, relay, zoneFile)
	}
	findings := lookUp(ctx, &authoritative.Resolver{}, relay.Records())
	if asJSON {
		err = printFindingsJSON(env.Stdout, findings)
	} else if err = printFindings(env.Stdout, findings); err == nil && config.Guest(conf) {
		fmt.Fprintf(env.Stdout, elsewhere, conf.MailDomain, config.Host(conf))
	}
	if err == nil && failed(findings) {
		return command.ErrFound
	}
	return err
}

// zoneOf maps the configuration and this machine to what the records depend on.
// Without a DKIM key the record's text is "".
func zoneOf(conf *config.Config, machine host.Host) (zone.Relay, error) {
	relay := zone.Relay{Domain: conf.MailDomain, Host: config.Host(conf), DKIMSelector: conf.DKIMSelector, PolicyID: "1"}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return relay, fmt.Errorf("asking for this machine's addresses: %w", err)
	}
	relay.IPv4, relay.IPv6 = publicAddresses(interfaces)
	if relay.Temporary, err = readTemporary(); err != nil {
		return relay, err
	}
	relay.IPv6 = lasting(relay.IPv6, relay.Temporary)
	// The record must then be absent: peers would try IPv6 first, and wait.
	if relay.NoIPv6 = conf.DisableIPv6; relay.NoIPv6 {
		relay.IPv6, relay.Temporary = nil, nil
	}
	// What leaves by a tunnel comes from the machines in front.
	if _, err := net.InterfaceByName(desired.TunnelInterface); err == nil && len(conf.ProxyAddresses) > 0 {
		relay.IPv4, relay.IPv6, relay.Temporary = nil, nil, nil
	}
	behindProxies(&relay, conf.Proxies())
	// Who renews an operator's own certificate is not known, so no CAA record is asked for.
	if _, _, external := conf.ExternalTLS(); !external && conf.ACMEDirectory == "" {
		relay.Issuer = letsEncrypt
	}
	if conf.ACME() {
		state, err := keyfiles.ACMEState(machine, conf)
		if err != nil {
			return relay, err
		}
		relay.AccountURI = state.AccountURI
		if state.Issuer != "" {
			relay.Issuer = state.Issuer
		}
	}
	text, err := machine.ReadFile(keyfiles.DKIM(conf))
	if errors.Is(err, fs.ErrNotExist) {
		return relay, nil
	}
	if err == nil {
		relay.DKIMRecord, err = keys.DKIMRecord(text)
	}
	if err != nil {
		return relay, fmt.Errorf("reading the DKIM key: %w", err)
	}
	return relay, nil
}

// lookUp asks for one record after the other. A server that does not answer is a finding
// about that record.
func lookUp(ctx context.Context, r *authoritative.Resolver, records []zone.Wanted) []zone.Finding {
	var findings []zone.Finding
	for _, w := range records {
		found, err := r.Values(ctx, w.Name, string(w.Type))
		if err != nil {
			findings = append(findings, zone.Finding{Wanted: w, State: zone.Unknown, Err: err})
			continue
		}
		f := zone.Compare(w, found)
		// Some providers flatten an alias into addresses, and some operators write these: what
		// counts is where the name leads.
		if w.Type == zone.CNAME && f.State == zone.Missing {
			f = zone.CompareAlias(f, addresses(ctx, r, w.Name), addresses(ctx, r, w.Value))
		}
		findings = append(findings, f)
	}
	zone.Settle(findings)
	return findings
}

// addresses are those of a name, as far as its servers say.
func addresses(ctx context.Context, r *authoritative.Resolver, name string) []string {
	var all []string
	for _, kind := range []zone.Type{zone.A, zone.AAAA} {
		if found, err := r.Values(ctx, name, string(kind)); err == nil {
			all = append(all, found...)
		}
	}
	return all
}

// failed reports whether a record is missing that mail needs.
func failed(findings []zone.Finding) bool {
	for _, f := range findings {
		if f.Failed() {
			return true
		}
	}
	return false
}

// printFindings shows a table, and below it the lines to paste.
func printFindings(w io.Writer, findings []zone.Finding) error {
	table := command.NewTable(w)
	for _, f := range findings {
		need := "recommended"
		if f.Required {
			need = "required"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.State, need, f.Type, f.Name, f.Why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range findings {
		if f.State != zone.Fine {
			printFinding(w, f)
		}
	}
	return nil
}

// printFinding shows what is wrong with a record, or may be, and what to set.
func printFinding(w io.Writer, f zone.Finding) {
	fmt.Fprintln(w)
	switch {
	case f.Absent:
		fmt.Fprintf(w, "; remove %s of %s, %q, or disable_ipv6 from the configuration\n", f.Type, f.Name, f.Found)
		return
	case f.State == zone.Unknown:
		fmt.Fprintf(w, "; %v\n", f.Err)
	case f.State == zone.Elsewhere:
		fmt.Fprintf(w, "; %q is on no interface of this machine: that is right if a router or the provider\n"+
			"; forwards it to this machine (NAT, a floating address); otherwise set:\n", f.Found)
	case f.State == zone.Different:
		fmt.Fprintf(w, "; instead of %q\n", f.Found)
	}
	fmt.Fprintln(w, f.Line())
	if len(f.Also) > 0 {
		fmt.Fprintf(w, "; or one of this machine's other addresses: %s\n", strings.Join(f.Also, " "))
	}
	if f.Type == zone.TXT {
		fmt.Fprintf(w, "; in a web form: %s\n", f.Value)
	}
}

// printFindingsJSON has every record, also those that are right: a program may want to
// see them.
func printFindingsJSON(w io.Writer, findings []zone.Finding) error {
	type record struct {
		Name     string     `json:"name"`
		Type     zone.Type  `json:"type"`
		Wanted   string     `json:"wanted"`
		Required bool       `json:"required"`
		State    zone.State `json:"state"`
		Found    []string   `json:"found"`
		Error    string     `json:"error,omitempty"`
	}
	records := []record{}
	for _, f := range findings {
		r := record{f.Name, f.Type, f.Value, f.Required, f.State, f.Found, ""}
		if f.Err != nil {
			r.Error = f.Err.Error()
		}
		if r.Found == nil {
			r.Found = []string{}
		}
		records = append(records, r)
	}
	return command.PrintJSON(w, map[string]any{"ok": !failed(findings), "records": records})
}

// writeZone writes lines for a zone file.
func writeZone(env *command.Env, relay zone.Relay, path string) error {
	var b strings.Builder
	for _, r := range relay.Records() {
		if !r.Absent {
			fmt.Fprintln(&b, r.Line())
		}
	}
	if path == "-" {
		_, err := io.WriteString(env.Stdout, b.String())
		return err
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("writing the zone file: %w", err)
	}
	fmt.Fprintf(env.Stdout, "wrote %s\n", path)
	return nil
}

// Require refuses a relay that the world cannot find, and notes what may be wrong. The
// record of a DKIM key that has yet to be made cannot be there; dns asks for it
// afterwards.
func Require(ctx context.Context, conf *config.Config, machine host.Host, r *authoritative.Resolver, notes io.Writer) error {
	relay, err := zoneOf(conf, machine)
	if err != nil {
		return err
	}
	return require(ctx, relay, r, notes)
}

func require(ctx context.Context, relay zone.Relay, r *authoritative.Resolver, notes io.Writer) error {
	var wanted []zone.Wanted
	for _, w := range relay.Records() {
		address := w.Type == zone.A || w.Type == zone.AAAA // one of the two will do
		if (w.Required || address) && !(w.Type == zone.TXT && relay.DKIMRecord == "") {
			wanted = append(wanted, w)
		}
	}
	findings := lookUp(ctx, r, wanted)
	if !failed(findings) {
		for _, f := range findings {
			// That the recommended record of IPv6 is not there, dns says.
			if f.State == zone.Elsewhere || f.Absent && f.State != zone.Fine || f.Type == zone.A && f.State == zone.Missing {
				printFinding(notes, f)
			}
		}
		return nil
	}
	var b strings.Builder
	if err := printFindings(&b, findings); err != nil {
		return err
	}
	return command.WithHint(fmt.Errorf("DNS records are missing or wrong:\n\n%s", b.String()),
		"set them at the domain's DNS provider and try again, or continue without: chatmaild run --skip-dns-check")
}
