// Command chatmaild is a chatmail relay: all of its daemons, timers' jobs and
// admin commands in one binary. See package applets for how a name becomes one.
package main

import (
	"os"

	"chatmaild/applets"
)

func main() {
	os.Exit(applets.Main(os.Args, applets.OSEnv()))
}
