// Command print writes the dashboard to standard output, when the Debian package is built.
package main

import (
	"fmt"
	"os"

	"chatmaild/packaging/grafana"
)

func main() {
	dashboard, err := grafana.Dashboard()
	if err == nil {
		_, err = fmt.Printf("%s\n", dashboard)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "print:", err)
		os.Exit(1)
	}
}
