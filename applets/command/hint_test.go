package command

import "testing"

func TestWithoutSystemd(t *testing.T) {
	for hint, want := range map[string]string{
		"chatmaild run": "chatmaild run",
		"journalctl -u chatmaild-web.service -n 50":                                            `lines with "web:" in the container's log`,
		"journalctl -u nginx -u chatmaild-maillog -n 50":                                       `lines with "nginx:" or "log:" in the container's log`,
		"what does it refuse? journalctl -u 'chatmaild-filtermail-*' -n 50; then postqueue -f": `what does it refuse? lines with "filtermail-*:" in the container's log; then postqueue -f`,
		"journalctl -t chatmaild":                                                              `lines with "chatmaild:" in the container's log`,
		"is the daemon running, and are you root? (see: systemctl status chatmaild-metrics)":   "is the daemon running, and are you root? (see: chatmaild status)",
		"check: systemctl status":                                                              "check: chatmaild status",
		"stop the daemon first: systemctl stop chatmaild-web":                                  "stop the daemon first: chatmaild supervise stop chatmaild-web",
		"edit /etc/x, then: systemctl reload postfix":                                          "edit /etc/x, then: chatmaild supervise reload postfix",
	} {
		if got := withoutSystemd(hint); got != want {
			t.Errorf("%s:\n got %s\nwant %s", hint, got, want)
		}
	}
	if got := Hint("journalctl -u nginx -n 50"); got != "journalctl -u nginx -n 50" {
		t.Errorf("without supervise: got %s", got)
	}
}
