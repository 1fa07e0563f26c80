package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntil(t *testing.T) {
	notYet, broken := errors.New("not yet"), errors.New("broken")
	for _, tt := range []struct {
		name string
		from int // the call that is done
		err  error
		want error
	}{
		{"at once", 1, nil, nil},
		{"at the third look", 3, nil, nil},
		{"with an error", 2, broken, broken},
		{"too late", 1000, nil, notYet},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			calls := 0
			err := Until(ctx, time.Second, func() (bool, error) {
				if calls++; calls < tt.from {
					return false, notYet
				}
				return true, tt.err
			})
			if err != tt.want {
				t.Errorf("%s: got %v after %d calls, want %v", tt.name, err, calls, tt.want)
			}
		})
	}
}
