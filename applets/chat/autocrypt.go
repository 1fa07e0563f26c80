package chat

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// autocrypt returns the value of an Autocrypt or Autocrypt-Gossip field
// (Autocrypt level 1, section 2.1). The preference is left out of gossip.
func autocrypt(addr string, c *Cert, gossip bool) string {
	preference := " prefer-encrypt=mutual;"
	if gossip {
		preference = ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "addr=%s;%s keydata=", addr, preference)
	// In pieces, so that the field can be folded.
	for data := c.Base64(); data != ""; {
		n := min(len(data), 70)
		b.WriteString(" " + data[:n])
		data = data[n:]
	}
	return b.String()
}

// parseAutocrypt reads such a value. An attribute that is not known makes it
// invalid, unless its name begins with an underscore.
func parseAutocrypt(value string) (addr string, c *Cert, err error) {
	if len(value) > 2*maxCert {
		return "", nil, fmt.Errorf("an Autocrypt field of %d bytes", len(value))
	}
	var data string
	for attribute := range strings.SplitSeq(value, ";") {
		name, val, _ := strings.Cut(strings.TrimSpace(attribute), "=")
		switch name = strings.TrimSpace(name); {
		case name == "addr":
			addr = strings.TrimSpace(val)
		case name == "keydata":
			data = strings.Join(strings.Fields(val), "")
		case name == "", name == "prefer-encrypt", strings.HasPrefix(name, "_"):
		default:
			return "", nil, fmt.Errorf("unknown attribute %q in an Autocrypt field", name)
		}
	}
	if !ValidAddress(addr) || data == "" {
		return "", nil, errors.New("an Autocrypt field without address or key")
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return "", nil, fmt.Errorf("the key of an Autocrypt field: %w", err)
	}
	c, err = ParseCert(raw)
	return addr, c, err
}
