// Package authproto is the wire format of Dovecot's authentication protocols: on
// the server's side, what a client sends is parsed, strictly, and what it is
// answered is written; and for a client that logs in, the other way round.
//
// # Protocols
//
// There is no standard. The reference is Dovecot's source: src/auth and
// src/lib-auth of 2.3.19, src/lib-auth-client of 2.4.1, and, for the client side,
// Postfix's src/xsasl/xsasl_dovecot_server.c. A line is a command and its fields:
// see tabline. Both sides begin with their VERSION at once and wait for nobody's.
//
// The client side is spoken by imap-login, by filtermail-out and by "doveadm auth test".
//
//	server: VERSION 1 2, MECH PLAIN plaintext, SPID pid, CUID n, COOKIE hex, DONE
//	client: VERSION 1 n, CPID pid
//	        AUTH id mechanism parameter… [resp=base64]
//	        CONT id base64               the response that AUTH did not have
//	        CANCEL id
//	server: OK id user=name
//	        OK id user=name nologin proxy host=address port=n proxy_timeout=seconds pass=text
//	        FAIL id [user=name] [code=temp_fail] [reason=text]
//	        CONT id base64               a challenge; PLAIN's is empty (RFC 4616)
//
// The master side is spoken by imap, by lmtp and by doveadm.
//
//	server: VERSION 1 2, SPID pid
//	client: VERSION 1 n
//	        REQUEST id client-pid client-id cookie parameter…
//	        USER id name parameter…      answered with USER, NOTFOUND or FAIL
//	        PASS id name parameter…      answered with PASS, NOTFOUND or FAIL
//	        LIST id parameter…           answered with LIST id name …, DONE id [fail]
//
// imap asks by REQUEST who has just logged in: client-pid, client-id and cookie
// name the OK that an imap-login process had, on its connection with that cookie.
//
// # Versions
//
// The major version is 1 ever since Dovecot 2.0. A server that announces the minor
// version 2 is sent nothing that came with a later one: channel binding (3) and
// the answer to CANCEL (4).
package authproto
