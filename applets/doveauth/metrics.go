package doveauth

import (
	"strings"

	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/service/metric"
	"chatmaild/auth"
	"chatmaild/store/census"
	"chatmaild/store/disk"
	"chatmaild/store/expire"
	"chatmaild/store/nocreate"
)

// Metrics is what doveauth tells: logins, accounts, and the disk that the
// mailboxes are on.
type Metrics struct {
	login *metric.Histogram

	outcomes, refused         *metric.Values
	faults, created, deleted  *metric.Value
	accounts, ci, others      *metric.Value
	diskFree, diskSize        *metric.Value
	inodesFree, inodesTotal   *metric.Value
	newAccounts               *metric.Value
	lastRun, lastTook, faulty *metric.Value
	freed                     *metric.Value
	expired                   *metric.Values
	over, stillOver           *metric.Value
}

// labelOf makes a label's value of an outcome or a reason: its words are fit for
// that, but for the spaces and what people write between them.
func labelOf(words string) string {
	return strings.NewReplacer(" ", "_", "'", "").Replace(words)
}

// NewMetrics adds to set what doveauth tells.
func NewMetrics(set *metric.Set) *Metrics {
	outcome := metric.Label{Name: "outcome"}
	for _, o := range auth.Outcomes() {
		outcome.Values = append(outcome.Values, labelOf(string(o)))
	}
	reason := metric.Label{Name: "reason"}
	for _, r := range auth.Reasons() {
		reason.Values = append(reason.Values, labelOf(string(r)))
	}
	what := metric.Label{Name: "what"}
	for _, r := range expire.Reasons() {
		what.Values = append(what.Values, r.String())
	}
	return &Metrics{
		outcomes: set.Counter("chatmaild_logins_total", "Logins by their outcome", outcome),
		faults:   set.Counter("chatmaild_login_faults_total", "Logins that failed because of a fault of the relay").At(),
		login:    set.Histogram("chatmaild_login_seconds", "Time to answer a login", metric.Latency()).At(),

		accounts: set.Gauge("accounts", "Accounts").At(),
		ci:       set.Gauge("ci_accounts", "Accounts whose names begin with ci- or ac_, created by automatic tests").At(),
		others:   set.Gauge("nonci_accounts", "Accounts except those of automatic tests").At(),
		created:  set.Counter("chatmaild_accounts_created_total", "Accounts created by a first login").At(),
		deleted:  set.Counter("chatmaild_accounts_deleted_total", "Accounts deleted by expiry, an operator or their user").At(),
		refused:  set.Counter("chatmaild_accounts_refused_total", "Accounts that were refused, by reason", reason),
		newAccounts: set.Gauge("chatmaild_accounts_open",
			"1 while new accounts can be created; 0 while registration is closed or the nocreate file exists").At(),

		diskFree:    set.Gauge("chatmaild_disk_free_bytes", "Free space on the mailboxes' file system").At(),
		diskSize:    set.Gauge("chatmaild_disk_size_bytes", "Size of the mailboxes' file system").At(),
		inodesFree:  set.Gauge("chatmaild_disk_free_inodes", "Free inodes of the mailboxes' file system").At(),
		inodesTotal: set.Gauge("chatmaild_disk_inodes", "Inodes of the mailboxes' file system").At(),

		lastRun:  set.Gauge("chatmaild_expire_last_run_timestamp_seconds", "End of the last expiry run, as Unix time").At(),
		lastTook: set.Gauge("chatmaild_expire_duration_seconds", "Duration of the last expiry run").At(),
		expired:  set.Gauge("chatmaild_expire_deleted", "Messages or mailboxes deleted by the last expiry run", what),
		freed:    set.Gauge("chatmaild_expire_freed_bytes", "Bytes freed by the last expiry run").At(),
		faulty:   set.Gauge("chatmaild_expire_faults", "Errors of the last expiry run").At(),
		over: set.Gauge("chatmaild_expire_mailboxes_over",
			"Mailboxes above 70 % of max_mailbox_size that the last expiry run shrank").At(),
		stillOver: set.Gauge("chatmaild_expire_mailboxes_still_over",
			"Mailboxes still above 70 % of max_mailbox_size after that, because of mail of the last 24 hours").At(),
	}
}

// follow has the metrics read, before each scrape, what others count.
func (m *Metrics) follow(set *metric.Set, conf *config.Config, rules *policy.Policy, accounts *auth.Service, mailboxes *census.Census) {
	set.Before(func() {
		for _, o := range auth.Outcomes() {
			m.outcomes.At(labelOf(string(o))).Set(float64(accounts.Count(o)))
		}
		for _, r := range auth.Reasons() {
			m.refused.At(labelOf(string(r))).Set(float64(accounts.Refusals(r)))
		}
		m.faults.Set(float64(accounts.Faults()))
		m.created.Set(float64(accounts.Count(auth.Created)))
		m.count(mailboxes.Counts())
		m.open(conf, rules)
		m.disk(conf.MailboxesDir)
		m.expiry(conf)
	})
}

func (m *Metrics) count(c census.Counts) {
	if !c.Known {
		return
	}
	m.accounts.Set(float64(c.CI + c.Others))
	m.ci.Set(float64(c.CI))
	m.others.Set(float64(c.Others))
	m.deleted.Set(float64(c.Deleted))
}

func (m *Metrics) open(conf *config.Config, rules *policy.Policy) {
	if pulled, _ := nocreate.Pulled(conf.NocreateFile); pulled || rules.Current().Registration == auth.Closed {
		m.newAccounts.Set(0)
	} else {
		m.newAccounts.Set(1)
	}
}

func (m *Metrics) disk(dir string) {
	usage, err := disk.Of(dir)
	if err != nil {
		return
	}
	m.diskFree.Set(float64(usage.Free))
	m.diskSize.Set(float64(usage.Size))
	m.inodesFree.Set(float64(usage.FreeFiles))
	m.inodesTotal.Set(float64(usage.Files))
}

func (m *Metrics) expiry(conf *config.Config) {
	last, ok := expire.ReadRecord(expire.RecordFile(conf.ExpireDir()))
	if !ok {
		return
	}
	m.lastRun.Set(float64(last.Ended.Unix()))
	m.lastTook.Set(last.Seconds)
	m.freed.Set(float64(last.Freed))
	m.faulty.Set(float64(last.Faults))
	m.over.Set(float64(last.Over))
	m.stillOver.Set(float64(last.StillOver))
	for reason, tally := range last.Deleted {
		m.expired.At(reason).Set(float64(tally.Count))
	}
}
