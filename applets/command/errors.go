package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"chatmaild/applets/config"
)

// Exit statuses, as in chatmaild(8). Units do not restart on StatusUsage.
const (
	StatusDone   = 0
	StatusFailed = 1 // failed, or the check found something wrong
	StatusUsage  = 2 // usage or configuration error
)

// ErrFound is returned by a check that worked and found something wrong. The
// findings have been printed as its result; nothing is added to them.
var ErrFound = errors.New("the check found something wrong")

// UsageError says that the command line is wrong.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

// Usagef makes a *UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// HintError is an error together with what the operator can do about it.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// WithHint adds to err what the operator can do about it.
func WithHint(err error, format string, args ...any) error {
	return &HintError{err, fmt.Sprintf(format, args...)}
}

// NeedsRoot adds to an error for want of permission what to do about it.
func NeedsRoot(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return WithHint(err, "run it as root")
	}
	return err
}

// StatusError is an error with an exit status of its own.
type StatusError struct {
	Err    error
	Status int
}

func (e *StatusError) Error() string { return e.Err.Error() }
func (e *StatusError) Unwrap() error { return e.Err }

// Status returns the exit status that err stands for.
func Status(err error) int {
	var usage *UsageError
	var conf *config.Error
	var own *StatusError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return StatusDone
	case errors.As(err, &own):
		return own.Status
	case errors.As(err, &usage), errors.As(err, &conf):
		return StatusUsage
	default:
		return StatusFailed
	}
}
