// Package mtasts knows which hosts a domain says are its own (RFC 8461), so that a forged
// MX record leads nowhere. That certificates are valid is required of all domains anyway;
// what a policy adds is which names count.
package mtasts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a policy.
const (
	MaxSize   = 64 << 10 // bytes (RFC 8461, section 3.3)
	maxHosts  = 100
	maxMaxAge = 31557600 * time.Second // a year (section 3.2)
)

// Policy is that of a domain.
type Policy struct {
	Enforce bool
	Hosts   []string // in lower case; one may begin with "*."
	MaxAge  time.Duration
}

var errPolicy = errors.New("not an MTA-STS policy")

// Parse reads a policy (section 3.2).
func Parse(text string) (Policy, error) {
	var p Policy
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok {
			if strings.TrimSpace(line) == "" {
				continue
			}
			return Policy{}, fmt.Errorf("%w: a line without a colon", errPolicy)
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "mx" {
			if p.Hosts = append(p.Hosts, strings.ToLower(strings.TrimSuffix(value, "."))); len(p.Hosts) > maxHosts {
				return Policy{}, fmt.Errorf("%w: more than %d hosts", errPolicy, maxHosts)
			}
			continue
		}
		if seen[key] { // the first counts
			continue
		}
		seen[key] = true
		switch key {
		case "version":
			if value != "STSv1" {
				return Policy{}, fmt.Errorf("%w: of another version", errPolicy)
			}
		case "mode":
			if value != "enforce" && value != "testing" && value != "none" {
				return Policy{}, fmt.Errorf("%w: of an unknown mode", errPolicy)
			}
			p.Enforce = value == "enforce"
		case "max_age":
			seconds, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return Policy{}, fmt.Errorf("%w: max_age is not a number of seconds", errPolicy)
			}
			p.MaxAge = min(time.Duration(seconds)*time.Second, maxMaxAge)
		}
	}
	if !seen["version"] || !seen["mode"] || !seen["max_age"] || p.Enforce && len(p.Hosts) == 0 {
		return Policy{}, fmt.Errorf("%w: version, mode, max_age or mx is missing", errPolicy)
	}
	return p, nil
}

// Allows reports whether mail may go to a host (section 4.1).
func (p Policy) Allows(host string) bool {
	if !p.Enforce {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, pattern := range p.Hosts {
		if host == pattern {
			return true
		}
		suffix, wild := strings.CutPrefix(pattern, "*")
		label, rest, _ := strings.Cut(host, ".")
		if wild && label != "" && "."+rest == suffix {
			return true
		}
	}
	return false
}

// ID is the id of the policy that a domain has, by its TXT records at _mta-sts (section
// 3.1); "" if it has none.
func ID(records []string) string {
	id, n := "", 0
	for _, text := range records {
		if !strings.HasPrefix(text, "v=STSv1;") {
			continue
		}
		n++
		for field := range strings.SplitSeq(text, ";") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(field), "id="); ok {
				id = strings.TrimSpace(value)
			}
		}
	}
	if n != 1 {
		return ""
	}
	return id
}
