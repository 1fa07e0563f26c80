package authproto

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestAuth(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, test := range []struct {
		name, line string
		want       Auth
	}{
		{
			"imap-login of 2.3.19",
			"AUTH\t1\tPLAIN\tservice=imap\tsecured=tls\tsession=wAVCTAqC4JB/AAAB\tlip=127.0.0.1\trip=192.0.2.1\tlport=993\trport=37088\tresp=AGEAYg==",
			Auth{1, "PLAIN", v4, netip.Addr{}, "AGEAYg==", true},
		},
		{
			"imap-login of 2.3.19, behind a proxy",
			"AUTH\t1\tPLAIN\tservice=imap\tlip=10.7.0.2\trip=192.0.2.1\treal_rip=10.7.0.1\treal_lip=10.7.0.2\tresp=AGEAYg==",
			Auth{1, "PLAIN", v4, netip.MustParseAddr("10.7.0.1"), "AGEAYg==", true},
		},
		{
			"imap-login of 2.4.1",
			"AUTH\t7\tPLAIN\tprotocol=imap\tfinal-resp-ok\tsecured=tls\tlip=::1\trip=2001:db8::1\tresp=AGEAYg==",
			Auth{7, "PLAIN", v6, netip.Addr{}, "AGEAYg==", true},
		},
		{
			"Postfix, without an initial response",
			"AUTH\t3\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.9\trip=192.0.2.1\tsecured",
			Auth{3, "PLAIN", v4, netip.Addr{}, "", false},
		},
		{"an empty response", "AUTH\t3\tPLAIN\tresp=", Auth{3, "PLAIN", netip.Addr{}, netip.Addr{}, "", true}},
		{"an unknown address", "AUTH\t3\tPLAIN\trip=unknown\tresp=", Auth{3, "PLAIN", netip.Addr{}, netip.Addr{}, "", true}},
		{"IPv4 in IPv6", "AUTH\t3\tPLAIN\trip=::ffff:192.0.2.1", Auth{3, "PLAIN", v4, netip.Addr{}, "", false}},
		{"an escape", "AUTH\t3\tPL\x01tAIN", Auth{3, "PL\tAIN", netip.Addr{}, netip.Addr{}, "", false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			line, err := ParseLine([]byte(test.line))
			if err != nil || line.Command != CmdAuth {
				t.Fatalf("got the command %q, %v", line.Command, err)
			}
			if got, err := line.Auth(); err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestMaster(t *testing.T) {
	cookie := strings.Repeat("0a", CookieLen/2)
	line, err := ParseLine([]byte("REQUEST\t3001\t17\t4\t" + cookie + "\tsession_pid=99\trequest_auth_token"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := line.Login(); err != nil || got != (Login{3001, 17, 4, cookie}) {
		t.Errorf("got %+v, %v", got, err)
	}
	line, err = ParseLine([]byte("USER\t1\ta@chat.example\tservice=lmtp"))
	if err != nil {
		t.Fatal(err)
	}
	if id, name, err := line.Named(); id != 1 || name != "a@chat.example" || err != nil {
		t.Errorf("got %d, %q, %v", id, name, err)
	}
}

// read is what a server does with each command.
func read(line Line) (err error) {
	switch line.Command {
	case CmdVersion:
		_, err = line.MajorVersion()
	case CmdClientPID:
		_, err = line.PID()
	case CmdAuth:
		_, err = line.Auth()
	case CmdContinue:
		_, _, err = line.Continued()
	case CmdRequest:
		_, err = line.Login()
	case CmdUser, CmdPass:
		_, _, err = line.Named()
	default:
		_, err = line.ID()
	}
	return err
}

func TestBroken(t *testing.T) {
	cookie := strings.Repeat("0a", CookieLen/2)
	for _, text := range []string{
		"", "\t1", "auth\t1", "A B\t1", "A\x01tB\t1", "COMMANDSWITHOUTEND\t1", "AUTH\t1\tPLAIN\tresp=\x00",
		"VERSION", "VERSION\t1", "VERSION\tone\t2", "VERSION\t1\t", "CPID", "CPID\t0", "CPID\t-1", "CPID\t4294967296",
		"AUTH", "AUTH\t1", "AUTH\t1\t", "AUTH\t0\tPLAIN", "AUTH\tx\tPLAIN", "AUTH\t+1\tPLAIN", "AUTH\t1_0\tPLAIN",
		"AUTH\t1\tPLAIN\tresp=AA==\tsecured", "AUTH\t1\tPLAIN\tresp=AA==\tresp=AA==",
		"CONT", "CONT\t1", "CONT\t1\tAA==\tAA==", "CANCEL", "CANCEL\t",
		"REQUEST\t1\t2\t3", "REQUEST\t1\t2\t3\t00", "REQUEST\t1\t2\tx\t" + cookie, "REQUEST\t1\t2\t3\t" + cookie + "0",
		"USER", "USER\t1", "USER\tx\tname", "PASS\t1", "LIST", "LIST\t",
	} {
		line, err := ParseLine([]byte(text))
		if err == nil {
			err = read(line)
		}
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%q: got %v, want ErrBroken", text, err)
		}
	}
}

// FuzzLine: a line is read, or it is ErrBroken, whose text has nothing of it.
func FuzzLine(f *testing.F) {
	f.Add([]byte("AUTH\t1\tPLAIN\tservice=imap\trip=192.0.2.1\tresp=AGEAYg=="))
	f.Add([]byte("CONT\t1\tAGEAYg=="))
	f.Add([]byte("REQUEST\t1\t2\t3\t0123456789abcdef0123456789abcdef\tsession_pid=4"))
	f.Add([]byte("USER\t1\ta\x01tb\tservice=lmtp"))
	f.Add([]byte("LIST\t1\tuser=*"))
	f.Fuzz(func(t *testing.T, text []byte) {
		line, err := ParseLine(text)
		if err == nil {
			err = read(line)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, ErrBroken) {
			t.Fatalf("%q: got %v", text, err)
		}
		if long := string(text); len(long) > maxCommand && strings.Contains(err.Error(), long) {
			t.Fatalf("the error tells the line: %v", err)
		}
	})
}
