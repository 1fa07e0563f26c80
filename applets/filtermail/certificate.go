package filtermail

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateInterval is how often the certificate's file is looked at, at most.
const certificateInterval = time.Second

// certificate is the one of a file with its key and chain. When the file is replaced, as by a
// renewal, the next client gets the new one.
type certificate struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	looked time.Time
	last   os.FileInfo // of the file that pair is from; nil: none
	pair   *tls.Certificate
	err    error // why there is no pair, or not the one of the file
}

func newCertificate(path string, log *slog.Logger) *certificate {
	return &certificate{path: path, log: log, now: time.Now}
}

// current is the certificate to use now: that of the file, or, if that cannot be used, the one
// before it.
func (c *certificate) current() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= certificateInterval || now.Before(c.looked) {
		c.looked = now
		c.look()
	}
	if c.pair == nil {
		return nil, c.err
	}
	return c.pair, nil
}

// look reads the file if the pair is not from it, and logs once what is wrong with it. One that
// could not be read is read again: there may have been no file descriptor left.
func (c *certificate) look() {
	info, err := os.Stat(c.path)
	if err == nil && c.last != nil && os.SameFile(info, c.last) && info.ModTime().Equal(c.last.ModTime()) && info.Size() == c.last.Size() {
		return
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = readPair(c.path)
	}
	switch {
	case err == nil:
		c.pair, c.last, c.err = &pair, info, nil
		c.log.Info("using a certificate", "file", c.path, "valid_until", pair.Leaf.NotAfter.UTC())
	case c.err == nil || c.err.Error() != err.Error():
		c.err = err
		c.log.Error(`the certificate cannot be used; "chatmaild run" writes its file`, "file", c.path, "error", err)
	}
}

func readPair(path string) (tls.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading certificate and key: %w", err)
	}
	return pair, nil
}
