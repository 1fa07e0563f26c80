// Package unit reads systemd units, as far as a relay's units go: those of the package and
// the drop-ins that "chatmaild run" writes (systemd.syntax(7), systemd.unit(5)).
//
// The subset is strict. A directive is either applied, or it is one of those that have no
// meaning without systemd, each with its reason (directives.go); any other one is an error.
// So what a unit says can never be silently left out in a container.
package unit

import (
	"io/fs"
	"time"
)

// Unit is what its files say, drop-ins included.
type Unit struct {
	Name     string // as in "chatmaild-web.service"
	PartOf   []string
	Wants    []string
	Requires []string
	// Aliases are other names of the unit.
	Aliases    []string
	Conditions []Condition

	Service
	Socket
	Timer
	Path

	// StartLimit is how many starts there may be within StartInterval; an interval of 0
	// means any number.
	StartLimit    int
	StartInterval time.Duration
}

// Condition has to hold, or the unit is skipped without an error.
type Condition struct {
	Path      string
	Directory bool // and it has to be a directory
	Negated   bool
}

// Service is the section of that name: systemd.service(5), systemd.exec(5).
type Service struct {
	Type                string // notify, simple, exec or oneshot
	Start               []Command
	StartPre, StartPost []Command
	Reload              []Command
	Stop, StopPost      []Command
	KillSignal          string
	PIDFile             string // names the main process once it is ready
	Restart             string // "", no, on-failure or always
	RestartDelay        time.Duration
	PreventRestart      []int // exit statuses
	StartTimeout        time.Duration
	StopTimeout         time.Duration
	Watchdog            time.Duration // 0: none
	Sockets             []string      // units, beside the one of the same name

	User         string // "": root
	DynamicUser  bool
	Groups       []string
	Environment  []string
	Credentials  []Credential
	RuntimeDir   string // below /run
	RuntimeMode  fs.FileMode
	Umask        fs.FileMode
	Files        int // LimitNOFILE=; 0: as it is
	NoCore       bool
	NoNewPrivs   bool
	Capabilities []string // kept of the bounding set, as capabilities(7) has them, without CAP_
	Bounded      bool     // whether Capabilities is set at all
	Nice         int
	Batch        bool // CPUSchedulingPolicy=batch
	IdleIO       bool // IOSchedulingClass=idle
}

// Command is a command line.
type Command struct {
	Args     []string
	Optional bool // its failure does not matter
	Root     bool // it runs as root, not as User
}

// Credential is a file of root's that the service may read.
type Credential struct{ Name, Path string }

// Socket is the section of that name: systemd.socket(5).
type Socket struct {
	Listen        string // an address or a path
	Datagram      bool
	FDName        string
	Starts        string // the service; "" for the one of the same name
	Owner, Group  string
	Mode          fs.FileMode
	ReceiveBuffer int  // bytes; 0: as it is
	PacketInfo    bool // datagrams come with the address that they came to
	Symlinks      []string
}

// Timer is the section of that name: systemd.timer(5).
type Timer struct {
	Daily         bool // at midnight, and MaxDelay later at most
	MaxDelay      time.Duration
	OnClockChange bool
}

// Path is the section of that name: systemd.path(5).
type Path struct {
	Changed  []string
	NotEmpty []string
}

// Defaults of systemd.
const (
	defaultTimeout      = 90 * time.Second // DefaultTimeoutStartSec=
	defaultRestartDelay = 100 * time.Millisecond
	defaultLimit        = 5 // starts, within
	defaultInterval     = 10 * time.Second
	defaultFDName       = "unknown"
)

func newUnit(name string) *Unit {
	return &Unit{
		Name: name, StartLimit: defaultLimit, StartInterval: defaultInterval,
		Service: Service{
			Type: "simple", KillSignal: "SIGTERM", RestartDelay: defaultRestartDelay, StartTimeout: defaultTimeout, StopTimeout: defaultTimeout,
			RuntimeMode: 0o755, Umask: 0o022,
		},
		Socket: Socket{FDName: defaultFDName, Mode: 0o666},
	}
}
