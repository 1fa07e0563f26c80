package signup

import (
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
)

// Credentials are what an app needs to log in. The login makes the account.
type Credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// The alphabets: the names are read out and typed by people, so they do without
// what looks alike (0 and o, 1 and l and i); passwords are only copied. Neither needs
// escaping in a link.
const (
	nameAlphabet     = "abcdefghjkmnpqrstuvwxyz23456789"
	passwordAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

const (
	// strongPassword characters of passwordAlphabet are 130 bits.
	strongPassword = 22
	// automaticPassword is the length by which Delta Chat core marks accounts
	// that it makes automatically (core#8701), which relays may refuse.
	automaticPassword = 23
	// maxPassword is all that bcrypt reads.
	maxPassword = 72
)

// Lengths are those of the configuration, in characters.
type Lengths struct {
	Name        int // username_max_length
	MinPassword int // password_min_length
}

// password returns how long a new password is: longer than the least, as on the
// Python relay, and never weak.
func (l Lengths) password() int {
	n := max(l.MinPassword+3, strongPassword)
	if n == automaticPassword {
		n++
	}
	return min(n, maxPassword)
}

// newCredentials returns credentials at the domain, which is what stands behind the @.
func newCredentials(random io.Reader, domain string, l Lengths) (Credentials, error) {
	name, err := randomText(random, nameAlphabet, l.Name)
	if err != nil {
		return Credentials{}, err
	}
	password, err := randomText(random, passwordAlphabet, l.password())
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{Email: name + "@" + domain, Password: password}, nil
}

// randomText returns n characters of alphabet, each equally likely.
func randomText(random io.Reader, alphabet string, n int) (string, error) {
	// A byte from usable on is drawn again: the remainder of 256 would
	// favour the first characters.
	usable := 256 - 256%len(alphabet)
	text := make([]byte, 0, n)
	buf := make([]byte, n)
	for len(text) < n {
		if _, err := io.ReadFull(random, buf); err != nil {
			return "", fmt.Errorf("reading randomness: %w", err)
		}
		for _, b := range buf {
			if int(b) < usable && len(text) < n {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text), nil
}

// LoginLink returns the dclogin: link of c on a relay that apps do not know by its name
// (https://github.com/deltachat/interface/blob/main/uri-schemes.md#dclogin-).
// ic=3 makes the app accept any certificate, ic=1 only one that an authority has verified;
// where host is an IPv4 address, ih and sh announce it, since an address with a literal
// names no host to look up.
func (c Credentials) LoginLink(host string, verified bool) string {
	checks := "&ic=3"
	if verified {
		checks = "&ic=1"
	}
	servers := ""
	if _, err := netip.ParseAddr(host); err == nil {
		servers = "&ih=" + host + "&sh=" + host
	}
	return "dclogin:" + c.Email + "?p=" + url.QueryEscape(c.Password) + "&v=1" + servers + checks
}

// AtPort has a link that LoginLink made name a port of host, for IMAP and SMTP, with TLS from
// the start.
func AtPort(link, host string, port int) string {
	if !strings.Contains(link, "&ih=") {
		link += "&ih=" + host + "&sh=" + host
	}
	return link + fmt.Sprintf("&ip=%[1]d&is=ssl&sp=%[1]d&ss=ssl", port)
}
