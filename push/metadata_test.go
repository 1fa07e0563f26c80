package push

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// calls is a Registry that writes down what it is asked.
type calls struct{ log string }

func (c *calls) Tokens(account string) ([]Token, error) {
	return []Token{{Text: "one", Seen: noon}, {Text: "old", Seen: noon.Add(-MaxTokenAge)}, {Text: "two", Seen: noon}}, nil
}

func (c *calls) Register(account, token string, now time.Time) error {
	c.log += fmt.Sprintf("register %s %s", account, token)
	return nil
}

func (c *calls) Forget(account string) error {
	c.log += "forget " + account
	return nil
}

func (c *calls) Notify(account string, now time.Time) ([]Key, error) {
	c.log += "notify " + account
	return []Key{{Token: 7}}, nil
}

func (c *calls) Waiting(tokens []Token) bool { return len(tokens) == 3 }

// TestKept: what is kept of an account comes to another machine, but for tokens that are
// too old.
func TestKept(t *testing.T) {
	c := &calls{}
	s := &Metadata{Registry: c, Now: func() time.Time { return noon }, Fresh: func(keys []Key) { c.log += fmt.Sprint(keys[0].Token) }}
	text, found, err := s.Lookup(KeptKey+"a@x", "")
	want := fmt.Sprintf(`{"tokens":[{"text":"one","seen":%[1]d},{"text":"two","seen":%[1]d}],"waiting":true}`, noon.Unix())
	if text != want || !found || err != nil {
		t.Fatalf("got %s, %v, %v", text, found, err)
	}
	if err := s.Set(KeptKey+"a@x", "", text); err != nil {
		t.Fatal(err)
	}
	if want := "register a@x oneregister a@x twonotify a@x7"; c.log != want {
		t.Errorf("got %q, want %q", c.log, want)
	}
	for _, text := range []string{"", "x", `{"tokens":[{"text":"a b"}]}`} {
		if s.Set(KeptKey+"a@x", "", text) == nil {
			t.Errorf("%q is taken over", text)
		}
	}
}

func TestServiceLookup(t *testing.T) {
	s := &Metadata{
		Registry: &calls{}, Now: func() time.Time { return noon },
		Values:      map[string]string{"maxsmtprecipients": "1000"},
		AppVersions: func() string { return "{}" },
	}
	const server = "shared/0123/vendor/vendor.dovecot/pvt/server/vendor/deltachat/"
	for _, tc := range []struct {
		key, user, value string
		found            bool
		err              error
	}{
		{"priv/0123/devicetoken", "a@x", "one two", true, nil},
		{"priv/0123/devicetoken", "", "", false, errNoUser},
		{"priv/0123/messagenew", "a@x", "", false, nil},
		{"shared/0123/devicetoken", "a@x", "", false, nil},
		{server + "maxsmtprecipients", "a@x", "1000", true, nil},
		{server + "turn", "a@x", "", false, nil},
		{server + "appversions", "a@x", "{}", true, nil},
		{"priv" + server[6:] + "maxsmtprecipients", "a@x", "", false, nil},
		{"shared/0123/comment", "a@x", "", false, nil},
		{"", "a@x", "", false, nil},
		{ReportKey, "a@x", "", false, nil},
	} {
		value, found, err := s.Lookup(tc.key, tc.user)
		if value != tc.value || found != tc.found || !errors.Is(err, tc.err) {
			t.Errorf("Lookup(%q, %q) = %q, %v, %v; want %q, %v, %v", tc.key, tc.user, value, found, err, tc.value, tc.found, tc.err)
		}
	}
}

func TestServiceSetAndUnset(t *testing.T) {
	for _, tc := range []struct {
		key, user, value string
		unset            bool
		want             string
		err              error
	}{
		{key: "priv/0123/devicetoken", user: "a@x", value: "one", want: "register a@x one"},
		{key: "priv/0123/devicetoken", user: "a@x", value: "one two", err: ErrBadToken},
		{key: "priv/0123/devicetoken", user: "busy@x", value: "one", want: "register busy@x one"}, // it is known
		{key: "priv/0123/devicetoken", user: "busy@x", value: "three", err: ErrManyTokens},
		{key: "priv/0123/devicetoken", value: "one", err: errNoUser},
		{key: "priv/0123/messagenew", user: "a@x", want: "notify a@x, 1 fresh"},
		{key: "priv/0123/messageown", user: "a@x"},
		{key: "shared/0123/messageown", user: "a@x", err: ErrUnknownKey},
		{key: "shared/0123/devicetoken", user: "a@x", value: "one", err: ErrUnknownKey},
		{key: "priv/0123/other", user: "a@x", value: "one", err: ErrUnknownKey},
		{key: "priv/0123/devicetoken", user: "a@x", unset: true, want: "forget a@x"},
		{key: "priv/0123/devicetoken", unset: true, err: errNoUser},
		{key: "priv/0123/messagenew", user: "a@x", unset: true, err: ErrUnknownKey},
	} {
		c := &calls{}
		s := &Metadata{
			Registry: c, Now: func() time.Time { return noon },
			NewToken: func(account string) bool { return account != "busy@x" },
			Fresh:    func(keys []Key) { c.log += fmt.Sprintf(", %d fresh", len(keys)) },
		}
		var err error
		if tc.unset {
			err = s.Unset(tc.key, tc.user)
		} else {
			err = s.Set(tc.key, tc.user, tc.value)
		}
		if c.log != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%+v: %q, %v", tc, c.log, err)
		}
	}
}
