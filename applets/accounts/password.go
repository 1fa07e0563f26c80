package accounts

import (
	"fmt"
	"strings"

	"chatmaild/applets/config"
)

// anywhere begins a line of PostgreSQL's password file that is for each host, port, database
// and role (libpq, section 34.16 of PostgreSQL's documentation).
const anywhere = "*:*:*:*:"

// PasswordFile is the content of such a file with one password, which has no colon.
func PasswordFile(password string) []byte { return []byte(anywhere + password + "\n") }

// Password reads the password of the directory, which all machines share, out of its file's
// content.
func Password(content []byte) (string, error) {
	line, _, _ := strings.Cut(string(content), "\n")
	password, ok := strings.CutPrefix(line, anywhere)
	if !ok || password == "" {
		return "", fmt.Errorf("%s: want %s and the password", config.DirectoryPassword, anywhere)
	}
	return password, nil
}
