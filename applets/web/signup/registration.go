package signup

import (
	"context"
	"io"
	"net/http"

	"chatmaild/store/nocreate"
)

// Registration decides who gets an account, and with which credentials.
type Registration interface {
	// Register returns fresh credentials, or a *Refusal for the person who
	// asked. Any other error is a fault of ours. token is the invite's, or "".
	// It is called from many goroutines.
	Register(ctx context.Context, token string) (Credentials, error)
}

// Refusal is why there is no account.
type Refusal struct {
	Status int    // of HTTP
	Reason string // a sentence that the app shows
}

func (r *Refusal) Error() string { return r.Reason }

// Open lets everybody in, unless the operator has shut the door with a file.
type Open struct {
	Domain       string // what stands behind the @
	Lengths      Lengths
	NocreateFile string // present: nobody gets an account; "": no such door
	Random       io.Reader
}

var _ Registration = (*Open)(nil)

// Register implements Registration; every token is as good as none.
func (o *Open) Register(_ context.Context, _ string) (Credentials, error) {
	if err := o.shut(); err != nil {
		return Credentials{}, err
	}
	return newCredentials(o.Random, o.Domain, o.Lengths)
}

func (o *Open) shut() error {
	if o.NocreateFile == "" {
		return nil
	}
	pulled, err := nocreate.Pulled(o.NocreateFile)
	if err == nil && pulled {
		return &Refusal{http.StatusForbidden, "This relay takes no new profiles at the moment. Please choose another one."}
	}
	return err
}
