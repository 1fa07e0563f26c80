package zone

import (
	"slices"
	"strings"
)

// State is how a wanted record stands.
type State string

// The states.
const (
	Fine      State = "fine"
	Missing   State = "missing"
	Different State = "different"
	Elsewhere State = "elsewhere" // an address that no interface has, which can be right
	Unknown   State = "unknown"   // the servers could not be asked
)

// Finding is a wanted record and what the servers say.
type Finding struct {
	Wanted
	State State
	Found []string // the values that are there
	Err   error    // why the state is Unknown
}

// Failed reports whether the relay cannot work like that.
func (f Finding) Failed() bool { return f.Required && f.State != Fine && f.State != Elsewhere }

// Compare says how w stands, given the values of all records of its name and type.
func Compare(w Wanted, found []string) Finding {
	if w.Type == A || w.Type == AAAA {
		return Finding{Wanted: w, State: compareAddress(w, found), Found: found}
	}
	f := Finding{Wanted: w, State: Missing}
	for _, value := range found {
		if !rival(w, value) {
			continue
		}
		f.Found = append(f.Found, value)
		f.State = Different
	}
	matches := func(value string) bool {
		if isSPF(w.Value) {
			_, ok := parseSPF(value, spfHost(w.Value))
			return ok
		}
		return w.Value == "" || canonical(w.Type, value) == canonical(w.Type, w.Value)
	}
	switch {
	case w.exclusive() && len(f.Found) == 1 && matches(f.Found[0]),
		!w.exclusive() && slices.ContainsFunc(f.Found, matches):
		f.State = Fine
	}
	return f
}

// exclusive reports whether a second record beside the wanted one spoils it: two
// texts of the same kind make both void (RFC 7208 §4.5, RFC 7489 §6.6.3, RFC 8461
// §3.1), and mail must not go to another server.
func (w Wanted) exclusive() bool { return w.Type == TXT || w.Type == MX || w.Type == CNAME }

// rival reports whether the value found is of the kind of the wanted one. Several
// kinds of text share the name of a domain.
func rival(w Wanted, value string) bool {
	return w.Type != TXT || !isSPF(w.Value) || isSPF(value)
}

// harmless are tags of a DKIM key that change nothing for a relay's signatures,
// whether they are there or not (RFC 6376 §3.6.1). Others' tools write some of them.
var harmless = []string{"k=rsa", "s=email", "s=*", "t=s", "h=sha256"}

// canonical brings values that mean the same into one form.
func canonical(t Type, value string) string {
	value = strings.Join(strings.Fields(value), " ")
	switch t {
	case TXT:
		// Tag lists: spaces around their separators mean nothing (RFC 6376 §3.2),
		// and the order of tags neither. The identifier of an MTA-STS policy may be
		// any.
		if !strings.HasPrefix(value, "v=") {
			return value
		}
		if strings.HasPrefix(value, "v=STSv1") {
			return "v=STSv1"
		}
		var tags []string
		for tag := range strings.SplitSeq(value, ";") {
			if tag = strings.ReplaceAll(tag, " ", ""); tag != "" && !slices.Contains(harmless, tag) {
				tags = append(tags, tag)
			}
		}
		slices.Sort(tags)
		return strings.Join(tags, ";")
	case CAA:
		return value
	default:
		return strings.ToLower(value)
	}
}
