package expire

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"chatmaild/store/maildir"
	"chatmaild/testdata/kit/dovecottest"
)

// config23 and config24 are a Dovecot that any password opens. Its mailboxes are a store.
const config23 = `
base_dir = {{.Base}}/run
state_dir = {{.Base}}/run
log_path = {{.Base}}/log
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid={{.User}} gid={{.Group}} home={{.Base}}/mail/%u allow_all_users=yes
}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~
mail_plugins = zlib quota
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
namespace inbox {
  inbox = yes
}
plugin {
  zlib_save = gz
  quota = maildir:User quota
  quota_rule = *:storage=500M
  quota_grace = 0
}
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = {{.Port}}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`

const config24 = `
base_dir = {{.Base}}/run
state_dir = {{.Base}}/run
log_path = {{.Base}}/log
protocols {
  imap = yes
  lmtp = yes
}
ssl = no
auth_allow_cleartext = yes
passdb static {
  fields {
    nopassword = yes
  }
}
userdb static {
  userdb_static_allow_all_users = yes
  fields {
    uid = {{.User}}
    gid = {{.Group}}
    home = {{.Base}}/mail/%{user}
  }
}
first_valid_uid = 1
first_valid_gid = 1
mail_driver = maildir
mail_path = ~
mail_plugins {
  mail_compress = yes
  quota = yes
}
protocol imap {
  mail_plugins {
    imap_quota = yes
  }
}
namespace inbox {
  inbox = yes
}
mail_compress_write_method = gz
quota "User quota" {
  driver = maildir
  storage_size = 500M
}
service imap-login {
  inet_listener imap {
    listen = 127.0.0.1
    port = {{.Port}}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`

// dovecot is a running one.
type dovecot struct {
	testStore
	base string
	addr string
}

// vmail owns the mailboxes of the tests; any user that is not root will do.
const vmail = 65534

func startDovecot(t *testing.T) *dovecot {
	t.Helper()
	base, port := dovecottest.Dir(t), dovecottest.Port(t)
	d := &dovecot{testStore{t, filepath.Join(base, "mail"), ""}, base, fmt.Sprintf("127.0.0.1:%d", port)}
	d.must(os.Mkdir(d.dir, 0o755))
	d.must(os.Chown(d.dir, vmail, vmail))
	var conf strings.Builder
	text := template.Must(template.New("").Parse(dovecottest.Choose(t, config23, config24)))
	d.must(text.Execute(&conf, map[string]any{"Base": base, "User": vmail, "Group": vmail, "Port": port}))
	dovecottest.Start(t, base, conf.String())
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.addr); err == nil {
			c.Close()
			return d
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// quotaOf is what doveadm says, in bytes rounded to KiB, and messages.
func (d *dovecot) quotaOf(addr string) (kib, messages int64) {
	d.Helper()
	out, err := exec.Command("doveadm", "-c", filepath.Join(d.base, "dovecot.conf"), "-f", "tab", "quota", "get", "-u", addr).CombinedOutput()
	if err != nil {
		d.Fatalf("doveadm quota get: %v\n%s", err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		f := strings.Split(line, "\t")
		if len(f) < 3 {
			continue
		}
		n, _ := strconv.ParseInt(f[2], 10, 64)
		switch f[1] {
		case "STORAGE":
			kib = n
		case "MESSAGE":
			messages = n
		}
	}
	return kib, messages
}

// files counts the messages of addr as their names do.
func (d *dovecot) files(addr string) (size, messages int64) {
	d.Helper()
	for path := range d.all() {
		rest, ok := strings.CutPrefix(path, addr+"/")
		dir, file := filepath.Split(rest)
		if !ok || (!strings.HasSuffix(dir, "cur/") && !strings.HasSuffix(dir, "new/")) || file == "" {
			continue
		}
		size += maildir.ParseName([]byte(file)).Size
		messages++
	}
	return size, messages
}

// old puts a message into new as a delivery of 30 days ago did.
func (d *dovecot) old(addr string, n int) {
	text := fmt.Sprintf("From: old@x.test\nMessage-ID: <old-%d@x.test>\nSubject: %d\n\n%s\n", n, n, strings.Repeat("old mail\n", rand.IntN(200)))
	file := fmt.Sprintf("%d.M%06dP7.host,S=%d,W=%d", daysAgo(30), n, len(text), len(text)+strings.Count(text, "\n"))
	tmp := d.path(addr, "tmp", name(time.Now().Unix(), n, len(text)))
	d.must(os.WriteFile(tmp, []byte(text), 0o600))
	d.must(os.Chown(tmp, vmail, vmail))
	at := time.Unix(daysAgo(30), 0)
	d.must(os.Chtimes(tmp, at, at))
	d.must(os.Rename(tmp, d.path(addr, "new", file)))
}

// daysAgo counts from the real time, which is Dovecot's.
func daysAgo(days int) int64 { return time.Now().AddDate(0, 0, -days).Unix() }

// TestBesideDovecot: clients idle, fetch, upload and receive while expiry runs
// without a pause. Nothing that should stay is lost, UIDVALIDITY stays, no session
// hears of anything but messages being gone, and the quota is right after the next run
// (doc.go says why not at once).
func TestBesideDovecot(t *testing.T) {
	d := startDovecot(t)
	users := []string{"one@x.test", "two@x.test"}
	validity := map[string]string{}
	for _, u := range users {
		c := d.login(u)
		c.ok("CREATE Sent")
		for _, box := range []string{"INBOX", "Sent"} {
			validity[u+box] = c.selectBox(box)
		}
		c.ok("LOGOUT")
		d.file(u+"/password", daysAgo(1), 5)
	}

	var kept keptIDs
	stop := make(chan struct{})
	var wg sync.WaitGroup
	loop := func(do func(n int)) {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					do(n)
				}
			}
		})
	}
	olds := 0
	for i, u := range users {
		wg.Go(func() { d.idle(u, stop) })
		loop(func(n int) { d.fetch(u, []string{"INBOX", "Sent"}[n%2], validity, n) })
		loop(func(n int) { kept.add(u, d.deliver(u, i*1_000_000+n)) })
		loop(func(n int) { kept.add(u, d.append(u, n)) })
	}
	loop(func(n int) {
		for _, u := range users {
			d.old(u, n)
		}
		olds++
		time.Sleep(3 * time.Millisecond) // a disk full of files is no better test
	})
	runs, sum := 0, Summary{}
	timeout := time.After(time.Minute)
	for enough := false; !enough; {
		runs++
		sum.add(d.expireNow())
		enough = runs >= 200 && sum.Deleted[Old].Count >= 1000 && kept.len() >= 200
		select {
		case <-timeout:
			t.Errorf("after %d runs there are %d messages to keep, and %d deleted", runs, kept.len(), sum.Deleted[Old].Count)
			enough = true
		default:
		}
	}
	close(stop)
	wg.Wait()
	sum.add(d.expireNow())

	stored := 0
	for _, u := range users {
		c := d.login(u)
		have := map[string]bool{}
		for _, box := range []string{"INBOX", "Sent"} {
			if got := c.selectBox(box); got != validity[u+box] {
				t.Errorf("%s: UIDVALIDITY changed from %s to %s", box, validity[u+box], got)
			}
			for _, id := range messageID.FindAllString(c.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Message-ID)])"), -1) {
				have[id] = true
			}
		}
		c.ok("LOGOUT")
		for _, id := range kept.of(u) {
			stored++
			if !have[id] {
				t.Errorf("%s is lost", id)
			}
		}
		for id := range have {
			if strings.HasPrefix(id, "<old-") {
				t.Errorf("%s is still there", id)
			}
		}
		// A sum that Dovecot wrote while messages went may be too high, never too low.
		_, messages := d.files(u)
		if _, count := d.quotaOf(u); count < messages {
			t.Errorf("quota: doveadm says %d messages of %d", count, messages)
		}
		d.old(u, olds)
	}
	sum.add(d.expireNow())
	for _, u := range users {
		size, messages := d.files(u)
		if kib, count := d.quotaOf(u); kib != (size+1023)/1024 || count != messages {
			t.Errorf("quota: doveadm says %d KiB in %d messages, the files %d bytes in %d", kib, count, size, messages)
		}
	}
	text, err := os.ReadFile(filepath.Join(d.base, "log"))
	d.must(err)
	for _, line := range strings.Split(string(text), "\n") {
		if badLog.MatchString(line) {
			t.Errorf("Dovecot's log: %s", line)
		}
	}
	t.Logf("%d runs deleted %d of %d messages; %d stayed", runs, sum.Deleted[Old].Count, (olds+1)*len(users), stored)
}

var (
	messageID = regexp.MustCompile(`<[a-z]+-[0-9]+@x\.test>`)
	badLog    = regexp.MustCompile(`Panic|Fatal|Error|UIDVALIDITY|Broken|corrupt|reappeared`)
)

func (d *dovecot) expireNow() Summary {
	store, err := Open(d.dir)
	d.must(err)
	defer store.Close()
	var faults maildir.Faults
	plan := NewPlan(time.Now(), limits)
	r, err := store.Deleter(plan, &faults)
	d.must(err)
	defer r.Close()
	sum, err := store.Expire(d.Context(), plan, r, &maildir.Progress{}, &faults)
	d.must(err)
	if faults.Total() != 0 {
		d.Errorf("faults %+v", faults.Kinds())
	}
	return sum
}

// keptIDs are the Message-IDs that were accepted and have to stay.
type keptIDs struct {
	mu  sync.Mutex
	ids map[string][]string
}

func (k *keptIDs) add(user, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil {
		k.ids = map[string][]string{}
	}
	k.ids[user] = append(k.ids[user], id)
}

func (k *keptIDs) len() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, ids := range k.ids {
		n += len(ids)
	}
	return n
}

func (k *keptIDs) of(user string) []string { return k.ids[user] }
