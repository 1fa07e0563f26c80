package pgp

import "testing"

func TestKnownHeader(t *testing.T) {
	for _, tt := range []struct {
		line string
		want headerKind
	}{
		{"Version: GnuPG v2", versionHeader},
		{"Version: GnuPG v2.0.22 (GNU/Linux)", versionHeader},
		{"Version: GnuPG/MacGPG2 v2.2.41", versionHeader},
		{"Version: BCPG C# v1.8.5.0", versionHeader},
		{"Version: OpenPGP.js v4.10.10", versionHeader},
		{"Version: Mailvelope v4.4.1", versionHeader},
		{"Version: ProtonMail", versionHeader},
		{"Version: FlowCrypt 8.5.2 Gmail Encryption", versionHeader},
		{"Version: FlowCrypt Email Encryption 8.5.2", versionHeader},
		{"Version: Encryption Desktop 10.4.2 (Build 1298)", versionHeader},
		{"Comment: GPGTools - https://gpgtools.org", commentHeader},
		{"Charset: utf-8", charsetHeader},
		{"Passphrase-Format: numeric9x4", passphraseFormat},
		{"Passphrase-Begin: 17", passphraseBegin},

		{line: "Version: Meet me at the old mill"},
		{line: "Version: GnuPG meet me at the old mill"},
		{line: "Version: GnuPG v2 meet me"},
		{line: "Version: GnuPG v2 (meet me)"},
		{line: "Version: GnuPG vmeetme"},
		{line: "Version: GnuPGmeetme"},
		{line: "Version: GnuPG "},
		{line: "Version: GnuPG v12345678901234567"},
		{line: "Version:GnuPG v2"},
		{line: "version: GnuPG v2"},
		{line: "Version: =?utf-8?q?GnuPG?="},
		{line: "Comment: Meet me at the old mill"},
		{line: "Comment: https://mailvelope.com meet me"},
		{line: "Charset: meet-me"},
		{line: "Passphrase-Begin: me"},
		{line: "Hash: SHA256"},
		{line: "MessageID: meetme"},
		{line: "Meet me"},
		{line: ": x"},
	} {
		if got := knownHeader([]byte(tt.line)); got != tt.want {
			t.Errorf("%q: got %d, want %d", tt.line, got, tt.want)
		}
	}
}
