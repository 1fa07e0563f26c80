package postfix

import "testing"

func TestBetween(t *testing.T) {
	const former = "a = 1\nnon_smtpd_milters = unix:x\n"
	const next = "a = 2\ndefault_transport = outward:unix:private/transport\noutward_x = 3,\n  4\n"
	if !Milter([]byte(former)) || Milter([]byte(next)) || Milter([]byte("non_smtpd_milters =\n")) {
		t.Error("a milter is not told from none")
	}
	const want = former + "\ndefault_transport = outward:unix:private/transport\noutward_x = 3, 4\n"
	if got := string(Between([]byte(former), []byte(next))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBetweenServices(t *testing.T) {
	const former = "smtp inet n - y - 5 smtpd\n  -o smtpd_milters=unix:x\nsmtp unix - - y - - smtp\n"
	const next = "# new\nsmtp inet n - y - 5 smtpd\nsmtp unix - - y - - smtp\noutward unix - - y - - lmtp\n  -o a=b\n"
	const want = former + "\noutward unix - - y - - lmtp -o a=b\n"
	if got := string(BetweenServices([]byte(former), []byte(next))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
