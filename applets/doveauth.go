package applets

import "chatmaild/applets/command"

var doveauth = notBuilt("doveauth", command.Daemon, "tells Dovecot who may log in, and creates accounts")
