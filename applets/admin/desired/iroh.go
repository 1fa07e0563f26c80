package desired

import "chatmaild/applets/config"

// The units of the relay's own iroh relay. The socket starts the service.
const (
	Iroh       = "chatmaild-iroh.service"
	IrohSocket = "chatmaild-iroh.socket"
)

// OnDemandSockets are the sockets of the servers that start with their first client.
func OnDemandSockets(conf *config.Config) []string {
	sockets := TurnSockets(conf)
	if config.Iroh(conf).Own() {
		sockets = append(sockets, IrohSocket)
	}
	if conf.Websocket {
		sockets = append(sockets, WebsocketSocket)
	}
	return sockets
}

// OwnIroh reports whether nginx passes clients on to the iroh relay.
func (v view) OwnIroh() bool { return config.Iroh(v.Config).Own() }

// IrohPerNetwork is how many connections to it one network may have: behind some there
// are many users.
func (s site) IrohPerNetwork() int { return max(s.conf.MaxIrohClients/10, 10) }

// irohDropin has the socket listen nowhere without a server: the condition is one that
// cannot hold.
func irohDropin(conf *config.Config) File {
	f := dropin(IrohSocket, "condition", "[Unit]\nConditionPathExists=!"+config.DefaultPath)
	f.Absent = config.Iroh(conf).Own()
	return f
}
