package applets

import "chatmaild/applets/command"

var metadata = notBuilt("metadata", command.Daemon, "keeps IMAP METADATA and sends push notifications")
