package applets

import "chatmaild/applets/command"

var lastlogin = notBuilt("lastlogin", command.Daemon, "notes the day of the last login")
