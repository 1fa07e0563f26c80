package tokens

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// TestCopy copies a database again and again while it changes: each copy opens, and has
// what was acknowledged before.
func TestCopy(t *testing.T) {
	p := &people{boxes: map[string]string{}}
	const accounts = 40
	for i := range accounts {
		p.add(fmt.Sprintf("user%d@x.test", i))
	}
	db := open(t, filepath.Join(t.TempDir(), "metadata.db"), options(p))
	register := func(i int) {
		if err := db.Register(fmt.Sprintf("user%d@x.test", i), fmt.Sprintf("token%d", i), start); err != nil {
			t.Error(err)
		}
	}
	for i := range accounts / 2 {
		register(i)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for i := accounts / 2; i < accounts; i++ {
			register(i)
		}
	})
	for range 5 {
		path, err := db.Copy()
		if err != nil {
			t.Fatal(err)
		}
		copied, err := Open(path, options(p))
		if err != nil {
			t.Fatal(err)
		}
		for i := range accounts / 2 {
			if tokens, err := copied.Tokens(fmt.Sprintf("user%d@x.test", i)); err != nil || len(tokens) != 1 {
				t.Errorf("account %d in the copy: %v, %v", i, tokens, err)
			}
		}
		if err := copied.Close(); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
}
