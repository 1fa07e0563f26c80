-- Tells the metadata daemon of each delivered message, so that it wakes the user's
-- devices and has the message written to the disk. Dovecot's push_notification_lua plugin
-- runs this, in LMTP alone: a message that a client itself appends over IMAP wakes nobody.
--
-- What happens: an entry of the user's INBOX is looked up, and Dovecot's mail_attribute_dict
-- carries that to the daemon. The name says no more than that there is a message, and
-- whether that is news. The daemon answers when the message is on the disk, and so does
-- Dovecot to Postfix. The user's clients do not wait: the message is there already. (To set
-- the entry would do as well, but Dovecot then writes that into the mailbox's index, too.)

-- The state of one delivery.
function dovecot_lua_notify_begin_txn(user)
  return { user = user, entry = nil }
end

-- A copy of what the user's own device sent is not news. That is known only if it was
-- sent through this relay. Through another one the user has another address, and
-- neither the envelope nor the header says that both are his: to this relay such a copy
-- is a message from a stranger. A guess, by what else the two relays have seen, would
-- some day let a phone sleep when there is news; the needless notification only wakes
-- it for nothing, and shows nothing.
function dovecot_lua_notify_event_message_new(delivery, event)
  if string.lower(event.from_address) ~= string.lower(delivery.user.username) then
    delivery.entry = "/private/messagenew"
  elseif delivery.entry == nil then
    delivery.entry = "/private/messageown"
  end
end

-- Without the daemon nobody is woken, but the message is delivered all the same. It gets
-- to the disk in the slow way then; Dovecot has logged the reason.
function dovecot_lua_notify_end_txn(delivery, success)
  if success and delivery.entry ~= nil then
    local inbox = delivery.user:mailbox("INBOX")
    inbox:open() -- or Dovecot 2.3.19 aborts
    local stored = pcall(inbox.metadata_get, inbox, delivery.entry)
    inbox:free()
    if not stored then
      os.execute("sync")
    end
  end
end
