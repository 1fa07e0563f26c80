// Package roll is the roll of a relay's machines as one of them keeps it: which are open,
// draining or lost, and whether it may itself serve the mailboxes that it has.
//
// A machine that was away may have been given up meanwhile, and others may have its accounts.
// Its own copy of the directory does not know that until it has followed. So a machine
// serves no mailbox until it has been admitted: by the writer's word, or, without a writer, by so
// many others' copies that one of them must know if it is lost. From then on it follows
// its copy, and what the others say: one that was the writer, and was replaced, has another copy
// than they. That it was given up it notes at its mailboxes.
//
// A machine that has other mailboxes than those that it has registered, or none, has lost
// them: it is not admitted under its name.
package roll

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"chatmaild/store/directory"
	"chatmaild/store/directory/placement"
)

// Why a machine serves no mailbox.
var (
	ErrAlone = errors.New("no other machine has said yet that this one is not lost")
	ErrStore = errors.New("the mailboxes of this machine are not those that it had: it can only join under another name (chatmaild-cluster(7))")
	errLost  = errors.New("this machine is lost, by the operator's word: it can only join under another name (chatmaild-cluster(7))")
)

// List returns all known machines.
type List func(ctx context.Context) ([]directory.Machine, error)

// Roll is the roll as one machine keeps it. All fields are required, and do not change.
type Roll struct {
	Here    string
	Members []string // all machines of the relay that may get accounts, this one too
	// Copy is this machine's, Word the writer's, Others those of the other machines that confirm a
	// change of the directory, by name. No other copy may be counted: it may be too old to know who
	// is lost.
	Copy, Word List
	Others     map[string]List
	// Need is how many of the others must answer where the writer does not: one that has confirmed a
	// change is among any so many.
	Need    int
	Answers func(machine string) bool // whether a machine does
	// GivenUp reports whether it was noted that this machine is lost.
	GivenUp func() bool
	// Register notes what this machine has. Store is the id of its mailboxes: with make,
	// they get one if they have none.
	Register func(ctx context.Context, machine, store string, room int64) error
	Store    func(make bool) (string, error)
	Room     int64

	mu         sync.Mutex
	machines   map[string]directory.Machine
	admitted   bool
	registered bool
	fault      error
}

// every is how often the roll is looked at, and within is how long that may take.
const (
	every  = time.Second
	within = 3 * time.Second
)

// Run keeps the roll until ctx is done.
func (r *Roll) Run(ctx context.Context) {
	again := time.NewTicker(every)
	defer again.Stop()
	for {
		r.Look(ctx)
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// Look looks at the roll once.
func (r *Roll) Look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if all, err := r.Copy(ctx); err == nil {
		r.Note(all)
	} else {
		r.Note(nil)
	}
	if r.GivenUp() {
		r.lose()
	}
	if r.Admitted() == ErrAlone {
		r.seekAdmission(ctx)
	}
	r.register(ctx)
}

// Note remembers machines; without any, those that it knows. One that is lost stays so,
// whatever a copy that lags says.
func (r *Roll) Note(all []directory.Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.machines != nil && len(all) == 0 {
		return
	}
	now := make(map[string]directory.Machine, len(all))
	for _, m := range all {
		now[m.Name] = m
	}
	for name, m := range r.machines {
		if m.Standing == directory.Lost {
			now[name] = m
		}
	}
	r.machines = now
}

// seekAdmission asks whether this machine is lost, or its mailboxes are: the writer, or else
// the others, of whom the one counts that knows it.
func (r *Roll) seekAdmission(ctx context.Context) {
	all, err := r.Word(ctx)
	answers, need := 1, 1
	if err != nil {
		answers, need = 0, r.Need
		for _, list := range r.ask(ctx) {
			answers++
			all = append(all, list...)
		}
	}
	lost, store := false, ""
	for _, m := range all {
		if m.Name == r.Here {
			lost, store = lost || m.Standing == directory.Lost, max(store, m.Store)
		}
	}
	if lost {
		r.lose()
		return
	}
	have, err := r.Store(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	if answers < need || err != nil {
		return
	}
	if store != "" && store != have {
		r.fault = ErrStore
	}
	r.admitted = true
}

// lose notes that this machine is lost.
func (r *Roll) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.machines[r.Here] = directory.Machine{Name: r.Here, Standing: directory.Lost}
}

// ask asks all others at once. The word of one that is lost does not count, by this machine's copy
// or another one's word: it may have a copy that is too old, or be beside the relay with one of its own.
func (r *Roll) ask(ctx context.Context) (lists [][]directory.Machine) {
	answers, said := map[string][]directory.Machine{}, []directory.Machine(nil)
	var mu sync.Mutex
	var all sync.WaitGroup
	for name, other := range r.Others {
		if r.Lost(name) {
			continue
		}
		all.Go(func() {
			list, err := other(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answers[name], said = list, append(said, list...)
			}
		})
	}
	all.Wait()
	for name, list := range answers {
		if !isLost(said, name) {
			lists = append(lists, list)
		}
	}
	return lists
}

// isLost reports whether one of these machines is called so, and lost.
func isLost(all []directory.Machine, name string) bool {
	return slices.ContainsFunc(all, func(m directory.Machine) bool { return m.Name == name && m.Standing == directory.Lost })
}

// register notes which mailboxes are here, once, with an id if they have none.
func (r *Roll) register(ctx context.Context) {
	r.mu.Lock()
	skip := r.registered || !r.admitted || r.fault != nil
	r.mu.Unlock()
	if skip {
		return
	}
	store, err := r.Store(true)
	if err == nil {
		err = r.Register(ctx, r.Here, store, r.Room)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, directory.ErrChanged): // by the writer's word it has others
		r.fault = ErrStore
	case err == nil:
		r.registered = true
	}
}

// Admitted returns nil if this machine may serve the mailboxes that it has.
func (r *Roll) Admitted() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.machines[r.Here].Standing == directory.Lost:
		return errLost
	case !r.admitted:
		return ErrAlone
	}
	return r.fault
}

// Alive reports whether a machine answers.
func (r *Roll) Alive(machine string) bool { return r.Answers(machine) }

// Lost reports whether a machine is gone for good.
func (r *Roll) Lost(machine string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machines[machine].Standing == directory.Lost
}

// Draining reports whether the accounts of a machine are moved to others.
func (r *Roll) Draining(machine string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machines[machine].Standing == directory.Draining
}

// Place returns the name of the machine on which an account gets its home.
func (r *Roll) Place(address string) (string, error) {
	if r.Lost(r.Here) && !r.knownLost() {
		return "", errReplaced
	}
	return Places(r.Places()).Home(address)
}

// errReplaced says that no other machine would know what the writer creates.
var errReplaced = errors.New("this machine is lost, and the writer that it reaches does not know it: another one has replaced that")

// knownLost reports whether the writer knows that this machine is lost.
func (r *Roll) knownLost() bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	all, err := r.Word(ctx)
	return err == nil && isLost(all, r.Here)
}

// Places are the machines that get new accounts and answer.
func (r *Roll) Places() []directory.Machine {
	r.mu.Lock()
	defer r.mu.Unlock()
	var open []directory.Machine
	for _, name := range r.Members {
		m := r.machines[name]
		m.Name = name
		if (m.Standing == "" || m.Standing == directory.Open) && r.Answers(name) {
			open = append(open, m)
		}
	}
	return open
}

// Places are machines to place accounts on, by their room; all have the same unless that of
// each is known.
func Places(machines []directory.Machine) *placement.Machines { return placement.New(Rooms(machines)) }

// Rooms are the same machines with their room.
func Rooms(machines []directory.Machine) []placement.Machine {
	known := true
	for _, m := range machines {
		known = known && m.Room > 0
	}
	all := make([]placement.Machine, 0, len(machines))
	for _, m := range machines {
		room := 1.0
		if known {
			room = float64(m.Room)
		}
		all = append(all, placement.Machine{Name: m.Name, Room: room})
	}
	return all
}
