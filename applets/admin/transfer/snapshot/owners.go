package snapshot

import (
	"sync"

	"chatmaild/store/ids"
)

// Owners remembers the names and numbers of users and groups: without cgo, package user
// reads the whole of /etc/passwd for each question, and a relay has a million files of two
// users. Its methods may be called at the same time.
type Owners struct {
	mu            sync.Mutex
	users, groups map[uint32]string
	uids, gids    map[string]int
}

// names returns who uid and gid are here. An unknown number stays one.
func (o *Owners) names(uid, gid uint32) (user, group string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users == nil {
		o.users, o.groups = map[uint32]string{}, map[uint32]string{}
	}
	if o.users[uid] == "" {
		o.users[uid] = ids.User(uid)
	}
	if o.groups[gid] == "" {
		o.groups[gid] = ids.Group(gid)
	}
	return o.users[uid], o.groups[gid]
}

// ids returns the numbers that the names have here.
func (o *Owners) ids(user, group string) (uid, gid int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.uids == nil {
		o.uids, o.gids = map[string]int{}, map[string]int{}
	}
	if uid, err = number(o.uids, user, ids.UID); err != nil {
		return 0, 0, err
	}
	gid, err = number(o.gids, group, ids.GID)
	return uid, gid, err
}

func number(known map[string]int, name string, lookup func(string) (int, error)) (int, error) {
	id, ok := known[name]
	if ok {
		return id, nil
	}
	id, err := lookup(name)
	if err == nil {
		known[name] = id
	}
	return id, err
}
