package debian

import (
	"context"
	"io"
)

// OpenDKIM is WebServers for OpenDKIM (2 MB): a second opinion on signatures, and what signs
// on a Python relay.
func OpenDKIM(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	return packages(ctx, w, suite, "OpenDKIM", []string{"opendkim"})
}

// DKIMPy is WebServers for dkimpy and Python: a third opinion on signatures.
func DKIMPy(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	return packages(ctx, w, suite, "dkimpy", []string{"python3-dkim"})
}
