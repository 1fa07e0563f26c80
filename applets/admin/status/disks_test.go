package status

import (
	"strings"
	"testing"

	"chatmaild/applets/admin/host"
)

func TestJudgeDisk(t *testing.T) {
	const mega, giga = 1 << 20, 1 << 30
	needs := diskNeeds{queue: 50 * mega, accounts: giga}
	tests := []struct {
		name  string
		disk  host.Disk
		needs diskNeeds
		level level
		words string
	}{
		{"much", host.Disk{Free: 50 * giga, Size: 100 * giga}, needs, fine, "50.0 GB free of 100.0 GB (50 %)"},
		{"little", host.Disk{Free: 9 * giga, Size: 100 * giga}, needs, notice, "(9 %)"},
		{"no accounts", host.Disk{Free: giga - 1, Size: 2 * giga}, needs, trouble, "below min_free_disk_space"},
		{"no accounts any more, but mail", host.Disk{Free: 50 * mega, Size: 2 * giga}, needs, trouble, "below min_free_disk_space"},
		{"no mail", host.Disk{Free: 50*mega - 1, Size: 2 * giga}, needs, trouble, "Postfix, which refuses mail"},
		{"the mailboxes' alone, full", host.Disk{Size: giga}, diskNeeds{accounts: 0}, trouble, "mail waits for room"},
		{"no more files", host.Disk{Free: 50 * giga, Size: 100 * giga, Files: 1000}, needs, trouble, "not one more file"},
		{"the last file", host.Disk{Free: 50 * giga, Size: 100 * giga, Files: 1000, FreeFiles: 1}, needs, fine, ""},
		{"btrfs counts no files", host.Disk{Free: 50 * giga, Size: 100 * giga}, needs, fine, ""},
	}
	for _, tt := range tests {
		l, words, hint := judgeDisk(tt.disk, tt.needs)
		if l != tt.level || !strings.Contains(words, tt.words) || (hint == "") != (l == fine) {
			t.Errorf("%s: got %v, %q, hint %q; want %v, %q", tt.name, l, words, hint, tt.level, tt.words)
		}
	}
}
