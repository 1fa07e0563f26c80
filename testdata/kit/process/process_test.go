package process

import (
	"os"
	"testing"
	"time"
)

// TestSelf reads what this process takes, which is more after it has worked.
func TestSelf(t *testing.T) {
	pid := os.Getpid()
	before, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	for now := before; now < before+20*time.Millisecond; {
		if now, err = CPU(pid); err != nil {
			t.Fatal(err)
		}
	}
	pss, err1 := PSS(pid)
	peak, err2 := Peak(pid)
	if err1 != nil || err2 != nil || pss <= 0 || peak < pss {
		t.Errorf("PSS %v, %v; peak %v, %v", pss, err1, peak, err2)
	}
	switches, err := Switches(pid)
	if err != nil || switches == 0 {
		t.Errorf("%d switches, %v: want some, the test has waited for others", switches, err)
	}
	if _, err := PSS(-1); err == nil {
		t.Error("no error for no process")
	}
}
