/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-sa-internal.h"

#include <stdarg.h>
#include <stdio.h>

struct exchange {
	enum ike_exchange type;
	/* A request of the peer in the window; must answer it or set something in motion that will.
	 */
	void (*request)(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
	/* The response to ours. */
	void (*response)(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
};

/* We make new IKE SAs instead of rekeying within one; a peer may go on with the one it has (§1.3).
 */
static void refuse_child(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	ike_sa_answer_error(sa, IKE_EXCHANGE_CREATE_CHILD_SA, IKE_NOTIFY_NO_ADDITIONAL_SAS, NULL,
			    0);
}

static const struct exchange exchanges[] = {
	{ IKE_EXCHANGE_AUTH, ike_auth_request, ike_auth_response },
	{ IKE_EXCHANGE_CREATE_CHILD_SA, refuse_child, NULL },
	{ IKE_EXCHANGE_INFORMATIONAL, ike_informational_request, ike_informational_response },
};

int ike_blob_set(struct ike_blob *blob, const void *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	ike_blob_clear(blob);
	*blob = (struct ike_blob){ copy, size };
	return 0;
}

void ike_blob_clear(struct ike_blob *blob)
{
	free(blob->data);
	*blob = (struct ike_blob){};
}

struct ike_sa *ike_sa_new(struct ike_context *context, uint64_t now, bool initiator)
{
	struct ike_sa *sa = calloc(1, sizeof *sa);
	uint64_t spi = 0;

	if (!sa)
		return NULL;
	sa->context = context;
	sa->initiator = initiator;
	sa->created = sa->heard = now;
	sa->timer = sa->retire_at = UINT64_MAX;
	while (!spi)
		context->random.fill(context->random.userdata, &spi, sizeof spi);
	if (initiator)
		sa->spi_initiator = spi;
	else
		sa->spi_responder = spi;
	context->random.fill(context->random.userdata, sa->private_key, sizeof sa->private_key);
	context->random.fill(context->random.userdata, sa->nonce, sizeof sa->nonce);
	return sa;
}

struct ike_sa *ike_sa_free(struct ike_sa *sa)
{
	if (!sa)
		return NULL;
	ike_blob_clear(&sa->peer_nonce);
	ike_blob_clear(&sa->own_init);
	ike_blob_clear(&sa->peer_init);
	ike_blob_clear(&sa->signature);
	ike_blob_clear(&sa->request.message);
	ike_blob_clear(&sa->answer.message);
	explicit_bzero(sa, sizeof *sa);
	free(sa);
	return NULL;
}

bool ike_sa_is_connecting(const struct ike_sa *sa)
{
	switch (sa->state) {
	case IKE_SA_INIT_SENT:
	case IKE_SA_HALF_OPEN:
	case IKE_SA_SIGNING:
	case IKE_SA_AUTH_SENT:
	case IKE_SA_INSTALLING:
		return true;
	case IKE_SA_ESTABLISHED:
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		break;
	}
	return false;
}

uint64_t ike_sa_spi(const struct ike_sa *sa)
{
	return sa->initiator ? sa->spi_initiator : sa->spi_responder;
}

void ike_sa_set_state(struct ike_sa *sa, enum ike_sa_state state, uint64_t timer)
{
	sa->state = state;
	sa->timer = timer;
	ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

void ike_sa_remove_child(struct ike_sa *sa)
{
	if (sa->child.id && sa->child.installed) {
		struct ike_action *action =
			ike_actions_add(&sa->context->actions, IKE_ACTION_REMOVE, sa->id, NULL, 0);

		if (action)
			action->child = sa->child;
	}
	ike_sa_forget_child(sa);
}

void ike_sa_forget_child(struct ike_sa *sa)
{
	if (!sa->child.id)
		return;
	sa->child = (struct ike_child){};
	ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

void ike_sa_drop(struct ike_sa *sa)
{
	/* tunneld may be installing it right now; removing what is not there does no harm. */
	if (sa->state == IKE_SA_INSTALLING && sa->child.id)
		sa->child.installed = true;
	ike_sa_remove_child(sa);
	ike_blob_clear(&sa->request.message);
	ike_sa_set_state(sa, IKE_SA_DEAD, UINT64_MAX);
}

void ike_sa_fail(struct ike_sa *sa, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sa->failure, sizeof sa->failure, format, arguments);
	va_end(arguments);
	ike_sa_drop(sa);
}

const uint8_t *ike_sa_own_key(const struct ike_sa *sa)
{
	return sa->initiator ? sa->keys.ei : sa->keys.er;
}

const uint8_t *ike_sa_peer_key(const struct ike_sa *sa)
{
	return sa->initiator ? sa->keys.er : sa->keys.ei;
}

struct ike_octets ike_sa_nonce(const struct ike_sa *sa, bool of_initiator)
{
	if (of_initiator == sa->initiator)
		return (struct ike_octets){ sa->nonce, sizeof sa->nonce };
	return (struct ike_octets){ sa->peer_nonce.data, sa->peer_nonce.size };
}

struct ike_header ike_sa_header(const struct ike_sa *sa, uint8_t exchange, bool response,
				uint32_t id)
{
	return (struct ike_header){
		.spi_initiator = sa->spi_initiator,
		.spi_responder = sa->spi_responder,
		.version = IKE_VERSION,
		.exchange = exchange,
		.flags = (sa->initiator ? IKE_FLAG_INITIATOR : 0) |
			 (response ? IKE_FLAG_RESPONSE : 0),
		.message_id = id,
	};
}

static void transmit(struct ike_sa *sa, const struct sockaddr_in *to,
		     const struct ike_blob *message)
{
	sa->context->counters.sent++;
	ike_actions_send(&sa->context->actions, sa->id, to, message->data, message->size);
}

int ike_sa_request(struct ike_sa *sa, uint64_t now, uint8_t exchange, const uint8_t *message,
		   size_t size, uint64_t deadline)
{
	struct ike_request *request = &sa->request;
	int r = ike_blob_set(&request->message, message, size);

	if (r < 0)
		return r;
	request->id = sa->next_request_id;
	request->exchange = exchange;
	request->delay = IKE_RETRANSMIT_FIRST;
	request->due = now + request->delay;
	request->deadline = now + deadline;
	transmit(sa, &sa->endpoint, &request->message);
	return 0;
}

/* Encrypts a chain into a message of at most IKE_MESSAGE_LIMIT. */
static int seal(struct ike_sa *sa, const struct ike_header *header, struct ike_builder *inner,
		uint8_t message[IKE_MESSAGE_LIMIT])
{
	int size = ike_builder_finish(inner);

	if (size < 0)
		return size;
	return ike_sk_seal(&sa->suite, ike_sa_own_key(sa), sa->iv++, header, inner->first,
			   inner->writer.data, size, message, IKE_MESSAGE_LIMIT);
}

int ike_sa_request_sealed(struct ike_sa *sa, uint64_t now, uint8_t exchange,
			  struct ike_builder *inner, uint64_t deadline)
{
	struct ike_header header = ike_sa_header(sa, exchange, false, sa->next_request_id);
	uint8_t message[IKE_MESSAGE_LIMIT];
	int size = seal(sa, &header, inner, message);

	return size < 0 ? size : ike_sa_request(sa, now, exchange, message, size, deadline);
}

int ike_sa_answer_sealed(struct ike_sa *sa, uint8_t exchange, struct ike_builder *inner)
{
	/* The window has moved on to the next request already. */
	struct ike_header header = ike_sa_header(sa, exchange, true, sa->expected_id - 1);
	uint8_t message[IKE_MESSAGE_LIMIT];
	int size = seal(sa, &header, inner, message);
	int r = size < 0 ? size : ike_blob_set(&sa->answer.message, message, size);

	if (r >= 0)
		transmit(sa, &sa->answer.to, &sa->answer.message);
	return r;
}

void ike_sa_answer_error(struct ike_sa *sa, uint8_t exchange, enum ike_notify_type type,
			 const void *data, size_t size)
{
	uint8_t buffer[64];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_builder_add_notify(&inner, type, data, size);
	ike_sa_answer_sealed(sa, exchange, &inner);
}

/* The chain inside, or the reason to drop the message. `inner` is its memory. */
static int open_message(struct ike_sa *sa, const struct ike_header *header, const uint8_t *data,
			size_t size, uint8_t inner[IKE_MESSAGE_LIMIT], struct ike_chain *chain)
{
	const struct ike_payload *payload;
	uint8_t first;
	int r;

	r = ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
			   chain);
	payload = r < 0 ? NULL : ike_chain_find(chain, IKE_PAYLOAD_SK);
	/* Nothing may stand before it (§3.14 has it alone in what we speak). */
	if (!payload || chain->n_payloads != 1) {
		sa->context->counters.malformed++;
		return -EBADMSG;
	}
	first = payload->next;
	r = ike_sk_open(&sa->suite, ike_sa_peer_key(sa), data, payload, inner);
	if (r < 0) {
		sa->context->counters.unauthentic++;
		return r;
	}
	r = ike_chain_read(first, inner, r, chain);
	/* Authentic, and yet not what a message may be: the caller answers. */
	return r < 0 ? 1 : 0;
}

static const struct exchange *find_exchange(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++)
		if (exchanges[i].type == type)
			return &exchanges[i];
	return NULL;
}

static void receive_response(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
			     const struct ike_header *header, const uint8_t *data, size_t size)
{
	const struct exchange *exchange = find_exchange(header->exchange);
	uint8_t inner[IKE_MESSAGE_LIMIT];
	struct ike_chain chain;
	int r;

	if (!sa->request.message.data || header->message_id != sa->request.id ||
	    header->exchange != sa->request.exchange) {
		sa->context->counters.out_of_window++;
		return;
	}
	if (!exchange || !exchange->response) {
		sa->context->counters.unexpected++;
		return;
	}
	r = open_message(sa, header, data, size, inner, &chain);
	if (r < 0)
		return;
	sa->heard = now;
	sa->next_request_id++;
	ike_blob_clear(&sa->request.message);
	if (r > 0 || ike_chain_find_unsupported(&chain)) {
		sa->context->counters.malformed++;
		ike_sa_fail(sa, "it answered what we do not understand");
		return;
	}
	/* It is authentic: this is where the peer is. */
	if (sa->state == IKE_SA_AUTH_SENT)
		sa->endpoint = *from;
	exchange->response(sa, now, &chain);
	explicit_bzero(inner, sizeof inner);
}

/* Whether the peer's request may come now. */
static bool may_request(const struct ike_sa *sa, uint8_t exchange)
{
	switch (sa->state) {
	case IKE_SA_HALF_OPEN:
		return exchange == IKE_EXCHANGE_AUTH;
	case IKE_SA_ESTABLISHED:
	case IKE_SA_DELETING:
		return exchange != IKE_EXCHANGE_AUTH;
	case IKE_SA_INIT_SENT:
	case IKE_SA_SIGNING:
	case IKE_SA_AUTH_SENT:
	case IKE_SA_INSTALLING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		break;
	}
	return false;
}

/* The request we answered last, again: the same answer, to where it came from now (§2.1). */
static bool repeat_answer(struct ike_sa *sa, const struct sockaddr_in *from,
			  const struct ike_header *header, const uint8_t hash[32])
{
	if (!sa->answer.known || header->message_id + 1 != sa->expected_id ||
	    memcmp(sa->answer.hash, hash, sizeof sa->answer.hash))
		return false;
	sa->answer.to = *from;
	if (sa->answer.message.data) {
		sa->context->counters.repeated_responses++;
		transmit(sa, from, &sa->answer.message);
	}
	return true;
}

static void receive_request(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
			    const struct ike_header *header, const uint8_t *data, size_t size)
{
	const struct exchange *exchange = find_exchange(header->exchange);
	uint8_t inner[IKE_MESSAGE_LIMIT], hash[32], unsupported;
	struct ike_chain chain;
	int r;

	if (ike_sha256(data, size, hash) < 0 || repeat_answer(sa, from, header, hash))
		return;
	if (header->message_id != sa->expected_id) {
		sa->context->counters.out_of_window++;
		return;
	}
	if (!exchange || !may_request(sa, header->exchange)) {
		sa->context->counters.unexpected++;
		return;
	}
	r = open_message(sa, header, data, size, inner, &chain);
	if (r < 0)
		return;
	sa->heard = now;
	sa->expected_id++;
	memcpy(sa->answer.hash, hash, sizeof hash);
	sa->answer.known = true;
	sa->answer.to = *from;
	ike_blob_clear(&sa->answer.message);
	unsupported = r == 0 ? ike_chain_find_unsupported(&chain) : 0;
	if (r > 0) {
		sa->context->counters.malformed++;
		ike_sa_answer_error(sa, header->exchange, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0);
	} else if (unsupported) {
		ike_sa_answer_error(sa, header->exchange, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
				    &unsupported, 1);
	} else {
		exchange->request(sa, now, &chain);
	}
	explicit_bzero(inner, sizeof inner);
}

void ike_sa_receive(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
		    const struct ike_header *header, const uint8_t *data, size_t size)
{
	/* Who began the SA does not change in its life (§3.1). */
	if (!(header->flags & IKE_FLAG_INITIATOR) != sa->initiator) {
		sa->context->counters.malformed++;
		return;
	}
	if (header->exchange == IKE_EXCHANGE_SA_INIT) {
		if (header->flags & IKE_FLAG_RESPONSE && sa->state == IKE_SA_INIT_SENT)
			ike_init_response(sa, now, from, header, data, size);
		else
			sa->context->counters.out_of_window++;
		return;
	}
	/* Without keys nothing else can be read. */
	if (sa->state == IKE_SA_INIT_SENT || sa->state == IKE_SA_DEAD) {
		sa->context->counters.unexpected++;
		return;
	}
	if (header->flags & IKE_FLAG_RESPONSE)
		receive_response(sa, now, from, header, data, size);
	else
		receive_request(sa, now, from, header, data, size);
}

bool ike_sa_repeat_init(struct ike_sa *sa, const struct sockaddr_in *from, const uint8_t *data,
			size_t size)
{
	if (sa->initiator || !sa->peer_init.data || sa->peer_init.size != size ||
	    memcmp(sa->peer_init.data, data, size))
		return false;
	if (sa->state == IKE_SA_HALF_OPEN) {
		sa->context->counters.repeated_responses++;
		transmit(sa, from, &sa->own_init);
	}
	return true;
}

void ike_sa_hurry(struct ike_sa *sa, uint64_t now)
{
	if (!sa->request.message.data)
		return;
	sa->context->counters.retransmitted++;
	sa->request.delay = IKE_RETRANSMIT_FIRST;
	sa->request.due = now + sa->request.delay;
	transmit(sa, &sa->endpoint, &sa->request.message);
}

void ike_sa_move(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *endpoint)
{
	if (sa->endpoint.sin_addr.s_addr == endpoint->sin_addr.s_addr &&
	    sa->endpoint.sin_port == endpoint->sin_port)
		return;
	sa->endpoint = *endpoint;
	ike_sa_hurry(sa, now);
	ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

void ike_sa_delete(struct ike_sa *sa, uint64_t now)
{
	switch (sa->state) {
	case IKE_SA_ESTABLISHED:
		ike_informational_delete(sa, now);
		break;
	case IKE_SA_INSTALLING:
		/* To the responder an initiator that got this far is there. */
		if (sa->initiator) {
			sa->child.installed = sa->child.id;
			ike_informational_delete(sa, now);
		} else {
			ike_sa_drop(sa);
		}
		break;
	case IKE_SA_INIT_SENT:
	case IKE_SA_HALF_OPEN:
	case IKE_SA_SIGNING:
	case IKE_SA_AUTH_SENT:
		ike_sa_drop(sa);
		break;
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		break;
	}
}

static void give_up(struct ike_sa *sa)
{
	char text[IKE_ENDPOINT_TEXT];

	switch (sa->state) {
	case IKE_SA_AUTH_SENT:
		sa->retry_soon = true;
		ike_sa_fail(sa, "no answer from %s", ike_endpoint_text(&sa->endpoint, text));
		break;
	case IKE_SA_INIT_SENT:
		/* An error in the clear that came meanwhile may have been anybody's, but says more.
		 */
		if (*sa->failure)
			ike_sa_drop(sa);
		else
			ike_sa_fail(sa, "no answer from %s",
				    ike_endpoint_text(&sa->endpoint, text));
		break;
	case IKE_SA_ESTABLISHED:
		sa->context->counters.dead_peers++;
		ike_actions_note(&sa->context->actions, "%s answers no more", sa->peer);
		ike_sa_drop(sa);
		break;
	case IKE_SA_HALF_OPEN:
	case IKE_SA_SIGNING:
	case IKE_SA_INSTALLING:
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		ike_sa_drop(sa);
		break;
	}
}

static void tick_request(struct ike_sa *sa, uint64_t now)
{
	struct ike_request *request = &sa->request;

	if (!request->message.data || now < request->due)
		return;
	if (now >= request->deadline) {
		give_up(sa);
		return;
	}
	sa->context->counters.retransmitted++;
	transmit(sa, &sa->endpoint, &request->message);
	request->delay *= 2;
	if (request->delay > IKE_RETRANSMIT_LAST)
		request->delay = IKE_RETRANSMIT_LAST;
	request->due = now + request->delay;
	if (request->due > request->deadline)
		request->due = request->deadline;
}

static void tick_timer(struct ike_sa *sa, uint64_t now)
{
	sa->timer = UINT64_MAX;
	switch (sa->state) {
	case IKE_SA_HALF_OPEN:
		sa->context->counters.half_open_expired++;
		ike_sa_drop(sa);
		break;
	case IKE_SA_SIGNING:
		ike_sa_fail(sa, "identity did not sign in time");
		break;
	case IKE_SA_INSTALLING:
		ike_sa_fail(sa, "tunneld did not install in time");
		break;
	case IKE_SA_ESTABLISHED:
		if (now >= sa->heard + IKE_LIVENESS_SILENCE && !sa->request.message.data)
			ike_informational_probe(sa, now);
		/* What is under way is as good as a probe. */
		sa->timer = (sa->request.message.data ? now : sa->heard) + IKE_LIVENESS_SILENCE;
		/* Without memory for a probe: a little later. */
		if (sa->timer <= now)
			sa->timer = now + IKE_RETRANSMIT_LAST;
		break;
	case IKE_SA_INIT_SENT:
	case IKE_SA_AUTH_SENT:
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		ike_sa_drop(sa);
		break;
	}
}

void ike_sa_tick(struct ike_sa *sa, uint64_t now)
{
	if (sa->state == IKE_SA_DEAD)
		return;
	if (now >= sa->retire_at) {
		sa->retire_at = UINT64_MAX;
		if (sa->retire_silently)
			ike_sa_drop(sa);
		else
			ike_sa_delete(sa, now);
	}
	if (sa->state != IKE_SA_DEAD && now >= sa->timer)
		tick_timer(sa, now);
	if (sa->state != IKE_SA_DEAD)
		tick_request(sa, now);
}

uint64_t ike_sa_due(const struct ike_sa *sa)
{
	uint64_t due = sa->timer < sa->retire_at ? sa->timer : sa->retire_at;

	if (sa->request.message.data && sa->request.due < due)
		due = sa->request.due;
	return due;
}
