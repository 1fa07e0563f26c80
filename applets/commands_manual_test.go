package applets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"chatmaild/applets/command"
)

// The part of chatmaild(8) that is made from the table of commands stands between these.
const (
	commandsBegin = ".\\\" Made from the table of commands by: go test ./applets -run TestCommandsManual -update\n"
	commandsEnd   = ".\\\" End of what is made from the table of commands.\n"
)

// commandsIntro is what chatmaild(8) says of a kind of commands.
var commandsIntro = map[command.Kind]string{
	command.Admin: `.Ss Admin commands
Results go to standard output, everything else to standard error.
`,
	command.Daemon: `.Ss Daemons
They are started by
.Xr systemd 1 ,
which opens their sockets, as parts of
.Pa chatmaild.target .
On SIGTERM they accept no more, finish what they have accepted and end;
meanwhile the socket queues connections for the next one, so that a restart
loses nothing.
`,
	command.Oneshot: ".Ss Jobs\n",
}

// TestCommandsManual holds that chatmaild(8) says what help says.
func TestCommandsManual(t *testing.T) {
	path := filepath.Join(root, "packaging", "man", "chatmaild.8")
	page := read(t, "packaging", "man", "chatmaild.8")
	before, rest, found := strings.Cut(page, commandsBegin)
	_, after, closed := strings.Cut(rest, commandsEnd)
	if !found || !closed {
		t.Fatalf("%s lacks the lines between which the commands stand", path)
	}
	want := before + commandsBegin + commandsManual() + commandsEnd + after
	if *updateManual {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if page != want {
		t.Errorf("%s does not say what the table of commands does; once that is right: go test ./applets -run TestCommandsManual -update", path)
	}
}

func commandsManual() string {
	var b strings.Builder
	for _, kind := range []command.Kind{command.Admin, command.Daemon, command.Oneshot} {
		b.WriteString(commandsIntro[kind] + ".Bl -tag -width Ds\n")
		for _, c := range All() {
			if c.Kind == kind {
				b.WriteString(commandManual(&c))
			}
		}
		b.WriteString(".El\n")
	}
	return b.String()
}

func commandManual(c *command.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".It Cm %s%s\n", c.Name, argumentsManual(c.Args))
	b.WriteString(textManual(command.Sentence(c.Synopsis) + "."))
	for paragraph := range strings.SplitSeq(c.Description, "\n\n") {
		if paragraph != "" {
			b.WriteString(".Pp\n" + textManual(paragraph))
		}
	}
	var own strings.Builder
	for _, f := range c.Flags() {
		if f.Name == "config" || f.Name == "debug" {
			continue // every command's
		}
		value := ""
		if f.Value != "" {
			value = " Ar " + f.Value
		}
		fmt.Fprintf(&own, ".It Fl -%s%s\n%s", f.Name, value, textManual(flagSentence(f)))
	}
	if own.Len() > 0 {
		b.WriteString(".Bl -tag -width Ds\n" + own.String() + ".El\n")
	}
	if len(c.Examples) > 0 {
		b.WriteString(".Bd -literal -offset indent\n")
		for _, e := range c.Examples {
			fmt.Fprintf(&b, "# %s\nchatmaild %s\n", escapeManual(e[1]), escapeManual(e[0]))
		}
		b.WriteString(".Ed\n")
	}
	return b.String()
}

func flagSentence(f command.Flag) string {
	text := command.Sentence(f.Usage)
	if f.Default != "" {
		text += " (default " + f.Default + ")"
	}
	return text + "."
}

// argumentsManual writes "list [DOMAIN] | hold DOMAIN" in the words of mdoc(7).
func argumentsManual(args string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(args) {
		inner := strings.Trim(word, "[]")
		switch {
		case word == "|" || word == "...":
			b.WriteString(" " + word)
			continue
		case inner != word:
			b.WriteString(" Op")
		}
		macro := "Cm"
		if strings.ContainsFunc(inner, unicode.IsUpper) {
			macro = "Ar"
		}
		b.WriteString(" " + macro + " " + inner)
	}
	return b.String()
}

// manualColumns is how long a line of the manual's source may be.
const manualColumns = 79

// textManual begins a new line for each sentence, as mdoc(7) asks for, and where one is
// full.
func textManual(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			word = escapeManual(word)
		case column+1+len(word) > manualColumns:
			b.WriteByte('\n')
			column, word = 0, escapeManual(word)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
		if strings.HasSuffix(word, ".") {
			b.WriteByte('\n')
			column = 0
		}
	}
	return strings.TrimSuffix(b.String(), "\n") + "\n"
}

// escapeManual keeps what begins a line from being taken for a request.
func escapeManual(text string) string {
	text = strings.ReplaceAll(text, `\`, `\e`)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
