package status

import (
	"errors"
	"io/fs"
	"net"

	"chatmaild/applets/admin/desired"
)

// tunnel looks for the one to the machine in front of the relay, if there is to be one:
// without it nobody reaches the relay, and its mail goes nowhere.
func tunnel(e *examiner) {
	if _, err := e.machine.ReadFile(desired.TunnelConfig); errors.Is(err, fs.ErrNotExist) {
		return
	}
	const unit = "wg-quick@" + desired.TunnelInterface
	i, err := net.InterfaceByName(desired.TunnelInterface)
	switch {
	case err != nil:
		e.say("tunnel", trouble, "systemctl restart "+unit, "%s is there, but no interface %s", desired.TunnelConfig, desired.TunnelInterface)
	case i.Flags&net.FlagUp == 0:
		e.say("tunnel", trouble, "systemctl restart "+unit, "the interface %s is down", desired.TunnelInterface)
	default:
		e.say("tunnel", fine, "", "the interface %s is up", desired.TunnelInterface)
	}
}
