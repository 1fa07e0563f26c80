package tokens

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"chatmaild/push"
)

// Each calls visit for each account that the database knows, in the order of their
// names, with its tokens. It takes nothing over from the Python relay's files. The
// first error ends it.
func (a *accounts) Each(visit func(account string, tokens []push.Token) error) error {
	return a.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(accountsBucket).Cursor()
		for key, value := c.First(); key != nil; key, value = c.Next() {
			tokens, err := decodeTokens(value)
			if err != nil {
				return fmt.Errorf("reading an account's tokens: %w", err)
			}
			if err := visit(string(key), tokens); err != nil {
				return err
			}
		}
		return nil
	})
}
