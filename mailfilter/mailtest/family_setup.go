package mailtest

import (
	"encoding/base64"
	"slices"
	"strings"
)

// The delimiters of setupCore.
const outer, inner = "--18ec66791fb67fc9_outer_fdae7747bb3fa256", "--18ec66791fba4bf0_inner_fdae7747bb3fa256"

// setupFixtures are about Autocrypt Setup Messages.
func setupFixtures(s Samples) []Fixture {
	self := []string{Alice}
	setup := func(name, verdict, why string, rcpts []string, edits ...string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: Unencrypted, Recipients: rcpts, Message: s.Edit(s.setup(), edits...)}
	}
	handover := func(name, verdict, why, message string, edits ...string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: Unencrypted, Recipients: self, Message: s.Edit(message, edits...)}
	}
	core := s.setupCore(setupText7bit, s.keys(), 76)
	return []Fixture{
		setup("setup", Pass, "Keys to the user's own next device.", self),
		setup("setup-to-other", Unencrypted, "Not to anyone else.", []string{Bob}),
		setup("setup-and-other", Unencrypted, "Nor to anyone besides.", []string{Alice, Bob}),
		setup("setup-no-header", Unencrypted, "Without its header.", self, "Autocrypt-Setup-Message: v1\r\n", ""),
		setup("setup-other-version", Unencrypted, "Another version.", self, "Autocrypt-Setup-Message: v1\r\n", "Autocrypt-Setup-Message: v2\r\n"),
		setup("setup-no-keys", Unencrypted, "Without keys.", self, "application/autocrypt-setup", "text/html"),
		setup("setup-no-armor", Unencrypted, "With a text for keys.", self, "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP SECRETS-----"),
		setup("setup-third-part", Unencrypted, "With another part.", self, "--setupsetup--", "--setupsetup\r\nContent-Type: text/plain\r\n\r\nhello\r\n--setupsetup--"),
		setup("setup-two-armors", Unencrypted, "With two armors.", self, "</pre>", "-----BEGIN PGP MESSAGE-----\r\n</pre>"),
		handover("setup-k9", Pass, "K-9's: the armor alone, and a text that is encoded.", s.setupK9()),
		handover("setup-core-flat", Pass, "Delta Chat's before 1.132: base64, in which lines end in either way.", s.setupOldCore(setupText8bit, strings.ReplaceAll(s.keys(), "=\r\n", "=\n"))),
		handover("setup-core-quoted", Pass, "Delta Chat's from 1.132 on: in a multipart that repeats the Message-ID.", s.setupCore(setupTextQuoted, s.keys(), 78)),
		handover("setup-core", Pass, "Delta Chat's from 1.159 to 2.45.", core),
		handover("setup-core-others", Unencrypted, "A part beside the multipart.", core, outer+"--", outer+"\r\n"+setupText7bit+outer+"--"),
		handover("setup-core-third-part", Unencrypted, "A third part in it.", core, inner+"--", inner+"\r\n"+setupText7bit+inner+"--"),
		handover("setup-core-epilogue", Unencrypted, "A text after the inner parts.", core, inner+"--\r\n", inner+"--\r\n"+Text),
		handover("setup-core-preamble", Unencrypted, "A text before the inner parts.", core, "<setup@chat.example>\r\n\r\n", "<setup@chat.example>\r\n\r\n"+Text),
		handover("setup-core-field", Unencrypted, "A field in the header of the multipart that says something.", core, "\r\nMessage-ID: <setup@chat.example>\r\n\r\n", "\r\nSubject: "+Text+"\r\n"),
		handover("setup-core-encoded", Unencrypted, "A multipart that is encoded.", core, "\r\nMessage-ID: <setup@chat.example>\r\n\r\n", "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"),
		handover("setup-core-no-boundary", Unencrypted, "A multipart without a boundary.", core, "; \r\n\tboundary=\""+inner[2:]+"\"", ""),
		handover("setup-core-cut-off", Unencrypted, "The inner multipart does not end.", core, inner+"--\r\n", ""),
		handover("setup-core-deeper", Unencrypted, "One multipart more.", core, inner+"\r\nContent-Type: text/plain; charset=\"utf-8\"", inner+"\r\nContent-Type: multipart/mixed; boundary=x"),
		handover("setup-core-long", Unencrypted, "A longer text than clients write.", s.setupCore(setupText7bit+strings.Repeat(Text, 300), s.keys(), 76)),
		handover("setup-core-long-html", Unencrypted, "A longer one in base64.", s.setupCore(setupText7bit, strings.Repeat(Text, 300)+s.keys(), 76)),
		handover("setup-core-long-line", Unencrypted, "A long line in base64.", s.setupCore(setupText7bit, strings.Repeat("a", 999)+"\r\n"+s.keys(), 76)),
		handover("setup-core-bare-cr", Unencrypted, "A bare CR in base64.", s.setupCore(setupText7bit, "a\rb\r\n"+s.keys(), 76)),
		handover("setup-core-no-keys", Unencrypted, "No keys in base64.", s.setupCore(setupText7bit, Text, 76)),
		handover("setup-core-two-keys", Unencrypted, "Two armors in base64.", s.setupCore(setupText7bit, s.keys()+s.keys(), 76)),
		handover("setup-core-not-base64", Unencrypted, "Something else than base64.", core, "PGh0", "<h0"),
		handover("setup-core-short-base64", Unencrypted, "Base64 that is cut off.", s.setupCore(setupText7bit, s.keys()+"\r\n", 76), "=\r\n\r\n--18ec66791fba4bf0_inner", "\r\n\r\n--18ec66791fba4bf0_inner"),
		handover("setup-core-padding", Unencrypted, "Base64 that continues after its padding.", s.setupCore(setupText7bit, s.keys()+"\r\n", 76), "=\r\n\r\n--18ec66791fba4bf0_inner", "=\r\naGVsbG8=\r\n\r\n--18ec66791fba4bf0_inner"),
		handover("setup-core-quoted-keys", Unencrypted, "Keys that are quoted-printable.", s.Edit(s.setup(), "setup-message.html\"\r\n", "setup-message.html\"\r\nContent-Transfer-Encoding: quoted-printable\r\n")),
	}
}

// setup is an Autocrypt Setup Message as the specification shows it.
func (s Samples) setup() string {
	return setupHeader + "Content-Type: multipart/mixed; boundary=\"setupsetup\"\r\n" +
		"\r\n" +
		"--setupsetup\r\n" +
		"Content-Type: text/plain\r\n" +
		"\r\n" +
		"This message carries your settings to your other device.\r\n" +
		"\r\n" +
		"--setupsetup\r\n" +
		"Content-Type: application/autocrypt-setup\r\n" +
		"Content-Disposition: attachment; filename=\"autocrypt-setup-message.html\"\r\n" +
		"\r\n" +
		s.keys() +
		"--setupsetup--\r\n"
}

const setupHeader = "From: <alice@chat.example>\r\n" +
	"To: <alice@chat.example>\r\n" +
	"Date: Sat, 14 Nov 2026 09:30:00 +0000\r\n" +
	"Message-ID: <setup@chat.example>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Subject: Autocrypt Setup Message\r\n" +
	"Autocrypt-Setup-Message: v1\r\n"

// keys are the HTML with the keys.
func (s Samples) keys() string {
	return "<html><body>\r\n<p>Open this with your mail program.</p>\r\n<pre>\r\n" + s.keysArmor() + "</pre></body></html>\r\n"
}

func (s Samples) keysArmor() string {
	return s.Edit(armor(sequence(s.skesk4, s.seipd1)),
		"MESSAGE-----\r\n\r\n", "MESSAGE-----\r\nPassphrase-Format: numeric9x4\r\nPassphrase-Begin: 17\r\n\r\n")
}

// setupK9 is one of K-9's.
func (s Samples) setupK9() string {
	const delimiter = "------X7Q2SETUPSETUP"
	return setupHeader + "Content-Type: multipart/mixed;\r\n boundary=----X7Q2SETUPSETUP\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
		delimiter + "\r\nContent-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"Your settings and your secret key, for your other dev=\r\nice=2E\r\n" +
		delimiter + "\r\nContent-Transfer-Encoding: 7bit\r\nContent-Type: application/autocrypt-setup\r\n" +
		"Content-Disposition: attachment; filename=\"autocrypt-setup-message\"\r\n\r\n" +
		s.keysArmor() + delimiter + "--\r\n"
}

// setupCore is one of Delta Chat's from 1.132 on: its parts are in a part. Width is
// that of the lines of base64.
func (s Samples) setupCore(text, keys string, width int) string {
	return setupHeader + "Content-Type: multipart/mixed; \r\n\tboundary=\"" + outer[2:] + "\"\r\n\r\n\r\n" +
		outer + "\r\nContent-Type: multipart/mixed; \r\n\tboundary=\"" + inner[2:] + "\"\r\nMessage-ID: <setup@chat.example>\r\n\r\n\r\n" +
		setupBody(inner, text, keys, width) +
		"\r\n" + outer + "--\r\n"
}

// setupOldCore is one of Delta Chat's before 1.132.
func (s Samples) setupOldCore(text, keys string) string {
	return setupHeader + "Content-Type: multipart/mixed; boundary=\"qkTSfgpiTwDgG3\"\r\n\r\n\r\n" +
		setupBody("--qkTSfgpiTwDgG3", text, keys, 78)
}

func setupBody(delimiter, text, keys string, width int) string {
	return delimiter + "\r\n" + text +
		delimiter + "\r\nContent-Type: application/autocrypt-setup\r\n" +
		"Content-Disposition: attachment; filename=\"autocrypt-setup-message.html\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" +
		wrapped(base64.StdEncoding.EncodeToString([]byte(keys)), width) + "\r\n" +
		delimiter + "--\r\n"
}

// wrapped breaks lines.
func wrapped(text string, width int) string {
	var lines []string
	for line := range slices.Chunk([]byte(text), width) {
		lines = append(lines, string(line)+"\r\n")
	}
	return strings.Join(lines, "")
}

// What versions of Delta Chat say besides the keys.
const (
	setupText7bit   = "Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\nAutocrypt Setup Message\r\n"
	setupTextQuoted = "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8; format=flowed; delsp=no\r\n\r\n" +
		"Your key, from one client to the oth=\r\ner.=0A=0AOpen it there.\r\n\r\n"
	setupText8bit = "Content-Type: text/plain; charset=utf-8\r\n\r\nDein Schl\u00fcssel, f\u00fcr dein anderes Ger\u00e4t.\r\n\r\n"
)
