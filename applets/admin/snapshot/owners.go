package snapshot

import (
	"fmt"
	"os/user"
	"strconv"
	"sync"
)

// Owners translates between users' and groups' numbers, which each machine has its own
// of, and their names. Its methods may be called at the same time.
type Owners struct {
	mu            sync.Mutex
	users, groups map[uint32]string
	uids, gids    map[string]int

	// LookupUser and LookupGroup take the place of the machine's, in tests.
	LookupUser, LookupGroup func(name string) (id string, err error)
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
	if uid, err = number(o.uids, owner, o.LookupUser, userID); err != nil {
		return 0, 0, fmt.Errorf("there is no user %q here: %w", owner, err)
	}
	if gid, err = number(o.gids, group, o.LookupGroup, groupID); err != nil {
		return 0, 0, fmt.Errorf("there is no group %q here: %w", group, err)
	}
	return uid, gid, nil
}

func number(known map[string]int, name string, lookups ...func(string) (string, error)) (int, error) {
	if id, ok := known[name]; ok {
		return id, nil
	}
	var err error
	for _, lookup := range lookups {
		if lookup == nil {
			continue
		}
		var text string
		if text, err = lookup(name); err != nil {
			return 0, err
		}
		var id int
		if id, err = strconv.Atoi(text); err != nil {
			return 0, err
		}
		known[name] = id
		return id, nil
	}
	return 0, err
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
