package mailtest

import "testing"

// A Fixture is a message, and what the policies for both directions have to say of it.
type Fixture struct {
	Name, Why  string
	Out, In    string // "pass", "pass null-sender", "error", or the reason of a refusal
	Message    string
	Sender     string   // of the envelope
	Recipients []string // of the envelope
}

// Fixtures returns all of them. The name of each begins with that of its family.
func Fixtures(t testing.TB) []Fixture {
	t.Helper()
	s := NewSamples(t)
	var all []Fixture
	for _, family := range []struct {
		name     string
		fixtures func(Samples) []Fixture
	}{
		{"real", realFixtures}, {"packets", packetFixtures}, {"armor", armorFixtures}, {"parts", partFixtures},
		{"header", headerFixtures}, {"from", fromFixtures}, {"policy", policyFixtures}, {"setup", setupFixtures},
	} {
		for _, f := range family.fixtures(s) {
			f.Name = family.name + "/" + f.Name
			switch f.Sender {
			case "":
				f.Sender = Alice
			case "<>":
				f.Sender = ""
			}
			if f.Recipients == nil {
				f.Recipients = []string{Bob}
			}
			all = append(all, f)
		}
	}
	return all
}
