package dkim_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/mailfilter/dkim"
)

// corpus is where the messages are that other programs signed: see make.py there.
const corpus = "../../testdata/dkim"

// differences are the messages that we judge otherwise than the verifier of the program
// that signed them, by their names without the number.
var differences = map[string]struct{ verdict, why string }{
	"dkimpy-second-plain":   {"pass", second},
	"opendkim-second-plain": {"pass", second},
	"rspamd-second-plain":   {"pass", second},

	"dkimpy-sha1-plain": {"fail", hashes},
	"rspamd-sha1-plain": {"fail", hashes},

	"dkimpy-exact-plain identity=a@x.alice.test": {"fail", "it ignores t=s of a key, which forbids an i= below d= (RFC 6376, section 3.6.1)"},
	"dkimpy-rsa-plain-footer length=True":        {"fail", "it takes l=, behind which anybody can add text"},
}

const (
	second = "of two records it takes the first; we try three, since domains have two while they replace a key"
	hashes = "it ignores h= of a key, which allows SHA-1 alone (RFC 6376, section 3.6.1)"
)

// TestCorpus judges what OpenDKIM, dkimpy and rspamd have signed as they do themselves.
func TestCorpus(t *testing.T) {
	first, rest, _ := strings.Cut(read(t, "corpus.tsv"), "\n")
	seconds, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(seconds, 0)
	zone := map[string][]string{}
	for line := range strings.Lines(read(t, "zone.tsv")) {
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		zone[name] = append(zone[name], text)
	}
	lookup := func(_ context.Context, name string) (dkim.Records, error) {
		return dkim.Records{Texts: zone[name]}, nil
	}
	count, used := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(rest) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		name, signer, theirs := f[0], f[1], f[2]
		count[signer]++
		got := why(verify(newVerifier(lookup, func() time.Time { return now }), read(t, name), 100))
		verdict := "fail"
		if got == "valid" {
			verdict = "pass"
		}
		want := theirs
		key := strings.TrimSuffix(name, ".eml")[4:]
		if f[3] != "" {
			key += " " + f[3]
		}
		if d, ok := differences[key]; ok {
			want, used[key] = d.verdict, true
			if want == theirs {
				t.Errorf("%s: %s says so, too, so that there is nothing to explain: %s", name, signer, d.why)
			}
		}
		if verdict != want {
			t.Errorf("%s %s: %s (%s), but %s says %s", name, f[3], verdict, got, signer, theirs)
		}
	}
	for key := range differences {
		if !used[key] {
			t.Errorf("no message is %s", key)
		}
	}
	if len(count) != 3 || count["dkimpy"]+count["opendkim"]+count["rspamd"] < 60 {
		t.Errorf("messages by signer: %v, want 60 of three", count)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
