package mailbox_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"chatmaild/applets/chat/chattest"
	"chatmaild/applets/chat/mailbox"
)

const (
	alice = "alice@relay.test"
	bob   = "bob@relay.test"
)

func open(t *testing.T, r *chattest.Relay) (*mailbox.Inbox, *mailbox.Outbox) {
	t.Helper()
	r.Add(t, alice, "a")
	r.Add(t, bob, "b")
	in, err := r.Server().OpenInbox(t.Context(), bob, "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	out, err := r.Server().OpenOutbox(t.Context(), alice, "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return in, out
}

func mail(text string) []byte { return []byte("From: <" + alice + ">\r\n\r\n" + text + "\r\n") }

// TestMail sends one mail after the other; the reader waits for each in IDLE,
// and deletes it.
func TestMail(t *testing.T) {
	r := chattest.New(t)
	in, out := open(t, r)
	sent := make(chan error, 1)
	for _, text := range []string{"one", "two", ".", strings.Repeat("long\r\n", 10_000)} {
		go func() { sent <- out.Send(t.Context(), []string{bob}, mail(text)) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		m, err := in.Next(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Raw, mail(text)) || m.Size != int64(len(m.Raw)) || time.Since(m.Received) > time.Minute {
			t.Errorf("got %d bytes of %v, want %d", len(m.Raw), m.Received, len(mail(text)))
		}
		if err := errors.Join(<-sent, in.Delete(t.Context(), m.UID)); err != nil {
			t.Fatal(err)
		}
	}
	again, err := r.Server().OpenInbox(t.Context(), bob, "b")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if m, err := again.Poll(t.Context()); m != nil || err != nil {
		t.Errorf("after all was deleted: %+v, %v", m, err)
	}
}

// TestBacklog reads what came before, each once, and not what is too large.
func TestBacklog(t *testing.T) {
	r := chattest.New(t)
	in, _ := open(t, r)
	in.Limit = 1000
	texts := []string{"a", strings.Repeat("x", 2000), "b"}
	for _, text := range texts {
		if err := r.Deliver(bob, mail(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range texts {
		m, err := in.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := mail(text); len(want) > 1000 && (m.Raw != nil || m.Size != int64(len(want))) || len(want) <= 1000 && !bytes.Equal(m.Raw, want) {
			t.Errorf("got %d bytes %.20q, want %d", m.Size, m.Raw, len(want))
		}
	}
	if m, err := in.Poll(t.Context()); m != nil || err != nil {
		t.Errorf("at the end: %+v, %v", m, err)
	}
}

func TestEnds(t *testing.T) {
	in, _ := open(t, chattest.New(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := in.Next(ctx)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestRefused(t *testing.T) {
	r := chattest.New(t)
	_, out := open(t, r)
	if _, err := r.Server().OpenInbox(t.Context(), bob, "wrong"); err == nil {
		t.Error("a wrong password opens the inbox")
	}
	if _, err := r.Server().OpenOutbox(t.Context(), alice, "wrong"); err == nil {
		t.Error("a wrong password opens the outbox")
	}
	first := true
	r.Refuse(func(string) error {
		if first {
			first = false
			return &smtp.SMTPError{Code: 523, Message: "no"}
		}
		return nil
	})
	err := out.Send(t.Context(), []string{bob}, mail("x"))
	if refusal, ok := errors.AsType[*smtp.SMTPError](err); !ok || refusal.Code != 523 {
		t.Errorf("got %v, want 523", err)
	}
	if err := out.Send(t.Context(), []string{bob}, mail("y")); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
}
