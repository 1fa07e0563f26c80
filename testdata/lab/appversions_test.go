package lab

import (
	"fmt"
	"strings"
	"testing"
)

const appVersionsFile = "/etc/chatmail/appversions.json"

// appVersions has the operator announce a version of an app, which the real client reads.
// A later change counts without a run, unless it is broken: then status says so.
func (c *conversation) appVersions(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	script := func(lines string) (string, error) { return c.relay.Script(ctx, lines) }
	const run = "chatmaild run --skip-dns-check"
	text, err := c.relay.ReadFile(ctx, configFile)
	if err != nil {
		t.Fatal(err)
	}
	c.announce(t, "")
	writeFile(t, c.relay, configFile, 0o644, setKey(text, fmt.Sprintf("appversions_file = %q", appVersionsFile)))
	if _, err := script(run); err == nil || !strings.Contains(err.Error(), appVersionsFile+": it ends too early") {
		t.Errorf("run took a broken file: %v", err)
	}
	c.announce(t, appVersions("2.57.0"))
	if out, err := script(run); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The client asks once for each connection.
	dave := startProfile(t, c.lab, "dave", c.relay.SignUpQR())
	var source struct {
		VersionInteger             uint32
		VersionString, DownloadURL string
	}
	if err := dave.Until(ctx, "a version", func() (bool, error) {
		err := dave.Client.Call(ctx, &source, "get_app_version", "deltachat", "gplay")
		return source.VersionString != "", err
	}); err != nil {
		t.Fatal(err)
	}
	if source.VersionInteger != 754 || source.VersionString != "2.57.0" || source.DownloadURL != "https://apps.example/new.apk" {
		t.Errorf("the client was told %+v", source)
	}
	for _, now := range []struct{ text, announced, status string }{
		{appVersions("2.60.0"), "2.60.0", "announced: deltachat gplay 2.60.0"},
		{"{", "2.60.0", appVersionsFile + ": it ends too early"},
		{appVersions("2.62.0"), "2.62.0", "announced: deltachat gplay 2.62.0"},
	} {
		c.announce(t, now.text)
		untagged, err := c.login(t, c.alice).OK(`GETMETADATA "" (/shared/vendor/deltachat/appversions)`)
		if answer := strings.Join(untagged, "\n"); err != nil || !strings.Contains(answer, now.announced) {
			t.Errorf("after %s: GETMETADATA: %s, %v", now.text, answer, err)
		}
		if status, _ := script("chatmaild status || true"); !strings.Contains(status, now.status) {
			t.Errorf("after %s: status has no %q:\n%s", now.text, now.status, status)
		}
	}
}

// announce writes the operator's file.
func (c *conversation) announce(t *testing.T, text string) {
	t.Helper()
	writeFile(t, c.relay, appVersionsFile, 0o644, text)
}

func appVersions(version string) string {
	return fmt.Sprintf(`{"clients": [{"clientId": "deltachat", "sources": [
		{"sourceId": "gplay", "versionInteger": 754, "versionString": %q, "downloadUrl": "https://apps.example/new.apk"}]}]}`, version)
}
