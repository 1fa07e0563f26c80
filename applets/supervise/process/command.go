package process

import (
	"fmt"
	"hash/fnv"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chatmaild/applets/supervise/unit"
	"chatmaild/store/ids"
)

// Identity is who a service runs as.
type Identity struct {
	Name     string // "": a number without a name
	UID, GID int
	Groups   []int // supplementary ones
}

// systemd's range of dynamic users (users.systemd.io/UIDS-GIDS).
const (
	firstDynamicUser = 61184
	dynamicUsers     = 65519 - firstDynamicUser + 1
)

// IdentityOf looks up the user and the groups of a service.
func IdentityOf(u *unit.Unit) (Identity, error) {
	id := Identity{Name: "root"}
	if u.DynamicUser {
		h := fnv.New32a()
		h.Write([]byte(u.Name))
		id.UID = firstDynamicUser + int(h.Sum32()%dynamicUsers)
		id.Name, id.GID = "", id.UID
	} else if u.User != "" {
		known, err := user.Lookup(u.User)
		if err != nil {
			return id, fmt.Errorf("%s: %w", u.Name, err)
		}
		id.Name = u.User
		if id.UID, err = strconv.Atoi(known.Uid); err != nil {
			return id, err
		}
		if id.GID, err = strconv.Atoi(known.Gid); err != nil {
			return id, err
		}
	}
	for _, name := range u.Groups {
		gid, err := ids.GID(name)
		if err != nil {
			return id, fmt.Errorf("%s: %w", u.Name, err)
		}
		id.Groups = append(id.Groups, gid)
	}
	return id, nil
}

// Arguments are the command line that runs one of a service's commands as the unit says.
//
// What a process is born with (user, groups, limits, capabilities, scheduling) is set by
// the programs of Debian's util-linux, each of which becomes the next one; Go can set few
// of these for a child alone. The shell in front sets the mask of files, and the process
// ID by which a daemon knows that the sockets are meant for it (sd_listen_fds(3)).
func Arguments(u *unit.Unit, c unit.Command, id Identity) []string {
	args := []string{"/bin/sh", "-c", `umask "$1"; shift; export LISTEN_PID=$$; exec "$@"`, "sh", fmt.Sprintf("%04o", u.Umask)}
	if limits := resourceLimits(u); limits != nil {
		args = append(append(args, "/usr/bin/prlimit"), limits...)
	}
	if u.Nice > 0 { // below 0 is for those who may, which a container rarely does
		args = append(args, "/usr/bin/nice", "-n", strconv.Itoa(u.Nice))
	}
	if u.Batch {
		args = append(args, "/usr/bin/chrt", "--batch", "0")
	}
	if u.IdleIO {
		args = append(args, "/usr/bin/ionice", "-c", "3")
	}
	if privileges := privileges(u, c, id); privileges != nil {
		args = append(append(args, "/usr/bin/setpriv"), privileges...)
	}
	return append(args, c.Args...)
}

// resourceLimits lowers limits, and raises none above what the container has.
func resourceLimits(u *unit.Unit) (flags []string) {
	if u.Files > 0 {
		files := uint64(u.Files)
		var have unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &have); err == nil {
			files = min(files, have.Max)
		}
		flags = append(flags, fmt.Sprintf("--nofile=%d:%d", files, files))
	}
	if u.NoCore {
		flags = append(flags, "--core=0:0")
	}
	return flags
}

func privileges(u *unit.Unit, c unit.Command, id Identity) (flags []string) {
	if c.Root {
		return nil
	}
	if id.Name != "root" {
		flags = append(flags, fmt.Sprintf("--reuid=%d", id.UID), fmt.Sprintf("--regid=%d", id.GID))
		if groups := id.Groups; len(groups) > 0 {
			flags = append(flags, "--groups="+strings.Trim(strings.ReplaceAll(fmt.Sprint(groups), " ", ","), "[]"))
		} else {
			flags = append(flags, "--clear-groups")
		}
	}
	if u.NoNewPrivs {
		flags = append(flags, "--no-new-privs")
	}
	if u.Bounded && maySetCapabilities() {
		kept := ""
		for _, name := range u.Capabilities {
			kept += ",+" + name
		}
		flags = append(flags, "--bounding-set=-all"+kept)
	}
	return flags
}

// maySetCapabilities reports whether we have CAP_SETPCAP. Without it the bounding set is
// the container's; a daemon that is not root's has no capability either way.
func maySetCapabilities() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_SETPCAP) != 0
}
