// Package chat is a small end-to-end client, as Delta Chat's core is a large
// one: it creates and reads the messages that clients send each other. It is what
// the echo bot talks with, and what `chatmaild test` and `chatmaild bench` prove
// a relay with.
//
//	key, err := chat.GenerateKey(addr, now)             // an account's key …
//	alice := &chat.Self{Addr: addr, Key: key}           // … and who writes
//	raw, err := alice.Encrypt(&chat.Message{Text: "hello", Date: now}, []*chat.Cert{bob.Key.Cert()})
//	message, err := bob.Open(raw, nil, nil)             // message.Text == "hello"
//
// Keys get to others by an invite link and the SecureJoin protocol: see
// [Inviter] and [Joiner]. What is sealed goes over the network with package
// mailbox:
//
//	server := mailbox.New("chat.example", &tls.Config{ServerName: "chat.example"})
//	inbox, err := server.OpenInbox(ctx, addr, password) // makes the account
//	outbox, err := server.OpenOutbox(ctx, addr, password)
//	err = outbox.Send(ctx, []string{bobAddr}, raw)
//	mail, err := inbox.Next(ctx)                        // waits in IDLE
//	message, err = bob.Open(mail.Raw, nil, nil)
//	err = inbox.Delete(ctx, mail.UID)
//
// # The form of a message
//
// Outside there is nothing but the author's address, a date that may be days
// old, the subject "[...]" and no recipient (RFC 9788, header protection). All
// else is inside, with a signature that names whom it is for. The armored text
// names no key (RFC 9580, section 5.1.8). The packets are version 2 of encrypted
// data (OCB) where all readers know it, else version 1.
//
// # Foreign input
//
// [Self.Open], [ParseInvite], [ParseCert] read what strangers wrote. All they
// build is bounded by the size of what they are given, or by a constant here.
// A secret is not tried on a message whose key derivation was made slow.
//
// # MIME
//
// Messages are written and read with go-message, as other programs do. Only the filter has
// a parser of its own: it has to refuse what two readers read differently, while this
// package has to read what any client writes, and a library does that better.
//
// # What holds for all of it
//
// The package is pure: no network, no files, and the time comes from the caller.
// Random numbers are the system's. It sends to one key for each contact, and
// only reads what groups look like; it keeps no chats and makes no groups.
package chat
