package proxy

// Doorkeeper is notified of what happens in the sessions of users' clients. It is called by
// many goroutines at once and must not block.
type Doorkeeper interface {
	// Noticed says what has happened in a session, by the name of its Entrance.
	Noticed(entrance string, o Occasion)
}

// Occasion is something that happens in a session of a user's client.
type Occasion string

// The occasions.
const (
	Begun Occasion = "begun"
	Ended Occasion = "ended"

	LoggedIn      Occasion = "right"       // a login
	WrongPassword Occasion = "wrong"       // a login that is refused
	NotChecked    Occasion = "unavailable" // a login that could not be checked, or is refused for now

	Crowded     Occasion = "connections" // there is no room for a connection
	AddressFull Occasion = "address"     // there is none for one more from its address
	MadeRoom    Occasion = "silent"      // a session was ended for another one

	SilentInData Occasion = "data"  // a client fell silent in a message
	SilentElse   Occasion = "other" // or elsewhere in a transaction

	NoHandshake   Occasion = "tls"    // TLS could not be agreed on
	Unproxied     Occasion = "header" // the server in front did not say who the client is
	ForeignSender Occasion = "sender" // a sender that is not the login
)

// Logins, Limits, Silences and Faults are the occasions of each kind, in a fixed order, for
// those who count them.
func Logins() []Occasion { return []Occasion{LoggedIn, WrongPassword, NotChecked} }

// Limits: see Logins.
func Limits() []Occasion { return []Occasion{Crowded, AddressFull, MadeRoom} }

// Silences: see Logins.
func Silences() []Occasion { return []Occasion{SilentInData, SilentElse} }

// Faults: see Logins.
func Faults() []Occasion { return []Occasion{NoHandshake, Unproxied, ForeignSender} }

// Noticed implements Doorkeeper.
func (nobody) Noticed(string, Occasion) {}
