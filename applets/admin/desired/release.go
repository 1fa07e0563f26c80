package desired

import (
	"net/netip"

	"chatmaild/packaging/dovecot"
)

// Release is a version of Debian (VERSION_ID of os-release(5)), by which the packages
// around us differ.
type Release int

// The releases that the configurations are made for.
const (
	Bookworm Release = 12 // Postfix 3.7, nginx 1.22
	Trixie   Release = 13 // Postfix 3.10, nginx 1.26
)

// PostfixInstance is the unit that the one Postfix of a machine runs in. In Bookworm
// the unit Postfix runs nothing itself, and is only a name for it.
func (r Release) PostfixInstance() string {
	if r >= Trixie {
		return Postfix
	}
	return bookwormPostfix
}

// HTTP2Directive reports whether nginx has a directive for HTTP/2 (since 1.25.1). Where
// it does, the parameter of listen is deprecated.
func (r Release) HTTP2Directive() bool { return r >= Trixie }

const bookwormPostfix = "postfix@-.service"

// BookwormOnly is a file of a machine that is configured for Bookworm; in later releases
// it is removed.
const BookwormOnly = "/etc/systemd/system/" + bookwormPostfix + ".d/chatmaild.conf"

// Machine is what the generated files depend on beside the configuration.
type Machine struct {
	Release    Release
	Dovecot    dovecot.Version // not Debian's own, perhaps
	PostgreSQL PostgreSQL      // likewise
	Processors int
	Memory     int64        // bytes; 0: not known, and sizes are as in the configuration
	Addresses  []netip.Addr // of its interfaces

	UnattendedUpgrades, Needrestart bool // these packages are installed
}
