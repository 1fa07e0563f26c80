package status

import (
	"strings"
	"testing"

	"chatmaild/applets/admin/host"
	"chatmaild/store/disk"
)

func TestJudgeDisk(t *testing.T) {
	const mega, giga = 1 << 20, 1 << 30
	needs := diskNeeds{queue: 50 * mega, accounts: giga}
	tests := []struct {
		name  string
		disk  disk.Usage
		needs diskNeeds
		level level
		words string
	}{
		{"much", disk.Usage{Free: 50 * giga, Size: 100 * giga}, needs, fine, "50.0 GiB free of 100.0 GiB (50 %)"},
		{"little", disk.Usage{Free: 9 * giga, Size: 100 * giga}, needs, notice, "(9 %)"},
		{"no accounts", disk.Usage{Free: giga - 1, Size: 2 * giga}, needs, trouble, "below min_free_disk_space"},
		{"no accounts any more, but mail", disk.Usage{Free: 50 * mega, Size: 2 * giga}, needs, trouble, "below min_free_disk_space"},
		{"no mail", disk.Usage{Free: 50*mega - 1, Size: 2 * giga}, needs, trouble, "Postfix, which refuses mail"},
		{"the mailboxes' alone, full", disk.Usage{Size: giga}, diskNeeds{accounts: 0}, trouble, "no room for mail"},
		{"no more files", disk.Usage{Free: 50 * giga, Size: 100 * giga, Files: 1000}, needs, trouble, "no more files"},
		{"the last file", disk.Usage{Free: 50 * giga, Size: 100 * giga, Files: 1000, FreeFiles: 1}, needs, fine, ""},
		{"btrfs counts no files", disk.Usage{Free: 50 * giga, Size: 100 * giga}, needs, fine, ""},
	}
	for _, tt := range tests {
		l, words, hint := judgeDisk(host.Disk{Usage: tt.disk}, tt.needs)
		if l != tt.level || !strings.Contains(words, tt.words) || (hint == "") != (l == fine) {
			t.Errorf("%s: got %v, %q, hint %q; want %v, %q", tt.name, l, words, hint, tt.level, tt.words)
		}
	}
}
