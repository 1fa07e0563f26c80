// Package mailtest has the messages that tests of the filter are made of: those that pass,
// as real programs write them, and an edit of one for each way in which it may go wrong.
//
// The tables are the only copy. Written out, they are a thousand files of 20,000 lines
// that nobody reads, since what makes a case is the one edit.
package mailtest

import (
	"bytes"
	"strings"
)

const (
	Alice = "alice@chat.example"
	Bob   = "bob@chat.example"

	Pass        = "pass"
	Unencrypted = "unencrypted"
	BadHeader   = "bad-header"
)

// coreHeader is the header that Delta Chat writes, and coreParts what goes
// around the armor.
const CoreHeader = "From: <alice@chat.example>\r\n" +
	"Date: Sat, 14 Nov 2026 09:30:00 +0000\r\n" +
	"Message-ID: <2f1c6b1e-0d0f-4b8e-9a51-6f0c4f7f7f10@localhost>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Chat-Version: 1.0\r\n" +
	"Subject: [...]\r\n" +
	"To: \"hidden-recipients\": ;\r\n" +
	"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; \r\n" +
	"\tboundary=\"18a1f0c2b3d4e5f6_7a8b9c0d1e2f3a4b_5c6d7e8f9a0b1c2d\"\r\n" +
	"\r\n"

const CoreBoundary = "18a1f0c2b3d4e5f6_7a8b9c0d1e2f3a4b_5c6d7e8f9a0b1c2d"

// core is a message as Delta Chat writes it.
func core(armor string) string {
	return CoreHeader + "\r\n" +
		"--" + CoreBoundary + "\r\n" +
		"Content-Type: application/pgp-encrypted\r\n" +
		"Content-Transfer-Encoding: 7bit\r\n" +
		"\r\n" +
		"Version: 1\r\n" +
		"\r\n" +
		"--" + CoreBoundary + "\r\n" +
		"Content-Type: application/octet-stream\r\n" +
		"Content-Transfer-Encoding: 7bit\r\n" +
		"\r\n" +
		armor +
		"\r\n" +
		"--" + CoreBoundary + "--\r\n"
}

// thunderbird is a message as Thunderbird, Enigmail and Mailvelope write it.
func thunderbird(armor string) string {
	return "Message-ID: <6d6c2f0e-55aa-4c3b-8f70-0b6f3f1d2c3b@example.org>\r\n" +
		"Date: Sat, 14 Nov 2026 10:30:00 +0100\r\n" +
		"MIME-Version: 1.0\r\n" +
		"User-Agent: Mozilla Thunderbird\r\n" +
		"Content-Language: en-US\r\n" +
		"To: bob@chat.example\r\n" +
		"From: \"Alice A. Author\" <alice@chat.example>\r\n" +
		"Subject: ...\r\n" +
		"Content-Type: multipart/encrypted;\r\n" +
		" protocol=\"application/pgp-encrypted\";\r\n" +
		" boundary=\"------------dMZ1tVbW2ZC0l9jI8uQ3xk5s\"\r\n" +
		"\r\n" +
		"This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n" +
		"--------------dMZ1tVbW2ZC0l9jI8uQ3xk5s\r\n" +
		"Content-Type: application/pgp-encrypted\r\n" +
		"Content-Description: PGP/MIME version identification\r\n" +
		"\r\n" +
		"Version: 1\r\n" +
		"\r\n" +
		"--------------dMZ1tVbW2ZC0l9jI8uQ3xk5s\r\n" +
		"Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n" +
		"Content-Description: OpenPGP encrypted message\r\n" +
		"Content-Disposition: inline; filename=\"encrypted.asc\"\r\n" +
		"\r\n" +
		armor +
		"\r\n" +
		"--------------dMZ1tVbW2ZC0l9jI8uQ3xk5s--\r\n"
}

// plain is a message in the clear.
const Plain = "From: <alice@chat.example>\r\n" +
	"To: <bob@chat.example>\r\n" +
	"Date: Sat, 14 Nov 2026 09:30:00 +0000\r\n" +
	"Message-ID: <plain@chat.example>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Subject: The old mill\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"\r\n" +
	Text

// secureJoin is the first message of a SecureJoin, version 2.
const SecureJoin = "From: <alice@chat.example>\r\n" +
	"Date: Sat, 14 Nov 2026 09:30:00 +0000\r\n" +
	"Message-ID: <0f4b7f3e-securejoin@localhost>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Chat-Version: 1.0\r\n" +
	"Subject: Secure-Join: vc-request\r\n" +
	"To: <bob@chat.example>\r\n" +
	"Secure-Join: vc-request\r\n" +
	"Secure-Join-Invitenumber: Tq4R8wYp0sLmN2vB\r\n" +
	"Content-Type: multipart/mixed; \r\n" +
	"\tboundary=\"18a1f0c2_joinjoin_5c6d7e8f\"\r\n" +
	"\r\n\r\n" +
	"--18a1f0c2_joinjoin_5c6d7e8f\r\n" +
	"Content-Type: text/plain; charset=\"utf-8\"\r\n" +
	"Message-ID: <0f4b7f3e-securejoin@localhost>\r\n" +
	"Content-Transfer-Encoding: 7bit\r\n" +
	"\r\n" +
	"Secure-Join: vc-request\r\n" +
	"--18a1f0c2_joinjoin_5c6d7e8f--\r\n"

// report is a bounce as Postfix writes it.
const Report = "Date: Sat, 14 Nov 2026 09:30:00 +0000 (UTC)\r\n" +
	"From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\r\n" +
	"Subject: Undelivered Mail Returned to Sender\r\n" +
	"To: bob@chat.example\r\n" +
	"Auto-Submitted: auto-replied\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/report; report-type=delivery-status;\r\n" +
	"\tboundary=\"4C3B2A1.1794648600/mx.example.org\"\r\n" +
	"Message-Id: <20261114093000.D5E6F@mx.example.org>\r\n" +
	"\r\n" +
	"This is a MIME-encapsulated message.\r\n" +
	"\r\n" +
	"--4C3B2A1.1794648600/mx.example.org\r\n" +
	"Content-Description: Notification\r\n" +
	"Content-Type: text/plain; charset=us-ascii\r\n" +
	"\r\n" +
	"The mailbox of the recipient is full.\r\n" +
	"\r\n" +
	"--4C3B2A1.1794648600/mx.example.org\r\n" +
	"Content-Description: Delivery report\r\n" +
	"Content-Type: message/delivery-status\r\n" +
	"\r\n" +
	"Reporting-MTA: dns; mx.example.org\r\n" +
	"\r\n" +
	"Final-Recipient: rfc822; carol@example.org\r\n" +
	"Action: failed\r\n" +
	"Status: 5.2.2\r\n" +
	"\r\n" +
	"--4C3B2A1.1794648600/mx.example.org\r\n" +
	"Content-Description: Undelivered Message Headers\r\n" +
	"Content-Type: text/rfc822-headers\r\n" +
	"\r\n" +
	"Message-ID: <2f1c6b1e@localhost>\r\n" +
	"\r\n" +
	"--4C3B2A1.1794648600/mx.example.org--\r\n"

// Good is an encrypted message of Delta Chat's.
func (s Samples) Good() string { return core(s.GoodArmor()) }

func (s Samples) GoodArmor() string { return armor(sequence(s.pkesk3, s.seipd1)) }

// Sized returns an encrypted message of about size bytes, whose data come in parts of
// 512 KiB if they are large, as Delta Chat writes them.
func (s Samples) Sized(size int) []byte {
	n := size * 3 / 4 * 64 / 66
	data := pkt{18, append([]byte{1}, bytes.Repeat([]byte("\x8f\x31\xd6\x02"), n/4)...)}
	var parts []byte
	for rest := len(data.body); rest > 1<<19; rest -= 1 << 19 {
		parts = append(parts, 19)
	}
	return []byte(core(armor(append(newFormat(s.pkesk3), partial(data, parts...)...))))
}

// Literal returns a message whose armor holds a literal packet: text that nobody encrypted.
func (s Samples) Literal() string { return core(armor(sequence(s.literal))) }

// Edit replaces the last occurrence of each old by new; they come in pairs.
func (s Samples) Edit(text string, pairs ...string) string {
	s.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		at := strings.LastIndex(text, pairs[i])
		if at < 0 {
			s.t.Fatalf("nothing to edit: no %q", pairs[i])
		}
		text = text[:at] + pairs[i+1] + text[at+len(pairs[i]):]
	}
	return text
}
