// Package wait waits for something that another program does.
package wait

import (
	"context"
	"time"
)

// Until calls check again and again until it is done, or until ctx is; then it returns
// check's last error. An error of a check that is done counts as its result.
func Until(ctx context.Context, every time.Duration, check func() (done bool, err error)) error {
	for {
		done, err := check()
		if done {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(every):
		}
	}
}
