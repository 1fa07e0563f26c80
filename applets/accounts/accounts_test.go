package accounts

import (
	"fmt"
	"strings"
	"testing"

	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

const members = "mail_domain = \"chat.example\"\n[cluster]\nname = \"b\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\", \"c fd07::3\"]\n"

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	conf, err := config.Parse("test.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// TestOneMachine: nothing of PostgreSQL is asked.
func TestOneMachine(t *testing.T) {
	conf := parse(t, "mail_domain = \"chat.example\"\nmailboxes_dir = \""+t.TempDir()+"\"\n")
	d, err := Open(conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	addr, err := mailaddr.Parse("alice@chat.example", "chat.example")
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}
	if err := d.Create(t.Context(), addr, want); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Account(t.Context(), addr); got != want || err != nil || d.Home != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWriter(t *testing.T) {
	const want = "host=10.7.0.1,10.7.0.2,fd07::3 dbname=chatmaild user=vmail passfile=/etc/chatmail/directory.pgpass sslmode=disable target_session_attrs=read-write"
	if got := Writer(parse(t, members)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	d, err := Open(parse(t, members), nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// TestPlaceHere: who does not know which machines answer knows that this one does.
func TestPlaceHere(t *testing.T) {
	d, err := Open(parse(t, members), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if home, err := d.Home.Place("alice@chat.example"); home != "b" || err != nil {
		t.Errorf("got %q, %v", home, err)
	}
}

// TestPlaceJoining: a machine that joins gets no accounts, and confirms none.
func TestPlaceJoining(t *testing.T) {
	conf := parse(t, strings.Replace(members, "10.7.0.1", "10.7.0.1 joining", 1))
	if n := copies(conf); n != 1 {
		t.Errorf("%d copies are needed, want 1", n)
	}
	d, err := Open(conf, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range 100 {
		if home, err := d.Home.Place(fmt.Sprint(i, "@chat.example")); home == "a" || err != nil {
			t.Fatalf("got %q, %v", home, err)
		}
	}
}

// TestNeed: where the writer does not answer, a machine that was started asks so many others that
// one of them knows if it was given up: only such as confirm changes.
func TestNeed(t *testing.T) {
	for list, want := range map[string]struct{ need, others int }{
		"b": {0, 0}, "a b": {1, 1}, "a b c": {1, 2}, "a b c d": {1, 3}, "a b c d e": {2, 4},
		"a b joining": {1, 1}, "a b c joining": {1, 1}, "a b lost c": {1, 2}, "a lost b c lost": {0, 0}, "a b lost": {1, 1},
		"a lost b c lost d lost e": {1, 1},
	} {
		var members []string
		for _, name := range strings.Fields(list) {
			if strings.Trim(name, "abcde") == "" {
				members = append(members, fmt.Sprintf("%s 10.7.0.%d", name, 1+len(members)))
			} else {
				members[len(members)-1] += " " + name
			}
		}
		conf := parse(t, "mail_domain = \"chat.example\"\n[cluster]\nname = \"b\"\nmembers = [\""+strings.Join(members, "\", \"")+"\"]\n")
		d, err := Open(conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		if need, others := d.Roll.Need, len(d.Roll.Others); need != want.need || others != want.others {
			t.Errorf("%s: got %d of %d, want %d of %d", list, need, others, want.need, want.others)
		}
		d.Close()
	}
}

// TestPlace places on all machines that answer, and on no other one.
func TestPlace(t *testing.T) {
	dead := ""
	d, err := Open(parse(t, members), func(machine string) bool { return machine != dead })
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, dead = range []string{"", "a", "c"} {
		homes := map[string]int{}
		for i := range 300 {
			home, err := d.Home.Place(fmt.Sprint(i, "@chat.example"))
			if err != nil {
				t.Fatal(err)
			}
			homes[home]++
		}
		for _, m := range []string{"a", "b", "c"} {
			if (homes[m] > 50) == (m == dead) {
				t.Errorf("while %q is dead, %s gets %d of 300", dead, m, homes[m])
			}
		}
	}
}
