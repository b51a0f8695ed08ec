/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl why HOST`: sends the host something, and tells where it stops and what to do about
 * it. */
#include "clients/ctl/why-words.h"

#include "clients/ctl/arguments.h"
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

DEFINE_CLEANUP(json_object *, json_object_put)

#define WAIT_SECONDS 15
#define WAIT_LIMIT   600
#define LOOK_MSEC    250
/* What is sent: a datagram to the discard port, where nobody listens. Its refusal by the other
 * kernel is an answer. */
#define TRIAL_PORT  9
#define TRIAL_EVERY 4 /* looks */

static uint64_t now_msec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static int open_trial(const char *host_id)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(TRIAL_PORT) };
	int on = 1, fd;

	if (inet_pton(AF_INET6, host_id, &address.sin6_addr) != 1)
		return -EINVAL;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Also those errors that a sender usually need not know. */
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* Takes what came back. */
static void hear(int fd, struct why_trial *trial)
{
	char octets[512];
	struct iovec part = { octets, sizeof octets };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	for (int i = 0; i < 16; i++) {
		ssize_t n = recv(fd, octets, sizeof octets, 0);

		if (n >= 0 || errno == ECONNREFUSED)
			trial->answered = true;
		else if (errno != EAGAIN && errno != EINTR)
			trial->error = errno;
		if (n < 0 && errno == EAGAIN)
			break;
	}
	while (recvmsg(fd, &message, MSG_ERRQUEUE) >= 0)
		message.msg_iovlen = 1;
}

/* Tries until there is a verdict or time is over. */
static enum ctl_status try_for(struct ctl *ctl, const char *host, uint64_t until, json_object **all,
			       struct why_report *report)
{
	struct why_trial trial = { .begun = true, .since = (uint64_t)time(NULL) };
	int fd = open_trial(why_host_id(*all, host));
	enum ctl_status status = CTL_DONE;

	for (unsigned int look = 0; status == CTL_DONE; look++) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		if (fd >= 0 && look % TRIAL_EVERY == 0 && send(fd, "?", 1, 0) < 0 &&
		    errno != EAGAIN && errno != ECONNREFUSED)
			trial.error = errno;
		poll(&wait, fd >= 0, LOOK_MSEC);
		if (fd >= 0)
			hear(fd, &trial);
		trial.over = now_msec() >= until || fd < 0;
		json_object_put(*all);
		*all = NULL;
		status = snapshot_read_all(ctl, all);
		if (status != CTL_DONE)
			break;
		why_judge(*all, host, &trial, (uint64_t)time(NULL), report);
		if (trial.over || report->reach == WHY_REACHED || report->reach == WHY_NOT_REACHED)
			break;
	}
	if (fd >= 0)
		close(fd);
	return status;
}

static void print_wrapped(const struct ctl *ctl, enum output_tone tone, const char *text)
{
	output_padded(ctl, tone, text, 0);
	putchar('\n');
}

static void print_report(const struct ctl *ctl, const struct why_report *report)
{
	static const char *const marks[] = {
		[WHY_GOOD] = "yes", [WHY_BAD] = "no", [WHY_OPEN] = "-"
	};
	static const enum output_tone tones[] = {
		[WHY_GOOD] = OUTPUT_GOOD,
		[WHY_BAD] = OUTPUT_BAD,
		[WHY_OPEN] = OUTPUT_WAITING,
	};

	print_wrapped(ctl, report->reach == WHY_REACHED ? OUTPUT_GOOD : OUTPUT_BAD,
		      report->summary);
	if (*report->advice)
		print_wrapped(ctl, OUTPUT_BOLD, report->advice);
	output_heading(ctl, "steps");
	for (size_t i = 0; i < report->n_steps; i++) {
		const struct why_step *step = &report->steps[i];

		fputs("  ", stdout);
		output_padded(ctl, OUTPUT_FAINT, step->name, 13);
		output_padded(ctl, tones[step->mark], marks[step->mark], 4);
		printf(" %s\n", step->text);
	}
}

static void print_json(const struct why_report *report)
{
	json_object *object = json_object_new_object(), *steps = json_object_new_array();
	static const char *const marks[] = {
		[WHY_GOOD] = "good", [WHY_BAD] = "bad", [WHY_OPEN] = "open"
	};

	for (size_t i = 0; i < report->n_steps; i++) {
		json_object *step = json_object_new_object();

		json_object_object_add(step, "step", json_object_new_string(report->steps[i].name));
		json_object_object_add(step, "mark",
				       json_object_new_string(marks[report->steps[i].mark]));
		json_object_object_add(step, "text", json_object_new_string(report->steps[i].text));
		json_object_array_add(steps, step);
	}
	json_object_object_add(object, "reached",
			       report->reach == WHY_NOT_KNOWN
				       ? NULL
				       : json_object_new_boolean(report->reach == WHY_REACHED));
	json_object_object_add(object, "kind", json_object_new_string(report->kind));
	json_object_object_add(object, "summary", json_object_new_string(report->summary));
	json_object_object_add(object, "advice", json_object_new_string(report->advice));
	json_object_object_add(object, "steps", steps);
	snapshot_print(object, false);
}

static enum ctl_status status_of(enum why_reach reach)
{
	switch (reach) {
	case WHY_REACHED:
		return CTL_DONE;
	case WHY_NOT_REACHED:
		return CTL_NOT_REACHABLE;
	case WHY_NOT_KNOWN:
	case WHY_TRY:
		return CTL_NOT_KNOWN;
	}
	return CTL_NOT_KNOWN;
}

static enum ctl_status parse(int argc, char **argv, uint64_t *seconds, const char **ret_host)
{
	static const struct option options[] = { { "wait", required_argument, NULL, 'w' }, {} };
	int option;

	while ((option = arguments_next(argc, argv, options)) != -1) {
		if (option == '?')
			return CTL_MISUSE;
		if (!arguments_number(optarg, WAIT_LIMIT, seconds))
			return ctl_misuse("%s: --wait takes 0 to %d seconds", argv[0], WAIT_LIMIT);
	}
	if (optind == argc)
		return ctl_misuse("%s: which host?", argv[0]);
	*ret_host = argv[optind];
	if (optind + 1 < argc)
		return ctl_misuse("%s: \"%s\" is one argument too many", argv[0], argv[optind + 1]);
	return CTL_DONE;
}

enum ctl_status ctl_why_command(struct ctl *ctl, int argc, char **argv)
{
	cleanup(json_object_putp) json_object *all = NULL;
	struct why_report report = { .reach = WHY_NOT_KNOWN };
	struct why_trial none = {};
	uint64_t seconds = WAIT_SECONDS;
	const char *host = NULL;
	enum ctl_status status = parse(argc, argv, &seconds, &host);

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read_all(ctl, &all);
	if (status != CTL_DONE)
		return status;
	why_judge(all, host, &none, (uint64_t)time(NULL), &report);
	if (report.reach == WHY_TRY || report.reach == WHY_NOT_KNOWN)
		status = try_for(ctl, host, now_msec() + seconds * 1000, &all, &report);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		print_json(&report);
	else
		print_report(ctl, &report);
	return status_of(report.reach);
}
