/*
 * User-mode Linux 6.1 has 2 KiB and a bit for the registers that XSAVE keeps of a
 * process, which was all that a processor had. One with AMX has 11 KiB of them, and its
 * kernel takes only the whole: it answers EFAULT, and User-mode Linux ends as it starts its
 * first process. Preloaded, this sends the whole: what User-mode Linux says, and behind
 * it what the process has.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char state[1 << 16]; /* one thread traces */

static long host(int request, pid_t pid, void *addr, void *data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

static long set_xstate(pid_t pid, void *addr, struct iovec *part)
{
	struct iovec whole = { state, sizeof state };

	if (host(PTRACE_GETREGSET, pid, addr, &whole) < 0)
		return -1;
	if (part->iov_len >= whole.iov_len)
		return host(PTRACE_SETREGSET, pid, addr, part);
	memcpy(state, part->iov_base, part->iov_len);
	return host(PTRACE_SETREGSET, pid, addr, &whole);
}

/* ptrace is ptrace(2), the C library's. */
long ptrace(enum __ptrace_request request, ...)
{
	va_list args;
	pid_t pid;
	void *addr, *data;
	long word;

	va_start(args, request);
	pid = va_arg(args, pid_t);
	addr = va_arg(args, void *);
	data = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER: /* the kernel stores the word, the C library returns it */
		return host(request, pid, addr, &word) < 0 ? -1 : word;
	case PTRACE_SETREGSET:
		if ((long)addr == NT_X86_XSTATE)
			return set_xstate(pid, addr, data);
		/* fall through */
	default:
		return host(request, pid, addr, data);
	}
}
