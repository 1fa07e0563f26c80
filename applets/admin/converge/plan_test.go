package converge

import (
	"slices"
	"testing"
)

// TestTogether has the sockets of a service bound by one call, and all else one by one.
func TestTogether(t *testing.T) {
	const login, master, metadata, service = "chatmaild-auth-login.socket", "chatmaild-auth-master.socket", "chatmaild-metadata.socket", "chatmaild-doveauth.service"
	for _, tt := range []struct {
		steps []UnitStep
		want  []int // how many steps each call does
	}{
		{nil, nil},
		{[]UnitStep{{Verb: "start", Unit: login}, {Verb: "start", Unit: master}, {Verb: "start", Unit: metadata}}, []int{2, 1}},
		{[]UnitStep{{Verb: "start", Unit: login}, {Verb: "restart", Unit: master}}, []int{1, 1}},
		{[]UnitStep{{Verb: "enable", Unit: login}, {Verb: "start", Unit: login}, {Verb: "enable", Unit: master}}, []int{1, 1, 1}},
		{[]UnitStep{{Verb: "start", Unit: service}, {Verb: "start", Unit: login}}, []int{1, 1}},
	} {
		var got []int
		for _, call := range together(tt.steps) {
			got = append(got, len(call))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: calls of %v steps, want %v", tt.steps, got, tt.want)
		}
	}
}
