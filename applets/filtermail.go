package applets

import "chatmaild/applets/command"

var filtermailOut = notBuilt("filtermail-out", command.Daemon, "passes encrypted mail of our users")
var filtermailIn = notBuilt("filtermail-in", command.Daemon, "passes encrypted mail from outside")
