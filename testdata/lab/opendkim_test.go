package lab

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"chatmaild/applets/lookup"
	"chatmaild/mailfilter/dkim"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

// openDKIM asks another implementation what it says of what strangers signs.
func (f *federation) openDKIM(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	installPackages(ctx, t, f.b.Host, debian.OpenDKIM)
	s := f.newSigner(t)
	good := s.sign(t, encryptedFrom(t, s.author), nil)
	server, _ := network.Resolver() // its own resolver would begin at the root, and knows no name below test
	writeFile(t, f.b, "/tmp/opendkim.conf", 0o644, "Mode v\nNameservers "+server.String()+"\n")
	for name, tt := range map[string]struct{ text, want string }{
		"good":    {good, "dkim=pass (2048-bit key"},
		"changed": {strings.Replace(good, "-----BEGIN", "x\r\n-----BEGIN", 1), `dkim=fail reason="signature verification failed"`},
	} {
		writeFile(t, f.b, "/tmp/mail.eml", 0o644, tt.text)
		res, err := f.b.Exec(ctx, nil, "opendkim", "-x", "/tmp/opendkim.conf", "-vv", "-t", "/tmp/mail.eml")
		if err != nil {
			t.Fatal(err)
		}
		if out := res.Stdout + res.Stderr; !strings.Contains(out, tt.want) {
			t.Errorf("%s: OpenDKIM says %q, want %q in it", name, out, tt.want)
		}
	}
}

// signs has OpenDKIM sign a message, as on relays of before and on the Python relay, and
// verifies it.
func (f *federation) signs(t *testing.T) {
	mail := "Autocrypt: addr=" + f.alice.Addr + "; keydata=AAAA\r\n" + encryptedFrom(t, f.alice.Addr)
	installPackages(deadline(t, stepTimeout), t, f.a.Host, debian.OpenDKIM)
	conf := "Mode s\nCanonicalization relaxed/simple\nSignatureAlgorithm rsa-sha256\nDomain " + f.a.Domain + "\nSelector " + selector +
		"\nRequireSafeKeys no\nKeyFile /etc/dkimkeys/" + selector + ".private\nSignHeaders *,+autocrypt,+content-type\nOversignHeaders " + oversigned + "\n"
	writeFile(t, f.a, "/tmp/mail.eml", 0o644, mail)
	writeFile(t, f.a, "/tmp/sign.conf", 0o644, conf)
	out := sh(t, f.a, "opendkim -x /tmp/sign.conf -vv -t /tmp/mail.eml 2>&1")
	_, rest, _ := strings.Cut(out, "hname='DKIM-Signature' hvalue='")
	value, _, ok := strings.Cut(rest, "'")
	if !ok {
		t.Fatalf("no signature: %s", out)
	}
	tags := strings.ToLower(strings.Join(strings.Fields(value), ""))
	for _, want := range []string{"a=rsa-sha256;", "c=relaxed/simple;", "d=" + f.a.Domain + ";", "s=" + selector + ";"} {
		if !strings.Contains(tags, want) {
			t.Errorf("no %q in the signature %s", want, tags)
		}
	}
	_, names, _ := strings.Cut(tags, ";h=")
	names, _, _ = strings.Cut(names, ";")
	for name, want := range map[string]int{
		// Once because it is there, and once more lest another is added.
		"from": 2, "to": 2, "date": 2, "subject": 2, "autocrypt": 2,
		"content-type": 1, "reply-to": 1,
	} {
		if got := count(strings.Split(names, ":"), name); got != want {
			t.Errorf("%s is signed %d times, want %d: %s", name, got, want, names)
		}
	}
	v := dkim.New(dkim.Options{Now: time.Now, MaxStrangers: 1, Lookup: func(_ context.Context, name string) (dkim.Records, error) {
		answers, _ := f.lab.Zone.Lookup(name, dns.TypeTXT)
		var texts []string
		for _, a := range answers {
			texts = append(texts, lookup.Text(a.(*dns.TXT)))
		}
		return dkim.Records{Texts: texts}, nil
	}})
	header, body, _ := strings.Cut(mail, "\r\n\r\n")
	m := v.Begin([]byte("DKIM-Signature: "+strings.ReplaceAll(value, "\n", "\r\n")+"\r\n"+header+"\r\n"), f.a.Domain)
	defer m.Close()
	if _, err := m.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(); err != nil {
		t.Errorf("what OpenDKIM signed: %v\n%s", err, value)
	}
}
