package snapshot

import (
	"fmt"
	"os/user"
	"strconv"
	"sync"
)

// Owners translates between users' and groups' numbers, which each machine has its own
// of, and their names. Its methods may be called at the same time.
// They are remembered: without cgo, package user reads the whole of /etc/passwd for each
// question, and a relay has a million files of two users.
type Owners struct {
	mu            sync.Mutex
	users, groups map[uint32]string
	uids, gids    map[string]int
}

// names returns who uid and gid are here. An unknown number stays one.
func (o *Owners) names(uid, gid uint32) (owner, group string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users == nil {
		o.users, o.groups = map[uint32]string{}, map[uint32]string{}
	}
	if o.users[uid] == "" {
		id := strconv.Itoa(int(uid))
		o.users[uid] = id
		if u, err := user.LookupId(id); err == nil {
			o.users[uid] = u.Username
		}
	}
	if o.groups[gid] == "" {
		id := strconv.Itoa(int(gid))
		o.groups[gid] = id
		if g, err := user.LookupGroupId(id); err == nil {
			o.groups[gid] = g.Name
		}
	}
	return o.users[uid], o.groups[gid]
}

// ids returns the numbers that the names have here.
func (o *Owners) ids(owner, group string) (uid, gid int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.uids == nil {
		o.uids, o.gids = map[string]int{}, map[string]int{}
	}
	if uid, err = number(o.uids, owner, userID); err != nil {
		return 0, 0, fmt.Errorf("there is no user %q here: %w", owner, err)
	}
	if gid, err = number(o.gids, group, groupID); err != nil {
		return 0, 0, fmt.Errorf("there is no group %q here: %w", group, err)
	}
	return uid, gid, nil
}

// number looks a name up. Who had no name on the other machine has only a number.
func number(known map[string]int, name string, lookup func(string) (string, error)) (int, error) {
	if id, ok := known[name]; ok {
		return id, nil
	}
	text, err := lookup(name)
	if err != nil {
		text = name
	}
	id, bad := strconv.Atoi(text)
	if bad != nil {
		return 0, err
	}
	known[name] = id
	return id, nil
}

func userID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}
