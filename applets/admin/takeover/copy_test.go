package takeover

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/config"
)

// TestImportFrom takes a copy of another machine's files.
func TestImportFrom(t *testing.T) {
	old, m := newOldRelay(t), newMachine(t)
	if err := os.Rename(old.Root, filepath.Join(m.Root, "copy")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds all there
		im, out := m.importer(options{from: "/copy"})
		if err := im.run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if len(m.Did) > 0 {
		t.Errorf("units were touched: %q", m.Did)
	}
	copied := host.Tree{Root: filepath.Join(m.Root, "copy")}
	for _, name := range []string{
		oldBoxes + "/a1@" + oldDomain + "/password", oldBoxes + "/a2@" + oldDomain + "/cur/1:2,S", "/etc/dkimkeys/opendkim.private",
	} {
		want, err := copied.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.read(name); got != string(want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		was, err1 := os.Stat(filepath.Join(copied.Root, name))
		is, err2 := os.Stat(filepath.Join(m.Root, name))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !was.ModTime().Equal(is.ModTime()) || was.Mode() != is.Mode() {
			t.Errorf("%s: time and mode are %v %v, want %v %v", name, is.ModTime(), is.Mode(), was.ModTime(), was.Mode())
		}
	}
	names, err := m.Names(oldBoxes)
	if err != nil || len(names) != 2 {
		t.Errorf("got the mailboxes %q, %v", names, err)
	}
	if _, err := config.Load(filepath.Join(m.Root, config.DefaultPath)); err != nil {
		t.Error(err)
	}
}

// TestImportFromLinks takes a pair that lies where certbot leaves it, behind links, and
// leaves one that is there.
func TestImportFromLinks(t *testing.T) {
	const live = "/etc/letsencrypt/live/" + oldDomain
	for name, there := range map[string]string{"nothing there": "", "another one there": "renewed here"} {
		t.Run(name, func(t *testing.T) {
			old, m := newOldRelay(t), newMachine(t)
			old.Write(pythonrelay.INI, oldINI+"tls_external_cert_and_key = "+live+"/fullchain.pem "+live+"/privkey.pem\n")
			old.Write(live+"/README", "links")
			for from, to := range map[string]string{pythonrelay.SelfSigned: "fullchain.pem", pythonrelay.SelfKey: "privkey.pem"} {
				old.Write("/etc/letsencrypt/archive/"+to, old.read(from))
				if err := old.Symlink("../../archive/"+to, live+"/"+to); err != nil {
					t.Fatal(err)
				}
			}
			want := old.read(pythonrelay.SelfKey)
			if err := os.Rename(old.Root, filepath.Join(m.Root, "copy")); err != nil {
				t.Fatal(err)
			}
			if there != "" {
				want = there
				m.Write(live+"/privkey.pem", there)
			}
			for range 2 {
				im, out := m.importer(options{from: "/copy"})
				if err := im.run(t.Context()); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			if got := m.read(live + "/privkey.pem"); got != want {
				t.Errorf("the key is %.40q, want %.40q", got, want)
			}
			if !m.IsFile(live + "/fullchain.pem") {
				t.Error("the certificate is not a file")
			}
		})
	}
}
