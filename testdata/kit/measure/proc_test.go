package measure

import (
	"os"
	"testing"
	"time"
)

// TestSelf reads what this process takes, which is more after it has worked.
func TestSelf(t *testing.T) {
	pid := os.Getpid()
	before, err := cpu(pid)
	if err != nil {
		t.Fatal(err)
	}
	for now := before; now < before+20*time.Millisecond; {
		if now, err = cpu(pid); err != nil {
			t.Fatal(err)
		}
	}
	pss, err1 := memory(pid, "smaps_rollup", "Pss:")
	peak, err2 := memory(pid, "status", "VmHWM:")
	if err1 != nil || err2 != nil || pss <= 0 || peak < pss {
		t.Errorf("PSS %v, %v; peak %v, %v", pss, err1, peak, err2)
	}
	n, err := switches(pid)
	if err != nil || n == 0 {
		t.Errorf("%d switches, %v: want some, the test has waited for others", n, err)
	}
	if _, err := memory(-1, "smaps_rollup", "Pss:"); err == nil {
		t.Error("no error for no process")
	}
}
