package unit

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

type (
	duration = time.Duration
	fileMode = fs.FileMode
)

func list(of func(*Unit) *[]string) setter {
	return func(u *Unit, value string) error {
		*of(u) = fields(*of(u), value)
		return nil
	}
}

func text(of func(*Unit) *string) setter {
	return func(u *Unit, value string) error {
		if strings.ContainsAny(value, "%\"'") {
			return fmt.Errorf("specifiers and quotes are not supported")
		}
		*of(u) = value
		return nil
	}
}

func oneOf(of func(*Unit) *string, allowed ...string) setter {
	return func(u *Unit, value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("want one of %s", strings.Join(allowed, ", "))
		}
		*of(u) = value
		return nil
	}
}

func yes(of func(*Unit) *bool) setter {
	return func(u *Unit, value string) error {
		*of(u) = value == "yes" || value == "true"
		if !*of(u) && value != "no" && value != "false" {
			return fmt.Errorf("want yes or no")
		}
		return nil
	}
}

func number(of func(*Unit) *int) setter {
	return func(u *Unit, value string) (err error) {
		*of(u), err = strconv.Atoi(value)
		return err
	}
}

// span is a time span of systemd.time(7): seconds, or with a unit.
func span(of func(*Unit) *duration) setter {
	return func(u *Unit, value string) error {
		value = strings.Replace(value, "min", "m", 1)
		if _, err := strconv.Atoi(value); err == nil {
			value += "s"
		}
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return fmt.Errorf("want a time such as 90, 5min or 100ms")
		}
		*of(u) = d
		return nil
	}
}

func mode(of func(*Unit) *fileMode) setter {
	return func(u *Unit, value string) error {
		n, err := strconv.ParseUint(value, 8, 12)
		if err != nil {
			return err
		}
		*of(u) = fs.FileMode(n)
		return nil
	}
}

// size is a number of bytes: with K, M or G of 1024.
func size(of func(*Unit) *int) setter {
	return func(u *Unit, value string) error {
		factor := 1
		for i, suffix := range []string{"K", "M", "G"} {
			if digits, ok := strings.CutSuffix(value, suffix); ok {
				factor, value = 1<<(10*(i+1)), digits
			}
		}
		n, err := strconv.Atoi(value)
		*of(u) = n * factor
		return err
	}
}

// MainPID stands for the process ID of the service's main process.
const MainPID = "$MAINPID"

// commands are command lines, whose arguments may be in double quotes.
func commands(of func(*Unit) *[]Command) setter {
	return func(u *Unit, value string) error {
		if value == "" {
			*of(u) = nil
			return nil
		}
		var c Command
		for ; value != "" && strings.IndexByte("+-", value[0]) >= 0; value = value[1:] {
			c.Root = c.Root || value[0] == '+'
			c.Optional = c.Optional || value[0] == '-'
		}
		if strings.ContainsAny(strings.ReplaceAll(value, MainPID, ""), "'%$\\") {
			return fmt.Errorf("variables and specifiers are not supported, and quotes are double ones")
		}
		for i, part := range strings.Split(value, `"`) {
			if i%2 == 1 {
				c.Args = append(c.Args, part)
			} else {
				c.Args = append(c.Args, strings.Fields(part)...)
			}
		}
		if len(c.Args) == 0 || !path.IsAbs(c.Args[0]) {
			return fmt.Errorf("want an absolute path")
		}
		*of(u) = append(*of(u), c)
		return nil
	}
}

func condition(isDirectory bool) setter {
	return func(u *Unit, value string) error {
		if value == "" {
			u.Conditions = nil
			return nil
		}
		p, negated := strings.CutPrefix(value, "!")
		u.Conditions = append(u.Conditions, Condition{Path: p, Directory: isDirectory, Negated: negated})
		return nil
	}
}

func statuses(u *Unit, value string) error {
	for _, f := range strings.Fields(value) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return err
		}
		u.PreventRestart = append(u.PreventRestart, n)
	}
	return nil
}

func credential(u *Unit, value string) error {
	if value == "" {
		u.Credentials = nil
		return nil
	}
	name, from, ok := strings.Cut(value, ":")
	if !ok || !path.IsAbs(from) || path.Base(name) != name {
		return fmt.Errorf("want NAME:PATH")
	}
	u.Credentials = slices.DeleteFunc(u.Credentials, func(c Credential) bool { return c.Name == name })
	u.Credentials = append(u.Credentials, Credential{name, from})
	return nil
}

// directory is below /run. A second one replaces nothing, but there is none in our units.
func directory(u *Unit, value string) error {
	if value != "" && (u.RuntimeDir != "" || !fs.ValidPath(value)) {
		return fmt.Errorf("want one directory below /run")
	}
	u.RuntimeDir = value
	return nil
}

func capabilities(u *Unit, value string) error {
	u.Bounded = true
	if value == "" {
		u.Capabilities = nil
	}
	for _, f := range strings.Fields(value) {
		name, ok := strings.CutPrefix(f, "CAP_")
		if !ok {
			return fmt.Errorf("want names such as CAP_KILL")
		}
		u.Capabilities = append(u.Capabilities, strings.ToLower(name))
	}
	return nil
}

// listen is where a socket listens: at one place. An empty value takes back the one before.
func listen(datagram bool) setter {
	return func(u *Unit, value string) error {
		if value != "" && u.Listen != "" {
			return fmt.Errorf("a socket listens at one place, and this one already does at %s", u.Listen)
		}
		u.Listen, u.Datagram = value, datagram
		return nil
	}
}
