package filtermail

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"chatmaild/applets/config"
)

// TestVerifier holds that nobody turns verification off without being told.
func TestVerifier(t *testing.T) {
	for _, on := range []bool{true, false} {
		var out bytes.Buffer
		conf := config.Defaults()
		conf.DKIMVerify = on
		v := verifier(conf, slog.New(slog.NewTextHandler(&out, nil)))
		if (v != nil) != on || strings.Contains(out.String(), "level=WARN") == on {
			t.Errorf("dkim_verify = %v: got a verifier: %v, and the log %q", on, v != nil, out.String())
		}
	}
	if !config.Defaults().DKIMVerify {
		t.Error("signatures are not verified by default")
	}
}
