package www

import (
	"encoding/xml"
	"errors"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// example is a relay with everything filled in.
func example() Site {
	return Site{
		MailDomain: "chat.example.org", Host: "chat.example.org", Registration: Open, Version: "1.0",
		EchoInvite:           "https://i.delta.chat/#0123456789ABCDEF&a=echo%40chat.example.org",
		MaxUserSendPerMinute: 60, MaxMailboxSize: 500 << 20, MaxMessageSize: 30 << 20,
		DeleteMailsAfter: 20, DeleteLargeAfter: 7, DeleteInactiveUsersAfter: 90,
		UsernameMinLength: 9, UsernameMaxLength: 12, PasswordMinLength: 10,
		PrivacyPostal: "A_B\n<i>Street</i> 1", PrivacyMail: "privacy@chat.example.org",
		PrivacyPDO: "An Officer", PrivacySupervisor: "The *Supervisor*",
	}
}

func render(t testing.TB, site Site, override fs.FS) map[string]string {
	t.Helper()
	files, err := Render(site, override)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for name, content := range files {
		out[name] = string(content)
	}
	return out
}

func TestKindsOfRelays(t *testing.T) {
	const fixed = ".well-known/autoconfig/mail/config-v1.1.xml .well-known/mta-sts.txt 404.html echo.svg index.html info.html logo.svg main.css privacy.html robots.txt"
	withCode := strings.Replace(fixed, " robots.txt", " qr.png qr.svg robots.txt", 1)
	const account = `href="DCACCOUNT:https://chat.example.org/new"`
	tests := []struct {
		name   string
		change func(*Site)
		files  string
		home   []string // what the home page has
		lacks  []string
	}{
		{"open", func(*Site) {}, withCode,
			[]string{account, `src="/qr.svg"`, "9 to 12 characters", "at least 10 characters", "@chat.example.org</code>"},
			[]string{"/new.svg", "invalid certificates"}},
		{"registration not said", func(s *Site) { s.Registration = "" }, withCode, []string{account}, nil},
		{"invite", func(s *Site) { s.Registration = Invite }, fixed,
			[]string{"by invitation", "open the link of your invitation"}, []string{"DCACCOUNT", "qr.svg", "Choose your own"}},
		{"closed", func(s *Site) { s.Registration = Closed }, fixed,
			[]string{"no new profiles"}, []string{"DCACCOUNT", "Three steps", "qr.svg", "Choose your own"}},
		{"self-signed", func(s *Site) { s.MailDomain, s.SelfSigned = "_chat.example.org", true }, fixed,
			[]string{`class="button" href="/new"`, `src="/new.svg"`, "@_chat.example.org</code>", "invalid certificates"},
			[]string{"DCACCOUNT", "qr.svg"}},
		{"literal", func(s *Site) { s.MailDomain, s.SelfSigned = "192.0.2.17", true }, fixed,
			[]string{`class="button" href="/new"`, `src="/new.svg"`, "@[192.0.2.17]</code>"},
			[]string{"DCACCOUNT", "qr.svg"}},
		{"no bot", func(s *Site) { s.EchoInvite = "" }, strings.Replace(withCode, " echo.svg", "", 1),
			nil, []string{"echo"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			site := example()
			test.change(&site)
			out := render(t, site, nil)
			if got := strings.Join(slices.Sorted(maps.Keys(out)), " "); got != test.files {
				t.Errorf("files:\n got %s\nwant %s", got, test.files)
			}
			for _, want := range test.home {
				if !strings.Contains(out["index.html"], want) {
					t.Errorf("the home page lacks %q:\n%s", want, out["index.html"])
				}
			}
			for _, bad := range test.lacks {
				if strings.Contains(out["index.html"], bad) {
					t.Errorf("the home page has %q:\n%s", bad, out["index.html"])
				}
			}
		})
	}
}

// What the policy forbids would not work; what html/template filtered, or a template
// left open, would be seen by nobody but the visitor.
func TestPagesKeepThePolicy(t *testing.T) {
	bad := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|<iframe|<form|ZgotmplZ|\{\{|<no value>|src="(https?:)?//`)
	for _, selfSigned := range []bool{false, true} {
		site := example()
		site.SelfSigned = selfSigned
		for name, content := range render(t, site, nil) {
			if found := bad.FindString(content); found != "" && strings.HasSuffix(name, ".html") {
				t.Errorf("%s has %q", name, found)
			}
		}
	}
}

func TestValues(t *testing.T) {
	out := render(t, example(), nil)
	for page, wants := range map[string][]string{
		"info.html": {
			"<dd>60 messages a minute</dd>", "<dd>30 MB</dd>", "<dd>500 MB;", "<dd>20 days after", "<dd>7 days after",
			"<dd>90 days after", `href="mailto:privacy@chat.example.org"`, "chatmaild 1.0,",
			"<title>About this relay – chat.example.org</title>", `<a href="/info.html" aria-current="page">`,
		},
		"privacy.html": {
			"A_B<br>\n&lt;i&gt;Street&lt;/i&gt; 1", "The *Supervisor*", "An Officer", "after 20 days at the latest",
		},
	} {
		for _, want := range wants {
			if !strings.Contains(out[page], want) {
				t.Errorf("%s lacks %q:\n%s", page, want, out[page])
			}
		}
	}
	site := example()
	site.DeleteMailsAfter = 1
	if got := render(t, site, nil)["info.html"]; !strings.Contains(got, "<dd>1 day after") {
		t.Errorf("one day is not in the singular:\n%s", got)
	}
}

func TestNoticeWhileKeysAreEmpty(t *testing.T) {
	tests := []struct {
		change func(*Site)
		want   []string
	}{
		{func(*Site) {}, nil},
		{func(s *Site) { s.PrivacyPDO = "" }, nil},
		{func(s *Site) { s.PrivacyMail = " \n" }, []string{"privacy_mail"}},
		{func(s *Site) { s.PrivacyPostal, s.PrivacyMail, s.PrivacySupervisor = "", "", "" },
			[]string{"privacy_postal", "privacy_mail", "privacy_supervisor"}},
	}
	for _, test := range tests {
		site := example()
		test.change(&site)
		if got := site.PrivacyMissing(); !slices.Equal(got, test.want) {
			t.Errorf("missing: got %v, want %v", got, test.want)
		}
		page := render(t, site, nil)["privacy.html"]
		if got := strings.Contains(page, `class="notice"`); got != (len(test.want) > 0) {
			t.Errorf("%v missing: notice shown: %v", test.want, got)
		}
		for _, key := range test.want {
			if !strings.Contains(page, "<code>"+key+"</code>") {
				t.Errorf("the notice does not name %s:\n%s", key, page)
			}
		}
	}
}

func TestAutoconfig(t *testing.T) {
	type server struct {
		Type     string `xml:"type,attr"`
		Hostname string `xml:"hostname"`
		Port     int    `xml:"port"`
		Security string `xml:"socketType"`
		Username string `xml:"username"`
	}
	for host, domain := range map[string]string{
		"chat.example.org": "example.org", "192.0.2.17": "192.0.2.17",
	} {
		var got struct {
			Incoming []server `xml:"emailProvider>incomingServer"`
			Outgoing []server `xml:"emailProvider>outgoingServer"`
		}
		if err := xml.Unmarshal(autoconfig(Site{MailDomain: domain, Host: host, ExtraPorts: []int{2053}}), &got); err != nil {
			t.Fatal(err)
		}
		of := func(protocol string, port int, security string) server {
			return server{protocol, host, port, security, "%EMAILADDRESS%"}
		}
		if want := []server{of("imap", 993, "SSL"), of("imap", 143, "STARTTLS"), of("imap", 443, "SSL"), of("imap", 2053, "SSL")}; !slices.Equal(got.Incoming, want) {
			t.Errorf("incoming: got %v, want %v", got.Incoming, want)
		}
		if want := []server{of("smtp", 465, "SSL"), of("smtp", 587, "STARTTLS"), of("smtp", 443, "SSL"), of("smtp", 2053, "SSL")}; !slices.Equal(got.Outgoing, want) {
			t.Errorf("outgoing: got %v, want %v", got.Outgoing, want)
		}
	}
}

func TestMTASTS(t *testing.T) {
	for _, test := range []struct {
		site Site
		want string
	}{
		{Site{MailDomain: "chat.example.org", Host: "chat.example.org"}, "version: STSv1\nmode: enforce\nmx: chat.example.org\nmax_age: 2419200\n"},
		{Site{MailDomain: "example.org", Host: "chat.example.org"}, "version: STSv1\nmode: enforce\nmx: chat.example.org\nmax_age: 2419200\n"},
		{Site{MailDomain: "192.0.2.17", SelfSigned: true}, "version: STSv1\nmode: none\nmax_age: 86400\n"},
	} {
		if got := string(mtaSTS(test.site)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.site.MailDomain, got, test.want)
		}
	}
}

func TestHomeIsLight(t *testing.T) {
	const most = 60 << 10 // bytes
	sum := 0
	out := render(t, example(), nil)
	for _, name := range []string{"index.html", "main.css", "logo.svg", "qr.svg", "echo.svg"} {
		if out[name] == "" {
			t.Errorf("%s is missing", name)
		}
		sum += len(out[name])
	}
	if sum >= most {
		t.Errorf("the home page has %d bytes, want less than %d", sum, most)
	}
}

func TestRenderAnInviteThatIsTooLong(t *testing.T) {
	site := example()
	site.EchoInvite = "https://i.delta.chat/#" + strings.Repeat("x", 1000)
	var place *Error
	if _, err := Render(site, nil); err == nil || errors.As(err, &place) {
		t.Errorf("got %v, want an error that is not an author's", err)
	}
}

func BenchmarkRender(b *testing.B) {
	b.ReportAllocs()
	override := fstest.MapFS{"info.md": {Data: []byte("# Info\n")}}
	for b.Loop() {
		render(b, example(), override)
	}
}

// TestHidden has a relay that says nothing of itself: its operator's pages as they are, and
// what any mail provider has.
func TestHidden(t *testing.T) {
	site := example()
	site.Hidden, site.ExtraPorts = true, []int{2053}
	files := render(t, site, fstest.MapFS{"index.html": {Data: []byte("<p>roses</p>")}, "a/b.md": {Data: []byte("# {{ raw }}")}})
	if got := strings.Join(slices.Sorted(maps.Keys(files)), " "); got != autoconfigFile+" "+policyFile+" a/b.md index.html" {
		t.Errorf("got %s", got)
	}
	if files["index.html"] != "<p>roses</p>" || files["a/b.md"] != "# {{ raw }}" {
		t.Errorf("got other pages than the operator's: %q", files)
	}
	config := files[autoconfigFile]
	if strings.Contains(config, "chatmail") || strings.Contains(config, "<port>443</port>") || !strings.Contains(config, "<port>2053</port>") {
		t.Errorf("autoconfig: %s", config)
	}
	if got := len(render(t, site, nil)); got != 2 {
		t.Errorf("without pages of the operator: %d files", got)
	}
}
