package lab

import (
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/debian"
)

// firstJoin is the first commit whose package has "chatmaild join", and how its package is
// called here.
const (
	firstJoin        = "ab1dc13"
	firstJoinVersion = "0.1.9"
)

// TestClusterVersions upgrades the package of three machines one after the other, a copy of
// the directory first and the writer second, while two people talk. The versions work
// together, before the schema of the directory has changed and after it.
func TestClusterVersions(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	former, err := debian.Former(deadline(t, 2*installTimeout), t.Output(), firstJoin, firstJoinVersion)
	if err != nil {
		t.Fatal(err)
	}
	c.start(t, former)
	c.outside = addStation(t, c.lab, "outside")
	c.leads(t, c.machines[0])
	f := &faulty{several: c, u: startUnderwayOn(t, c.lab, c.machines[0])}
	v := &versions{faulty: f, deb: deb}
	inTurn(t, v, []step[*versions]{
		{"all have the former version", (*versions).former},
		{"a copy is upgraded", func(v *versions, t *testing.T) { v.upgrade(t, 'b') }},
		{"the writer is upgraded", func(v *versions, t *testing.T) { v.upgrade(t, 'a') }},
		{"all are", func(v *versions, t *testing.T) { v.upgrade(t, 'c') }},
		{"what is logged", func(v *versions, t *testing.T) { v.logged(t) }},
	})
	f.u.stop()
	f.u.over.Wait()
	f.u.settle(t)
}

// versions is a cluster whose machines get another version of the package.
type versions struct {
	*faulty
	deb     string
	schemas []string // of the directory, as each step found it
}

func (v *versions) former(t *testing.T) {
	v.serve(t)
	v.together(t)
}

// upgrade installs our package on one machine, as the manual says, and looks at what users
// notice meanwhile, and after it.
func (v *versions) upgrade(t *testing.T, name rune) {
	at, others := v.machine(name), strings.ReplaceAll("abc", string(name), "")
	ctx := deadline(t, installTimeout)
	start, upgraded := time.Now(), make(chan error, 1)
	go func() {
		if err := at.InstallDeb(ctx, v.deb); err != nil {
			upgraded <- err
			return
		}
		_, err := at.Script(ctx, "chatmaild run --skip-dns-check")
		upgraded <- err
	}()
	v.servedUntil(t, others, upgraded)
	t.Logf("upgraded in %v", time.Since(start).Round(time.Second))
	v.together(t)
}

// schema is the version of the directory's schema.
func (v *versions) schema(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(sh(t, v.machine('a'), "runuser -u postgres -- psql -qAtd chatmaild -c 'SELECT max(version) FROM directory_schema'"))
}

// together has the machines do what they do for each other.
func (v *versions) together(t *testing.T) {
	current := strings.Fields(sh(t, v.machine('a'), "chatmaild --version"))[1]
	if current != firstJoinVersion {
		until(deadline(t, stepTimeout), t, "the schema to change", func() bool { return v.schema(t) != v.schemas[0] })
	}
	v.schemas = append(v.schemas, v.schema(t))
	t.Logf("the writer has chatmaild %s, and the directory has schema %s", current, v.schemas[len(v.schemas)-1])
	v.well(t, time.Now())
	for _, first := range "abc" {
		addr := v.newcomer()
		if _, err := v.login(t, v.machine(first), addr, clusterPassword); err != nil {
			t.Errorf("a new account at %c: %v", first, err)
		}
		for _, next := range "abc" {
			v.isRefused(t, v.machine(next), addr, "what the other one chose")
		}
	}
	for _, from := range "abc" {
		addr := v.members[string(from)]
		before := v.look(t, v.machine('a'), addr)
		for _, to := range strings.Fields("a b c " + string(from)) {
			if v.home(t, v.machine(rune(to[0])), addr) == to {
				continue
			}
			sh(t, v.machine(rune(to[0])), "chatmaild user move "+addr+" --to "+to)
			for _, at := range "abc" {
				until(deadline(t, stepTimeout), t, "the copies to follow", func() bool { return v.home(t, v.machine(at), addr) == to })
			}
			if after := v.look(t, v.machine('a'), addr); after != before {
				t.Errorf("%c's on %s: got %+v, want %+v", from, to, after, before)
			}
		}
	}
	v.stopped(t)
	v.settled(t)
}

// settled wants status to name the machines that are to be upgraded, once the directory knows
// what they have.
func (v *versions) settled(t *testing.T) {
	for _, at := range "abc" {
		here := strings.Fields(sh(t, v.machine(at), "chatmaild --version"))[1]
		if here == firstJoinVersion || v.schema(t) == v.schemas[0] {
			continue
		}
		mixed := strings.Contains(sh(t, v.machine('c'), "chatmaild --version"), firstJoinVersion)
		until(deadline(t, stepTimeout), t, "status to say which version each has", func() bool {
			return strings.Contains(sh(t, v.machine(at), "chatmaild cluster status"), "an earlier one on c; upgrade the package on each") == mixed
		})
	}
	v.u.settle(t)
}
