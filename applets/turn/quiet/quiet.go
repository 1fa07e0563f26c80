// Package quiet keeps the TURN library from logging: its lines have addresses, and what
// goes wrong comes as an error, too.
package quiet

import "github.com/pion/logging"

// Logger says nothing.
type Logger struct{}

var _ logging.LoggerFactory = Logger{}

// NewLogger implements logging.LoggerFactory.
func (l Logger) NewLogger(string) logging.LeveledLogger { return l }

// Trace and the others implement logging.LeveledLogger.
func (Logger) Trace(string)          {}
func (Logger) Tracef(string, ...any) {}
func (Logger) Debug(string)          {}
func (Logger) Debugf(string, ...any) {}
func (Logger) Info(string)           {}
func (Logger) Infof(string, ...any)  {}
func (Logger) Warn(string)           {}
func (Logger) Warnf(string, ...any)  {}
func (Logger) Error(string)          {}
func (Logger) Errorf(string, ...any) {}
