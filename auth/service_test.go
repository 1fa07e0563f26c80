package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/auth/mailaddr"
)

const (
	alice = "alice@chat.example"
	right = "the right password"
)

func TestLifeOfAnAccount(t *testing.T) {
	f := newFixture()
	var outcomes []Outcome
	login := func(password string) Result {
		t.Helper()
		r := f.login(t, alice, password)
		outcomes = append(outcomes, r.Outcome)
		return r
	}
	if r := login(right); !r.OK() || r.Address != mustParse(t, alice) {
		t.Errorf("a first login is answered with %+v", r)
	}
	login(right)
	if r := login("a wrong password"); r.OK() {
		t.Errorf("a wrong password is answered with %+v", r)
	}
	addr := mustParse(t, alice)
	first := f.accounts.stored[addr]
	if !strings.HasPrefix(first, "{BLF-CRYPT}$2y$04$") || strings.Contains(first, right) {
		t.Errorf("stored is %q", first)
	}
	login("")
	f.accounts.set(addr, Block(first))
	login(right)
	f.accounts.set(addr, Unblock(Block(first)))
	login(right)
	other, err := Hash("another password", MinCost)
	if err != nil {
		t.Fatal(err)
	}
	f.accounts.set(addr, other)
	login(right)
	login("another password")
	f.verified = newMemory([]byte("the process was restarted"), 100)
	login("another password")
	delete(f.accounts.stored, addr)
	login("a third password")
	want := []Outcome{
		Created, Remembered, Wrong, Wrong, BlockedUser, Remembered, // a blocked account is not forgotten
		Wrong, Verified, Verified, Created,
	}
	if fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", outcomes, want)
	}
}

// TestRemembered asks only for what was verified before: nothing else is checked, made or
// counted.
func TestRemembered(t *testing.T) {
	f := newFixture()
	addr, err := mailaddr.Parse(alice, testDomain)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what, address, password string, want bool) {
		t.Helper()
		before := f.Count(Remembered)
		r, ok := f.Remembered(address, password)
		if ok != want || ok && (r.Outcome != Remembered || r.Address != addr) {
			t.Errorf("%s: got %+v, %t, want %t", what, r, ok, want)
		}
		if counted := f.Count(Remembered) > before; counted != want {
			t.Errorf("%s: counted: %t, want %t", what, counted, want)
		}
	}
	want("before the first login", alice, right, false)
	if f.accounts.created != 0 {
		t.Error("an account was made")
	}
	f.login(t, alice, right)
	want("after it", alice, right, true)
	want("in capitals", strings.ToUpper(alice), right, true)
	want("another password", alice, right+"x", false)
	want("no address", "x", right, false)
	stored := f.accounts.stored[addr]
	f.accounts.set(addr, Block(stored))
	want("blocked", alice, right, false)
	f.accounts.set(addr, "{BLF-CRYPT}changed")
	want("changed", alice, right, false)
	f.accounts.set(addr, stored)
	f.accounts.fault = errors.New("a disk that cannot be read")
	want("a fault", alice, right, false)
}

// shaStored is right as the Python relay stores it: crypt(3) made it.
const shaStored = "{SHA512-CRYPT}$6$salt$xzhdkYcFuSouzUTINFQaN/1icUiU1WA369hRD.D2.RYcY/BwDuVywykGQi6MV5Q0R4HzIvgwjjfHB3T7H/P6d0"

func TestStoredPasswords(t *testing.T) {
	long, _ := Hash(strings.Repeat("p", MaxPassword), MinCost)
	for _, tt := range []struct {
		name, stored, password string
		want                   Outcome
	}{
		{"the Python relay's", shaStored, right, Verified},
		{"the Python relay's, wrong", shaStored, "wrong", Wrong},
		{"SHA-256", "{SHA256-CRYPT}$5$salt$Z8MC5SvyCkNYHKJUgzn9uIQVL09YYE0PcueiF53Zgx6", right, Verified},
		{"rounds", "{crypt}$6$rounds=1000$salt$/r01DEqAVhc.SIFjMBqow/wFRh4Ga2fwNxFdn5zBHuSx38WFZvF3EAXXsKMXSunuIwbiApQ3ceat5EF118Omf/", right, Verified},
		{"another scheme", "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA", right, Damaged},
		{"in clear", "{PLAIN}" + right, right, Damaged},
		{"cut off SHA", "{SHA512-CRYPT}$6$salt$hash", right, Damaged},
		{"of another scheme", "{SHA256-CRYPT}$6$salt$hash", right, Damaged},
		{"too many rounds", strings.Replace(shaStored, "$6$", "$6$rounds=999999999$", 1), right, Damaged},
		{"bad rounds", strings.Replace(shaStored, "$6$", "$6$rounds=-1$", 1), right, Damaged},
		{"empty", "", right, Damaged},
		{"no scheme", "$6$salt$hash", right, Damaged},
		{"no hash", "{SHA512-CRYPT}", right, Damaged},
		{"no name", "{}hash", right, Damaged},
		{"two lines", "{PLAIN}a\n{PLAIN}b", right, Damaged},
		{"binary", "{PLAIN}\x00\xff", right, Damaged},
		{"huge", "{PLAIN}" + strings.Repeat("x", 600), right, Damaged},
		{"cut off", "{BLF-CRYPT}$2y$04$abc", right, Damaged},
		{"not bcrypt", "{BLF-CRYPT}" + strings.Repeat("x", 60), right, Damaged},
		{"too dear", "{BLF-CRYPT}$2y$31$" + strings.Repeat("a", 53), right, Damaged},
		{"blocked", "!{SHA512-CRYPT}$6$salt$hash", right, BlockedUser},
		{"bcrypt from doveadm pw", strings.Replace(long, "{BLF-CRYPT}", "{CRYPT}", 1), strings.Repeat("p", MaxPassword), Verified},
		{"72 bytes", long, strings.Repeat("p", MaxPassword), Verified},
		{"of 73 bytes, the 72 that count are right", long, strings.Repeat("p", MaxPassword+1), Wrong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture()
			f.accounts.set(mustParse(t, alice), tt.stored)
			r := f.login(t, alice, tt.password)
			if r.Outcome != tt.want {
				t.Fatalf("got %s (%v), want %s", r.Outcome, r.Damage, tt.want)
			}
			if r.OK() != (tt.want == Verified) {
				t.Errorf("got OK %t", r.OK())
			}
			if (r.Damage != nil) != (tt.want == Damaged) {
				t.Errorf("damage %v", r.Damage)
			}
		})
	}
}

// Every reason to refuse, and that nothing is made then.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name              string
		address, password string
		change            func(f *fixture)
		want              Reason
	}{
		{"closed", alice, right, func(f *fixture) { f.policy.Registration = Closed }, RegistrationClosed},
		{"without an invite", alice, right, func(f *fixture) { f.policy.Registration = Invite; f.policy.GrantKey = []byte("k") }, NotInvited},
		{"without a key", alice, right, func(f *fixture) { f.policy.Registration = Invite }, NotInvited},
		{"nocreate", alice, right, func(f *fixture) { f.machine.state.Forbidden = true }, NoCreate},
		{"load", alice, right, func(f *fixture) { f.machine.state.Load = 5.01 }, LoadTooHigh},
		{"memory", alice, right, func(f *fixture) { f.machine.state.Memory = 1<<20 - 1 }, MemoryTooLow},
		{"disk", alice, right, func(f *fixture) { f.machine.state.Disk = 1<<30 - 1 }, DiskTooFull},
		{"rate", alice, right, func(f *fixture) { f.rates.rate.relay = noon.Add(time.Minute) }, RelayRate},
		{"short name", "ab@chat.example", right, nil, NameLength},
		{"long name", "abcdefghij@chat.example", right, nil, NameLength},
		{"reserved name", "root@chat.example", right, nil, NameReserved},
		{"reserved by the operator", "owner@chat.example", right, nil, NameReserved},
		{"short password", alice, "12345678", nil, PasswordTooShort},
		{"long password", alice, strings.Repeat("p", 73), nil, PasswordTooLong},
		{"password of an automatic client", alice, strings.Repeat("p", 23), func(f *fixture) { f.policy.RefusedPasswordLengths = []int{22, 23} }, PasswordLength},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture()
			if tt.change != nil {
				tt.change(f)
			}
			r := f.login(t, tt.address, tt.password)
			if r.Outcome != Refused || r.Reason != tt.want || r.OK() {
				t.Errorf("got %s, %q; want refused, %q", r.Outcome, r.Reason, tt.want)
			}
			if f.accounts.created != 0 {
				t.Error("an account was made")
			}
			if f.Refusals(tt.want) != 1 || f.Count(Refused) != 1 || f.Count(Created) != 0 {
				t.Error("it was not counted")
			}
			if r.Reason.Message() == Reason("nothing").Message() {
				t.Errorf("no words for a person about %q", r.Reason)
			}
		})
	}
}

// The users there are keep working, whatever keeps new ones out.
func TestExistingUsersKeepWorking(t *testing.T) {
	f := newFixture()
	f.login(t, alice, right)
	f.policy.Registration = Closed
	f.machine.state = State{Load: 100, Forbidden: true}
	f.machine.err = errors.New("no /proc")
	f.rates.rate.relay = noon.Add(time.Hour)
	if r := f.login(t, alice, right); r.Outcome != Remembered {
		t.Errorf("got %s", r.Outcome)
	}
	if _, found, err := f.User(t.Context(), alice); !found || err != nil {
		t.Errorf("User: %t, %v", found, err)
	}
}

func TestNobody(t *testing.T) {
	f := newFixture()
	if r := f.login(t, "alice@other.example", right); r.Outcome != NotOurs || r.OK() {
		t.Errorf("a foreign address: %+v", r)
	}
	if r := f.login(t, alice, ""); r.Outcome != Refused || r.Reason != PasswordTooShort {
		t.Errorf("without a password: %+v", r)
	}
	for _, address := range []string{alice, "alice@other.example"} {
		if _, found, err := f.User(t.Context(), address); found || err != nil {
			t.Errorf("User(%q) = %t, %v", address, found, err)
		}
	}
	f.accounts.set(mustParse(t, alice), "")
	if _, found, err := f.User(t.Context(), alice); found || err != nil {
		t.Errorf("User with an empty password file = %t, %v", found, err)
	}
}

// A fault of ours is an error, never a verdict, and makes nothing.
func TestFaults(t *testing.T) {
	fault := errors.New("input/output error")
	for name, change := range map[string]func(f *fixture){
		"reading": func(f *fixture) { f.accounts.fault = fault },
		"writing": func(f *fixture) { f.accounts.full = fault },
		"machine": func(f *fixture) { f.machine.err = fault },
	} {
		f := newFixture()
		change(f)
		if r, err := f.Login(context.Background(), alice, right, netip.Addr{}); !errors.Is(err, fault) || r != (Result{}) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
		if f.accounts.created != 0 || f.Faults() != 1 {
			t.Errorf("%s: %d accounts were made, %d faults counted", name, f.accounts.created, f.Faults())
		}
	}
	f := newFixture()
	f.accounts.fault = fault
	if _, _, err := f.User(t.Context(), alice); !errors.Is(err, fault) {
		t.Errorf("User: %v", err)
	}
}

// Ten logins of one new address at once, with two passwords: one password wins,
// everybody with it is let in, everybody with the other is not.
func TestOneWinner(t *testing.T) {
	for range 5 {
		f := newFixture()
		var mu sync.Mutex
		let := map[string]int{}
		var all sync.WaitGroup
		for i := range 10 {
			password := fmt.Sprintf("password %d of two", i%2)
			all.Go(func() {
				r, err := f.Login(context.Background(), alice, password, netip.Addr{})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if r.OK() {
					let[password]++
				} else if r.Outcome != Wrong {
					t.Errorf("the loser's outcome is %s", r.Outcome)
				}
			})
		}
		all.Wait()
		if len(let) != 1 || f.accounts.created != 1 {
			t.Fatalf("let in: %v, accounts made: %d", let, f.accounts.created)
		}
		for password, n := range let {
			if n != 5 {
				t.Errorf("%d of 5 logins with %q were let in", n, password)
			}
		}
	}
}

// Another process makes the account while we hash the password.
func TestAnotherProcessWins(t *testing.T) {
	f := newFixture()
	other, err := Hash("another password", MinCost)
	if err != nil {
		t.Fatal(err)
	}
	f.Accounts = &overtaken{f.accounts, other}
	if r := f.login(t, alice, right); r.Outcome != Wrong {
		t.Errorf("got %s, want wrong", r.Outcome)
	}
	if r := f.login(t, alice, "another password"); r.Outcome != Verified {
		t.Errorf("got %s, want verified", r.Outcome)
	}
}

type overtaken struct {
	*fakeAccounts
	other string
}

func (m *overtaken) Create(ctx context.Context, addr mailaddr.Address, a Account) error {
	m.set(addr, m.other)
	return m.fakeAccounts.Create(ctx, addr, a)
}

// When all cores hash, a login that does not need one passes; one that does gives
// up with its context.
func TestStorm(t *testing.T) {
	f := newFixture()
	f.login(t, alice, right)
	f.workers <- struct{}{}
	f.workers <- struct{}{}
	if r := f.login(t, alice, right); r.Outcome != Remembered {
		t.Errorf("got %s, want remembered", r.Outcome)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Login(ctx, alice, "a wrong password", netip.Addr{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}
