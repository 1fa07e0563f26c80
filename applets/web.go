package applets

import "chatmaild/applets/command"

var web = notBuilt("web", command.Daemon, "creates accounts over HTTP")
