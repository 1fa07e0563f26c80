package porter

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"

	"chatmaild/applets/accounts"
	"chatmaild/applets/config"
	"chatmaild/auth/mailaddr"
)

// hostPort is where the porter of a machine is.
func hostPort(m config.Member) string {
	return net.JoinHostPort(m.Addr.String(), strconv.Itoa(config.MemberPorterPort))
}

// readSecret reads the password of the directory, which all machines have.
func readSecret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the password of the directory: %w", err)
	}
	password, err := accounts.Password(text)
	return []byte(password), err
}

// capability is what a machine shows that sends a mailbox to another one. It is good for
// these three alone, and only as long as the row says the same; and it tells nothing of the
// password.
func capability(secret []byte, from, to string, addr mailaddr.Address) string {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "chatmaild porter\n%s\n%s\n%s\n", from, to, addr)
	return hex.EncodeToString(h.Sum(nil))
}
