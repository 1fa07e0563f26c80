package selftest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
)

// imapSession is one IMAP session of a fake.
type imapSession struct {
	*fake
	port   int
	conn   net.Conn
	lines  chan string
	secure bool

	box  *mailbox // nil: not logged in
	told int      // messages that the client knows of
}

func (f *fake) imap(conn net.Conn, port int, secure bool) {
	s := &imapSession{fake: f, port: port, secure: secure}
	s.use(conn)
	s.say("* OK fake")
	for {
		line, ok := <-s.lines
		if !ok {
			return
		}
		tag, rest, _ := strings.Cut(line, " ")
		verb, arguments, _ := strings.Cut(rest, " ")
		status := s.command(tag, strings.ToUpper(verb), arguments)
		if s.box != nil && s.told >= 0 && verb != "IDLE" {
			s.tell()
		}
		s.say("%s %s", tag, status)
		if verb == "STARTTLS" && !s.startTLS() {
			return
		}
	}
}

// use reads the lines of a connection. After STARTTLS there is another one, so
// that reading stops by itself at that line.
func (s *imapSession) use(conn net.Conn) {
	s.conn, s.lines = conn, make(chan string)
	go func(lines chan<- string) {
		defer close(lines)
		for r := bufio.NewReader(conn); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSpace(line)
			lines <- line
			if strings.HasSuffix(line, " STARTTLS") {
				return
			}
		}
	}(s.lines)
}

func (s *imapSession) startTLS() bool {
	secure := tls.Server(s.conn, s.config(s.port))
	if secure.Handshake() != nil {
		return false
	}
	s.secure = true
	s.use(secure)
	return true
}

func (s *imapSession) say(format string, args ...any) { fmt.Fprintf(s.conn, format+"\r\n", args...) }

// messages returns those in the mailbox, and what is closed when there are more.
func (s *imapSession) messages() ([]string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box.messages, s.changed
}

// tell says how many messages there are, if the client does not know.
func (s *imapSession) tell() <-chan struct{} {
	messages, changed := s.messages()
	if len(messages) != s.told {
		s.told = len(messages)
		s.say("* %d EXISTS", s.told)
	}
	return changed
}

func (s *imapSession) command(tag, verb, arguments string) (status string) {
	if verb != "LOGIN" && verb != "STARTTLS" && s.box == nil {
		return "BAD not now"
	}
	switch verb {
	case "LOGIN":
		return s.logIn(arguments)
	case "CAPABILITY":
		list := "IMAP4rev1 IDLE MOVE QUOTA METADATA XCHATMAIL"
		if s.is("cannot MOVE") {
			list = strings.Replace(list, " MOVE", "", 1)
		}
		s.say("* CAPABILITY %s", list)
	case "SELECT":
		s.told = -1
		s.tell()
	case "IDLE":
		s.idle()
	case "FETCH":
		var number int
		fmt.Sscan(arguments, &number)
		messages, _ := s.messages()
		if number < 1 || number > len(messages) {
			return "BAD no such message"
		}
		message := messages[number-1]
		s.say("* %d FETCH (BODY[] {%d}\r\n%s)", number, len(message), message)
	case "SETMETADATA":
		s.setMetadata(arguments)
	case "GETMETADATA":
		s.getMetadata(arguments)
	}
	return "OK done"
}

func (s *imapSession) logIn(arguments string) string {
	var user, password string
	if _, err := fmt.Sscanf(arguments, "%q %q", &user, &password); err != nil {
		return "BAD " + err.Error()
	}
	if !s.secure && !s.is("lets in without TLS", s.port) || !s.login(user, password, s.port) {
		return "NO [AUTHENTICATIONFAILED] Authentication failed."
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box = s.users[user]
	return "OK logged in"
}

// idle tells of messages until the client has enough.
func (s *imapSession) idle() {
	s.say("+ idling")
	for {
		select {
		case _, ok := <-s.lines: // DONE
			if ok && !s.is("tells of no first message") {
				s.tell()
			}
			return
		case <-s.news():
		}
	}
}

// news is tell, but for a fault.
func (s *imapSession) news() <-chan struct{} {
	if messages, changed := s.messages(); len(messages) == 1 && s.is("tells of no first message") {
		return changed
	}
	return s.tell()
}

func (s *imapSession) setMetadata(arguments string) {
	var box, entry, value string
	fmt.Sscanf(strings.NewReplacer("(", "", ")", "").Replace(arguments), "%q %s %q", &box, &entry, &value)
	if s.is("forgets tokens") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box.token = value
}

func (s *imapSession) getMetadata(arguments string) {
	s.mu.Lock()
	token := s.box.token
	s.mu.Unlock()
	switch {
	case strings.HasPrefix(arguments, `"INBOX"`) && token == "":
		s.say(`* METADATA "INBOX" (/private/devicetoken NIL)`)
	case strings.HasPrefix(arguments, `"INBOX"`):
		s.say("* METADATA \"INBOX\" (/private/devicetoken {%d}\r\n%s)", len(token), token)
	case strings.HasSuffix(arguments, "/irohrelay)"):
		s.say("%s", s.irohEntry())
	case strings.HasSuffix(arguments, "/turn)"):
		s.say(`* METADATA "" (%sturn "%s")`, vendor, s.turn)
	case s.is("knows no number of recipients"):
		s.say(`* METADATA "" (/shared/comment "fake")`)
	case s.is("allows no recipients"):
		s.say(`* METADATA "" (%s "0")`, maxRecipients)
	default:
		s.say(`* METADATA "" (/shared/comment "fake" %s "1000")`, maxRecipients)
	}
}
