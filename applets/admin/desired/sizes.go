package desired

import "chatmaild/applets/config"

// sizes are how much of everything there is on a machine.
type sizes struct {
	conf    *config.Config
	machine Machine
}

// What one of each takes, in KiB, as "make bench-relay" measures it on Debian 13.
const (
	imapMemory    = 1750 // an IMAP session that does not hibernate: a process
	smtpdMemory   = 2650 // another relay's SMTP session: a process
	sessionMemory = 105  // an IMAP session that hibernates, after days of logins; nearly all of it is TLS
)

// The machine's memory, apart. The rest is for what runs in any case, some 200 MiB, for the
// kernel, and for pages of files.
const (
	imapShare     = 8 // an eighth for IMAP sessions that do not hibernate
	incomingShare = 8 // for other relays
	sessionShare  = 4 // for IMAP sessions that hibernate
)

// fitting is how many of something there can be in a part of the memory; limit where the
// memory is not known.
func (s sizes) fitting(limit, share, kib int) int {
	if s.machine.Memory == 0 {
		return limit
	}
	return max(1, min(limit, int(s.machine.Memory>>10)/share/kib))
}

// gibibytes is the machine's memory; much, where that is not known.
func (s sizes) gibibytes() int {
	if s.machine.Memory == 0 {
		return 1 << 10
	}
	// A machine that is said to have a GiB has a little less.
	return int((s.machine.Memory + 1<<29) >> 30)
}

// IMAPProcesses is how many IMAP sessions can be awake. Further ones wait until one has
// hibernated, so that a restart, after which all clients log in, does not take more memory
// than there is. One that has just logged in, and has no mail, hibernates at once
// (instant-idle.so): logins leave the processes to those who have.
func (s sizes) IMAPProcesses() int {
	if s.conf.IMAPCompress {
		return s.fitting(s.conf.MaxIMAPConnections, 2, imapMemory) // nothing hibernates
	}
	return s.fitting(s.conf.MaxIMAPConnections, imapShare, imapMemory)
}

// HibernateSeconds is after how long in IDLE a session hibernates. To wake it up takes some 3
// ms of processor time, and while it is awake, it takes 20 times the memory: with little
// memory, it is not awake for long, and with much not so long that after a restart, when
// many have mail, processes are scarce. instant-idle.so has each session look again two
// seconds after a change, and the time counts from that look.
func (s sizes) HibernateSeconds() int {
	if !s.conf.IMAPInstantIdle {
		return 30 // each time, mail may come that wakes nobody: imap_instant_idle
	}
	return min(max(2*s.gibibytes()-1, 1), 10)
}

// hibernateClients is how many hibernating sessions a process keeps: it takes 0.4 MiB, and
// seconds to end.
const hibernateClients = 250

// HibernateClients is how many hibernating sessions a process keeps.
func (s sizes) HibernateClients() int { return hibernateClients }

// HibernateProcesses is how many keep those of all, with some to spare.
func (s sizes) HibernateProcesses() int { return s.conf.MaxIMAPConnections/hibernateClients + 8 }

// clients bounds the connections of other relays to port 25.
type clients struct {
	All      int // at once
	One      int // of those, from one address: so none locks out the others
	Rate     int // that one address may open in a minute
	Messages int // that one address may send in a minute
}

// OtherRelays are the bounds of port 25.
//
// It serves as many clients as the filter has messages of in hand, and as many again,
// which talk or wait; the filter accepts twice that. One client has a tenth of them, which
// by default is as many as a Postfix opens, but ten at least. A relay that has much to say keeps its
// connections open, and the largest of today sends 20 messages a second to all others
// together.
func (s sizes) OtherRelays() clients {
	all := s.fitting(2*s.conf.FiltermailMaxInFlight, incomingShare, smtpdMemory)
	return clients{All: all, One: max(all/10, min(all/2, 10), 1), Rate: 1200, Messages: 3000}
}

// LoginProcesses is how many processes share the work of IMAP's TLS.
func (s sizes) LoginProcesses() int { return max(s.machine.Processors, 2) }

// DeliveryProcesses is how many processes of Postfix deliver to mailboxes at the same
// time, of each of the two kinds. Two a processor keep it busy; the others are there for
// mailboxes that make theirs wait, each at most two (lmtp_destination_concurrency_limit).
func (s sizes) DeliveryProcesses() int { return 2*s.machine.Processors + 4 }

// NginxConnections is how many connections a worker may have: two for each
// session that comes in by port 443, and two more for each client of the iroh relay.
func (s sizes) NginxConnections() int {
	n := 2 * (s.fitting(s.conf.MaxIMAPConnections, sessionShare, sessionMemory) + s.conf.MaxSMTPConnections)
	if config.Iroh(s.conf).Own() {
		n += 4 * s.conf.MaxIrohClients
	}
	if s.conf.Websocket {
		n += 4 * s.conf.MaxWebsocketClients
	}
	return 1024 + n/s.machine.Processors
}

// NginxFiles is how many files a worker may have open.
func (s sizes) NginxFiles() int { return s.NginxConnections() + 512 }

// A Capacity is what a machine is good for.
type Capacity struct {
	People   int    // who are online
	Messages int    // a second
	By       string // what there is too little of for more people
}

const (
	// peoplePerProcessor log in again within a minute after a restart: as many as doveauth lets
	// in.
	peoplePerProcessor = 4000
	// messageTime is what a message takes from phone to phone, in ms of a processor, and busy is
	// how many percent of the processors may have to do with messages.
	messageTime, busy = 19, 50
)

// Good is what a machine is good for, by what one of each takes. "make small" tries more, with
// 3,000 people, one processor and 1 GiB.
func Good(machine Machine) Capacity {
	c := Capacity{People: int(machine.Memory>>10) / sessionShare / sessionMemory, By: "memory"}
	if n := machine.Processors * peoplePerProcessor; n < c.People {
		c.People, c.By = n, "processors"
	}
	c.Messages = machine.Processors * 10 * busy / messageTime
	return c
}
