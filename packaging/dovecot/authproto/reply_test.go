package authproto

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestReplies(t *testing.T) {
	cookie := strings.Repeat("0", CookieLen)
	for _, test := range []struct {
		name string
		got  []byte
		want string
	}{
		{
			"to a client", AppendClientHandshake(nil, 17, 3, cookie),
			"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t17\nCUID\t3\nCOOKIE\t" + cookie + "\nDONE\n",
		},
		{"to a master", AppendMasterHandshake(nil, 17), "VERSION\t1\t2\nSPID\t17\n"},
		{"OK", AppendOK(nil, 4294967295, "a@chat.example"), "OK\t4294967295\tuser=a@chat.example\n"},
		{
			"proxied", AppendProxied(nil, 1, "a@chat.example", Proxy{netip.MustParseAddrPort("10.7.0.2:143"), "pass\tword"}),
			"OK\t1\tuser=a@chat.example\tnologin\tproxy\thost=10.7.0.2\tport=143\tproxy_timeout=5\tpass=pass\x01tword\n",
		},
		{"wrong", AppendFail(nil, 1, Failure{User: "a\tb"}), "FAIL\t1\tuser=a\x01tb\n"},
		{"temporary", AppendFail(nil, 1, Failure{User: "a", Temporary: true}), "FAIL\t1\tuser=a\tcode=temp_fail\n"},
		{
			"temporary, with words", AppendFail(nil, 1, Failure{User: "a", Temporary: true, Reason: "Later."}),
			"FAIL\t1\tuser=a\treason=[UNAVAILABLE] Later.\n",
		},
		{
			"not base64", AppendFail(nil, 1, Failure{Code: CodeInvalidBase64, Reason: "no base64"}),
			"FAIL\t1\tcode=invalid_base64\treason=no base64\n",
		},
		{"unknown", AppendFail(nil, 1, Failure{}), "FAIL\t1\n"},
		{"challenge", AppendChallenge(nil, 1), "CONT\t1\t\n"},
		{"user", AppendUser(nil, 1, "a@chat.example"), "USER\t1\ta@chat.example\n"},
		{"pass", AppendPass(nil, 1, "a@chat.example"), "PASS\t1\tuser=a@chat.example\n"},
		{"nobody", AppendNotFound(nil, 1), "NOTFOUND\t1\n"},
		{"fault", AppendFault(nil, 1), "FAIL\t1\n"},
		{"listed", AppendListed(nil, 1, "a@chat.example"), "LIST\t1\ta@chat.example\n"},
		{"all listed", AppendDone(nil, 1, false), "DONE\t1\t\n"},
		{"not all listed", AppendDone(nil, 1, true), "DONE\t1\tfail\n"},
	} {
		if string(test.got) != test.want {
			t.Errorf("%s: got %q, want %q", test.name, test.got, test.want)
		}
	}
}

func TestParsePlain(t *testing.T) {
	for _, test := range []struct {
		text string
		want Credentials
		err  error
	}{
		{"\x00user\x00password", Credentials{"user", "password"}, nil},
		{"user\x00user\x00password", Credentials{"user", "password"}, nil},
		{"\x00user\x00pass\tword\xff", Credentials{"user", "pass\tword\xff"}, nil},
		{"other\x00user\x00password", Credentials{}, ErrPlain},
		{"USER\x00user\x00password", Credentials{}, ErrPlain},
		{"user\x00password", Credentials{}, ErrPlain},
		{"\x00user\x00password\x00", Credentials{}, ErrPlain},
		{"\x00user\x00pass\x00word", Credentials{}, ErrPlain},
		{"\x00\x00password", Credentials{}, ErrPlain},
		{"\x00user\x00", Credentials{}, ErrPlain},
		{"", Credentials{}, ErrPlain},
	} {
		got, err := ParsePlain(base64.StdEncoding.EncodeToString([]byte(test.text)))
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: got %q, %v, want %q, %v", test.text, got, err, test.want, test.err)
		}
	}
}

func TestParsePlainBase64(t *testing.T) {
	for _, response := range []string{
		"=", "A", "AGEAYg", "AGEAYg=", "AGEA\nYg==", "AGEAYg==\r\n", "AGEAYh==", "AGEAYg==AGEAYg==", "AGEA Yg==", "AGEA_-==",
	} {
		if _, err := ParsePlain(response); !errors.Is(err, ErrBase64) {
			t.Errorf("%q: got %v, want ErrBase64", response, err)
		}
	}
}

// FuzzParsePlain: a response is read in one way only. What is read can be written,
// and is then read as the same.
func FuzzParsePlain(f *testing.F) {
	f.Add("AHVzZXIAcGFzc3dvcmQ=")
	f.Add("dXNlcgB1c2VyAHBhc3N3b3Jk")
	f.Add("AGEAYg==\n")
	f.Fuzz(func(t *testing.T, response string) {
		c, err := ParsePlain(response)
		if err != nil {
			if c != (Credentials{}) {
				t.Fatalf("%q: credentials beside %v", response, err)
			}
			return
		}
		for _, authorize := range []string{"", c.User} {
			text := base64.StdEncoding.EncodeToString([]byte(authorize + "\x00" + c.User + "\x00" + c.Password))
			if text == response {
				return
			}
		}
		t.Fatalf("%q is read as %q", response, c)
	})
}
