package accounts

import "testing"

func TestPassword(t *testing.T) {
	for content, want := range map[string]string{
		string(PasswordFile("secret")): "secret", "*:*:*:*:secret": "secret",
		"": "", "*:*:*:*:\n": "", "10.7.0.1:*:*:*:secret\n": "", "secret\n": "",
	} {
		if got, err := Password([]byte(content)); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", content, got, err)
		}
	}
}
