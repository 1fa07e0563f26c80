package desired

import (
	"fmt"

	"chatmaild/applets/config"
)

// The units of the relay's own TURN server. The sockets start the service.
const (
	Turn          = "chatmaild-turn.service"
	TurnSocket    = "chatmaild-turn.socket"
	TurnUDPSocket = "chatmaild-turn-udp.socket"
)

// TurnSockets are the sockets of the TURN server, if the relay has one of its own.
func TurnSockets(conf *config.Config) []string {
	if !config.Turn(conf).Own() {
		return nil
	}
	return []string{TurnSocket, TurnUDPSocket}
}

// TurnSecretFile is the secret of the TURN server with this content.
func TurnSecretFile(conf *config.Config, content []byte) File {
	return File{Path: config.Turn(conf).Secret(), Content: content, Mode: 0o600, Owner: "vmail", Group: "vmail", Unit: Metadata, Secret: true}
}

// turnDropins have the sockets listen where the configuration wants them to, and nowhere
// without a server: then the condition is one that cannot hold.
func turnDropins(conf *config.Config) []File {
	def := config.Defaults()
	condition := config.Turn(conf).Secret()
	if !config.Turn(conf).Own() {
		condition = "!" + config.DefaultPath
	}
	var files []File
	for _, s := range []struct{ unit, kind string }{{TurnSocket, "Stream"}, {TurnUDPSocket, "Datagram"}} {
		c := dropin(s.unit, "condition", "[Unit]\nConditionPathExists=\nConditionPathExists="+config.DefaultPath+"\nConditionPathExists="+condition)
		c.Absent = config.Turn(conf).Own() && conf.StateDir == def.StateDir
		l := dropin(s.unit, "listen", fmt.Sprintf("[Socket]\nListen%[1]s=\nListen%[1]s=0.0.0.0:%[2]d", s.kind, config.TurnPort))
		l.Absent = !conf.DisableIPv6
		files = append(files, c, l)
	}
	secret := dropin(Turn, "secret", "[Service]\nLoadCredential=turn-secret:"+config.Turn(conf).Secret())
	secret.Absent = !config.Turn(conf).Own() || conf.StateDir == def.StateDir
	return append(files, secret)
}
