package push

import (
	"encoding/json"
	"fmt"
	"time"
)

// MaxLegacySize bounds a metadata.json that is read, in bytes.
const MaxLegacySize = 1 << 20

// DecodeLegacy reads the tokens from the metadata.json that the Python relay kept in
// an account's mailbox: an object whose "devicetoken" maps each token to the time it
// was last set, in seconds since 1970, or, until 2025, is a list of tokens. Those of a
// list count as seen now. What cannot be a token is left out.
func DecodeLegacy(text []byte, now time.Time) ([]Token, error) {
	var file struct {
		Tokens json.RawMessage `json:"devicetoken"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("reading metadata.json: %w", plain(err))
	}
	if len(file.Tokens) == 0 {
		return nil, nil
	}
	seen := map[string]float64{}
	var list []string
	if json.Unmarshal(file.Tokens, &list) == nil {
		for _, text := range list {
			seen[text] = float64(now.Unix())
		}
	} else if err := json.Unmarshal(file.Tokens, &seen); err != nil {
		return nil, fmt.Errorf("reading the tokens of metadata.json: %w", plain(err))
	}
	var tokens []Token
	for text, at := range seen {
		if CheckToken(text) != nil || at < 0 || at > float64(now.Unix()+int64(MaxTokenAge.Seconds())) {
			continue
		}
		tokens = append(tokens, Token{Text: text, Seen: time.Unix(int64(at), 0)})
	}
	tokens, _ = Merge(nil, tokens, now)
	return tokens, nil
}

// plain takes the values out of a JSON error: one of them may be a token.
func plain(err error) error {
	switch err := err.(type) {
	case *json.SyntaxError:
		return fmt.Errorf("bad JSON at byte %d", err.Offset)
	case *json.UnmarshalTypeError:
		return fmt.Errorf("unexpected JSON type at byte %d", err.Offset)
	default:
		return fmt.Errorf("bad JSON")
	}
}
