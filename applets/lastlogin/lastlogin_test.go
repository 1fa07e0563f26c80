package lastlogin

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"chatmaild/applets/service/metric"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/store/maildir"
)

func TestLastlogin(t *testing.T) {
	mailboxes := maildir.New(t.TempDir(), "chat.example")
	alice, err := mailaddr.Parse("alice@chat.example", "chat.example")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	if err := mailboxes.Create(alice, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, day); err != nil {
		t.Fatal(err)
	}
	h := &handler{mailboxes, "chat.example", slog.New(slog.DiscardHandler), NewMetrics(&metric.Set{})}
	for _, tt := range []struct {
		change dict.Change
		want   time.Time
		ok     bool
	}{
		{dict.Change{Key: "shared/last-login/alice@chat.example", Value: "1795446896"}, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), true},
		{dict.Change{Key: "shared/last-login/ALICE@chat.example", Value: "1795305600"}, day, true},
		{dict.Change{Key: "shared/last-login/nobody@chat.example", Value: "1795446896"}, day, true},
		{dict.Change{Key: "shared/last-login/alice@chat.example", Unset: true}, day, true},
		{dict.Change{Key: "shared/other/alice@chat.example", Value: "1795446896"}, day, true},
		{dict.Change{Key: "shared/last-login/alice@chat.example", Value: "1795446896123"}, day, false},
		{dict.Change{Key: "shared/last-login/alice@chat.example", Value: "-1"}, day, false},
		{dict.Change{Key: "shared/last-login/alice@chat.example", Value: "soon"}, day, false},
		{dict.Change{Key: "shared/last-login/../alice@chat.example", Value: "1795446896"}, day, false},
	} {
		if err := h.Commit(context.Background(), "", []dict.Change{tt.change}); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.change, err)
		}
		if got, err := mailboxes.LastLogin(alice); !got.Equal(tt.want) || err != nil {
			t.Errorf("after %+v the last login is %v, %v; want %v", tt.change, got, err, tt.want)
		}
	}
}
