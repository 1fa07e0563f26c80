package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"
)

func TestPackageVersions(t *testing.T) {
	failed := errors.New("exit status 100")
	for _, tt := range []struct {
		out  string
		err  error
		want Versions
	}{
		{out: "chatmaild:\n  Installed: 0.2.0\n  Candidate: 1:0.3.0~rc1\n  Version table:\n     1:0.3.0~rc1 500\n        500 https://apt.example.org trixie/main amd64 Packages\n *** 0.2.0 100\n        100 /var/lib/dpkg/status\n",
			want: Versions{"0.2.0", "1:0.3.0~rc1"}},
		{out: "chatmaild:\n  Installed: (none)\n  Candidate: 0.2.0\n  Version table:\n     0.2.0 500\n", want: Versions{"", "0.2.0"}},
		{out: "", want: Versions{}}, // no archive has it
		{err: fmt.Errorf("apt-cache: %w", exec.ErrNotFound), want: Versions{}},
		{err: failed},
	} {
		h := Host{Command: func(context.Context, string, ...string) (string, error) { return tt.out, tt.err }}
		got, err := PackageVersions(t.Context(), h, "chatmaild")
		if got != tt.want || (err != nil) != (tt.err == failed) {
			t.Errorf("%q, %v: got %+v, %v", tt.out, tt.err, got, err)
		}
	}
}
