package selftest

import (
	"fmt"
	"slices"

	"chatmaild/applets/admin/dns/zone"
	"chatmaild/applets/admin/remote"
)

// Checks returns all checks, in the order in which their results are shown. A
// check stands below those that it needs.
func Checks() []Check {
	return slices.Concat(dnsChecks(), serviceChecks(), webChecks(), accountChecks(), mailChecks(), refusalChecks(), hiddenChecks(), callChecks(), pairChecks())
}

// dnsChecks are first: without an address there is nothing to connect to.
func dnsChecks() []Check {
	const publish = "chatmaild dns, on the relay, shows the records to set"
	return []Check{
		{"address", DNS, nil, Always, "the domain has an address", publish, addresses},
		{"mx", DNS, nil, Named, "mail for the domain goes to the domain, and nowhere else", publish, record("", zone.MX, "")},
		{"dkim-key", DNS, nil, Named, "one key to verify the relay's signatures with", publish + "; --selector NAME if the relay's is not opendkim", dkimRecord},
		{"names", DNS, []string{"address"}, Named, "www and mta-sts point to the relay", publish, names},
		{"mta-sts-record", DNS, nil, Named, "v=STSv1", publish, record("_mta-sts.", zone.TXT, "")},
		{"spf", DNS, nil, Named, "v=spf1 a ~all", publish, record("", zone.TXT, "v=spf1")},
		{"dmarc", DNS, nil, Named, "v=DMARC1;p=reject;adkim=s;aspf=s", publish, record("_dmarc.", zone.TXT, "")},
	}
}

// serviceChecks are four of each public port, and what each demands.
func serviceChecks() []Check {
	var ports, secure []Check
	for _, s := range remote.Services() {
		port := fmt.Sprintf("port-%d", s.Port)
		// A check of its own: most relays' faults with IPv6 are of one port, and clients that try
		// both families hide them.
		six := port + "-ipv6"
		ports = append(ports,
			Check{port, Ports, []string{"address"}, Always, s.What, openPort(s, port), greeting(s, remote.IPv4)},
			Check{six, Ports, []string{"address"}, WithIPv6, s.What + ", over IPv6",
				openPort(s, six) + "; without IPv6 there should be no AAAA record", greeting(s, remote.IPv6)},
		)
		secure = append(secure,
			Check{fmt.Sprintf("tls-%d", s.Port), TLS, []string{port}, Always, "TLS 1.2 or 1.3, and nothing older",
				"chatmaild run writes the configuration for it", tlsVersion(s)},
			Check{fmt.Sprintf("certificate-%d", s.Port), TLS, []string{port}, Always, "a certificate for the domain that clients trust, and that does not expire soon",
				"chatmaild status shows how the last request went; was this program reloaded since?", certificate(s)},
		)
	}
	const demand = "chatmaild run writes the configuration that requires it"
	return slices.Concat(ports, secure, []Check{
		{"starttls-25", TLS, []string{"port-25"}, Always, "no mail before STARTTLS", demand, mailNeedsTLS},
		{"starttls-143", TLS, []string{"port-143"}, Always, "no login before STARTTLS", demand, hidesPassword(remote.IMAPStart)},
		{"starttls-587", TLS, []string{"port-587"}, Always, "no login before STARTTLS", demand, hidesPassword(remote.Submission)},
	})
}

// openPort is what to do if nobody answers.
func openPort(s remote.Service, check string) string {
	open := "is there a firewall in between? chatmaild status names the program that should answer"
	if s == remote.FromRelays {
		open = "many networks block outgoing port 25: try from another one, or --skip " + check + ". " + open
	}
	return open
}

// webChecks are what clients and people get over HTTPS.
func webChecks() []Check {
	const nginx = "journalctl -u nginx -u chatmaild-maillog -n 50; chatmaild run rewrites the pages"
	page := []string{"certificate-443"}
	return []Check{
		{"page", Web, page, Always, "a page about the relay", nginx, homePage},
		{"http", Web, []string{"address"}, Always, "port 80 redirects to https://", "clients do not need it; certificates by HTTP-01 do", toHTTPS},
		{"new", Web, []string{"certificate-443", "certificate-993"}, Always, "POST /new returns credentials that work", "journalctl -u chatmaild-web -u chatmaild-doveauth -n 50", newProfile},
		{"autoconfig", Web, page, Always, "the servers for IMAP and SMTP, all of them the domain", nginx, autoconfiguration},
		{"mxdeliv", Web, page, Shown, "other relays can deliver by HTTPS", "journalctl -u chatmaild-filtermail-in -n 50; they deliver by SMTP meanwhile", mxdeliv},
		{"mta-sts", Web, []string{"certificate-443", "names"}, Named, "a policy that requires other servers to verify the domain's certificate", nginx, mtaSTS},
	}
}

// accountChecks create the account that most others use, and log in by every way that
// clients try.
func accountChecks() []Check {
	const doveauth = "journalctl -u chatmaild-doveauth -u chatmaild-maillog -n 50"
	checks := []Check{
		{"create", Accounts, []string{"certificate-993"}, Always, "the first login creates an account",
			"is registration open, without a nocreate file? " + doveauth, create},
	}
	for _, l := range []struct {
		name    string
		service remote.Service
		needs   string
	}{
		{"login-993", remote.IMAPS, "certificate-993"},
		{"login-143", remote.IMAPStart, "certificate-143"},
		{"login-465", remote.Submissions, "certificate-465"},
		{"login-587", remote.Submission, "certificate-587"},
		{"alpn-imap", remote.IMAPByALPN, "certificate-443"},
		{"alpn-smtp", remote.SMTPByALPN, "certificate-443"},
	} {
		when := Always
		if l.service.ALPN != "" {
			when = Shown
		}
		checks = append(checks, Check{l.name, Accounts, []string{"create", l.needs}, when, "login works: " + l.service.What,
			doveauth + "; for port 443 nginx, too", login(l.service)})
	}
	alice := []string{"login-993"}
	return append(checks,
		Check{"wrong-password", Accounts, []string{"create"}, Always, "no login with another password", doveauth, wrongPassword},
		Check{"foreign-domain", Accounts, []string{"certificate-993"}, Always, "no account for another domain", doveauth, foreignDomain},
		Check{"capabilities", IMAP, alice, Always, "IDLE MOVE QUOTA METADATA XCHATMAIL, which clients look for",
			"chatmaild run rewrites Dovecot's configuration", capabilities},
		Check{"metadata", IMAP, alice, Always, "the maximum of recipients, and other METADATA that clients need",
			"journalctl -u chatmaild-metadata -n 50", metadata},
		Check{"push-token", IMAP, []string{"certificate-993"}, Always, "a client's push token is stored",
			"journalctl -u chatmaild-metadata -n 50", pushToken},
	)
}

// mailChecks follow a message through the relay.
func mailChecks() []Check {
	const filter = "postqueue -p; journalctl -u chatmaild-filtermail-out -u chatmaild-maillog -n 50"
	const trace = "chatmaild run writes the header checks that remove it"
	return []Check{
		{"delivery", Mail, []string{"login-465", "login-993"}, Always, "an encrypted message arrives as it was written", filter, delivery},
		{"subject-hidden", Mail, []string{"delivery"}, Always, "the subject is [...], whatever the client wrote", trace, subjectHidden},
		{"client-hidden", Mail, []string{"delivery"}, Always, "nothing reveals the sender's network or program", trace, clientHidden},
		{"securejoin", Mail, []string{"delivery"}, Always, "two users exchange keys by an invite link", filter, secureJoin},
	}
}

// refusalChecks hold that what a relay has to refuse is refused: these are the promises
// that protect users.
//
// strangers are checks by port 25, which many networks do not let out; they need
// certificate-25 and are skipped then.
func refusalChecks() []Check {
	const (
		outgoing = "does filtermail-out take mail from users? chatmaild status"
		incoming = "does mail from outside pass filtermail-in? chatmaild status"
		signed   = "is dkim_verify on? " + incoming
		postfix  = "chatmaild run rewrites Postfix's configuration"
	)
	user := []string{"login-465"}
	stranger := []string{"create", "certificate-25"}
	return []Check{
		{"cleartext", Refusals, user, Always, unencrypted, outgoing, clearSubmission},
		{"forged-from", Refusals, user, Always, "500 Invalid FROM, for an author other than the logged-in user", outgoing, forgedFrom},
		{"foreign-sender", Refusals, user, Always, "no envelope sender other than the logged-in user", outgoing, foreignSender},
		{"too-large", Refusals, user, Always, "a size limit, and a refusal of what exceeds it", outgoing, tooLarge},
		{"unsigned", Refusals, stranger, Always, "no unsigned mail: 554, No DKIM signature found", signed, unsignedMail},
		{"bad-signature", Refusals, stranger, Always, "no mail with a forged signature: 554, No valid DKIM signature found", signed, badSignature},
		{"cleartext-from-outside", Refusals, stranger, Shown, unencrypted, incoming, clearFromOutside},
		{"open-relay", Refusals, []string{"certificate-25"}, Always, "no relaying of mail from outside to other domains", postfix, openRelay},
		{"rate-limit", Refusals, user, Slow, "450 for a flood from one account, temporarily", outgoing, rateLimit},
	}
}
