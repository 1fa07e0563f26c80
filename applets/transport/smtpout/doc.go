// Package smtpout delivers to other relays by SMTP on port 25, always with STARTTLS (RFC
// 3207). Connections are kept for the next message to the same host. The protocol is
// go-smtp's.
package smtpout
