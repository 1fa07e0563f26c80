package load

import (
	"context"
	"math/rand/v2"
	"time"

	"chatmaild/testdata/kit/letter"
)

// What people send: of a hundred messages so many, the others are texts to one person.
const (
	filesOf100 = 1
	// keysOf100 are texts to a group that also carry the members' keys to each other, as the
	// first ones do, and those after somebody has a new key.
	keysOf100   = 4
	groupsOf100 = 15

	// groupSize is how many others are in a group.
	groupSize = 5

	// copiesOfPost is how many copies one of them makes, on average.
	copiesOfPost = (filesOf100 + (keysOf100+groupsOf100)*groupSize + (100 - filesOf100 - keysOf100 - groupsOf100)) / 100.0

	keysSize = 9 << 10   // bytes
	fileSize = 200 << 10 // bytes

	// writers is how many people send what is larger than a text: it is made once for each.
	writers = 20
)

// larger are messages that are larger than a text.
type larger struct {
	from       *person
	file, keys *letter.Letter
}

// writeLarger makes the larger messages.
func writeLarger(people []*person) (all []larger, err error) {
	for _, p := range people[:min(writers, len(people))] {
		l := larger{from: p}
		if l.file, err = letter.New(p.Addr, p.Addr, letter.Noise(fileSize), time.Now()); err != nil {
			return nil, err
		}
		if l.keys, err = letter.New(p.Addr, p.Addr, letter.Noise(keysSize), time.Now()); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// post has somebody send something.
func (d *Load) post(ctx context.Context) {
	from := d.people[rand.IntN(len(d.people))]
	message, to, text := from.text, 1, true
	big := d.larger[rand.IntN(len(d.larger))]
	switch n := rand.IntN(100); {
	case n < filesOf100:
		from, message, text = big.from, big.file, false
	case n < filesOf100+keysOf100:
		from, message, to, text = big.from, big.keys, groupSize, false
	case n < filesOf100+keysOf100+groupsOf100:
		to = groupSize
	}
	id, content := message.Copy()
	from.send(ctx, others(d, from, to), id, content, text)
}

// others picks recipients, as many of whom are woken as the rates say.
func others(d *Load, from *person, n int) (to []string) {
	r := d.rates.Load()
	seen := map[*person]bool{from: true}
	for range min(n, len(d.people)/4) {
		wake := rand.Float64()*r.Messages < r.Pushes
		for {
			p := d.people[rand.IntN(len(d.people))]
			if p.wakeable() == wake && !seen[p] {
				seen[p] = true
				to = append(to, p.Addr)
				break
			}
		}
	}
	return to
}
