package mailfilter_test

import (
	"strings"
	"testing"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

// pieces are what FuzzReaders changes of a message.
type pieces struct{ header, contentType, before, version, middle, data, armor, after string }

// message puts a message together. The delimiters are those of Delta Chat.
func (p pieces) message(armor string) string {
	armor = strings.Replace(armor, "MESSAGE-----\r\n", "MESSAGE-----\r\n"+p.armor, 1)
	return "From: <alice@chat.example>\r\n" + p.header + "Content-Type: " + p.contentType + "\r\n\r\n" +
		p.before + mailtest.CoreDelimiter + "\r\n" + p.version + "\r\n" + p.middle + mailtest.CoreDelimiter + "\r\n" +
		p.data + "\r\n" + armor + mailtest.CoreDelimiter + "--\r\n" + p.after
}

// envelopes are from Alice to Bob and to herself, and that of a report.
var envelopes = []mailfilter.Envelope{
	{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}},
	{Sender: mailtest.Alice, Recipients: []string{mailtest.Alice}},
	{Recipients: []string{mailtest.Bob}},
}

// FuzzReaders holds the one reading of the filter against two others: whatever
// passes, mailparse's rules and go-message have to see the same parts of, and
// nothing readable beside them.
func FuzzReaders(f *testing.F) {
	const protocol, boundary = "protocol=\"application/pgp-encrypted\"", "boundary=\"" + mailtest.CoreBoundary + "\""
	good := pieces{
		header: "Secure-Join: vc-request\r\n", contentType: "multipart/encrypted; " + protocol + "; " + boundary,
		version: "Content-Type: application/pgp-encrypted\r\n", middle: "Version: 1\r\n", data: mailtest.DataType,
	}
	add := func(change func(*pieces)) {
		p := good
		change(&p)
		f.Add(p.header, p.contentType, p.before, p.version, p.middle, p.data, p.armor, p.after)
	}
	evil := "--EVIL: x\r\n--EVIL:\r\nSubject: x\r\n\r\n" + mailtest.Text + "--EVIL--\r\n"
	for _, change := range []func(*pieces){
		func(*pieces) {},
		func(p *pieces) { p.contentType += "; x=\"; boundary=EVIL; y=\""; p.before = evil },
		func(p *pieces) { p.contentType += "; boundary=EVIL"; p.before = evil },
		func(p *pieces) { p.contentType += "; charset=\"=?utf-8?q?a=22=3B_boundary=3DEVIL?=\""; p.before = evil },
		func(p *pieces) { p.contentType += "; boundary*0=EVIL; name*=utf-8''x"; p.after = evil },
		func(p *pieces) { p.contentType += ";\r\n charset=utf-8;"; p.header += mailtest.SevenBit },
		func(p *pieces) { p.before = "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n" },
		func(p *pieces) { p.version += "Content-Description: PGP/MIME version identification\r\n" },
		func(p *pieces) {
			p.data += "Content-Disposition: inline; filename=\"encrypted.asc\"\r\n" + mailtest.SevenBit
		},
		func(p *pieces) { p.armor = "Version: GnuPG v2\r\nComment: GPGTools - https://gpgtools.org\r\n" },
		func(p *pieces) { p.contentType = "multipart/report; report-type=delivery-status; " + boundary },
		func(p *pieces) {
			p.contentType = "multipart/report; report-type=delivery-status; " + boundary
			p.version = "Content-Type: text/plain\r\n"
			p.middle = mailtest.Text + mailtest.CoreDelimiter + "\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n"
			p.data = "Content-Type: message/rfc822\r\n\r\n" + strings.ReplaceAll(mailtest.CoreHeader, mailtest.CoreBoundary, "inner") +
				"--inner\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--inner\r\n" + mailtest.DataType
		},
		func(p *pieces) {
			p.contentType, p.version = "multipart/mixed; "+boundary, "Content-Type: text/plain; charset=utf-8\r\n"
			p.middle = "Secure-Join: vc-request\r\n" + mailtest.CoreDelimiter + "--\r\n"
		},
		func(p *pieces) {
			p.header, p.contentType = "Autocrypt-Setup-Message: v1\r\n", "multipart/mixed; "+boundary
			p.version, p.middle, p.data = "Content-Type: text/plain\r\n", mailtest.Text, "Content-Type: application/autocrypt-setup\r\n"
		},
		func(p *pieces) {
			p.header, p.contentType = "Autocrypt-Setup-Message: v1\r\n", "multipart/mixed; boundary=outer"
			p.before = "--outer\r\nContent-Type: multipart/mixed; " + boundary + "\r\nMessage-ID: <x@chat.example>\r\n\r\n\r\n"
			p.version, p.middle, p.data = "Content-Type: text/plain\r\n", mailtest.Text, "Content-Type: application/autocrypt-setup\r\n"
			p.after = "\r\n--outer--\r\n"
		},
	} {
		add(change)
	}
	armor := mailtest.NewSamples(f).GoodArmor()
	f.Fuzz(func(t *testing.T, header, contentType, before, version, middle, data, headers, after string) {
		text := pieces{header, contentType, before, version, middle, data, headers, after}.message(armor)
		for dir, policy := range policies(t) {
			for _, env := range envelopes {
				if got, _ := verdict(policy, env, []byte(text)); !strings.HasPrefix(got, mailtest.Pass) {
					continue
				}
				if err := sameReading(text); err != nil {
					t.Fatalf("%s, from %q: passed, but %v", dir, env.Sender, err)
				}
			}
		}
	})
}
