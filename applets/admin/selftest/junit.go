package selftest

import (
	"encoding/xml"
	"fmt"
)

// The elements of JUnit's XML that every reader of it knows
// (github.com/testmoapp/junitxml).
type junitSuite struct {
	XMLName   xml.Name    `xml:"testsuite"`
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"` // seconds
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit writes a failure's advice into its text: CI systems show that beside the failed
// check.
func (r report) junit() ([]byte, error) {
	suite := junitSuite{
		Name: "chatmaild test " + r.Domain, Tests: len(r.Checks), Failures: r.Counts.Failed, Skipped: r.Counts.Skipped,
		Time: seconds(r.Milliseconds), Timestamp: r.Time.Format("2006-01-02T15:04:05"),
	}
	for _, c := range r.Checks {
		one := junitCase{Class: r.Domain + "." + string(c.Group), Name: c.Name, Time: seconds(c.Milliseconds)}
		switch c.State {
		case Failed:
			one.Failure = &junitMessage{c.Seen, fmt.Sprintf("wanted: %s\nto do: %s", c.Wanted, c.Advice)}
		case Skipped:
			one.Skipped = &junitMessage{Message: c.Seen}
		case Noted:
			one.Output = fmt.Sprintf("noted: %s\nwanted: %s\nto do: %s", c.Seen, c.Wanted, c.Advice)
		default:
			one.Output = c.Seen
		}
		suite.Cases = append(suite.Cases, one)
	}
	text, err := xml.MarshalIndent(suite, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

func seconds(milliseconds int64) string { return fmt.Sprintf("%.3f", float64(milliseconds)/1000) }
