package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"chatmaild/testdata/lab/debian"
)

// publicPorts are those that a relay opens to the world.
var publicPorts = []string{"25", "80", "143", "443", "465", "587", "993"}

// TestUpgrade upgrades a relay while real clients write to each other: they notice
// at most that they have to reconnect. A new version that cannot run here leaves
// the old one in place, and data that a newer one wrote is refused with words.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	u := startUnderway(t, "_relay.test")
	inTurn(t, u, []step[*underway]{
		{"next version", (*underway).nextVersion},
		{"a version that does not start", (*underway).brokenVersion},
		{"a version that refuses the configuration", (*underway).strictVersion},
		{"data of a newer version", (*underway).newerData},
	})
	u.stop()
	u.over.Wait()
	u.settle(t)
}

// repack makes a package of another version out of ours. The lines of sh change it
// in between; its directory is $1.
func (u *underway) repack(t *testing.T, version, lines string) string {
	t.Helper()
	deb, err := debian.Repack(deadline(t, stepTimeout), u.deb, t.TempDir(), version, lines)
	if err != nil {
		t.Fatal(err)
	}
	return deb
}

const (
	ourDaemons = "chatmaild-doveauth chatmaild-echobot chatmaild-filtermail-in chatmaild-filtermail-out chatmaild-lastlogin chatmaild-metadata chatmaild-web"
	daemonPIDs = "systemctl show --property=MainPID " + ourDaemons
	installed  = "dpkg-query -W -f '${Version} ${Status}' chatmaild"
)

func (u *underway) script(t *testing.T, lines string) string {
	t.Helper()
	return strings.TrimSpace(sh(t, u.relay, lines))
}

func (u *underway) nextVersion(t *testing.T) {
	next := u.repack(t, "9.0.0", `printf next >>"$1/usr/sbin/chatmaild"`)
	outside := addStation(t, u.lab, "outside")
	mail, err := u.relay.WatchMail(u.alice.Addr, u.bob.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Close()
	written, came := u.written(t, mail)
	knocker := startKnocking(t, outside, u.relay.Domain, publicPorts...)
	old := u.script(t, daemonPIDs)
	start := time.Now()
	if err := u.relay.InstallDeb(deadline(t, installTimeout), next); err != nil {
		t.Fatal(err)
	}
	t.Logf("installed in %v", time.Since(start).Round(100*time.Millisecond))
	t.Logf("text both ways %v after the upgrade", u.flows(t, time.Now()))
	if knocks, refused := knocker.end(); len(refused) > 0 {
		t.Errorf("%d of %d connections were refused: %s", len(refused), knocks, strings.Join(refused, "; "))
	} else {
		t.Logf("none of %d connections was refused", knocks)
	}
	if now := u.script(t, daemonPIDs); now == old {
		t.Errorf("the daemons are the same as before: %s", now)
	}
	if out := u.script(t, "for pid in $("+daemonPIDs+" --value); do tail -c 4 /proc/$pid/exe; echo; done | sort -u | grep ."); out != "next" {
		t.Errorf("what runs ends with %q, want the new version's next", out)
	}
	if got := u.script(t, installed); got != "9.0.0 install ok installed" {
		t.Errorf("dpkg says %q", got)
	}
	if out := u.script(t, "chatmaild run"); !strings.Contains(out, "nothing to do") {
		t.Errorf("run after the upgrade has something to do:\n%s", out)
	}
	// Not even a mail that the client would know for a double may come twice.
	writtenNow, cameNow := u.written(t, mail)
	if writtenNow-written != cameNow-came {
		t.Errorf("%d messages were written during the upgrade, and %d mails came:\n%s", writtenNow-written, cameNow-came, mail)
	}
	t.Logf("%d messages were written during the upgrade", writtenNow-written)
}

// refused tries to install a package that cannot run, and wants nothing to have
// changed.
func (u *underway) refused(t *testing.T, deb, words string) {
	t.Helper()
	const state = installed + "; echo; md5sum /usr/sbin/chatmaild; systemctl is-active " + ourDaemons
	before := u.script(t, state)
	res, err := u.relay.TryInstall(deadline(t, installTimeout), deb)
	if err != nil {
		t.Fatal(err)
	}
	if said := res.Stdout + res.Stderr; res.Code == 0 || !strings.Contains(said, words) {
		t.Errorf("apt: got exit status %d, want %q:\n%s", res.Code, words, said)
	}
	if after := u.script(t, state); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	t.Logf("text both ways %v after the refusal", u.flows(t, time.Now()))
}

func (u *underway) brokenVersion(t *testing.T) {
	u.refused(t, u.repack(t, "9.1.0", `printf '#!/bin/sh\nexit 1\n' >"$1/usr/sbin/chatmaild"`), "the old one keeps running")
}

func (u *underway) strictVersion(t *testing.T) {
	// The running daemons have read the configuration before, and are not restarted.
	u.script(t, "echo 'gone_in_the_next = 1' >> "+configFile)
	u.refused(t, u.repack(t, "9.2.0", ""), "gone_in_the_next")
	u.script(t, "sed -i /gone_in_the_next/d "+configFile)
}

// newerData has the metadata daemon find a database whose format it does not know.
func (u *underway) newerData(t *testing.T) {
	const database = "/var/lib/chatmaild/metadata/metadata.db"
	newer, err := newerDatabase(filepath.Join(t.TempDir(), "newer.db"))
	if err != nil {
		t.Fatal(err)
	}
	u.script(t, fmt.Sprintf("systemctl stop chatmaild-metadata.service; mv %[1]s %[1]s.kept", database))
	if err := u.relay.WriteFile(t.Context(), database, 0o600, bytes.NewReader(newer)); err != nil {
		t.Fatal(err)
	}
	u.script(t, fmt.Sprintf("chown --reference=%[1]s.kept %[1]s; systemctl start chatmaild-metadata.service || true", database))
	said := u.status(t, "WRONG  metadata")
	if journal := u.script(t, "journalctl --unit=chatmaild-metadata --lines=20 --output=cat"); !strings.Contains(journal, "a newer chatmaild wrote it") {
		t.Errorf("the journal lacks the reason: %s\n%s", journal, said)
	}
	u.script(t, fmt.Sprintf("mv %[1]s.kept %[1]s; systemctl reset-failed chatmaild-metadata.s*; systemctl start chatmaild-metadata.socket chatmaild-metadata.service", database))
	t.Logf("text both ways %v after the older data was back", u.flows(t, time.Now()))
}

// newerDatabase is one whose format has a number that nobody has written yet.
func newerDatabase(path string) ([]byte, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, bucket := range []string{"meta", "accounts", "queue"} {
			if _, err := tx.CreateBucket([]byte(bucket)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{0, 0, 0, 99})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// status waits until chatmaild status says some words, and returns all of it.
func (u *underway) status(t *testing.T, words ...string) (said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	for {
		res, err := u.relay.Exec(ctx, nil, "chatmaild", "status")
		if err != nil {
			t.Fatal(err)
		}
		said = res.Stdout + res.Stderr
		if len(lacking(said, words)) == 0 {
			return said
		}
		select {
		case <-ctx.Done():
			t.Fatalf("status does not say %q:\n%s", lacking(said, words), said)
		case <-time.After(processPoll):
		}
	}
}

func lacking(text string, words []string) (lacks []string) {
	for _, word := range words {
		if !strings.Contains(text, word) {
			lacks = append(lacks, word)
		}
	}
	return lacks
}
