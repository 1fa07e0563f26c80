// Package mxdeliv is delivery between relays by HTTPS, for where port 25 is blocked: a
// message is posted to https://HOST/mxdeliv, where HOST is a mail exchanger of the
// recipients' domain. It is the protocol of the Python relay's filtermail since 0.6, and of
// madmail.
//
//	POST /mxdeliv
//	X-MAIL-FROM: alice@a.example     not there for the null sender
//	X-MAIL-TO: bob@b.example         one for each recipient; all are of one domain
//	X-MAIL-TO: carol@b.example
//
//	the message, signed with DKIM, without stuffed dots
//
// There is one answer for all recipients: 200 when the queue has the message; 400, or 413
// for its size, when it is refused for good; 503 when it may pass later. The body of an
// answer is an SMTP reply. A sender that got anything but 200 tries SMTP.
package mxdeliv

// Path is where messages are posted.
const Path = "/mxdeliv"

// The fields of the envelope. Their case does not matter.
const (
	senderField    = "X-Mail-From"
	recipientField = "X-Mail-To"
)

// ClientField has the client's address, by nginx.
const clientField = "X-Real-IP"
