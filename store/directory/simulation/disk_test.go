package simulation

import (
	"context"

	"chatmaild/auth/mailaddr"
)

// box is the mail of an account: what was accepted for it, and how much of that is on the disk
// of each machine that has any.
type box struct {
	accepted uint16
	held     []held
}

type held struct {
	machine  uint8
	messages uint16
}

// on returns what is on a machine's disk.
func (b *box) on(machine int) uint16 {
	for _, h := range b.held {
		if int(h.machine) == machine {
			return h.messages
		}
	}
	return 0
}

// put has so much be there.
func (b *box) put(machine int, messages uint16) {
	for i := range b.held {
		if int(b.held[i].machine) != machine {
			continue
		}
		if b.held[i].messages = messages; messages == 0 {
			b.held = append(b.held[:i], b.held[i+1:]...)
		}
		return
	}
	if messages > 0 {
		b.held = append(b.held, held{uint8(machine), messages})
	}
}

// disk is that of a machine.
type disk struct{ m *machine }

// box returns what messages there are of a user; one who never got any has none, at home.
func (w *world) box(u user) *box {
	if w.mail[u] == nil {
		w.mail[u] = &box{}
	}
	return w.mail[u]
}

func (d disk) Close(_ context.Context, addr mailaddr.Address) error {
	if d.m.world.chance(300) {
		return errAway
	}
	if u := userOf(addr); d.m.world.open[u] == d.m {
		delete(d.m.world.open, u)
	}
	return nil
}

func (d disk) Reopen(context.Context, mailaddr.Address) error {
	if d.m.world.chance(300) {
		return errAway
	}
	return nil
}

func (d disk) Copy(_ context.Context, addr mailaddr.Address, to string) error {
	w, u := d.m.world, userOf(addr)
	other := w.machines[w.number(to)]
	if !reaches(d.m, other) || w.chance(300) || other.roll.Admitted() != nil {
		return errAway
	}
	if b := w.mail[u]; b != nil {
		b.put(other.number, b.on(d.m.number))
	}
	if w.chance(300) { // it was the answer that was lost
		return errAway
	}
	return nil
}

func (d disk) Remove(_ context.Context, addr mailaddr.Address) error {
	w, u := d.m.world, userOf(addr)
	if w.chance(300) {
		return errAway
	}
	if b := w.mail[u]; b != nil {
		b.put(d.m.number, 0)
	}
	return nil
}
