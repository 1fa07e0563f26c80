package config

import (
	"slices"
	"strings"
	"testing"
)

func TestNotifyURL(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string
		err  string
	}{
		{"", []string{"https://notifications.delta.chat/notify"}, ""},
		{`notify_url = "https://a.test/n"`, []string{"https://a.test/n"}, ""},
		{`notify_url = ["https://a.test/n", "http://[::1]:80/n"]`, []string{"https://a.test/n", "http://[::1]:80/n"}, ""},
		{`notify_url = []`, nil, "want 1 to 8"},
		{`notify_url = ["https://a.test/n", ""]`, nil, "want a URL such as"},
		{`notify_url = "a.test"`, nil, "want a URL such as"},
		{`notify_url = ["https://a.test/n", 5]`, nil, "want a URL, or a list"},
		{`notify_url = true`, nil, "want a URL, or a list"},
		{`notify_url = [` + strings.Repeat(`"https://a.test/n",`, 9) + `]`, nil, "want 1 to 8"},
	} {
		c, err := Parse("chatmail.toml", "mail_domain = \"a.test\"\n"+tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), "chatmail.toml") {
				t.Errorf("%s: error %v, want %q", tc.text, err, tc.err)
			}
			continue
		}
		if err != nil || !slices.Equal(c.NotifyURL, tc.want) {
			t.Errorf("%s: %v, %v; want %q", tc.text, c, err, tc.want)
		}
	}
}
