package tokens

import (
	"fmt"
	"runtime/debug"
)

// guard runs f and turns a panic into ErrDamaged. bbolt maps the file and trusts it:
// at a damaged page it panics, and past the end of a file that was cut off, or at a
// bad disk block, the kernel sends SIGBUS.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, p)
		}
	}()
	return f()
}
