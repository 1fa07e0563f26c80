package proxy

import (
	"errors"
	"strings"
	"testing"

	"chatmaild/mailfilter"
)

// TestRefusal holds that what may be different later is a temporary failure, and all
// else is none.
func TestRefusal(t *testing.T) {
	temporary := map[mailfilter.Reason]bool{
		mailfilter.RateLimited: true, mailfilter.KeyUnknown: true, mailfilter.KeyPending: true, mailfilter.FutureSignature: true,
		mailfilter.LiteralFamily: true,
	}
	for _, reason := range mailfilter.Reasons() {
		want := "5"
		if temporary[reason] {
			want = "4"
		}
		if got := refusal(&mailfilter.Refusal{Reason: reason}, false); got[:1] != want || !strings.HasSuffix(got, "\r\n") {
			t.Errorf("%v: got %q, want %sxx", reason, got, want)
		}
	}
}

// TestUnencrypted holds that clients find the reply that they know, and that
// users of other programs are told what is wrong with their encrypted message.
func TestUnencrypted(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, "523 Encryption Needed: Invalid Unencrypted Mail\r\n"},
		{mailfilter.ErrCleartext, "523 Encryption Needed: Invalid Unencrypted Mail\r\n"},
		{errors.New("no boundary"), "523 Encryption Needed: Invalid Unencrypted Mail (no boundary)\r\n"},
	} {
		if got := refusal(&mailfilter.Refusal{Reason: mailfilter.Unencrypted, Err: tt.err}, false); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
}

// TestHiddenRefusal wants no word of encryption for strangers to a hidden relay.
func TestHiddenRefusal(t *testing.T) {
	if got := refusal(&mailfilter.Refusal{Reason: mailfilter.Unencrypted}, true); got != sayRefused {
		t.Errorf("got %q", got)
	}
}
