package tokens

import (
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"chatmaild/push"
)

// errAccount says that the name of an account cannot be one.
var errAccount = fmt.Errorf("an account's name has 1 to %d bytes", maxAccountBytes)

// Tokens returns the tokens of an account, taking them over from the Python relay's
// file if nothing is known of the account.
func (a *accounts) Tokens(account string) ([]push.Token, error) {
	tokens, known, err := a.stored(account)
	if err != nil || known {
		return tokens, err
	}
	legacy, err := a.legacy(account)
	if err != nil || len(legacy) == 0 {
		return nil, err
	}
	if err := a.change(account, legacy, func(tokens []push.Token) ([]push.Token, bool) { return tokens, true }); err != nil {
		return nil, err
	}
	tokens, _, err = a.stored(account)
	return tokens, err
}

// Register adds or refreshes a token. A refresh within a day of the last one changes
// nothing and costs no write.
func (a *accounts) Register(account, token string, now time.Time) error {
	tokens, known, err := a.stored(account)
	if err != nil {
		return err
	}
	refresh := func(tokens []push.Token) ([]push.Token, bool) { return push.Refresh(tokens, token, now) }
	var legacy []push.Token
	if known {
		if _, changed := refresh(tokens); !changed {
			return nil
		}
	} else if legacy, err = a.legacy(account); err != nil {
		return err
	}
	return a.change(account, legacy, refresh)
}

// Forget removes all tokens of an account, and with them its notifications.
func (a *accounts) Forget(account string) error {
	return a.change(account, nil, func([]push.Token) ([]push.Token, bool) { return nil, true })
}

// Import takes over the Python relay's file of an account, unless something is known
// of the account. It returns how many tokens there were.
func (a *accounts) Import(account string) (int, error) {
	_, known, err := a.stored(account)
	if err != nil || known {
		return 0, err
	}
	tokens, err := a.Tokens(account)
	return len(tokens), err
}

// stored returns what the database has of an account, without the Python relay's.
func (a *accounts) stored(account string) (tokens []push.Token, known bool, err error) {
	if account == "" || len(account) > maxAccountBytes {
		return nil, false, errAccount
	}
	err = a.view(func(tx *bolt.Tx) error {
		value := tx.Bucket(accountsBucket).Get([]byte(account))
		known = value != nil
		tokens, err = decodeTokens(value)
		return err
	})
	return tokens, known, err
}

// legacy returns the tokens in the Python relay's file. One that cannot be understood
// counts as empty: it would not be better the next time.
func (a *accounts) legacy(account string) ([]push.Token, error) {
	text, err := a.Mailboxes.Legacy(account)
	if err != nil || text == nil {
		return nil, err
	}
	tokens, err := push.DecodeLegacy(text, a.Now())
	if err != nil {
		a.Log.Warn("cannot take over the push tokens of an account", "error", err)
		a.Log.Debug("cannot take over the push tokens of an account", "account", account)
		return nil, nil
	}
	return tokens, nil
}

// change replaces the tokens of an account by what edit makes of them, and gives new
// ones an ID. If nothing is known of the account, edit gets start.
func (a *accounts) change(account string, start []push.Token, edit func([]push.Token) ([]push.Token, bool)) error {
	if account == "" || len(account) > maxAccountBytes {
		return errAccount
	}
	return a.update(func(b *batch) error { return b.edit(account, start, edit) })
}

func (b *batch) edit(account string, start []push.Token, edit func([]push.Token) ([]push.Token, bool)) error {
	accounts := b.Bucket(accountsBucket)
	value := accounts.Get([]byte(account))
	old, err := decodeTokens(value)
	if err != nil {
		return err
	}
	if value == nil {
		old = start
	}
	tokens, changed := edit(slices.Clone(old))
	if !changed {
		return nil
	}
	for _, t := range old {
		if slices.ContainsFunc(tokens, func(kept push.Token) bool { return kept.ID == t.ID }) {
			continue
		}
		if err := b.drop(t.ID); err != nil {
			return err
		}
	}
	for i := range tokens {
		if tokens[i].ID != 0 {
			continue
		}
		if tokens[i].ID, err = accounts.NextSequence(); err != nil {
			return err
		}
	}
	return accounts.Put([]byte(account), encodeTokens(tokens))
}
