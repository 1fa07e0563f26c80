package push

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestCheckToken(t *testing.T) {
	for text, ok := range map[string]bool{
		"":                        false,
		"a":                       true,
		"openpgp:wU4D+/=":         true,
		"fcm-chat.delta:x_y":      true,
		"two words":               false,
		"tab\t":                   false,
		"line\n":                  false,
		"\x00":                    false,
		"\x7f":                    false,
		"caf\u00e9":               false,
		strings.Repeat("~", 4096): true,
		strings.Repeat("~", 4097): false,
	} {
		if got := CheckToken(text) == nil; got != ok {
			t.Errorf("CheckToken(%.20q) = %v, want %v", text, got, ok)
		}
	}
}

func TestRefresh(t *testing.T) {
	seen := func(text string, ago time.Duration) Token { return Token{Text: text, Seen: noon.Add(-ago)} }
	var full []Token
	for i := range MaxTokens {
		full = append(full, seen(fmt.Sprintf("%02d", i), time.Duration(i)*time.Hour))
	}
	for name, tc := range map[string]struct {
		tokens  []Token
		text    string
		want    string
		changed bool
	}{
		"first":             {nil, "a", "a", true},
		"second":            {[]Token{seen("a", 0)}, "b", "a b", true},
		"again":             {[]Token{seen("a", 23*time.Hour)}, "a", "a", false},
		"again after a day": {[]Token{seen("a", 24*time.Hour)}, "a", "a", true},
		"old one goes":      {[]Token{seen("a", MaxTokenAge)}, "b", "b", true},
		"old one comes":     {[]Token{seen("a", MaxTokenAge)}, "a", "a", true},
		"not yet old":       {[]Token{seen("a", MaxTokenAge-1)}, "b", "a b", true},
		"too many":          {full, "new", "00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 new", true},
	} {
		before := slices.Clone(tc.tokens)
		tokens, changed := Refresh(tc.tokens, tc.text, noon)
		if got := join(tokens); got != tc.want || changed != tc.changed {
			t.Errorf("%s: %q, changed %v; want %q, %v", name, got, changed, tc.want, tc.changed)
		}
		if !slices.Equal(before, tc.tokens) {
			t.Errorf("%s: the old tokens were changed", name)
		}
	}
}

func join(tokens []Token) string {
	var texts []string
	for _, t := range tokens {
		texts = append(texts, t.Text)
	}
	return strings.Join(texts, " ")
}

func TestDecodeLegacy(t *testing.T) {
	recent := noon.Unix() - 3600
	for name, tc := range map[string]struct {
		text, want string
		fails      bool
	}{
		"dictionary":          {fmt.Sprintf(`{"devicetoken":{"a":%d,"b":%d.5}}`, recent, recent), "a b", false},
		"old":                 {`{"devicetoken":{"a":0}}`, "", false},
		"list":                {`{"devicetoken":["b","a","a"]}`, "a b", false},
		"what is not a token": {fmt.Sprintf(`{"devicetoken":{"a b":%d,"":%d,"c":%d}}`, recent, recent, recent), "c", false},
		"future":              {`{"devicetoken":{"a":99999999999999}}`, "", false},
		"other keys":          {`{"firebase":["x"]}`, "", false},
		"empty":               {``, "", true},
		"not JSON":            {`{"devicetoken":{secret`, "", true},
		"wrong type":          {`{"devicetoken":{"secret":"secret"}}`, "", true},
	} {
		tokens, err := DecodeLegacy([]byte(tc.text), noon)
		slices.SortFunc(tokens, func(a, b Token) int { return strings.Compare(a.Text, b.Text) })
		if got := join(tokens); got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s: %q, %v; want %q, failure %v", name, got, err, tc.want, tc.fails)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells what is in the file: %v", name, err)
		}
	}
}

func FuzzDecodeLegacy(f *testing.F) {
	f.Add([]byte(`{"devicetoken":{"a":1795348800,"b":1795348800.5}}`))
	f.Add([]byte(`{"devicetoken":["a"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, err := DecodeLegacy(text, noon)
		if err != nil {
			return
		}
		if len(tokens) > MaxTokens || len(Valid(tokens, noon)) != len(tokens) {
			t.Errorf("%d tokens, some too old", len(tokens))
		}
		for _, token := range tokens {
			if CheckToken(token.Text) != nil {
				t.Errorf("%q is not a token", token.Text)
			}
		}
	})
}
