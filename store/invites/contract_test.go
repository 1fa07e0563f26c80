package invites_test

import (
	"path/filepath"
	"testing"

	"chatmaild/store/invites"
	"chatmaild/store/invites/invitestest"
)

func TestTokens(t *testing.T) {
	invitestest.Tokens(t, func(t *testing.T) func() invites.Tokens {
		dir := filepath.Join(t.TempDir(), "invites")
		return func() invites.Tokens {
			s, err := invites.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}
