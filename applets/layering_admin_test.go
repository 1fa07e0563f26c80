package applets

// adminLayer is the layer of the admin commands: a package each, and what several of
// them share.
var adminLayer = []rule{
	{name: "applets/admin", ours: "applets/admin/archive applets/admin/bench applets/admin/converge applets/admin/dns applets/admin/firewall applets/admin/host applets/admin/initialize applets/admin/invite applets/admin/nocreate applets/admin/proxyconfig applets/admin/push applets/admin/qr applets/admin/queue applets/admin/relocation applets/admin/report applets/admin/selftest applets/admin/snapshot applets/admin/status applets/admin/takeover applets/admin/top applets/admin/user applets/admin/vault applets/admin/wanted applets/admin/webdev applets/command applets/config packaging/dovecot/dict push store/atomicfile", others: "golang.org/x/sys"},
	{name: "applets/admin/bench", ours: "applets/admin/remote applets/chat applets/command store/atomicfile"},
	{name: "applets/admin/converge", ours: "applets/acme/renewal applets/admin/dns applets/admin/dns/resolver applets/admin/host applets/admin/keyfiles applets/admin/qr applets/admin/relocation applets/admin/wait applets/admin/wanted applets/command applets/config applets/echobot/bot applets/keys auth"},
	{name: "applets/admin/dns", ours: "applets/admin/dns/resolver applets/admin/dns/zone applets/admin/host applets/admin/keyfiles applets/command applets/config applets/keys"},
	{name: "applets/admin/dns/resolver", ours: "applets/admin/dns/zone applets/dns", others: "golang.org/x/net"},
	{name: "applets/admin/firewall", ours: "applets/admin/nft applets/admin/wanted applets/command applets/config"},
	{name: "applets/admin/host", ours: "applets/admin/wanted store/safefs", others: "github.com/rogpeppe/go-internal golang.org/x/sys"},
	{name: "applets/admin/host/hosttest", ours: "applets/admin/host applets/admin/wanted"},
	{name: "applets/admin/initialize", ours: "applets/admin/qr applets/command applets/config packaging"},
	{name: "applets/admin/invite", ours: "applets/command applets/config packaging/www store/invites store/safefs"},
	{name: "applets/admin/keyfiles", ours: "applets/acme/renewal applets/admin/host applets/admin/wanted applets/command applets/config applets/echobot/bot applets/keys"},
	{name: "applets/admin/nocreate", ours: "applets/command"},
	{name: "applets/admin/proxyconfig", ours: "applets/admin/nft applets/admin/wanted applets/command"},
	{name: "applets/admin/push", ours: "applets/command packaging/dovecot/dict push"},
	{name: "applets/admin/qr", ours: "applets/command applets/config packaging/www packaging/www/qrcode"},
	{name: "applets/admin/queue", ours: "applets/admin/host applets/admin/wanted applets/command applets/config packaging/postfix/queue"},
	{name: "applets/admin/relocation", ours: "applets/admin/host applets/admin/snapshot applets/command applets/config store/atomicfile"},
	{name: "applets/admin/remote", ours: "applets/command applets/config"},
	{name: "applets/admin/report", ours: "applets/command store/atomicfile store/expire store/safefs"},
	{name: "applets/admin/selftest", ours: "applets/admin/dns/resolver applets/admin/dns/zone applets/admin/remote applets/chat applets/command mailfilter/dkim store/atomicfile", others: "github.com/emersion/go-msgauth"},
	{name: "applets/admin/snapshot", ours: "applets/admin/archive applets/config", others: "golang.org/x/sys"},
	{name: "applets/admin/status", ours: "applets/admin/converge applets/admin/host applets/admin/keyfiles applets/admin/relocation applets/admin/snapshot applets/admin/takeover/journal applets/admin/wanted applets/command applets/config applets/dns applets/echobot/session applets/keys packaging/postfix/queue"},
	{name: "applets/admin/takeover", ours: "applets/admin/converge applets/admin/dns applets/admin/dns/resolver applets/admin/host applets/admin/keyfiles applets/admin/takeover/journal applets/admin/takeover/pythonrelay applets/admin/wait applets/admin/wanted applets/chat applets/command applets/config applets/echobot/bot applets/keys auth packaging packaging/dovecot/dict push store/tokens"},
	{name: "applets/admin/top", ours: "applets/command applets/metric applets/service", others: "golang.org/x/sys"},
	{name: "applets/admin/user", ours: "applets/command applets/config auth packaging/dovecot/dict push store/maildir store/safefs"},
	{name: "applets/admin/webdev", ours: "applets/admin/wanted applets/command applets/config applets/service applets/web/signup packaging/www"},
	{name: "applets/command/commandtest", ours: "applets/command"},
}

// adminPure are those of their packages that touch neither the machine nor the network.
var adminPure = []rule{
	{name: "applets/admin/archive"},
	{name: "applets/admin/dns/zone"},

	{name: "applets/admin/nft"},
	{name: "applets/admin/takeover/journal"},
	{name: "applets/admin/takeover/pythonrelay", ours: "applets/config push"},
	{name: "applets/admin/vault", others: "github.com/ProtonMail/go-crypto"},
	{name: "applets/admin/wait"},
	{name: "applets/admin/wanted", ours: "applets/config mailfilter packaging packaging/www"},
}
