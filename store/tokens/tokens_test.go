package tokens

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/push"
)

func TestTokensSurviveReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metadata.db")
	p := &people{boxes: map[string]string{"a@x": "", "b@x": ""}}
	db, err := Open(path, options(p))
	must(t, err)
	register(t, db, "a@x", "one", "two", "one")
	register(t, db, "b@x", "three")
	must(t, db.Close())

	db = open(t, path, options(p))
	for account, want := range map[string]string{"a@x": "one two", "b@x": "three", "c@x": ""} {
		if got := texts(t, db, account); got != want {
			t.Errorf("tokens of %s = %q, want %q", account, got, want)
		}
	}
	must(t, db.Forget("a@x"))
	if got := texts(t, db, "a@x"); got != "" {
		t.Errorf("forgotten tokens = %q, want none", got)
	}
}

func TestRegisterKeepsABoundedNumber(t *testing.T) {
	db, _ := fixture(t)
	for i := range push.MaxTokens + 3 {
		must(t, db.Register("a@x", fmt.Sprintf("token%02d", i), start.Add(time.Duration(i)*time.Minute)))
	}
	tokens, err := db.Tokens("a@x")
	must(t, err)
	if len(tokens) != push.MaxTokens || tokens[0].Text != "token03" {
		t.Errorf("%d tokens from %q on, want %d from token03 on", len(tokens), tokens[0].Text, push.MaxTokens)
	}
}

func TestRefreshWithinADayWritesNothing(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one")
	before := db.bolt.Stats()
	must(t, db.Register("a@x", "one", start.Add(23*time.Hour)))
	after := db.bolt.Stats()
	if n := after.TxStats.GetWrite() - before.TxStats.GetWrite(); n != 0 {
		t.Errorf("%d pages written for a refresh, want none", n)
	}
	must(t, db.Register("a@x", "one", start.Add(25*time.Hour)))
	tokens, err := db.Tokens("a@x")
	must(t, err)
	if want := start.Add(25 * time.Hour); !tokens[0].Seen.Equal(want) {
		t.Errorf("seen %v, want %v", tokens[0].Seen, want)
	}
}

func TestLegacyTokensAreTakenOverOnce(t *testing.T) {
	recent := start.Add(-time.Hour).Unix()
	for name, tc := range map[string]struct {
		file, want string
	}{
		"dictionary": {fmt.Sprintf(`{"devicetoken": {"one": %d, "old": 1000}}`, recent), "new one"},
		"fractional": {fmt.Sprintf(`{"devicetoken": {"one": %d.75}}`, recent), "new one"},
		"list":       {`{"devicetoken": ["one", "two"]}`, "new one two"},
		"no tokens":  {`{}`, "new"},
		"damaged":    {`{"devicetoken": {"one"`, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			db, p := fixture(t)
			p.boxes["a@x"] = tc.file
			register(t, db, "a@x", "new")
			if got := texts(t, db, "a@x"); got != tc.want {
				t.Errorf("tokens = %q, want %q", got, tc.want)
			}
			must(t, db.Forget("a@x"))
			if got := texts(t, db, "a@x"); got != "" {
				t.Errorf("tokens came back: %q", got)
			}
		})
	}
}

func TestLegacyTokensAreNotifiedBeforeTheClientConnects(t *testing.T) {
	db, p := fixture(t)
	p.boxes["a@x"] = fmt.Sprintf(`{"devicetoken": {"one": %d}}`, start.Unix())
	if keys := notify(t, db, "a@x", start); len(keys) != 1 {
		t.Errorf("%d notifications, want 1", len(keys))
	}
	p.boxes["b@x"] = `{"devicetoken": ["two"]}`
	if n, err := db.Import("b@x"); n != 1 || err != nil {
		t.Errorf("Import = %d, %v; want 1", n, err)
	}
	if n, err := db.Import("b@x"); n != 0 || err != nil {
		t.Errorf("second Import = %d, %v; want 0", n, err)
	}
}

func TestUnreadableLegacyFileIsATemporaryFailure(t *testing.T) {
	db, p := fixture(t)
	p.fault = errors.New("input/output error")
	if err := db.Register("a@x", "one", start); !errors.Is(err, p.fault) {
		t.Errorf("Register: %v, want %v", err, p.fault)
	}
	p.fault = nil
	register(t, db, "a@x", "one")
}

func TestAccountNames(t *testing.T) {
	db, _ := fixture(t)
	for _, account := range []string{"", strings.Repeat("a", maxAccountBytes+1)} {
		if err := db.Register(account, "one", start); !errors.Is(err, errAccount) {
			t.Errorf("Register for a name of %d bytes: %v, want %v", len(account), err, errAccount)
		}
	}
}

func FuzzDecodeTokens(f *testing.F) {
	f.Add(encodeTokens([]push.Token{{ID: 7, Text: "one", Seen: start}, {ID: 8, Text: "two", Seen: start}}))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, value []byte) {
		tokens, err := decodeTokens(value)
		if err == nil && string(encodeTokens(tokens)) != string(value) {
			t.Errorf("%x is read as %v, which is written as %x", value, tokens, encodeTokens(tokens))
		}
	})
}
