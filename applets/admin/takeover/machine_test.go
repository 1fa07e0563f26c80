package takeover

import (
	"testing"

	"chatmaild/applets/admin/host/hosttest"
)

// fakeMachine is the machine of the tests of this package.
type fakeMachine struct{ *hosttest.Machine }

func newMachine(t *testing.T) *fakeMachine {
	t.Helper()
	return &fakeMachine{hosttest.New(t)}
}
