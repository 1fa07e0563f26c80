package lab

import (
	"context"
	"fmt"
	"time"

	"chatmaild/testdata/lab/core"
)

// crowdClients is over how many machines a crowd is spread: a relay may limit
// what it takes from one address.
const crowdClients = 4

// A Crowd is a group of an owner and some members, all of the same relay.
type Crowd struct {
	Relay   *Relay
	Owner   *core.Profile
	Members []*core.Profile
	Group   uint32 // the owner's chat
}

// StartCrowd signs up the members of a group. The owner learns their keys from
// vCards: so many QR codes would take minutes.
func (r *Relay) StartCrowd(ctx context.Context, owner *core.Profile, size int) (*Crowd, error) {
	c := &Crowd{Relay: r, Owner: owner, Members: make([]*core.Profile, size)}
	clients := make([]*core.Client, crowdClients)
	for i := range clients {
		var err error
		if clients[i], err = r.lab.StartClient(ctx, fmt.Sprintf("crowd%d", i)); err != nil {
			return nil, err
		}
	}
	errs := make(chan error, crowdClients)
	for i, client := range clients {
		go func() {
			for n := i; n < size; n += crowdClients {
				var err error
				if c.Members[n], err = client.SignUp(ctx, fmt.Sprintf("member%d", n), r.SignUpQR()); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	if err := owner.Call(ctx, &c.Group, "create_group_chat", "crowd", false); err != nil {
		return nil, err
	}
	const self = 1 // every profile's contact of itself
	for _, m := range c.Members {
		var card string
		if err := m.Call(ctx, &card, "make_vcard", []uint32{self}); err != nil {
			return nil, err
		}
		var contacts []uint32
		if err := owner.Call(ctx, &contacts, "import_vcard_contents", card); err != nil {
			return nil, err
		}
		if err := owner.Call(ctx, nil, "add_contact_to_chat", c.Group, contacts[0]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Say sends a text to the group and measures, for each member, how long it took
// into the mailbox and to the event. The first text carries everybody's keys
// to everybody, which keeps the cores busy for long; later ones show the relay.
func (c *Crowd) Say(ctx context.Context, text string) ([]Sample, error) {
	addrs := make([]string, len(c.Members))
	for i, m := range c.Members {
		addrs[i] = m.Addr
	}
	mail, err := c.Relay.WatchMail(addrs...)
	if err != nil {
		return nil, err
	}
	defer mail.Close()
	position := c.Owner.Position()
	start := time.Now()
	id, err := c.Owner.SendText(ctx, c.Group, text)
	if err != nil {
		return nil, err
	}
	accepted, err := c.Owner.Wait(ctx, position, core.MsgDelivered, func(e core.Event) bool { return e.MsgID == id })
	if err != nil {
		return nil, err
	}
	var samples []Sample
	for _, m := range c.Members {
		delivered, err := mail.After(ctx, m.Addr, start)
		if err != nil {
			return samples, fmt.Errorf("%s: %w", m.Name, err)
		}
		_, told, err := m.WaitText(ctx, text)
		if err != nil {
			return samples, err
		}
		samples = append(samples, Sample{
			Accepted: accepted.At.Sub(start), Delivered: delivered.Sub(start), Event: told.Sub(start),
		})
	}
	return samples, nil
}
