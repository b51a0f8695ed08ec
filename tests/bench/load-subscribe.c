/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* The UPDATE under way and whoever tells us what to do. */
struct driver {
	struct load_session session;
	struct load_llqs *llqs;
	struct load_pushes *pushes;
	struct load_watch commands;
	struct load_watch updates;
	char line[256];
	size_t line_size;
	bool has_line;
	bool has_ended;
	bool is_answered;
	uint64_t answered;
	uint16_t rcode;
	uint16_t id;
	uint16_t port;
	struct load_series answers; /* from UPDATE to its answer */
	struct load_series firsts;  /* to the first event */
	struct load_series lasts;   /* to the last */
};

struct load_subject load_subject(const struct load_options *options, size_t i)
{
	return (struct load_subject){ &options->keys.items[i % options->keys.n],
				      i / options->keys.n % options->hosts };
}

void load_session_watch(struct load_session *session, struct load_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(session->epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		load_die("cannot wait for a descriptor");
}

void load_session_event(struct load_session *session, uint64_t when)
{
	session->n_events++;
	if (!session->changed || when < session->changed)
		return;
	if (session->n_arrived++ == 0)
		session->first = when;
	session->last = when;
	load_series_add(&session->times, when - session->changed);
}

static void wait_for_events(struct driver *driver, int msec)
{
	struct epoll_event events[256];
	int n = epoll_wait(driver->session.epoll, events, ARRAY_SIZE(events), msec);

	for (int i = 0; i < n; i++) {
		struct load_watch *watch = events[i].data.ptr;

		watch->ready(watch, events[i].events);
	}
}

/* Waits until then at the latest. */
static void wait_until(struct driver *driver, uint64_t end)
{
	uint64_t now = load_now();

	wait_for_events(driver, now < end ? (end - now) / LOAD_MSEC + 1 : 0);
}

static void on_update_answer(struct load_watch *watch, uint32_t events)
{
	struct driver *driver = container_of(watch, struct driver, updates);
	uint8_t data[DNS_UDP_SIZE];
	ssize_t size;

	while ((size = recv(watch->fd, data, sizeof(data), MSG_DONTWAIT)) >= DNS_HEADER_SIZE) {
		if ((data[0] << 8 | data[1]) != driver->id || driver->is_answered)
			continue;
		driver->is_answered = true;
		driver->answered = load_now();
		driver->rcode = data[3] & 15;
	}
}

static void on_command(struct load_watch *watch, uint32_t events)
{
	struct driver *driver = container_of(watch, struct driver, commands);
	ssize_t size = read(watch->fd, driver->line + driver->line_size,
			    sizeof(driver->line) - 1 - driver->line_size);

	if (size <= 0) {
		driver->has_ended = true;
		return;
	}
	driver->line_size += size;
	driver->line[driver->line_size] = '\0';
	driver->has_line = strchr(driver->line, '\n') || driver->line_size >= 255;
}

/* One UPDATE of this subject, and up to `msec` for its answer and `wanted` events. */
static void make_change(struct driver *driver, struct load_subject subject, size_t wanted,
			unsigned int msec)
{
	struct load_session *session = &driver->session;
	const struct load_options *options = session->options;
	uint8_t data[LOAD_MESSAGE_MAX];
	struct writer message = writer_init(data, sizeof(data));
	uint64_t end;

	driver->port = 1024 + (driver->port + 1) % 60000;
	load_build_update(&message, subject.key, options->zone.size ? &options->zone : NULL,
			  subject.host, driver->port, ++driver->id, load_now() / LOAD_SECOND);
	driver->is_answered = false;
	session->n_arrived = 0;
	session->first = session->last = 0;
	session->change++;
	session->changed = load_now();
	end = session->changed + msec * LOAD_MSEC;
	if (send(driver->updates.fd, data, message.position, 0) < 0)
		load_die("cannot send");
	while ((!driver->is_answered || session->n_arrived < wanted) && load_now() < end)
		wait_until(driver, end);
	if (driver->is_answered)
		load_series_add(&driver->answers, driver->answered - session->changed);
	if (wanted > 0 && session->n_arrived >= wanted) {
		load_series_add(&driver->firsts, session->first - session->changed);
		load_series_add(&driver->lasts, session->last - session->changed);
	}
	session->changed = 0;
}

static void print_counts(const struct driver *driver)
{
	const struct load_session *session = &driver->session;

	printf("\"live\": %zu, \"failed\": %zu, \"events\": %zu, \"repeated\": %zu, "
	       "\"verified\": %zu, \"bad_signatures\": %zu",
	       session->n_live, session->n_failed, session->n_events, session->n_repeated,
	       session->n_verified, session->n_bad_signatures);
}

/* change COUNT PAUSE-MSEC EVENTS TIMEOUT-MSEC: so many changes one after the other, of one subject
 * after the other, each seen by so many subscribers. */
static void do_changes(struct driver *driver, unsigned int count, unsigned int pause,
		       unsigned int wanted, unsigned int msec)
{
	struct load_session *session = &driver->session;
	unsigned int n_unanswered = 0, n_refused = 0, n_incomplete = 0;
	uint64_t begun = load_now();

	for (unsigned int i = 0; i < count; i++) {
		uint64_t next = load_now() + pause * LOAD_MSEC;

		make_change(driver, load_subject(session->options, i), wanted, msec);
		n_unanswered += !driver->is_answered;
		n_refused += driver->is_answered && driver->rcode != 0;
		n_incomplete += session->n_arrived < wanted;
		while (load_now() < next)
			wait_until(driver, next);
	}
	printf("{\"changes\": %u, \"unanswered\": %u, \"refused\": %u, \"incomplete\": %u, "
	       "\"arrived_last\": %zu, \"seconds\": %.3f, ",
	       count, n_unanswered, n_refused, n_incomplete, session->n_arrived,
	       (double)(load_now() - begun) / LOAD_SECOND);
	print_counts(driver);
	printf(", ");
	load_series_print(&driver->answers, "answer", stdout);
	printf(", ");
	load_series_print(&session->times, "event", stdout);
	printf(", ");
	load_series_print(&driver->firsts, "first", stdout);
	printf(", ");
	load_series_print(&driver->lasts, "last", stdout);
	printf("}\n");
	load_series_clear(&driver->answers);
	load_series_clear(&driver->firsts);
	load_series_clear(&driver->lasts);
	load_series_clear(&session->times);
}

static void do_line(struct driver *driver)
{
	unsigned int a, b, c, d;

	if (sscanf(driver->line, "change %u %u %u %u", &a, &b, &c, &d) == 4) {
		do_changes(driver, a, b, c, d);
	} else if (strncmp(driver->line, "status", 6) == 0) {
		printf("{");
		print_counts(driver);
		printf("}\n");
	} else if (strncmp(driver->line, "quit", 4) == 0) {
		driver->has_ended = true;
	} else {
		printf("{\"error\": \"unknown command\"}\n");
	}
	fflush(stdout);
}

static void next_line(struct driver *driver)
{
	char *end = strchr(driver->line, '\n');

	do_line(driver);
	end = end ? end + 1 : driver->line + driver->line_size;
	driver->line_size -= end - driver->line;
	memmove(driver->line, end, driver->line_size + 1);
	driver->has_line = strchr(driver->line, '\n');
}

static void set_up(struct driver *driver)
{
	uint64_t begun = load_now();

	while (!load_llqs_step(driver->llqs))
		wait_for_events(driver, 20);
	while (!load_pushes_step(driver->pushes))
		wait_for_events(driver, 20);
	printf("{\"ready\": true, \"seconds\": %.3f, ", (double)(load_now() - begun) / LOAD_SECOND);
	print_counts(driver);
	printf(", \"keepalive_ms\": %u}\n", load_pushes_keepalive(driver->pushes));
	fflush(stdout);
}

int load_subscribe(const struct load_options *options)
{
	struct driver driver = {
		.session = { .options = options, .epoll = epoll_create1(EPOLL_CLOEXEC) },
		.commands = { STDIN_FILENO, on_command },
		.updates = { socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on_update_answer },
		.port = load_now() / LOAD_SECOND % 60000,
	};

	if (connect(driver.updates.fd, (struct sockaddr *)&options->server,
		    sizeof(options->server)))
		load_die("cannot open a socket");
	load_session_watch(&driver.session, &driver.updates, EPOLLIN);
	load_session_watch(&driver.session, &driver.commands, EPOLLIN);
	driver.llqs = load_llqs_new(&driver.session);
	driver.pushes = load_pushes_new(&driver.session);
	set_up(&driver);
	while (!driver.has_ended) {
		wait_for_events(&driver, -1);
		while (driver.has_line && !driver.has_ended)
			next_line(&driver);
	}
	load_llqs_free(driver.llqs);
	load_pushes_free(driver.pushes);
	close_fd(driver.updates.fd);
	close_fd(driver.session.epoll);
	load_series_clear(&driver.session.times);
	return driver.session.n_failed ? 2 : 0;
}
