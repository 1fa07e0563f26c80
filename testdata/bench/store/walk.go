package main

import (
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// walkers is how many mailboxes the floor looks at at once.
const walkers = 4

// walk is the floor of whatever looks at each message: it lists the directories of
// each mailbox and asks for the attributes of each file, and that is all.
func walk(mail string) error {
	users, err := os.ReadDir(mail)
	if err != nil {
		return err
	}
	todo := make(chan string, walkers)
	errs := make([]error, walkers)
	var wg sync.WaitGroup
	for i := range walkers {
		wg.Go(func() {
			for user := range todo {
				for _, sub := range []string{"cur", "new", "tmp"} {
					if err := look(filepath.Join(mail, user, sub)); err != nil && errs[i] == nil {
						errs[i] = err
					}
				}
			}
		})
	}
	for _, u := range users {
		todo <- u.Name()
	}
	close(todo)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func look(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	for _, name := range names {
		if err := unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return nil
}
