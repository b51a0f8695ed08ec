/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Exchanges of an IKE SA (RFC 7296 §2.1-2.3): our requests go out, are repeated until they are
 * answered, and their answers find who asked; the peer's requests are each looked at once and
 * answered again with the same octets. What exchange does what is a table.
 */
#include "services/keyd/ike-sa-internal.h"

struct exchange {
	enum ike_exchange type;
	/* A request of the peer in the window; must answer it or set something in motion that will.
	 */
	void (*request)(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
	/* The response to ours, which is there until we return. */
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

static const struct exchange *find_exchange(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++)
		if (exchanges[i].type == type)
			return &exchanges[i];
	return NULL;
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

/* Requests of ours. */

int ike_sa_request(struct ike_sa *sa, uint64_t now, uint8_t exchange, const uint8_t *message,
		   size_t size, uint64_t deadline)
{
	/* IKE_SA_INIT that is sent anew, with a cookie, has its number again (§2.2). */
	uint32_t id = exchange == IKE_EXCHANGE_SA_INIT ? 0 : sa->requests.next_id;
	struct ike_request *request = ike_requests_add(&sa->requests, id, message, size);

	if (!request)
		return -ENOMEM;
	request->exchange = exchange;
	request->sent = now;
	request->delay = ike_round_trip_first(&sa->round_trip);
	request->due = now + request->delay;
	request->deadline = now + deadline;
	transmit(sa, &sa->endpoint, &request->message);
	return 0;
}

int ike_sa_request_sealed(struct ike_sa *sa, uint64_t now, uint8_t exchange,
			  struct ike_builder *inner, uint64_t deadline)
{
	struct ike_header header = ike_sa_header(sa, exchange, false, sa->requests.next_id);
	uint8_t message[IKE_MESSAGE_LIMIT];
	int size = seal(sa, &header, inner, message);

	return size < 0 ? size : ike_sa_request(sa, now, exchange, message, size, deadline);
}

struct ike_request *ike_sa_last_request(struct ike_sa *sa)
{
	return ike_requests_find(&sa->requests, sa->requests.next_id - 1);
}

void ike_sa_take_answer(struct ike_sa *sa, uint64_t now, struct ike_request *request)
{
	sa->heard = now;
	if (!request->repeats && !request->moved)
		ike_round_trip_note(&sa->round_trip, now - request->sent);
	ike_requests_remove(&sa->requests, request);
}

static void repeat(struct ike_sa *sa, struct ike_request *request)
{
	request->repeats++;
	sa->retransmitted++;
	sa->context->counters.retransmitted++;
	transmit(sa, &sa->endpoint, &request->message);
}

void ike_sa_tick_requests(struct ike_sa *sa, uint64_t now)
{
	for (size_t i = 0; i < IKE_WINDOW; i++) {
		struct ike_request *request = &sa->requests.places[i];

		if (!request->message.data || now < request->due)
			continue;
		if (now >= request->deadline) {
			ike_sa_give_up(sa);
			return;
		}
		repeat(sa, request);
		request->delay = ike_round_trip_next(request->delay);
		request->due = now + request->delay;
		if (request->due > request->deadline)
			request->due = request->deadline;
	}
}

uint64_t ike_sa_requests_due(const struct ike_sa *sa)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < IKE_WINDOW; i++)
		if (sa->requests.places[i].message.data && sa->requests.places[i].due < due)
			due = sa->requests.places[i].due;
	return due;
}

void ike_sa_hurry(struct ike_sa *sa, uint64_t now)
{
	ike_round_trip_forget(&sa->round_trip);
	for (size_t i = 0; i < IKE_WINDOW; i++) {
		struct ike_request *request = &sa->requests.places[i];

		if (!request->message.data)
			continue;
		request->moved = true;
		request->delay = ike_round_trip_first(&sa->round_trip);
		request->due = now + request->delay;
		repeat(sa, request);
	}
}

/* Answers. */

int ike_sa_answer_id(struct ike_sa *sa, uint32_t id, uint8_t exchange, struct ike_builder *inner)
{
	struct ike_header header = ike_sa_header(sa, exchange, true, id);
	struct ike_answer *answer = ike_answers_find(&sa->answers, id);
	uint8_t message[IKE_MESSAGE_LIMIT];
	int size, r;

	/* The peer went on without it. */
	if (!answer)
		return 0;
	size = seal(sa, &header, inner, message);
	r = size < 0 ? size : ike_blob_set(&answer->message, message, size);
	if (r >= 0)
		transmit(sa, &answer->to, &answer->message);
	return r;
}

int ike_sa_answer_sealed(struct ike_sa *sa, uint8_t exchange, struct ike_builder *inner)
{
	return ike_sa_answer_id(sa, sa->asked_id, exchange, inner);
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

void ike_sa_add_window(struct ike_builder *builder)
{
	const uint8_t window[] = { 0, 0, 0, IKE_WINDOW };

	ike_builder_add_notify(builder, IKE_NOTIFY_SET_WINDOW_SIZE, window, sizeof window);
}

/* The peer may say at any time how much it takes (§2.3). */
static void hear_window(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_notify notify;
	struct reader reader;
	uint32_t size;

	if (!ike_chain_find_notify(chain, IKE_NOTIFY_SET_WINDOW_SIZE, &notify) ||
	    notify.data.size != 4)
		return;
	reader = reader_init(notify.data.data, 4);
	size = reader_u32(&reader);
	/* While it is made, the SA takes one at a time: its exchanges build on each other. */
	ike_requests_set_limit(&sa->requests, size);
}

/* What comes in. */

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

static void receive_response(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
			     const struct ike_header *header, const uint8_t *data, size_t size)
{
	const struct exchange *exchange = find_exchange(header->exchange);
	struct ike_request *request = ike_requests_find(&sa->requests, header->message_id);
	uint8_t inner[IKE_MESSAGE_LIMIT];
	struct ike_chain chain;
	int r;

	if (!request || header->exchange != request->exchange) {
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
	sa->answered = *request;
	sa->answered.message = (struct ike_blob){};
	ike_sa_take_answer(sa, now, request);
	if (r > 0 || ike_chain_find_unsupported(&chain)) {
		sa->context->counters.malformed++;
		ike_sa_fail(sa, "it answered what we do not understand");
		return;
	}
	/* It is authentic: this is where the peer is. */
	if (sa->state == IKE_SA_AUTH_SENT)
		sa->endpoint = *from;
	hear_window(sa, &chain);
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

/* The same request again: the same answer, to where it came from now (§2.1). */
static void repeat_answer(struct ike_sa *sa, const struct sockaddr_in *from,
			  struct ike_answer *answer)
{
	answer->to = *from;
	if (!answer->message.data)
		return;
	sa->context->counters.repeated_responses++;
	transmit(sa, from, &answer->message);
}

/* Whether it is one that we have not seen; what else there is to do is done. */
static bool is_new(struct ike_sa *sa, const struct sockaddr_in *from,
		   const struct ike_header *header, const uint8_t hash[32])
{
	unsigned int window = sa->state == IKE_SA_HALF_OPEN ? 1 : IKE_WINDOW;
	struct ike_answer *answer;

	switch (ike_answers_judge(&sa->answers, header->message_id, hash, window, &answer)) {
	case IKE_ARRIVAL_NEW:
		return true;
	case IKE_ARRIVAL_AGAIN:
		repeat_answer(sa, from, answer);
		return false;
	case IKE_ARRIVAL_OUTSIDE:
		sa->context->counters.out_of_window++;
		return false;
	}
	return false;
}

static void receive_request(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
			    const struct ike_header *header, const uint8_t *data, size_t size)
{
	const struct exchange *exchange = find_exchange(header->exchange);
	uint8_t inner[IKE_MESSAGE_LIMIT], hash[32], unsupported;
	struct ike_chain chain;
	int r;

	if (ike_sha256(data, size, hash) < 0 || !is_new(sa, from, header, hash))
		return;
	if (!exchange || !may_request(sa, header->exchange)) {
		sa->context->counters.unexpected++;
		return;
	}
	r = open_message(sa, header, data, size, inner, &chain);
	if (r < 0)
		return;
	sa->heard = now;
	ike_answers_add(&sa->answers, header->message_id, hash, from);
	sa->asked_id = header->message_id;
	sa->asked_from = *from;
	unsupported = r == 0 ? ike_chain_find_unsupported(&chain) : 0;
	if (r > 0) {
		sa->context->counters.malformed++;
		ike_sa_answer_error(sa, header->exchange, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0);
	} else if (unsupported) {
		ike_sa_answer_error(sa, header->exchange, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
				    &unsupported, 1);
	} else {
		hear_window(sa, &chain);
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
