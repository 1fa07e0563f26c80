package proxy

import (
	"strings"
	"testing"

	"chatmaild/mailfilter"
)

// TestRefusal holds that what may be different later is a temporary failure, and all
// else is none.
func TestRefusal(t *testing.T) {
	temporary := map[mailfilter.Reason]bool{
		mailfilter.RateLimited: true, mailfilter.KeyUnknown: true, mailfilter.FutureSignature: true,
	}
	for _, reason := range mailfilter.Reasons() {
		want := "5"
		if temporary[reason] {
			want = "4"
		}
		if got := refusal(&mailfilter.Refusal{Reason: reason}); got[:1] != want || !strings.HasSuffix(got, "\r\n") {
			t.Errorf("%v: got %q, want %sxx", reason, got, want)
		}
	}
}
