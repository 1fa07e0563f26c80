package renewal

import (
	"encoding/json"
	"fmt"
	"time"
)

// State is what a keeper tells about itself. It holds no secrets.
type State struct {
	Directory  string    `json:"directory"`             // of the authority
	AccountURI string    `json:"account_uri,omitempty"` // for the CAA record (RFC 8657 §3)
	Issuer     string    `json:"issuer,omitempty"`      // what that record calls the authority (RFC 8659 §4.2)
	Asked      time.Time `json:"asked,omitzero"`        // when the authority was last asked for a certificate
	Next       time.Time `json:"next"`                  // when it will be asked again
	Problem    *Problem  `json:"problem,omitempty"`     // why there is no new certificate; nil if all is well
}

// Problem is why the authority gave no certificate.
type Problem struct {
	Type   string    `json:"type,omitempty"` // "dns", "rateLimited" … (RFC 8555 §6.7), nameServerKind; "" if it did not answer
	Detail string    `json:"detail"`         // the authority's words, or our error
	Since  time.Time `json:"since"`
	Times  int       `json:"times"`
}

// nameServerKind is the type of a problem that is the name server's, not the
// authority's.
const nameServerKind = "nameServer"

// ParseState reads the state file.
func ParseState(text []byte) (State, error) {
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("reading the state of acme: %w", err)
	}
	return s, nil
}

// Advice says what an operator can do about the problem.
func (p Problem) Advice() string {
	switch p.Type {
	case "":
		return "see whether this machine reaches the authority, and acme_directory in chatmail.toml(5)"
	case nameServerKind:
		return "see acme_dns_server and acme_dns_key in chatmail.toml(5), and the name server's log"
	case "dns":
		return "chatmaild dns says which records are missing"
	case "connection", "unauthorized", "tls", "incorrectResponse":
		return "the authority must reach port 80 of this machine by all of its names and addresses: see chatmaild dns, and any firewall"
	case "caa":
		return "the CAA record allows another authority or account: chatmaild dns says which one is wanted"
	case "rateLimited":
		return "the authority wants us to wait; the request is repeated automatically"
	case "rejectedIdentifier", "unsupportedIdentifier":
		return "this authority issues no certificates for the name: see mail_domain and acme_directory in chatmail.toml(5)"
	case "invalidContact", "unsupportedContact":
		return "see acme_email in chatmail.toml(5)"
	case "externalAccountRequired", "userActionRequired":
		return "the authority requires an action of yours first; its message says which"
	}
	return "the request is repeated automatically; journalctl -u chatmaild-acme"
}
