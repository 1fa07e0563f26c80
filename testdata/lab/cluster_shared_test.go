package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

// stopped has new accounts stopped by one machine on all, and allowed by another.
func (c *several) stopped(t *testing.T) {
	newcomer := 20
	creates := func(at *Relay) error {
		newcomer++
		_, err := c.login(t, at, fmt.Sprintf("newco%04d@%s", newcomer, clusterDomain), clusterPassword)
		return err
	}
	if err := creates(c.machines[0]); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	sh(t, c.machines[1], "chatmaild nocreate on")
	for i, r := range c.machines {
		until(deadline(t, stepTimeout), t, "no new accounts at "+c.name(i), func() bool { return creates(r) != nil })
	}
	t.Logf("stopped everywhere after %v", time.Since(start).Round(100*time.Millisecond))
	sh(t, c.machines[2], "chatmaild nocreate off")
	for i, r := range c.machines {
		until(deadline(t, stepTimeout), t, "new accounts at "+c.name(i), func() bool { return creates(r) == nil })
	}
}

// held has a destination held by one machine on all, and released by another.
func (c *several) held(t *testing.T) {
	sh(t, c.machines[0], "chatmaild queue hold away.test")
	count := func(r *Relay) string {
		return strings.TrimSpace(sh(t, r, "grep -c ^away.test "+desired.TransportMap+" || true"))
	}
	for i, r := range c.machines {
		until(deadline(t, stepTimeout), t, c.name(i)+" to hold it", func() bool { return count(r) == "1" })
	}
	sh(t, c.machines[2], "chatmaild queue release away.test")
	for i, r := range c.machines {
		until(deadline(t, stepTimeout), t, c.name(i)+" to release it", func() bool { return count(r) == "0" })
	}
}

// invited makes an invite on one machine, which is used up at another, and is of no use at the
// third.
func (c *several) invited(t *testing.T) {
	registration := func(value string) {
		for _, r := range c.machines {
			sh(t, r, fmt.Sprintf("sed -i '/^registration *=/d; 1i registration = %q' %s && chatmaild run --skip-dns-check", value, configFile))
		}
	}
	registration("invite")
	defer registration("open")
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(sh(t, c.machines[0], "chatmaild invite create --json --uses 1")), &made); err != nil {
		t.Fatal(err)
	}
	email, password, err := c.invite(t, c.machines[1], made.Token)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range c.machines[1:] {
		if _, _, err := c.invite(t, r, made.Token); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("used up, and used at %s: %v", c.name(1+i), err)
		}
	}
	for i, r := range c.machines {
		if _, err := c.login(t, r, email, password); err != nil {
			t.Errorf("whom the invite let in, at %s: %v", c.name(i), err)
		}
	}
	if _, err := c.login(t, c.machines[2], "stranger1@"+clusterDomain, clusterPassword); err == nil {
		t.Error("a stranger is let in")
	}
}

// web is a browser that asks one machine.
func (c *several) web(at *Relay) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return c.outside.DialContext(ctx, network, net.JoinHostPort(at.IPv4.String(), "443"))
		},
		TLSClientConfig: network.Insecure(clusterDomain),
	}}
}

// invite asks a machine for an account.
func (c *several) invite(t *testing.T, at *Relay, token string) (email, password string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(deadline(t, stepTimeout), http.MethodPost, "https://"+clusterDomain+"/new?t="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.web(at).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", "", errors.New(res.Status)
	}
	var account struct{ Email, Password string }
	err = json.NewDecoder(res.Body).Decode(&account)
	return account.Email, account.Password, err
}

// bot looks for the one echo bot, which runs where its account is at home.
func (c *several) bot(t *testing.T) {
	home := c.home(t, c.machines[1], "echo@"+clusterDomain)
	for i, r := range c.machines {
		state := strings.TrimSpace(sh(t, r, "systemctl is-active chatmaild-echobot.service || true"))
		if (state == "active") != (home == c.name(i)) {
			t.Errorf("at home on %s; on %s it is %s", home, c.name(i), state)
		}
	}
	sh(t, c.machines[2], "chatmaild run --skip-dns-check && chatmaild status --json >/dev/null || true; ! systemctl is-active chatmaild-echobot.service")
}

// saved has the directory come back from a dump of a copy, which lacks nothing.
func (c *several) saved(t *testing.T) {
	writer := c.machines[1] // since promote
	dump := sh(t, c.machines[0], "chatmaild cluster dump")
	for _, addr := range c.members {
		if !strings.Contains(dump, addr+"\t") {
			t.Errorf("the dump lacks %s", addr)
		}
	}
	writeFile(t, writer, "/root/directory.sql", 0o600, dump)
	const newcomer = "newco9999@" + clusterDomain
	if _, err := c.login(t, writer, newcomer, clusterPassword); err != nil {
		t.Fatal(err)
	}
	contains(t, "load", sh(t, writer, "chatmaild cluster load </root/directory.sql && rm /root/directory.sql"), "0 rows were added")
}

// left has c leave: its accounts move, and the others forget it.
func (c *several) left(t *testing.T) {
	writer := c.machines[1]
	if out, err := writer.Script(deadline(t, stepTimeout), "chatmaild cluster remove c 2>&1"); err == nil || !strings.Contains(out, "cluster drain c") {
		t.Errorf("a machine with accounts is taken off the list: %v, %s", err, out)
	}
	sh(t, writer, "chatmaild cluster drain c && chatmaild cluster remove c")
	if err := c.machines[2].Kill(); err != nil {
		t.Fatal(err)
	}
	for i, r := range c.machines[:2] {
		until(deadline(t, stepTimeout), t, c.name(i)+" to forget c", func() bool {
			status := sh(t, r, "chatmaild cluster status --json")
			return strings.Count(status, `"address"`) == 2 && strings.Contains(status, `"advice": []`)
		})
	}
	for home, addr := range c.members {
		for i, r := range c.machines[:2] {
			until(deadline(t, stepTimeout), t, "the user who was at home on "+home+", at "+c.name(i), func() bool {
				_, err := c.login(t, r, addr, clusterPassword)
				return err == nil
			})
		}
	}
	if _, err := c.login(t, c.machines[0], "newco9998@"+clusterDomain, clusterPassword); err != nil {
		t.Errorf("a new account: %v", err)
	}
}

// TestClusterCertificate has two machines get one certificate: the authority looks at the one
// that did not order it.
func TestClusterCertificate(t *testing.T) {
	t.Parallel()
	p := newPlain(t)
	ctx := deadline(t, installTimeout)
	a := p.relay
	b := &Relay{Host: startHost(t, p.lab, "second"), Domain: plainDomain, lab: p.lab}
	diagnose(t, b)
	deb, err := debian.Deb()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.InstallDeb(ctx, deb); err != nil {
		t.Fatal(err)
	}
	if err := b.TrustRoot(ctx, "lab", p.authority.Root); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Relay{a, b} {
		installPackages(ctx, t, r.Host, debian.PostgreSQL)
	}
	if err := a.publishAddresses(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh(t, a, "chatmaild run --skip-dns-check")
	sh(t, a, fmt.Sprintf("chatmaild cluster init --name a --address %v", a.IPv4))
	introduce(t, b, a)
	sh(t, b, "chatmaild join --name b root@"+a.Name)
	serial := func(r *Relay) string {
		return sh(t, r, "openssl x509 -noout -issuer -serial -in "+liveDir+"fullchain.pem")
	}
	first := serial(a)
	until(deadline(t, stepTimeout), t, "b to have the certificate of a", func() bool { return serial(b) == first && strings.Contains(first, "Pebble") })
	// From now on the name leads to b alone, and a orders another one, as if it had none.
	if err := b.TakeName(plainDomain); err != nil {
		t.Fatal(err)
	}
	sh(t, a, "runuser -u postgres -- psql -q -d chatmaild -c 'DELETE FROM certificates'; rm "+liveDir+"fullchain.pem; chatmaild run --skip-dns-check")
	until(deadline(t, stepTimeout), t, "another certificate at a", func() bool { return serial(a) != first })
	until(deadline(t, stepTimeout), t, "the same at b", func() bool { return serial(b) == serial(a) })
	if log := sh(t, b, "journalctl -u chatmaild-acme --output=cat"); strings.Contains(log, "new certificate") {
		t.Errorf("b has ordered one, too: %s", log)
	}
}

// TestClusterWireGuard has two machines make their network themselves. The kernel here has no
// WireGuard: as for TestTunnel, it is wireguard-go that wg-quick takes then.
func TestClusterWireGuard(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}}
	var deb string
	c.lab, deb = newLab(t)
	ctx := deadline(t, installTimeout)
	for i := range 2 {
		host, err := startTunnelHost(ctx, t, c.lab, "m"+c.name(i))
		if err != nil {
			t.Fatal(err)
		}
		r := &Relay{Host: host, Domain: clusterDomain, lab: c.lab}
		diagnose(t, r)
		c.machines = append(c.machines, r)
		if err := r.InstallDeb(ctx, deb); err != nil {
			t.Fatal(err)
		}
		installPackages(ctx, t, host, debian.PostgreSQL)
	}
	a, b := c.machines[0], c.machines[1]
	if err := a.publishAddresses(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.configure(ctx, nil); err != nil {
		t.Fatal(err)
	}
	sh(t, a, fmt.Sprintf("chatmaild run --skip-dns-check && chatmaild cluster init --name a --wireguard --endpoint %v", a.IPv4))
	introduce(t, b, a)
	sh(t, b, fmt.Sprintf("chatmaild join --name b --endpoint %v root@%s", b.IPv4, a.Name))
	c.outside = addStation(t, c.lab, "outside")
	for i := 0; len(c.members) < 2; i++ {
		if i == 40 {
			t.Fatalf("40 accounts are at home on %v alone", c.members)
		}
		addr := fmt.Sprintf("member%03d@%s", i, clusterDomain)
		until(deadline(t, stepTimeout), t, "an account", func() bool {
			_, err := c.login(t, c.machines[i%2], addr, clusterPassword)
			return err == nil
		})
		c.members[c.home(t, c.machines[i%2], addr)] = addr
	}
	for home, addr := range c.members {
		for _, r := range c.machines {
			session, err := c.login(t, r, addr, clusterPassword)
			if err != nil {
				t.Fatalf("home %s: %v", home, err)
			}
			if _, err := session.Select(); err != nil {
				t.Errorf("home %s: %v", home, err)
			}
		}
	}
	c.send(t, a, c.members["a"], c.members["b"])
	c.arrives(t, a, c.members["b"], 1)
	for _, r := range c.machines {
		contains(t, "wg show", sh(t, r, "wg show chatmail-mesh"), "latest handshake")
		contains(t, "members", sh(t, r, "cat "+configFile), "a 10.177.44.1", "b 10.177.44.2")
	}
}
