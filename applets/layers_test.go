package applets

// layer is a row of the house. Its packages import packages of the rows below, and
// those within their own directory; nothing beside them, and nothing above.
type layer struct {
	name   string
	pure   string // packages without files and network; they are told the time, and may set timers
	impure string // all others
}

// layers is the table of the house, from top to bottom. Domains are pure; adapters
// bring them to disk and network; they meet in the wiring.
var layers = []layer{
	{name: "main", impure: "main"},
	{name: "table of commands", impure: "applets"},
	{name: "list of admin commands", impure: "applets/admin"},
	{name: "commands made of run", impure: `applets/admin/status applets/admin/takeover`},
	{name: "run", impure: "applets/admin/converge"},
	{
		name: "wiring of daemons, jobs and commands",
		impure: `applets/acme applets/certificate applets/clock applets/doveauth applets/echobot applets/expire
			applets/filtermail applets/iroh applets/lastlogin applets/maillog applets/metadata applets/metrics applets/porter applets/queuewatch applets/supervise applets/transport applets/turn applets/web applets/websocket
			applets/admin/backup applets/admin/bench applets/admin/cluster applets/admin/dns applets/admin/firewall applets/admin/initialize applets/admin/invite applets/admin/join
			applets/admin/logs applets/admin/move applets/admin/nocreate applets/admin/proxyconfig applets/admin/push applets/admin/queue applets/admin/report applets/admin/restore
			applets/admin/selftest applets/admin/top applets/admin/user applets/admin/webdev packaging/grafana/print`,
	},
	{
		name: "what commands share",
		impure: `applets/admin/host/hosttest applets/admin/keyfiles applets/admin/qr applets/admin/rehome applets/admin/relocation
			applets/admin/membership applets/admin/remote applets/admin/ssh applets/admin/statedir applets/admin/transfer applets/command/commandtest`,
	},
	{name: "the machine", impure: "applets/accounts applets/admin/host applets/admin/transfer/snapshot applets/command applets/doveauth/member"},
	{
		name: "adapters of domains",
		impure: `applets/acme/renewal applets/lookup/authoritative applets/doveauth/policy applets/echobot/session applets/sharedlimit
			applets/web/signup mailfilter/proxy packaging/dovecot/authclient packaging/dovecot/authserver packaging/postfix/control push/gateway store/census store/expire store/tokens store/directory/files store/directory/home store/directory/postgres store/invites/invitestest applets/iroh/relay applets/transport/courier applets/turn/probe applets/turn/relay applets/websocket/bridge`,
		pure: "applets/admin/takeover/pythonrelay applets/admin/desired applets/queuewatch/retry store/directory/directorytest store/directory/move store/directory/roll store/directory/simulation",
	},
	{
		name: "stores, servers and protocols",
		impure: `applets/admin/wireguard applets/chat/chattest applets/iroh/peer applets/metrics/journal applets/lookup applets/maillog/control applets/service applets/supervise/control applets/supervise/port applets/supervise/process applets/transport/handback applets/transport/lmtp applets/transport/mxdeliv applets/transport/routes auth/machine packaging/archive packaging/dovecot/dict packaging/gpg/gpgtest
			packaging/postfix/queue packaging/postfix/socketmap packaging/release store/invites store/maildir`,
		pure: "packaging/dovecot/authproto store/directory",
	},
	{
		name:   "domains",
		impure: "applets/chat/mailbox",
		pure:   "applets/echobot/bot auth mailfilter packaging/dovecot packaging/postfix packaging/www push",
	},
	{
		name: "foundations",
		impure: `applets/admin/transfer/archive applets/chat/imap applets/config applets/keys applets/metadata/appversions applets/service/accept applets/service/packetinfo applets/service/proxyheader applets/service/retryafter applets/supervise/tmpfiles applets/transport/dial applets/transport/route applets/transport/signer applets/transport/smtpout applets/transport/spool
			mailfilter/proxy/queue packaging packaging/gpg packaging/peer packaging/sbom store/atomicfile store/maildir/parcel store/disk store/nocreate`,
		pure: `applets/admin/bench/plot packaging/grafana store/directory/placement applets/transport/health applets/transport/mtasts applets/turn/credential applets/turn/quiet applets/iroh/frame applets/maillog/pseudonym applets/supervise/unit applets/admin/dns/zone applets/admin/nft applets/admin/takeover/journal applets/admin/transfer/seal
			applets/admin/wait applets/chat applets/service/metric mailfilter/dkim mailfilter/mailtest mailfilter/pgp mailfilter/pgp/pgptest
			mailfilter/proxy/crowd mailfilter/ratelimit packaging/dovecot/tabline packaging/www/qrcode`,
	},
	{name: "system calls, programs, and the grammar of our addresses", impure: "packaging/program store/ids store/safefs", pure: "auth/mailaddr"},
}

// administering are the packages outside applets/admin that may import from there: the
// table of commands, and the jobs that systemd starts as root. A daemon, which takes what
// strangers send, has nothing to do with what changes the machine.
const administering = "applets applets/certificate applets/clock"

// modules says which packages import a module of others.
var modules = map[string]string{
	"github.com/BurntSushi/toml":      "applets/config",
	"github.com/ProtonMail/go-crypto": "applets/admin/transfer/seal applets/chat mailfilter/mailtest mailfilter/pgp/pgptest",
	"github.com/coder/websocket":      "applets/websocket/bridge",
	"github.com/coreos/go-systemd":    "applets/service",
	"github.com/emersion/go-imap":     "applets/chat/chattest applets/chat/mailbox",
	"github.com/emersion/go-message":  "applets/chat",
	"github.com/emersion/go-msgauth":  "applets/admin/selftest applets/transport/signer",
	"github.com/emersion/go-sasl":     "applets/chat/chattest applets/chat/mailbox",
	"github.com/emersion/go-smtp":     "applets/chat/chattest applets/chat/mailbox applets/echobot/session applets/transport/handback applets/transport/lmtp applets/transport/smtpout",
	"github.com/go-crypt/x":           "auth",
	"github.com/jackc/pgx":            "store/directory/postgres",
	"github.com/mholt/acmez":          "applets/acme/renewal",
	"github.com/miekg/dns":            "applets/acme/renewal applets/lookup applets/lookup/authoritative",
	"github.com/pion/logging":         "applets/turn/quiet",
	"github.com/pion/stun":            "applets/turn/probe",
	"github.com/pion/turn":            "applets/turn/probe applets/turn/relay",
	"github.com/rogpeppe/go-internal": "applets/admin/host",
	"github.com/yuin/goldmark":        "packaging/www",
	"go.etcd.io/bbolt":                "store/tokens",
	"golang.org/x/crypto":             "auth",
	"golang.org/x/net":                "applets/porter applets/service applets/transport/lmtp applets/turn/relay",
	"golang.org/x/sys": `applets/admin/host applets/admin/transfer/snapshot applets/admin/top applets/command applets/service/packetinfo applets/supervise applets/supervise/process
		applets/transport/dial applets/expire store/census store/disk store/expire store/invites store/maildir store/safefs store/tokens applets/turn/relay`,
	"golang.org/x/time": "applets/admin/rehome applets/iroh/relay applets/web/signup",
	"rsc.io/qr":         "packaging/www/qrcode",
}
