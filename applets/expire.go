package applets

import "chatmaild/applets/command"

var expire = notBuilt("expire", command.Oneshot, "deletes old messages and the mailboxes of inactive users")
var quotaExpire = notBuilt("quota-expire", command.Oneshot, "deletes the oldest messages of one full mailbox")
