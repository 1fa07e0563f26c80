package config

// maxWebsocketClients fits into the memory that the daemon may have: an estimate of 30 KiB for each.
const maxWebsocketClients = 6000

// Ports on the loopback interface of the servers that WebSockets lead to. They expect the
// PROXY protocol, and cleartext: TLS has ended before. Dovecot's is that of port 143 of a
// machine in front of the relay, too.
const (
	WebsocketIMAPPort = 10143
	WebsocketSMTPPort = 10588
)

// Paths by which clients reach IMAP and submission in a WebSocket, as the Python relay's
// proposal has them (chatmail/relay#1030).
const (
	WebsocketIMAP = "/imap"
	WebsocketSMTP = "/smtp"
)
