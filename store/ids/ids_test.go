package ids

import "testing"

func TestIDs(t *testing.T) {
	for name, want := range map[string]int{"root": 0, "0": 0, "4000000000": 4000000000} {
		uid, err1 := UID(name)
		gid, err2 := GID(name)
		if uid != want || gid != want || err1 != nil || err2 != nil {
			t.Errorf("%s: got %d, %v and %d, %v; want %d", name, uid, err1, gid, err2, want)
		}
	}
	if uid, err := UID("no-such-user"); err == nil {
		t.Errorf("a user that does not exist has number %d", uid)
	}
	if gid, err := GID("no-such-group"); err == nil {
		t.Errorf("a group that does not exist has number %d", gid)
	}
	for id, want := range map[uint32]string{0: "root", 4000000000: "4000000000"} {
		if u, g := User(id), Group(id); u != want || g != want {
			t.Errorf("%d: got %q and %q, want %q", id, u, g, want)
		}
	}
}
