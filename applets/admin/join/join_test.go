package join

import (
	"net/netip"
	"strings"
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/command/commandtest"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
)

const relay = "mail_domain = \"chat.example\"\n[cluster]\nname = \"a\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\"]\n"

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	conf, err := config.Parse("test.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// joining is a fresh machine of Debian 12 that is to be one of the relay's.
func joining(t *testing.T, name, address string) *join {
	t.Helper()
	return &join{
		env: &command.Env{Version: "1", ConfigPath: config.DefaultPath}, machine: hosttest.New(t).Host, there: "root@a",
		self:  postgres.Peer{Member: config.Member{Name: name, Addr: netip.MustParseAddr(address)}},
		offer: membership.Offer{Version: "1", PostgreSQL: "15", Config: relay, Accounts: map[string]int{"a": 5, "b": 1}},
	}
}

// TestCheck: a machine does not join where that could not work, or in the place of another one.
func TestCheck(t *testing.T) {
	there := parse(t, relay)
	for name, tt := range map[string]struct {
		who, at string
		former  *config.Config
		change  func(*join)
		want    string
	}{
		"a fresh one":                     {"c", "10.7.0.3", nil, nil, ""},
		"one that was interrupted":        {"b", "10.7.0.2", there, nil, ""},
		"the other machine":               {"a", "10.7.0.1", nil, nil, "run join on another one"},
		"in the place of a lost one":      {"b", "10.7.0.2", nil, nil, "1 accounts are at home on machine b"},
		"in the place of other mailboxes": {"b", "10.7.0.2", there, func(j *join) { j.offer.Stores = map[string]string{"b": "others"} }, "had other mailboxes"},
		"another version":                 {"c", "10.7.0.3", nil, func(j *join) { j.offer.Version = "2" }, "install the same package"},
		"another release of Debian":       {"c", "10.7.0.3", nil, func(j *join) { j.offer.PostgreSQL = "17" }, "cannot copy"},
		"a file that is not for a member": {"c", "10.7.0.3", nil, func(j *join) { j.offer.Files = []desired.File{{Path: "/etc/shadow"}} }, "/etc/shadow"},
	} {
		t.Run(name, func(t *testing.T) {
			j := joining(t, tt.who, tt.at)
			if tt.change != nil {
				tt.change(j)
			}
			err := j.check(there, tt.former)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestFormer: what is here of a join is resumed, and what is here of a relay is left alone.
func TestFormer(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		relay:                                  "",
		"mail_domain = \"chat.example\"\n":     "this machine has the configuration of a relay",
		strings.Replace(relay, "chat", "o", 1): "this machine has the configuration of a relay",
		"mail_domain = \"chat.example\"\nodd = 1": "odd",
	} {
		m := hosttest.New(t)
		if text != "" {
			m.Write(config.DefaultPath, text)
		}
		j := joining(t, "b", "10.7.0.2")
		j.machine = m.Host
		former, err := j.former(parse(t, relay))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && (former != nil) != (text != "") {
			t.Errorf("%q: got %v, %v, want %q", text, former, err, want)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, args := range []string{"", "a b", "-x"} {
		if _, _, err := commandtest.Run(t, Command, "", strings.Fields(args)...); command.Status(err) != command.StatusUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
}
