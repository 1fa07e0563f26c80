// Command store measures chatmaild on a store that it makes: the time, the CPU and
// the memory of dry runs, a report and the removal of half of all messages. Beside
// them is the floor, a bare parallel walk that looks at each file.
//
//	go run ./testdata/bench/store -chatmaild build/bin/chatmaild
//
// It needs 5 GB in -dir for the figures of the default size, and root to empty
// the disk's cache before a cold run.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

var (
	program   = flag.String("chatmaild", "build/bin/chatmaild", "the `program` to measure")
	parent    = flag.String("dir", os.TempDir(), "where to make the store")
	mailboxes = flag.Int("mailboxes", 10_000, "how many mailboxes")
	messages  = flag.Int("messages", 100, "how many messages in each")
	runs      = flag.Int("runs", 3, "how often what changes nothing is measured; the median counts")
)

func main() {
	floor := flag.String("walk", "", "internal: walk the store in this `directory`, and do no more")
	flag.Parse()
	run := bench
	if *floor != "" {
		run = func() error { return walk(*floor) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func bench() error {
	dir, err := os.MkdirTemp(*parent, "chatmaild-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mail := filepath.Join(dir, "mail")
	start := time.Now()
	if err := makeStore(mail); err != nil {
		return err
	}
	total := *mailboxes * *messages
	fmt.Printf("%d messages in %d mailboxes, made in %.0f s\n", total, *mailboxes, time.Since(start).Seconds())
	config := filepath.Join(dir, "chatmail.toml")
	text := fmt.Sprintf("mail_domain = \"bench.test\"\nmailboxes_dir = %q\nstate_dir = %q\n", mail, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}

	self, err := os.Executable()
	if err != nil {
		return err
	}
	chatmaild := func(args ...string) []string { return append([]string{*program}, append(args, "--config", config)...) }
	bare := []string{self, "-walk", mail}
	fmt.Println("                   seconds      CPU      MiB   messages/s")
	steps := []struct {
		name string
		cold bool
		runs int
		args []string
	}{
		{"floor, warm", false, *runs, bare},
		{"dry run, warm", false, *runs, chatmaild("expire", "--dry-run")},
		{"report, warm", false, *runs, chatmaild("report")},
		{"floor, cold", true, *runs, bare},
		{"dry run, cold", true, *runs, chatmaild("expire", "--dry-run")},
		{"remove half", false, 1, chatmaild("expire")},
	}
	for _, s := range steps {
		var all []usage
		for i := range s.runs + 1 {
			if i == 0 && (s.cold || s.runs == 1) {
				continue // nothing to warm up
			}
			if s.cold && !emptyCache() {
				break
			}
			u, err := measure(s.args)
			if err != nil {
				return err
			}
			if i > 0 {
				all = append(all, u)
			}
		}
		if len(all) == 0 {
			fmt.Printf("%-16s  needs root\n", s.name)
			continue
		}
		slices.SortFunc(all, func(a, b usage) int { return cmp.Compare(a.wall, b.wall) })
		u := all[len(all)/2]
		fmt.Printf("%-16s %9.2f %8.2f %8.1f %12.0f\n", s.name, u.wall.Seconds(), u.cpu.Seconds(), u.memory, float64(total)/u.wall.Seconds())
	}
	return nil
}

// usage is what one run took.
type usage struct {
	wall, cpu time.Duration
	memory    float64 // MiB, at most
}

func measure(args []string) (usage, error) {
	cmd := exec.Command(args[0], args[1:]...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%s", args[1], err, out)
	}
	state := cmd.ProcessState
	u := usage{wall: time.Since(start), cpu: state.UserTime() + state.SystemTime()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.memory = float64(r.Maxrss) / 1024
	}
	return u, nil
}

// emptyCache makes the kernel forget files, directories and inodes.
func emptyCache() bool {
	syscall.Sync()
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0) == nil
}
