package peer

import (
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/emersion/go-smtp"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/network"
)

// An MX takes the mail of a domain out there and keeps it.
type MX struct {
	Root []byte // the certificate that proves its name, in PEM

	server *smtp.Server
	mu     sync.Mutex
	mails  []Received
}

// Received is a message as it came over the wire.
type Received struct {
	Sender     string
	Recipients []string
	Text       string
}

// StartMX starts the mail server of a domain on a station, and publishes it.
func StartMX(s network.Station, domain string) (*MX, error) {
	m := &MX{}
	for _, record := range [][3]string{{domain, "MX", "10 mx." + domain + "."}, {"mx." + domain, "A", s.IPv4.String()}} {
		if err := s.Zone.Set(record[0], record[1], record[2]); err != nil {
			return nil, err
		}
	}
	pair, err := pki.New(nil, pki.Request{Names: []string{domain, "mx." + domain}})
	if err != nil {
		return nil, err
	}
	if m.Root, _, err = pki.PEM(pair); err != nil {
		return nil, err
	}
	m.server = smtp.NewServer(m)
	m.server.Domain = "mx." + domain
	m.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	listener, err := s.Listen(25)
	if err != nil {
		return nil, err
	}
	go m.server.Serve(listener)
	return m, nil
}

// Received returns what has come so far.
func (m *MX) Received() []Received {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mails)
}

// Close ends the server.
func (m *MX) Close() error { return m.server.Close() }

// NewSession implements smtp.Backend.
func (m *MX) NewSession(*smtp.Conn) (smtp.Session, error) { return &mxSession{mx: m}, nil }

// mxSession is one connection.
type mxSession struct {
	mx   *MX
	mail Received
}

func (s *mxSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = Received{Sender: from}
	return nil
}

func (s *mxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.Recipients = append(s.mail.Recipients, to)
	return nil
}

// maxMail bounds a message, in bytes.
const maxMail = 64 << 20

// read keeps the text of the message.
func (s *mxSession) read(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxMail+1))
	if err == nil && len(text) > maxMail {
		err = errors.New("the message is too large")
	}
	if err != nil {
		return err
	}
	s.mail.Text = string(text)
	return nil
}

func (s *mxSession) Data(r io.Reader) error {
	if err := s.read(r); err != nil {
		return err
	}
	s.mx.mu.Lock()
	defer s.mx.mu.Unlock()
	s.mx.mails = append(s.mx.mails, s.mail)
	return nil
}

func (s *mxSession) Reset()        { s.mail = Received{} }
func (s *mxSession) Logout() error { return nil }
