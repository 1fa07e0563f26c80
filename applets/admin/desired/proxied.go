package desired

import "chatmaild/applets/config"

// Proxied is a port that a machine in front of the relay hands on by the PROXY
// protocol (haproxy.org/download/2.9/doc/proxy-protocol.txt). The servers cannot
// tell who may speak it to them, so they listen for it on the loopback interface
// alone; nginx lets in who may, and passes on what it gets.
type Proxied struct {
	Public int // the port in front
	Port   int // the relay's, for the machines in front
	Local  int // the server's, on the loopback interface
}

// Ports of servers on the loopback interface that are there for proxies alone.
const (
	imapProxyPort = config.WebsocketIMAPPort
	smtpProxyPort = 10225
)

// ProxiedPorts returns the ports that are handed on so. Port 80 is not among
// them: nothing there depends on the client.
func ProxiedPorts() []Proxied {
	return []Proxied{
		{25, 20025, smtpProxyPort},
		{143, 20143, imapProxyPort},
		{443, 20443, httpsProxyPort},
		{465, 20465, submissionsProxyPort},
		{587, 20587, submissionProxyPort},
		{993, 20993, imapsProxyPort},
	}
}

// Proxied returns the ports if there is a machine in front. Where nginx serves other sites,
// it looks at what comes to port 443 there, too.
func (v view) Proxied() []Proxied {
	if len(v.ProxyAddresses) == 0 {
		return nil
	}
	ports := ProxiedPorts()
	for i := range ports {
		if ports[i].Public == 443 && len(v.OtherSites) > 0 {
			ports[i].Local = proxiedSitesPort
		}
	}
	return ports
}

// incoming is a listener in Postfix's master.cf for other relays.
type incoming struct {
	Service string // the first column: port or address:port
	Proxied bool   // with the PROXY protocol
}

// Incoming returns the listeners for other relays.
func (v view) Incoming() []incoming {
	list := []incoming{{Service: "smtp"}}
	if v.Proxied() != nil {
		list = append(list, incoming{loopback(smtpProxyPort), true})
	}
	return list
}
