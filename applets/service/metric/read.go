package metric

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxText bounds what is read from one daemon, in bytes.
const maxText = 1 << 20

// Read reads families in Prometheus's text format, as [Set] and [Format.Write]
// write it: HELP and TYPE before the samples of each. It is for what our own
// daemons tell.
func Read(r io.Reader) ([]Family, error) {
	limited := &io.LimitedReader{R: r, N: maxText + 1}
	lines := bufio.NewScanner(limited)
	var all []Family
	var samples strings.Builder
	end := func() {
		if len(all) > 0 {
			all[len(all)-1].Samples = samples.String()
			samples.Reset()
		}
	}
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "":
		case strings.HasPrefix(line, "# HELP "):
			end()
			name, help, _ := strings.Cut(line[len("# HELP "):], " ")
			all = append(all, Family{Name: name, Help: unescapeHelp(help)})
		case strings.HasPrefix(line, "# TYPE "):
			name, kind, _ := strings.Cut(line[len("# TYPE "):], " ")
			if len(all) == 0 || all[len(all)-1].Name != name {
				return nil, fmt.Errorf("reading metrics: the type of %q comes without its help", name)
			}
			all[len(all)-1].Kind = Kind(kind)
		case line[0] == '#':
		case len(all) == 0 || !all[len(all)-1].owns(line):
			return nil, errors.New("reading metrics: a sample comes without its family")
		default:
			samples.WriteString(line + "\n")
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("reading metrics: more than %d bytes", maxText)
	}
	end()
	return all, nil
}

// owns reports whether a line is a sample of the family.
func (f *Family) owns(line string) bool {
	rest, ok := strings.CutPrefix(line, f.Name)
	return ok && rest != "" && strings.ContainsRune("_{ ", rune(rest[0]))
}

func unescapeHelp(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(text)
}

// Merge brings together the families of several daemons that have one name, in
// the order in which the names came first: what tells them apart is a label.
func Merge(parts ...[]Family) []Family {
	var all []Family
	place := map[string]int{}
	for _, part := range parts {
		for _, f := range part {
			i, ok := place[f.Name]
			if !ok {
				place[f.Name], all = len(all), append(all, f)
				continue
			}
			all[i].Samples += f.Samples
		}
	}
	return all
}
