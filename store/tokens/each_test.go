package tokens

import (
	"errors"
	"slices"
	"testing"

	"chatmaild/push"
)

func TestEach(t *testing.T) {
	db, people := fixture(t)
	people.boxes["c@x"] = `{"devicetoken": ["legacy"]}` // nothing is known of it yet
	for _, account := range []string{"b@x", "a@x"} {
		if err := db.Register(account, "token-of-"+account, start); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Forget("b@x"); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := db.Each(func(account string, tokens []push.Token) error {
		got = append(got, account)
		for _, token := range tokens {
			got = append(got, token.Text)
		}
		return nil
	})
	if want := []string{"a@x", "token-of-a@x", "b@x"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	fault := errors.New("enough")
	if err := db.Each(func(string, []push.Token) error { return fault }); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
}
