/*
 * instant-idle.so: tells a client in IMAP IDLE of new mail at once.
 *
 * Why: when inotify reports a change to a mailbox, Dovecot waits half a second
 * (NOTIFY_DELAY_MSECS in lib-storage/mailbox-watch.c) before it looks. Sensible
 * for a person's mail program, it is most of the time that a chat message takes
 * here. No setting changes it, neither in 2.3 nor in 2.4.
 *
 * How: preloaded into the imap process only (service imap in dovecot.conf, when
 * imap_instant_idle is set), it stands in front of timeout_add_short() and turns
 * that one wait, known by its source file and its length, into none. Every other
 * call passes unchanged. If a later Dovecot renames the file or the function, or
 * changes the length, nothing here applies, and the wait is simply back.
 *
 * When to delete it: once Dovecot has a setting for the delay.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

struct timeout; /* Dovecot's own; only passed through */
typedef void timeout_callback_t(void *context);
typedef struct timeout *timeout_add_short_t(unsigned int msecs,
	const char *source_filename, unsigned int source_linenum,
	timeout_callback_t *callback, void *context);

enum { NOTIFY_DELAY_MSECS = 500 };

static int is_watch_delay(unsigned int msecs, const char *source_filename)
{
	const char *name;

	if (msecs != NOTIFY_DELAY_MSECS || source_filename == NULL)
		return 0;
	name = strrchr(source_filename, '/');
	name = name == NULL ? source_filename : name + 1;
	return strcmp(name, "mailbox-watch.c") == 0;
}

/* Dovecot's is in lib/ioloop.h: the same since 2.2. */
struct timeout *timeout_add_short(unsigned int msecs,
	const char *source_filename, unsigned int source_linenum,
	timeout_callback_t *callback, void *context)
{
	/* Kept for the next call; an imap process has one thread. */
	static timeout_add_short_t *real;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "timeout_add_short");
	if (is_watch_delay(msecs, source_filename))
		msecs = 0;
	return real(msecs, source_filename, source_linenum, callback, context);
}
