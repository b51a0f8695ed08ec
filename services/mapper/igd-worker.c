/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Speaks HTTP, XML and SOAP with a gateway, for mapper, which started it: reads one call after the
 * other from standard input, a socket, and answers each. It may be killed at any moment, and is
 * when a gateway takes too long; it has no file, no state, no privilege and little memory, so
 * whatever a gateway sends costs this process at most. It ends with the other end of the socket.
 */
#include "services/mapper/igd-worker-calls.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLS STDIN_FILENO
/* Enough for libc, its stack and some hundred KiB of XML. */
#define MEMORY_LIMIT     (48 * 1024 * 1024)
#define DESCRIPTOR_LIMIT 16
#define UNDO_SECONDS     5
/* If nobody kills us: the longest of mapper's deadlines and a bit. */
#define PATIENCE_SECONDS 15

#if defined(__SANITIZE_ADDRESS__)
#define SHADOWED 1 /* whose shadow is terabytes of address space */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOWED 1
#endif
#endif
#ifndef SHADOWED
#define SHADOWED 0
#endif

static void limit(int resource, rlim_t value)
{
	const struct rlimit limit = { value, value };

	setrlimit(resource, &limit);
}

static void give_up_everything(void)
{
	if (!SHADOWED) {
		limit(RLIMIT_AS, MEMORY_LIMIT);
		/* A tool that looks for what was not freed traces the process. */
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	}
	limit(RLIMIT_NOFILE, DESCRIPTOR_LIMIT);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
}

/* Mapper went away or lost interest while the gateway made a mapping: nobody would ever know of it.
 * Nobody took the answer when it cannot be sent, or when it lay unread as the other end closed,
 * which the kernel reports as a reset. */
static void undo(const struct igd_call *call, const struct igd_answer *answer)
{
	struct igd_call deletion = *call;
	struct igd_answer ignored;

	if (!call->undo || answer->outcome != IGD_DONE ||
	    (call->kind != IGD_CALL_ADD && call->kind != IGD_CALL_ADD_ANY))
		return;
	deletion.kind = IGD_CALL_DELETE;
	deletion.external_port = answer->external_port;
	alarm(UNDO_SECONDS);
	igd_worker_perform(&deletion, &ignored);
}

static int serve(void)
{
	uint8_t octets[sizeof(struct igd_call) + 1];
	struct igd_answer answer = {};
	struct igd_call call = {};
	ssize_t size;

	for (;;) {
		size = recv(CALLS, octets, sizeof octets, 0);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			undo(&call, &answer);
		if (size <= 0)
			return 0;
		if (igd_call_read(octets, size, &call) < 0)
			return 1;
		alarm(PATIENCE_SECONDS);
		igd_worker_perform(&call, &answer);
		alarm(0);
		/* What else was asked for before the end is still done. */
		if (send(CALLS, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) {
			undo(&call, &answer);
			answer.outcome = IGD_NONSENSE;
		}
	}
}

int main(int argc, char **argv)
{
	static const char words[] = "igd-worker is started by mapper.\n";

	if (argc != 1)
		return write(STDERR_FILENO, words, sizeof words - 1) < 0 ? 1 : 2;
	give_up_everything();
	return serve();
}
