/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/backend-dns.h"

#include "common/base/log.h"
#include "services/zoned/primary-state.h"
#include "services/zoned/socket-address.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/random.h>

#define LENGTH_SIZE 2
#define INPUT_SIZE  (LENGTH_SIZE + DNS_MESSAGE_SIZE_MAX)
/* For the TSIG record of an UPDATE. */
#define SIGNATURE_SIZE 1024

struct sent_update {
	uint16_t id;
	struct dns_tsig_mac mac;
	bool is_answered;
};

struct backend_dns {
	struct loop *loop;
	const struct backend_dns_options *options;
	const struct backend_dns_callbacks *callbacks;
	void *userdata;
	struct loop_timer *timer;
	struct primary_state state;
	bool was_reachable;

	int fd;
	struct loop_io *io;
	uint8_t *out;
	size_t n_out;
	size_t n_in;
	uint8_t in[INPUT_SIZE];
	uint64_t n_connections; /* so far: another number means another connection */

	uint16_t last_id;
	uint32_t serial;
	uint32_t refresh;
	struct transfer_reader *reader;

	/* What is being published. */
	struct update_batch batch;
	struct sent_update *sent; /* one for each of the batch */
	bool is_publishing;
	bool is_second_try;
	bool is_accepted; /* all are answered; the zone has to be followed to there */
	int outcome;
};

static uint64_t now_seconds(void)
{
	return realtime_usec() / 1000000;
}

static void step(struct backend_dns *backend);

/* The end of a publication ----------------------------------------------------------------------
 */

static void end_publication(struct backend_dns *backend, int outcome)
{
	update_batch_clear(&backend->batch);
	free(backend->sent);
	backend->sent = NULL;
	backend->is_publishing = false;
	backend->is_accepted = false;
	backend->state.has_updates = false;
	backend->callbacks->published(backend->userdata, outcome);
}

static void tell_reachable(struct backend_dns *backend)
{
	char text[ENDPOINT_TEXT_SIZE];
	bool is_reachable = backend_dns_is_reachable(backend);

	if (is_reachable != backend->was_reachable)
		log_info("primary %s: %s", endpoint_to_text(&backend->options->primary, text),
			 is_reachable ? "connected" : "not to be reached");
	backend->was_reachable = is_reachable;
	backend->callbacks->changed(backend->userdata);
}

/* Connection
 * ----------------------------------------------------------------------------------------- */

static void drop_connection(struct backend_dns *backend)
{
	backend->n_connections++;
	backend->io = loop_io_free(backend->io);
	backend->fd = close_fd(backend->fd);
	free(backend->out);
	backend->out = NULL;
	backend->n_out = backend->n_in = 0;
	backend->reader = transfer_reader_free(backend->reader);
}

/* The other side may have closed it for being idle at the moment when we wrote. */
static bool may_try_again(struct backend_dns *backend)
{
	bool is_stale = backend->is_publishing && !backend->is_accepted &&
			(backend->state.phase == PRIMARY_UPDATING ||
			 backend->state.phase == PRIMARY_IDLE) &&
			!backend->is_second_try;

	backend->is_second_try |= is_stale;
	return is_stale;
}

static void lose_connection(struct backend_dns *backend)
{
	uint64_t now = loop_now(backend->loop);
	bool again = may_try_again(backend);

	drop_connection(backend);
	primary_state_disconnected(&backend->state, now);
	if (again) {
		backend->state.has_updates = true;
		backend->state.retry_at = now;
	} else if (backend->is_publishing) {
		end_publication(backend, -ENOTCONN);
	}
	/* One that was idle is made again, and nobody notices; unless that fails. */
	if (backend->state.retry_at > now)
		tell_reachable(backend);
	step(backend);
}

static void write_out(struct backend_dns *backend)
{
	ssize_t n;

	if (backend->n_out == 0)
		return;
	n = send(backend->fd, backend->out, backend->n_out, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		lose_connection(backend);
		return;
	}
	if (n > 0) {
		backend->n_out -= n;
		memmove(backend->out, backend->out + n, backend->n_out);
	}
	loop_io_set(backend->io, UV_READABLE | (backend->n_out ? UV_WRITABLE : 0));
}

static int queue_message(struct backend_dns *backend, const uint8_t *octets, size_t size)
{
	uint8_t *out = realloc(backend->out, backend->n_out + LENGTH_SIZE + size);

	if (!out)
		return -ENOMEM;
	out[backend->n_out] = size >> 8;
	out[backend->n_out + 1] = size;
	memcpy(out + backend->n_out + LENGTH_SIZE, octets, size);
	backend->out = out;
	backend->n_out += LENGTH_SIZE + size;
	return 0;
}

/* Transfers
 * ------------------------------------------------------------------------------------------ */

static int ask(struct backend_dns *backend, bool is_whole)
{
	const struct transfer_key *key = backend->options->key;
	const uint32_t *serial = is_whole ? NULL : &backend->serial;
	uint8_t octets[DNS_UDP_SIZE];
	struct dns_tsig_mac mac;
	uint16_t id = ++backend->last_id;
	int size = transfer_build_query(octets, sizeof octets, id, backend->options->zone, serial,
					&key->tsig, now_seconds(), &mac);
	int r = size;

	backend->reader = transfer_reader_free(backend->reader);
	if (r >= 0)
		r = transfer_reader_new(backend->options->zone, id, serial, &key->tsig, &mac,
					&backend->reader);
	return r < 0 ? r : queue_message(backend, octets, size);
}

static void complain_of_transfer(struct backend_dns *backend, int error)
{
	char text[ENDPOINT_TEXT_SIZE];
	char rcode[32] = "";

	if (error == -EREMOTEIO)
		snprintf(rcode, sizeof rcode, " (RCODE %u)",
			 transfer_reader_rcode(backend->reader));
	log_warning("primary %s: no transfer of the zone: %s%s",
		    endpoint_to_text(&backend->options->primary, text),
		    error == -EBADMSG     ? "malformed, or not signed as it should be"
		    : error == -EREMOTEIO ? "it answers with an error"
		    : error == -ESTALE    ? "the differences do not follow from what we have"
					  : strerror(-error),
		    rcode);
}

static void follow(struct backend_dns *backend, struct zone_delta *delta)
{
	if (delta) {
		backend->serial = delta->to;
		backend->refresh = ldns_rdf2native_int32(ldns_rr_rdf(delta->soa, 3));
		log_debug("%s to serial %u", delta->is_whole ? "AXFR" : "IXFR", delta->to);
		backend->callbacks->learnt(backend->userdata, delta);
	}
	primary_state_followed(&backend->state, backend->refresh, loop_now(backend->loop));
	backend->reader = transfer_reader_free(backend->reader);
	if (backend->is_accepted)
		end_publication(backend, backend->outcome);
	tell_reachable(backend);
}

static void take_transfer(struct backend_dns *backend, const uint8_t *octets, size_t size)
{
	struct zone_delta *delta = NULL;
	int r = transfer_reader_take(backend->reader, octets, size, now_seconds(), &delta);

	if (r == 0) {
		primary_state_heard(&backend->state, loop_now(backend->loop));
	} else if (r > 0) {
		follow(backend, delta);
	} else {
		complain_of_transfer(backend, r);
		backend->reader = transfer_reader_free(backend->reader);
		primary_state_not_followed(&backend->state, loop_now(backend->loop));
		backend->callbacks->changed(backend->userdata);
	}
}

/* Updates
 * -------------------------------------------------------------------------------------------- */

static int send_update(struct backend_dns *backend, const struct octets *message,
		       struct sent_update *sent)
{
	cleanup(freep) uint8_t *octets = malloc(message->size + SIGNATURE_SIZE);
	struct writer writer = writer_init(octets, octets ? message->size + SIGNATURE_SIZE : 0);
	int r;

	*sent = (struct sent_update){ .id = ++backend->last_id };
	writer_copy(&writer, message->data, message->size);
	writer_patch_u16(&writer, 0, sent->id);
	if (writer.failed)
		return -ENOMEM;
	r = dns_tsig_sign(&writer, &backend->options->key->tsig, NULL, now_seconds(), &sent->mac);
	return r < 0 ? r : queue_message(backend, octets, writer.position);
}

static int send_updates(struct backend_dns *backend)
{
	int r = 0;

	backend->outcome = 0;
	for (size_t i = 0; r >= 0 && i < backend->batch.n; i++)
		r = send_update(backend, &backend->batch.items[i], &backend->sent[i]);
	return r;
}

static bool is_prerequisite_error(uint16_t rcode)
{
	return rcode == LDNS_RCODE_NXDOMAIN || rcode == LDNS_RCODE_YXDOMAIN ||
	       rcode == LDNS_RCODE_NXRRSET || rcode == LDNS_RCODE_YXRRSET;
}

static void end_updates(struct backend_dns *backend)
{
	primary_state_updated(&backend->state);
	/* Whatever it was, the zone is followed to where it is now, and that is the end of it. */
	backend->is_accepted = true;
}

/* A response to one of ours; anything else is dropped. */
static void take_update(struct backend_dns *backend, const uint8_t *octets, size_t size)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct sent_update *sent = NULL;
	struct dns_tsig tsig;
	size_t n_left = 0;

	if (dns_message_parse(octets, size, &message) < 0 || !(message->flags & DNS_FLAG_QR) ||
	    dns_tsig_find(octets, size, &tsig) <= 0)
		return;
	for (size_t i = 0; i < backend->batch.n; i++) {
		if (!backend->sent[i].is_answered && backend->sent[i].id == message->id)
			sent = &backend->sent[i];
		n_left += !backend->sent[i].is_answered;
	}
	if (!sent)
		return;
	if (dns_tsig_verify(octets, &tsig, &backend->options->key->tsig, &sent->mac, now_seconds(),
			    0) != DNS_TSIG_RESULT_OK) {
		log_warning("primary: an answer that is not signed as it should be");
		lose_connection(backend);
		return;
	}
	sent->is_answered = true;
	primary_state_heard(&backend->state, loop_now(backend->loop));
	if (is_prerequisite_error(message->rcode)) {
		backend->outcome = backend->outcome ?: -EAGAIN;
	} else if (message->rcode != LDNS_RCODE_NOERROR) {
		log_warning("primary: refused an UPDATE (RCODE %u)", message->rcode);
		backend->outcome = -EREMOTEIO;
	}
	if (n_left == 1)
		end_updates(backend);
}

int backend_dns_publish(struct backend_dns *backend, const struct update_batch *batch)
{
	if (!backend_dns_is_reachable(backend))
		return -ENOTCONN;
	backend->sent = calloc(batch->n, sizeof *backend->sent);
	backend->batch.items = calloc(batch->n, sizeof *backend->batch.items);
	for (size_t i = 0; backend->sent && backend->batch.items && i < batch->n; i++) {
		if (octets_copy(batch->items[i].data, batch->items[i].size,
				&backend->batch.items[i]) < 0)
			break;
		backend->batch.n++;
	}
	if (backend->batch.n < batch->n) {
		update_batch_clear(&backend->batch);
		free(backend->sent);
		backend->sent = NULL;
		return -ENOMEM;
	}
	backend->is_publishing = true;
	backend->is_accepted = backend->is_second_try = false;
	backend->state.has_updates = true;
	loop_timer_set(backend->timer, loop_now(backend->loop));
	return 0;
}

/* Events
 * --------------------------------------------------------------------------------------------- */

static void take_message(struct backend_dns *backend, const uint8_t *octets, size_t size)
{
	switch (backend->state.phase) {
	case PRIMARY_TRANSFERRING:
		take_transfer(backend, octets, size);
		break;
	case PRIMARY_UPDATING:
		take_update(backend, octets, size);
		break;
	case PRIMARY_DOWN:
	case PRIMARY_CONNECTING:
	case PRIMARY_IDLE:
		break;
	}
}

static void take_messages(struct backend_dns *backend)
{
	uint64_t connection = backend->n_connections;
	size_t position = 0;

	while (backend->n_connections == connection && backend->n_in - position >= LENGTH_SIZE) {
		const uint8_t *start = backend->in + position;
		size_t size = (size_t)start[0] << 8 | start[1];

		if (backend->n_in - position - LENGTH_SIZE < size)
			break;
		take_message(backend, start + LENGTH_SIZE, size);
		position += LENGTH_SIZE + size;
	}
	if (backend->n_connections != connection)
		return;
	backend->n_in -= position;
	memmove(backend->in, backend->in + position, backend->n_in);
}

static void on_connected(struct backend_dns *backend)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (getsockopt(backend->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
		lose_connection(backend);
		return;
	}
	loop_io_set(backend->io, UV_READABLE);
	primary_state_connected(&backend->state);
	step(backend);
}

static void on_io(void *userdata, int status, int events)
{
	struct backend_dns *backend = userdata;
	uint64_t connection = backend->n_connections;
	ssize_t n;

	if (backend->state.phase == PRIMARY_CONNECTING) {
		on_connected(backend);
		return;
	}
	if (events & UV_WRITABLE)
		write_out(backend);
	if (!(events & UV_READABLE) || backend->n_connections != connection)
		return;
	n = recv(backend->fd, backend->in + backend->n_in, sizeof backend->in - backend->n_in, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose_connection(backend);
		return;
	}
	backend->n_in += n;
	take_messages(backend);
	step(backend);
}

static int start_connecting(struct backend_dns *backend)
{
	static const int on = 1;
	struct sockaddr_storage address;
	socklen_t size = socket_address_from_endpoint(&backend->options->primary, &address);
	int r;

	backend->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (backend->fd < 0)
		return -errno;
	setsockopt(backend->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(backend->fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	r = loop_io_new(backend->loop, backend->fd, UV_WRITABLE, on_io, backend, &backend->io);
	return r;
}

static int do_step(struct backend_dns *backend, enum primary_step next)
{
	switch (next) {
	case PRIMARY_WAIT:
	case PRIMARY_GIVE_UP:
		break;
	case PRIMARY_CONNECT:
		return start_connecting(backend);
	case PRIMARY_ASK_WHOLE:
		return ask(backend, true);
	case PRIMARY_ASK_CHANGES:
		return ask(backend, false);
	case PRIMARY_SEND_UPDATES:
		return send_updates(backend);
	}
	return 0;
}

static void step(struct backend_dns *backend)
{
	uint64_t now = loop_now(backend->loop);
	enum primary_step next;

	if (backend->state.has_zone && backend->callbacks->wants_whole(backend->userdata))
		backend->state.needs_whole = true;
	next = primary_state_next(&backend->state, now);
	if (next != PRIMARY_WAIT) {
		primary_state_begin(&backend->state, next, now);
		if (next == PRIMARY_GIVE_UP || do_step(backend, next) < 0) {
			lose_connection(backend);
			return;
		}
		if (backend->state.phase != PRIMARY_CONNECTING)
			write_out(backend);
	}
	loop_timer_set(backend->timer, primary_state_next_due(&backend->state, now));
}

static void on_timer(void *userdata)
{
	step(userdata);
}

/* From outside
 * --------------------------------------------------------------------------------------- */

int backend_dns_new(struct loop *loop, const struct backend_dns_options *options,
		    const struct backend_dns_callbacks *callbacks, void *userdata,
		    struct backend_dns **ret)
{
	cleanup(backend_dns_freep) struct backend_dns *backend = calloc(1, sizeof *backend);
	int r;

	if (!backend)
		return -ENOMEM;
	backend->loop = loop;
	backend->options = options;
	backend->callbacks = callbacks;
	backend->userdata = userdata;
	backend->fd = -1;
	primary_state_init(&backend->state);
	if (getrandom(&backend->last_id, sizeof backend->last_id, 0) != sizeof backend->last_id)
		return -EIO;
	r = loop_timer_new(loop, on_timer, backend, &backend->timer);
	if (r < 0)
		return r;
	loop_timer_set(backend->timer, loop_now(loop));
	*ret = steal_ptr(backend);
	return 0;
}

struct backend_dns *backend_dns_free(struct backend_dns *backend)
{
	if (!backend)
		return NULL;
	drop_connection(backend);
	loop_timer_free(backend->timer);
	update_batch_clear(&backend->batch);
	free(backend->sent);
	free(backend);
	return NULL;
}

void backend_dns_notified(struct backend_dns *backend)
{
	backend->state.wants_changes = true;
	step(backend);
}

void backend_dns_look(struct backend_dns *backend)
{
	/* Not within a callback of ours. */
	loop_timer_set(backend->timer, loop_now(backend->loop));
}

bool backend_dns_is_reachable(const struct backend_dns *backend)
{
	/* One that was closed for being idle is made anew at once. */
	return primary_state_is_connected(&backend->state) ||
	       (backend->was_reachable && backend->state.retry_at <= loop_now(backend->loop));
}

bool backend_dns_may_begin(const struct backend_dns *backend)
{
	return !backend->state.has_zone || backend->state.phase != PRIMARY_TRANSFERRING;
}
