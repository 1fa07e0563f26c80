/*
 * instant-idle.so: tells a client in IMAP IDLE of new mail at once, and always.
 *
 * Whom it helps: everybody who waits for a chat message. "service imap" in
 * dovecot.conf preloads it into the imap process, and into nothing else, unless
 * imap_instant_idle is off. It fixes five things in Dovecot 2.3.19 and 2.4.1, for
 * none of which there is a setting:
 *
 * 1. When inotify reports a change to a mailbox, lib-storage/mailbox-watch.c waits
 *    half a second (NOTIFY_DELAY_MSECS) before it looks: most of the time that a
 *    message takes on its way. timeout_add_short() here makes that one wait,
 *    known by its source file and length, a wait of nothing.
 *
 * 2. A session that hibernates hands a fresh inotify descriptor to imap-hibernate.
 *    A change that the old descriptor has reported but imap has not yet looked at
 *    is forgotten: the mail wakes nobody. mailbox_watch_extract_notify_fd() here
 *    looks for one after the fresh descriptor watches, and refuses then. Such a
 *    change is about to be looked at; that restarts imap_hibernate_timeout.
 *    The old descriptor is the one that mailbox-watch.c watches, known by
 *    io_add_notify() and inotify_add_watch() here. There are others, for a
 *    moment: a session that waits for a lock on the mailbox watches that.
 *
 * 3. A scan of a Maildir counts as complete when the directory's time stays
 *    the same (maildir/maildir-sync.c), but a kernel tick may have several changes:
 *    mail that arrives just after a look has the look's time. Dovecot does not trust
 *    a time of less than two seconds ago, yet nothing makes it look again: the mail
 *    waits for the next one, or half a minute. A look that follows each message is
 *    such a look far more often than one that waits. So there is another one when
 *    two seconds have passed without a change, by mailbox_notify_changes() and
 *    timeout_add() here, and no hibernation before it. A session that finds both
 *    directories unchanged for longer, as most do that log in, needs none: what comes
 *    then is a change that inotify reports.
 *
 * 4. Such a session hibernates at once. imap_hibernate_timeout is at least a second, and
 *    holds for those, too, in which something happens. After a restart, when everybody
 *    logs in, each would keep an imap process that long, and those who have mail would
 *    wait for one. timeout_add() here makes the wait of cmd-idle.c short, once.
 *
 * 5. A look at the mailbox that fails, as on a full disk, is the last one: cmd-idle.c
 *    tells the client NO, and stops to watch. If the client asks, as Delta Chat does,
 *    what Dovecot has in memory says that nothing is new; then the session hibernates,
 *    and the mail wakes nobody once there is room. So mailbox_sync_deinit() here ends
 *    the session, as Dovecot itself does with one that hibernates and cannot be woken:
 *    the client logs in again, and again until its mailbox can be opened.
 *
 * Every other call passes unchanged. Where a later Dovecot has other names, calls
 * or lengths, nothing here applies, and Dovecot is as it was. Delete this when
 * Dovecot has settings for 1 and 4, and cures for the others (chatmail/relay#72).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	NOTIFY_DELAY_MSECS = 500,
	LOOK_AGAIN_MSECS = 2100, /* whole seconds are compared, MAILDIR_SYNC_SECS is 1 */
	UNCHANGED_SECS = 3,
	HIBERNATE_MSECS = 100,     /* the client has time to leave IDLE at once */
	HIBERNATE_MAX_MSECS = 30000 /* of imap_hibernate_timeout, here */
};

/* Dovecot's own types: only passed through. */
struct io;
struct mailbox;
struct mailbox_sync_context;
struct mailbox_sync_status;
struct timeout;
typedef void io_callback_t(void *context);
typedef void timeout_callback_t(void *context);
typedef void notify_callback_t(struct mailbox *box, void *context);

/* An imap process has one thread and, unless it is told otherwise, one client at a time. */
static int watching = -1;       /* the inotify descriptor that watches the mailbox */
static int adding;              /* mailbox-watch.c is adding a watch */
static time_t changed;          /* when what it watches had changed last */
static int extracting;          /* inside mailbox_watch_extract_notify_fd() */
static struct timeout *waiting; /* a reported change that nobody has looked at */
static struct timeout *polling; /* mailbox-watch.c's own; there while it watches */
static struct timeout *again;   /* the other look */
static int settled;             /* nothing has changed for long: the session may hibernate */
static struct {                 /* what it calls, as a reported change does */
	notify_callback_t *callback;
	struct mailbox *box;
	void *context;
} look;

/* Sets the function pointer real to the definition that ours stands in front of. */
#define FIND(real, name) \
	do { if ((real) == NULL) *(void **)&(real) = dlsym(RTLD_NEXT, name); } while (0)

static void look_again_later(void);

static int from(const char *source_filename, const char *wanted)
{
	const char *name;

	if (source_filename == NULL)
		return 0;
	name = strrchr(source_filename, '/');
	name = name == NULL ? source_filename : name + 1;
	return strcmp(name, wanted) == 0;
}

static int from_mailbox_watch(const char *source_filename)
{
	return from(source_filename, "mailbox-watch.c");
}

/* lib/ioloop.h. The result is an enumeration. */
int io_add_notify(const char *path, const char *source_filename,
	unsigned int source_linenum, io_callback_t *callback, void *context,
	struct io **io_r)
{
	static int (*real)(const char *, const char *, unsigned int,
			   io_callback_t *, void *, struct io **);
	int result;

	FIND(real, "io_add_notify");
	adding = !extracting && from_mailbox_watch(source_filename);
	result = real(path, source_filename, source_linenum, callback, context, io_r);
	adding = 0;
	return result;
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	static int (*real)(int, const char *, uint32_t);
	struct stat st;
	int result;

	FIND(real, "inotify_add_watch");
	result = real(fd, path, mask);
	if (adding) {
		watching = fd;
		/* later changes are reported */
		if (stat(path, &st) < 0)
			changed = time(NULL);
		else if (st.st_mtime > changed)
			changed = st.st_mtime;
	}
	return result;
}

/* lib/ioloop.h. timeout_add_short() comes by here too, with less than a second. */
struct timeout *timeout_add(unsigned int msecs,
	const char *source_filename, unsigned int source_linenum,
	timeout_callback_t *callback, void *context)
{
	static struct timeout *(*real)(unsigned int, const char *, unsigned int,
				       timeout_callback_t *, void *);
	struct timeout *timeout;

	FIND(real, "timeout_add");
	/* cmd-idle.c has another one, of up to two minutes, after which it says that it is
	   there: once too early does no harm. */
	if (settled && msecs >= 1000 && msecs <= HIBERNATE_MAX_MSECS &&
	    from(source_filename, "cmd-idle.c")) {
		settled = 0;
		msecs = HIBERNATE_MSECS;
	}
	timeout = real(msecs, source_filename, source_linenum, callback, context);
	if (msecs >= 1000 && from_mailbox_watch(source_filename))
		polling = timeout;
	return timeout;
}

/* lib/ioloop.h */
struct timeout *timeout_add_short(unsigned int msecs,
	const char *source_filename, unsigned int source_linenum,
	timeout_callback_t *callback, void *context)
{
	static struct timeout *(*real)(unsigned int, const char *, unsigned int,
				       timeout_callback_t *, void *);

	FIND(real, "timeout_add_short");
	if (msecs != NOTIFY_DELAY_MSECS || !from_mailbox_watch(source_filename))
		return real(msecs, source_filename, source_linenum, callback, context);
	settled = 0;
	waiting = real(0, source_filename, source_linenum, callback, context);
	if (polling != NULL)
		look_again_later();
	return waiting;
}

/* lib/ioloop.h. mailbox-watch.c calls it when the wait is over, or called off, and
   when it stops to watch. */
void timeout_remove(struct timeout **timeout)
{
	static void (*real)(struct timeout **);

	FIND(real, "timeout_remove");
	if (*timeout != NULL && *timeout == waiting)
		waiting = NULL;
	if (*timeout != NULL && *timeout == polling) {
		polling = NULL;
		settled = 0;
		if (again != NULL)
			real(&again);
	}
	real(timeout);
}

static void look_again(void *context)
{
	(void)context;
	timeout_remove(&again);
	look.callback(look.box, look.context);
}

static void look_again_later(void)
{
	if (look.callback == NULL)
		return;
	if (again != NULL)
		timeout_remove(&again);
	again = timeout_add(LOOK_AGAIN_MSECS, __FILE__, __LINE__, look_again, NULL);
}

/* lib-storage/mail-storage.h. A session says in IDLE what to call. */
void mailbox_notify_changes(struct mailbox *box, notify_callback_t *callback,
			    void *context)
{
	static void (*real)(struct mailbox *, notify_callback_t *, void *);
	struct timeout *before = polling;

	FIND(real, "mailbox_notify_changes");
	changed = 0;
	real(box, callback, context);
	if (polling == NULL || polling == before)
		return; /* this mailbox is not watched */
	look.callback = callback;
	look.box = box;
	look.context = context;
	if (time(NULL) - changed < UNCHANGED_SECS)
		look_again_later();
	else
		settled = 1;
}

/* lib-storage/mail-storage.h. Dovecot's processes end on SIGTERM, and say BYE before. */
int mailbox_sync_deinit(struct mailbox_sync_context **ctx,
			struct mailbox_sync_status *status_r)
{
	static int (*real)(struct mailbox_sync_context **,
			   struct mailbox_sync_status *);
	int result;

	FIND(real, "mailbox_sync_deinit");
	result = real(ctx, status_r);
	if (result < 0)
		(void)raise(SIGTERM);
	return result;
}

/* lib-storage/mailbox-watch.h. What is refused is tried again imap_hibernate_timeout
   after the next look. */
int mailbox_watch_extract_notify_fd(struct mailbox *box, const char **reason_r)
{
	static int (*real)(struct mailbox *, const char **);
	struct pollfd old = { .fd = watching, .events = POLLIN };
	int fd;

	FIND(real, "mailbox_watch_extract_notify_fd");
	extracting = 1;
	fd = real(box, reason_r);
	extracting = 0;

	if (fd == -1)
		return -1;
	(void)poll(&old, 1, 0);
	if (waiting != NULL || again != NULL || (old.revents & POLLIN) != 0) {
		close(fd);
		*reason_r = "the mailbox has to be looked at once more";
		return -1;
	}
	return fd;
}
