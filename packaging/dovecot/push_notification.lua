-- Tells the metadata daemon of each delivered message, so that it wakes the user's
-- devices. Dovecot's push_notification_lua plugin runs this, in LMTP alone: a
-- message that a client itself appends over IMAP wakes nobody.
--
-- What happens: the entry /private/messagenew is set on the user's INBOX, and Dovecot's
-- mail_attribute_dict carries that to the daemon. It says no more than that there is
-- news. If it fails, Dovecot logs it, and the message is delivered all the same.

-- The state of one delivery.
function dovecot_lua_notify_begin_txn(user)
  return { user = user, news = false }
end

-- A copy of what the user's own device sent is not news. That is known only if it was
-- sent through this relay. Through another one the user has another address, and
-- neither the envelope nor the header says that both are his: to this relay such a copy
-- is a message from a stranger. A guess, by what else the two relays have seen, would
-- some day let a phone sleep when there is news; the needless notification only wakes
-- it for nothing, and shows nothing.
function dovecot_lua_notify_event_message_new(delivery, event)
  if string.lower(event.from_address) ~= string.lower(delivery.user.username) then
    delivery.news = true
  end
end

function dovecot_lua_notify_end_txn(delivery, success)
  if success and delivery.news then
    local inbox = delivery.user:mailbox("INBOX")
    inbox:open() -- or Dovecot 2.3.19 aborts
    inbox:metadata_set("/private/messagenew", "")
    inbox:free()
  end
end
