package mailfilter_test

// bounces are reports in the forms that the servers of the field make, by their
// sources or by what they send. "HEADER" is the header of a returned message and
// "MESSAGE" all of it.
var bounces = []bounce{
	{
		name: "Postfix", boundary: "4C3B2A1.1794648600/mx.example.org",
		fields:      "From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\r\nAuto-Submitted: auto-replied\r\n",
		contentType: "multipart/report; report-type=delivery-status;\r\n\tboundary=\"BOUNDARY\"",
		body: `This is a MIME-encapsulated message.

=
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org.

<carol@example.org>: mailbox is full

=
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
X-Postfix-Queue-ID: 4C3B2A1
X-Postfix-Sender: rfc822; bob@chat.example
Arrival-Date: Sat, 14 Nov 2026 09:30:00 +0000 (UTC)

Final-Recipient: rfc822; carol@example.org
Original-Recipient: rfc822;carol@example.org
Action: failed
Status: 5.2.2
Diagnostic-Code: X-Postfix; mailbox is full

=
Content-Description: Undelivered Message
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Return-Path: <bob@chat.example>
MESSAGE

=--
`,
	},
	{
		name: "Postfix, a large message", boundary: "4C3B2A1.1794648600/mx.example.org",
		fields:      "From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\r\nAuto-Submitted: auto-replied\r\n",
		contentType: "multipart/report; report-type=delivery-status;\r\n\tboundary=\"BOUNDARY\"",
		body: `This is a MIME-encapsulated message.

=
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

It failed.

=
Content-Description: Delivery report
Content-Type: message/global-delivery-status
Content-Transfer-Encoding: 8bit

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; carol@example.org
Action: failed
Status: 5.2.2

=
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

Return-Path: <bob@chat.example>
HEADER

=--
`,
	},
	{
		name: "Exim", boundary: "1794648600-eximdsn-1804289383",
		fields:      "From: Mail Delivery System <Mailer-Daemon@mx.example.org>\r\nAuto-Submitted: auto-replied\r\nX-Failed-Recipients: carol@example.org\r\n",
		contentType: "multipart/report; report-type=delivery-status; boundary=BOUNDARY",
		body: `=
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

  carol@example.org
    mailbox is full

=
Content-type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Action: failed
Final-Recipient: rfc822;carol@example.org
Status: 5.0.0
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550-mailbox
 550 is full

=
Content-type: message/rfc822

Return-path: <bob@chat.example>
MESSAGE

=--
`,
	},
	{
		name: "Exchange", boundary: "8f2c1d3e-5b7a-4c9e-8d1f-0a2b3c4d5e6f",
		fields:      "From: <postmaster@example.org>\r\nX-MS-Exchange-Message-Is-Ndr: \r\n",
		contentType: "multipart/report; report-type=delivery-status;\r\n\tboundary=\"BOUNDARY\"",
		body: `=
Content-Type: multipart/alternative; differences=Content-Type;
	boundary="b2b1c3d4-1111-2222-3333-444455556666"

--b2b1c3d4-1111-2222-3333-444455556666
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

Delivery has failed to these recipients or groups: carol@example.org

--b2b1c3d4-1111-2222-3333-444455556666
Content-Type: text/html; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

<html><body><p>Delivery has failed.</p></body></html>

--b2b1c3d4-1111-2222-3333-444455556666--

=
Content-Type: message/delivery-status

Reporting-MTA: dns;EX01.example.org
Received-From-MTA: dns;mail.chat.example
Arrival-Date: Sat, 14 Nov 2026 09:30:00 +0000

Original-Recipient: rfc822;carol@example.org
Final-recipient: rfc822;carol@example.org
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp;550 5.2.2 mailbox is full
X-Display-Name: Carol

=
Content-Type: message/rfc822

MESSAGE

=--
`,
	},
	{
		name: "Gmail", boundary: "000000000000a1b2c305f0e1d2c3",
		fields:      "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nAuto-Submitted: auto-replied\r\nX-Failed-Recipients: carol@gmail.com\r\n",
		contentType: "multipart/report; boundary=\"BOUNDARY\"; report-type=delivery-status",
		body: `=
Content-Type: multipart/related; boundary="000000000000a1b2c405f0e1d2c4"

--000000000000a1b2c405f0e1d2c4
Content-Type: multipart/alternative; boundary="000000000000a1b2c505f0e1d2c5"

--000000000000a1b2c505f0e1d2c5
Content-Type: text/plain; charset="UTF-8"

** Address not found **

--000000000000a1b2c505f0e1d2c5--
--000000000000a1b2c405f0e1d2c4
Content-Type: image/png; name="icon.png"
Content-Disposition: attachment; filename="icon.png"
Content-Transfer-Encoding: base64
Content-ID: <icon.png>

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==

--000000000000a1b2c405f0e1d2c4--
=
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.com
Received-From-MTA: dns; bob@chat.example
Arrival-Date: Sat, 14 Nov 2026 01:30:00 -0800 (PST)
X-Original-Message-ID: <2f1c6b1e@localhost>

Final-Recipient: rfc822; carol@gmail.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.
 550 5.1.1  https://support.google.com/mail/?p=NoSuchUser
Last-Attempt-Date: Sat, 14 Nov 2026 01:30:01 -0800 (PST)

=
Content-Type: message/rfc822

MESSAGE

=--
`,
	},
	{
		name: "mox", boundary: "3f1b0c2d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7",
		fields:      "From: <postmaster@example.org>\r\nReferences: <2f1c6b1e@localhost>\r\n",
		contentType: "multipart/report; report-type=\"delivery-status\"; boundary=\"BOUNDARY\"",
		body: `=
Content-Transfer-Encoding: 7BIT
Content-Type: text/plain

Your email could not be delivered.
=
Content-Transfer-Encoding: 7BIT
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Received-From-MTA: dns;mail.chat.example (192.0.2.1)
Arrival-Date: Sat, 14 Nov 2026 09:30:00 +0000

Final-Recipient: rfc822;carol@example.org
Action: failed
Status: 5.2.2 (mailbox is full)
Last-Attempt-Date: Sat, 14 Nov 2026 09:30:00 +0000

=
Content-Transfer-Encoding: 7BIT
Content-Type: text/rfc822-headers

HEADER

=--
`,
	},
	{
		name: "chasquid", boundary: "R2FsYWh1bGxz",
		fields:      "From: Mail Delivery System <postmaster-dsn@example.org>\r\nX-Failed-Recipients: carol@example.org, \r\nAuto-Submitted: auto-replied\r\n",
		contentType: "multipart/report; report-type=delivery-status;\r\n    boundary=\"BOUNDARY\"",
		body: `
=
Content-Type: text/plain; charset="utf-8"
Content-Disposition: inline
Content-Description: Notification
Content-Transfer-Encoding: 8bit

Delivery of your message failed permanently.

=
Content-Type: message/global-delivery-status
Content-Description: Delivery Report
Content-Transfer-Encoding: 8bit

Reporting-MTA: dns; example.org

Original-Recipient: utf-8; carol@example.org
Final-Recipient: utf-8; carol@example.org
Action: failed
Status: 5.0.0
Diagnostic-Code: smtp; 550 mailbox
    is full


=
Content-Type: message/rfc822
Content-Description: Undelivered Message
Content-Transfer-Encoding: 8bit

MESSAGE

=--
`,
	},
	{
		name: "sendmail", boundary: "0AE9U0Hd012345.1794648600/mx.example.org",
		fields:      "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example.org>\r\nAuto-Submitted: auto-generated (failure)\r\n",
		contentType: "multipart/report; report-type=delivery-status;\r\n\tboundary=\"BOUNDARY\"",
		body: `This is a MIME-encapsulated message

=

The original message was received.

=
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: RFC822; carol@example.org
Action: failed
Status: 5.2.2

=
Content-Type: text/rfc822-headers

HEADER

=--
`,
	},
}
