package doveauth

import (
	"strings"
	"testing"

	"chatmaild/applets/config"
	"chatmaild/applets/service/metric"
	"chatmaild/store/directory"
	"chatmaild/store/directory/roll"
)

// TestMachines tells of the machines as b knows them: one that was given up is missed by nobody.
func TestMachines(t *testing.T) {
	conf, set := clusterConfig(t), &metric.Set{}
	conf.Cluster.Members = append(conf.Cluster.Members, "c 10.7.0.3", "d 10.7.0.4")
	machines := &roll.Roll{Here: "b", Answers: func(name string) bool { return name == "a" }}
	machines.Note([]directory.Machine{{Name: "a", Standing: directory.Draining}, {Name: "b", Standing: directory.Open}, {Name: "d", Standing: directory.Lost}})
	NewMachinesMetrics(set, config.MemberNames(conf)...).follow(set, conf, machines)
	var text strings.Builder
	if err := set.Tell(&text); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "chatmaild_machine_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	const want = `chatmaild_machine_answers{machine="a"} 1, chatmaild_machine_answers{machine="c"} 0, ` +
		`chatmaild_machine_draining{machine="a"} 1, chatmaild_machine_draining{machine="b"} 0, chatmaild_machine_draining{machine="c"} 0, chatmaild_machine_draining{machine="d"} 0`
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestDifferent counts versions of the relay's machines, and of no other.
func TestDifferent(t *testing.T) {
	conf := clusterConfig(t)
	for _, tt := range []struct {
		versions map[string]string
		want     int
	}{
		{nil, 1},
		{map[string]string{"a": "1", "b": "1"}, 1},
		{map[string]string{"a": "1", "b": "2"}, 2},
		{map[string]string{"a": "1"}, 2},
		{map[string]string{"a": "1", "b": "1", "former": "0"}, 1},
	} {
		if got := different(conf, tt.versions); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.versions, got, tt.want)
		}
	}
}
