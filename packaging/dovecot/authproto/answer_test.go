package authproto

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

// TestQuestions has what a client says be read as a server reads it.
func TestQuestions(t *testing.T) {
	for _, client := range []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")} {
		want := Credentials{User: "a@chat.example", Password: "pass\tword\xff"}
		text := AppendAuth(nil, 7, "smtp", want, client)
		line, err := ParseLine(bytes.TrimSuffix(text, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		a, err := line.Auth()
		if err != nil || a.ID != 7 || a.Mechanism != Plain || a.Client != client || !a.HasResponse {
			t.Fatalf("%q is read as %+v, %v", text, a, err)
		}
		if got, err := ParsePlain(a.Response); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if got, want := string(AppendServerHandshake(nil, 17)), "VERSION\t1\t2\nCPID\t17\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(AppendCancel(nil, 7)), "CANCEL\t7\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAnswer has what a server says be read by a client.
func TestAnswer(t *testing.T) {
	for _, test := range []struct {
		text string
		want Answer
		ok   bool
	}{
		{string(AppendOK(nil, 1, "a@chat.example")), Answer{ID: 1, User: "a@chat.example"}, true},
		{string(AppendFail(nil, 2, Failure{User: "a"})), Answer{ID: 2}, true},
		{string(AppendFail(nil, 3, Failure{User: "a", Temporary: true})), Answer{ID: 3, Later: TryLater("")}, true},
		{string(AppendFail(nil, 4, Failure{User: "a", Temporary: true, Reason: "Wait."})), Answer{ID: 4, Later: TryLater("Wait.")}, true},
		{string(AppendFail(nil, 5, Failure{Code: CodeInvalidBase64, Reason: "no base64"})), Answer{ID: 5}, true},
		{"OK\t1\n", Answer{}, false},
		{"OK\t1\tuser=\n", Answer{}, false},
		{"OK\tx\tuser=a\n", Answer{}, false},
		{"OK\n", Answer{}, false},
		{"FAIL\n", Answer{}, false},
		{"CONT\t1\t\n", Answer{}, false},
	} {
		line, err := ParseLine([]byte(test.text[:len(test.text)-1]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := line.Answer()
		if got != test.want || (err == nil) != test.ok || err != nil && !errors.Is(err, ErrBroken) {
			t.Errorf("%q: got %+v, %v, want %+v, an error: %t", test.text, got, err, test.want, !test.ok)
		}
	}
}
