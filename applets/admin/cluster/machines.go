package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/rehome"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/postfix/queue"
	"chatmaild/store/directory"
	"chatmaild/store/directory/placement"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/directory/roll"
	"chatmaild/store/safefs"
)

// fleet is what changes which machine has which accounts.
type fleet struct{ *cluster }

// asVmail does something with the directory, with the rights of the mailboxes' owner.
func (c fleet) asVmail(do func(rows *accounts.Directory) error) error {
	return safefs.As(c.conf.MailboxesDir, func() error {
		rows, err := accounts.Open(c.conf, nil)
		if err != nil {
			return err
		}
		defer rows.Close()
		return do(rows)
	})
}

// named returns the machine that is meant.
func (c fleet) named(name string) (config.Member, error) {
	all := config.Members(c.conf)
	if i := slices.IndexFunc(all, func(m config.Member) bool { return m.Name == name }); i >= 0 {
		return all[i], nil
	}
	return config.Member{}, command.Usagef("%q is not a machine of this relay: want one that [cluster] of %s names", name, config.DefaultPath)
}

// waits says what to do if the writer does not answer.
func waits(err error) error {
	return command.WithHint(fmt.Errorf("no machine is the writer of the directory: %w", err), "chatmaild cluster status")
}

// stand has a machine be something else to the others.
func (c fleet) stand(ctx context.Context, rows *accounts.Directory, name string, s directory.Standing) error {
	err := rows.Rows.Stand(ctx, name, s)
	switch {
	case errors.Is(err, directory.ErrChanged):
		return fmt.Errorf("machine %s is lost: it can only join under another name", name)
	case err != nil:
		return waits(err)
	}
	return nil
}

// drain empties a machine: it gets no new accounts, and its own move to the others. To resume
// one that was interrupted, run it again.
func (c fleet) drain(ctx context.Context, name string) error {
	m, err := c.named(name)
	if err != nil {
		return err
	}
	err = c.asVmail(func(rows *accounts.Directory) error {
		places, err := c.ready(ctx, rows, name)
		if err != nil {
			return err
		}
		if len(places) == 0 {
			return errors.New("there is no other machine that takes accounts")
		}
		if err := c.stand(ctx, rows, name, directory.Draining); err != nil {
			return err
		}
		fmt.Fprintf(c.env.Stdout, "machine %s gets no new accounts; to go back: chatmaild cluster open %s\n", name, name)
		fmt.Fprintf(c.env.Stdout, "remove its addresses from the A and AAAA records of %s\n", c.conf.MailDomain)
		return c.empty(ctx, rows, name, places)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.env.Stdout, "no mailbox is on machine %s any more\n", name)
	if err := c.emptyQueue(ctx, name); err != nil {
		return err
	}
	if state, err := c.ask(ctx, m); err == nil && state.Writer {
		fmt.Fprintf(c.env.Stdout, "it is the writer of the directory: stop its PostgreSQL, and run on another machine: chatmaild cluster promote\n")
	}
	_, err = fmt.Fprintf(c.env.Stdout, "once the records are out of all caches, run on the machine of the writer: chatmaild cluster remove %s; then switch it off\n", name)
	return err
}

// ready returns the machines that a machine's accounts can go to. All that take part in the moves
// answer.
func (c fleet) ready(ctx context.Context, rows *accounts.Directory, name string) ([]directory.Machine, error) {
	all, err := rows.Rows.MachinesWord(ctx)
	if err != nil {
		return nil, waits(err)
	}
	rows.Roll.Note(all)
	if err := rehome.Ready(ctx, c.conf, name); err != nil {
		return nil, err
	}
	var places []directory.Machine
	for _, m := range rows.Roll.Places() {
		if m.Name == name {
			continue
		}
		if err := rehome.Ready(ctx, c.conf, m.Name); err != nil {
			return nil, err
		}
		places = append(places, m)
	}
	return places, nil
}

// empty moves all accounts of a machine. Those that were placed on it meanwhile, by a
// machine that did not know yet, it finds in another round.
func (c fleet) empty(ctx context.Context, rows *accounts.Directory, name string, places []directory.Machine) error {
	chosen, last := roll.Places(places), time.Now()
	for round := 0; ; round++ {
		left, err := c.count(ctx, name)
		if err != nil || left == 0 && round > 0 {
			return err
		}
		next := housed(ctx, rows, name, func(addr string) (string, error) { return chosen.Home(addr) })
		done, err := c.moveAll(ctx, rows, left, next)
		if err != nil {
			return err
		}
		if done > 0 {
			last = time.Now()
			continue
		}
		// What is left moves already, as an earlier command had it.
		if time.Since(last) > stallTimeout {
			return command.WithHint(fmt.Errorf("%d mailboxes of machine %s do not move", left, name), "see there: journalctl -u chatmaild-porter")
		}
		select {
		case <-time.After(queueEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stallTimeout is after how long without a mailbox that moves a machine is not emptied any
// more.
const stallTimeout = time.Minute

// housed returns what to move of the accounts of a machine: all for which place says where
// to, which ends it with "".
func housed(ctx context.Context, rows *accounts.Directory, name string, place func(addr string) (string, error)) func() (rehome.Move, bool, error) {
	after, page := "", []postgres.Housed(nil)
	return func() (m rehome.Move, ok bool, err error) {
		for {
			if len(page) == 0 {
				if page, err = rows.Rows.Housed(ctx, name, after); err != nil || len(page) == 0 {
					return m, false, err
				}
			}
			account := page[0]
			page, after = page[1:], account.Address.String()
			if account.MovingTo != "" {
				continue // its porter resumes the move
			}
			to, err := place(after)
			return rehome.Move{Addr: account.Address, From: name, To: to, Row: account.Account}, err == nil && to != "", err
		}
	}
}

// moveAll moves what next returns, shows how far it is, and returns how many have moved.
func (c fleet) moveAll(ctx context.Context, rows *accounts.Directory, total int, next func() (rehome.Move, bool, error)) (done int, err error) {
	line, start, skipped := command.NewProgress(c.env.Stderr), time.Now(), 0
	err = rehome.Run(ctx, rehome.Rows{Copy: rows.Rows.Copy, Writer: rows.Rows.Writer}, c.pace, next, func(_ rehome.Move, err error) {
		if err != nil {
			skipped++
			return
		}
		done++
		rate := float64(done) / time.Since(start).Seconds()
		left := time.Duration(float64(max(total-done, 0)) / rate * float64(time.Second))
		line.Show("%d of %d mailboxes moved, %.0f a second, %s left", done, total, rate, left.Round(time.Second))
	})
	line.Clear()
	if done > 0 {
		fmt.Fprintf(c.env.Stdout, "%d mailboxes moved in %s\n", done, time.Since(start).Round(time.Second))
	}
	if skipped > 0 {
		fmt.Fprintf(c.env.Stdout, "%d were changed meanwhile, and are looked at again\n", skipped)
	}
	return done, err
}

// count counts the accounts of a machine.
func (c fleet) count(ctx context.Context, name string) (int, error) {
	homes, err := postgres.Homes(ctx, accounts.Copy(accounts.Role))
	return homes[name], err
}

// How long the queue of a machine that is drained may take, and how often it is looked at.
const (
	queueTimeout = 10 * time.Minute
	queueEvery   = time.Second
)

// emptyQueue waits until no mail waits on the machine: that can be seen there alone.
func (c fleet) emptyQueue(ctx context.Context, name string) error {
	if name != c.conf.Cluster.Name {
		_, err := fmt.Fprintf(c.env.Stdout, "before you switch it off, its queue must be empty; see there: chatmaild queue\n")
		return err
	}
	deadline, line := time.Now().Add(queueTimeout), command.NewProgress(c.env.Stderr)
	defer line.Clear()
	for {
		counts, err := queue.Look(ctx, func(queue.Waiting) {})
		waiting := 0
		for _, n := range counts {
			waiting += n.Messages
		}
		if err == nil && waiting == 0 {
			return nil
		}
		if err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%d messages wait in the queue of this machine", waiting)
		}
		if err != nil {
			return command.WithHint(err, "when it is empty, run the same command again; see: chatmaild queue")
		}
		line.Show("%d messages wait", waiting)
		select {
		case <-time.After(queueEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// open has a machine get accounts again.
func (c fleet) open(ctx context.Context, name string) error {
	if _, err := c.named(name); err != nil {
		return err
	}
	return c.asVmail(func(rows *accounts.Directory) error {
		if err := c.stand(ctx, rows, name, directory.Open); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.env.Stdout, "machine %s gets new accounts; to move others there: chatmaild cluster rebalance\n", name)
		return err
	})
}

// rebalance moves as few accounts as it takes for each machine to have its share.
func (c fleet) rebalance(ctx context.Context) error {
	return c.asVmail(func(rows *accounts.Directory) error {
		if _, err := c.ready(ctx, rows, c.conf.Cluster.Name); err != nil {
			return err
		}
		homes, err := postgres.Homes(ctx, accounts.Copy(accounts.Role))
		if err != nil {
			return err
		}
		plan := placement.Balance(homes, roll.Rooms(rows.Roll.Places()))
		if len(plan) == 0 {
			_, err := fmt.Fprintln(c.env.Stdout, "each machine has its share of the accounts")
			return err
		}
		for _, t := range plan {
			fmt.Fprintf(c.env.Stdout, "%d accounts move from machine %s to %s\n", t.Accounts, t.From, t.To)
			if c.dryRun {
				continue
			}
			left := t.Accounts
			next := housed(ctx, rows, t.From, func(string) (string, error) {
				if left--; left < 0 {
					return "", nil
				}
				return t.To, nil
			})
			if _, err := c.moveAll(ctx, rows, t.Accounts, next); err != nil {
				return err
			}
		}
		return nil
	})
}

// answers returns a port on which a machine accepts a connection, or 0. All are asked at once: one
// that is gone answers none of them.
func answers(ctx context.Context, m config.Member) int {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ports := []int{config.MemberWebPort, config.MemberIMAPPort, config.MemberSMTPPort, config.MemberPorterPort, config.MemberDirectoryPort}
	found := make(chan int, len(ports))
	for _, port := range ports {
		go func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(m.Addr.String(), strconv.Itoa(port)))
			if err != nil {
				found <- 0
				return
			}
			conn.Close()
			found <- port
		}()
	}
	for range ports {
		if port := <-found; port != 0 {
			return port
		}
	}
	return 0
}
