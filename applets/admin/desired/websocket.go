package desired

import "chatmaild/applets/config"

// The units of the daemon that serves IMAP and SMTP in WebSockets. The socket starts the
// service.
const (
	Websocket       = "chatmaild-websocket.service"
	WebsocketSocket = "chatmaild-websocket.socket"
)

// WebsocketPerNetwork is how many of its clients one network may have: behind some there
// are many users.
func (v view) WebsocketPerNetwork() int { return max(v.MaxWebsocketClients*3/5, 1) }

// websocketPorts are the servers' behind it.
func websocketPorts(conf *config.Config) []Port {
	if !conf.Websocket {
		return nil
	}
	ports := []Port{submissionPort(config.WebsocketSMTPPort)}
	if len(conf.ProxyAddresses) == 0 { // else it is there already
		ports = append(ports, Port{config.WebsocketIMAPPort, "IMAP by WebSocket", false, []string{dovecotMaster, "imap-login"}})
	}
	return ports
}
