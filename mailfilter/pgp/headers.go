package pgp

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

var errHeader = errors.New("armor header that no known program writes")

// Armor headers (RFC 9580, section 6.2.2.1) are text that anyone can read, so
// only those pass that known programs write, each at most once. A comment is one
// of the sentences of these programs; a version is a product, then perhaps its
// number, then perhaps a platform in parentheses.
var (
	products = []string{
		"BCPG", "BCPG C#", "Canary PGP", "Encryption Desktop", "FlowCrypt", "FlowCrypt Email Encryption",
		"FlowCrypt iOS", "GnuPG", "GnuPG/MacGPG2", "GopenPGP", "Mailvelope", "OpenKeychain", "OpenPGP.js",
		"PGP Desktop", "PGP SDK", "PGP Universal", "ProtonMail", "rnp",
	}
	platforms = []string{
		"(Cygwin)", "(Darwin)", "(FreeBSD)", "(GNU/Linux)", "(MingW32)", "(NetBSD)", "(OpenBSD)",
		"Email Encryption", "Gmail Encryption",
	}
	comments = []string{
		"GPGTools - http://gpgtools.org", "GPGTools - https://gpgtools.org",
		"Seamlessly send and receive encrypted email",
		"Using GnuPG with Icedove - http://www.enigmail.net/", "Using GnuPG with Icedove - https://www.enigmail.net/",
		"Using GnuPG with Mozilla - http://enigmail.mozdev.org/", "Using GnuPG with SeaMonkey - http://www.enigmail.net/",
		"Using GnuPG with SeaMonkey - https://www.enigmail.net/", "Using GnuPG with Thunderbird - http://www.enigmail.net/",
		"Using GnuPG with Thunderbird - https://www.enigmail.net/", "Using GnuPG with undefined - http://www.enigmail.net/",
		"http://openpgpjs.org", "https://canarymail.io", "https://flowcrypt.com", "https://gopenpgp.org",
		"https://mailvelope.com", "https://openpgpjs.org", "https://proton.me", "https://protonmail.com",
		"https://www.mailvelope.com",
	}
	charsets = []string{"ISO-8859-1", "ISO-8859-15", "US-ASCII", "UTF-8", "iso-8859-1", "iso-8859-15", "us-ascii", "utf-8", "windows-1252"}
)

// headerKind is an armor header, as a bit of those that a message has.
type headerKind uint8

const (
	versionHeader headerKind = 1 << iota
	commentHeader
	charsetHeader
	passphraseFormat // of an Autocrypt Setup Message
	passphraseBegin
)

// knownHeader returns what an armor header is, or 0 if no known program writes it.
func knownHeader(line []byte) headerKind {
	key, rest, _ := bytes.Cut(line, []byte(": "))
	value := string(rest)
	switch string(key) {
	case "Version":
		if isVersion(value) {
			return versionHeader
		}
	case "Comment":
		if slices.Contains(comments, value) {
			return commentHeader
		}
	case "Charset":
		if slices.Contains(charsets, value) {
			return charsetHeader
		}
	case "Passphrase-Format":
		if value == "numeric9x4" {
			return passphraseFormat
		}
	case "Passphrase-Begin":
		if len(value) == 2 && isNumber(value) {
			return passphraseBegin
		}
	}
	return 0
}

// isVersion says whether value is a product with or without number and platform.
func isVersion(value string) bool {
	for _, product := range products {
		rest, ok := strings.CutPrefix(value, product)
		if !ok || rest != "" && rest[0] != ' ' {
			continue
		}
		number, platform, _ := strings.Cut(strings.TrimPrefix(rest, " "), " ")
		if !isNumber(strings.TrimPrefix(number, "v")) {
			number, platform = "", strings.TrimPrefix(rest, " ")
		}
		if platform == "" || slices.Contains(platforms, platform) || isBuild(platform) {
			return rest == "" || number != "" || platform != ""
		}
	}
	return false
}

// isBuild says whether s is the number of a build, as PGP Desktop writes it.
func isBuild(s string) bool {
	s, ok := strings.CutPrefix(s, "(Build ")
	number, closed := strings.CutSuffix(s, ")")
	return ok && closed && isNumber(number)
}

// maxNumber is how long the number of a version may be.
const maxNumber = 16

// isNumber says whether s consists of digits and dots.
func isNumber(s string) bool {
	return s != "" && len(s) <= maxNumber && strings.Trim(s, "0123456789.") == ""
}
