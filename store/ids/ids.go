// Package ids translates between the numbers of users and groups, of which each machine has
// its own, and their names.
package ids

import (
	"fmt"
	"os/user"
	"strconv"
)

// UID returns a user's number. A number that names no user stands for itself: files may
// belong to a user that is gone.
func UID(name string) (int, error) {
	id := name
	if u, err := user.Lookup(name); err == nil {
		id = u.Uid
	}
	uid, err := strconv.Atoi(id)
	if err != nil {
		return 0, fmt.Errorf("there is no user %s here", name)
	}
	return uid, nil
}

// GID returns a group's number, likewise.
func GID(name string) (int, error) {
	id := name
	if g, err := user.LookupGroup(name); err == nil {
		id = g.Gid
	}
	gid, err := strconv.Atoi(id)
	if err != nil {
		return 0, fmt.Errorf("there is no group %s here", name)
	}
	return gid, nil
}

// User returns the name of a user, or its number if it has none here.
func User(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// Group returns the name of a group, likewise.
func Group(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
