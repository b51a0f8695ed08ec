/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Exchanges of an IKE SA (RFC 7296 §2.1-2.3): our requests go out, are repeated until they are
 * answered, and their answers find who asked; the peer's requests are each looked at once and
 * answered again with the same octets. What exchange does what is a table.
 */
#include "services/keyd/ike-intermediate.h"
#include "services/keyd/ike-resume.h"

struct exchange {
	enum ike_exchange type;
	/* A request of the peer in the window; must answer it or set something in motion that will.
	 */
	void (*request)(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
	/* The response to ours, which is there until we return. */
	void (*response)(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
};

static const struct exchange exchanges[] = {
	{ IKE_EXCHANGE_INTERMEDIATE, ike_intermediate_request, ike_intermediate_response },
	{ IKE_EXCHANGE_AUTH, ike_auth_request, ike_auth_response },
	{ IKE_EXCHANGE_CREATE_CHILD_SA, ike_create_child_request, ike_create_child_response },
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

/* A message, or the pieces of one behind each other. */
static void transmit(struct ike_sa *sa, const struct sockaddr_in *to,
		     const struct ike_blob *message)
{
	struct ike_octets piece;

	for (size_t at = 0; ike_fragments_next(message, &at, &piece);) {
		sa->context->counters.sent++;
		ike_actions_send(&sa->context->actions, sa->id, to, piece.data, piece.size);
	}
}

/* Encrypts a chain into a message, or into pieces of one. */
static int seal(struct ike_sa *sa, const struct ike_header *header, struct ike_builder *inner,
		struct ike_blob *ret)
{
	int size = ike_builder_finish(inner);

	return size < 0 ? size
			: ike_fragments_seal(sa, header, inner->first, inner->writer.data, size,
					     ret);
}

/* Requests of ours. */

int ike_sa_request(struct ike_sa *sa, uint64_t now, uint8_t exchange, const uint8_t *message,
		   size_t size, uint64_t deadline)
{
	/* IKE_SA_INIT that is sent anew, with a cookie, has its number again (§2.2). */
	uint32_t id = exchange == IKE_EXCHANGE_SA_INIT || exchange == IKE_EXCHANGE_SESSION_RESUME
			      ? 0
			      : sa->requests.next_id;
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
	struct ike_blob message = {};
	int r = seal(sa, &header, inner, &message);

	if (r >= 0)
		r = ike_sa_request(sa, now, exchange, message.data, message.size, deadline);
	ike_blob_clear(&message);
	return r;
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
	struct sockaddr_in other;

	request->repeats++;
	sa->retransmitted++;
	sa->context->counters.retransmitted++;
	transmit(sa, &sa->endpoint, &request->message);
	if (!ike_mobike_find_other(sa, request->repeats, &other))
		return;
	request->moved = request->scattered = true;
	transmit(sa, &other, &request->message);
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
		if (request->repeats == IKE_FRAGMENT_PATIENCE)
			ike_fragments_shrink(sa, &request->message);
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
	struct ike_blob message = {};
	int r;

	/* The peer went on without it. */
	if (!answer)
		return 0;
	r = seal(sa, &header, inner, &message);
	if (r < 0)
		return r;
	ike_blob_clear(&answer->message);
	answer->message = message;
	transmit(sa, &answer->to, &answer->message);
	return 0;
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

/* What opening a message needs and gives. */
struct opening {
	uint64_t now;
	const struct ike_header *header;
	const uint8_t *data;
	size_t size;
	uint8_t hash[32];                 /* of the message, or of its first piece */
	struct ike_chain chain;           /* what is inside */
	bool malformed;                   /* authentic, and yet not what a message may be */
	uint8_t inner[IKE_MESSAGE_LIMIT]; /* memory of the chain */
};

static void begin_opening(struct opening *opening, uint64_t now, const struct ike_header *header,
			  const uint8_t *data, size_t size)
{
	opening->now = now;
	opening->header = header;
	opening->data = data;
	opening->size = size;
	memset(opening->hash, 0, sizeof opening->hash);
	opening->malformed = false;
}

/* The one payload of the message, SK or SKF; NULL when it is of another form. Nothing may stand
 * before it (§3.14 has it alone in what we speak). */
static const struct ike_payload *find_encrypted(struct ike_sa *sa, struct opening *opening)
{
	const struct ike_payload *payload = &opening->chain.payloads[0];

	if (ike_chain_read(opening->header->next_payload, opening->data + IKE_HEADER_SIZE,
			   opening->size - IKE_HEADER_SIZE, &opening->chain) < 0 ||
	    opening->chain.n_payloads != 1 ||
	    (payload->type != IKE_PAYLOAD_SK &&
	     !(payload->type == IKE_PAYLOAD_SKF && sa->peer_takes_fragments))) {
		sa->context->counters.malformed++;
		return NULL;
	}
	return payload;
}

/* 0; -EAGAIN when pieces of the message are missing; or the reason to drop it. */
static int open_message(struct ike_sa *sa, struct opening *opening)
{
	const struct ike_payload *payload = find_encrypted(sa, opening);
	uint8_t first;
	int r;

	if (!payload)
		return -EBADMSG;
	first = payload->next;
	if (payload->type == IKE_PAYLOAD_SKF)
		r = ike_fragments_take(sa, opening->now, opening->header, opening->data, payload,
				       opening->inner, &first, opening->hash);
	else
		r = ike_sk_open(&sa->suite, ike_sa_peer_key(sa, opening->header->exchange),
				opening->data, payload, opening->inner);
	if (r < 0) {
		if (r != -EAGAIN)
			sa->context->counters.unauthentic++;
		return r;
	}
	opening->malformed = ike_chain_read(first, opening->inner, r, &opening->chain) < 0;
	return 0;
}

static void receive_response(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
			     const struct ike_header *header, const uint8_t *data, size_t size)
{
	const struct exchange *exchange = find_exchange(header->exchange);
	struct ike_request *request = ike_requests_find(&sa->requests, header->message_id);
	struct opening opening;

	if (!request || header->exchange != request->exchange) {
		sa->context->counters.out_of_window++;
		return;
	}
	if (!exchange || !exchange->response) {
		sa->context->counters.unexpected++;
		return;
	}
	begin_opening(&opening, now, header, data, size);
	if (open_message(sa, &opening) < 0)
		return;
	sa->at_hand = *header;
	sa->answered = *request;
	sa->answered.message = (struct ike_blob){};
	ike_sa_take_answer(sa, now, request);
	if (opening.malformed || ike_chain_find_unsupported(&opening.chain)) {
		sa->context->counters.malformed++;
		ike_sa_fail(sa, "it answered what we do not understand");
		return;
	}
	/* It is authentic: this is where the peer is. */
	if (sa->state == IKE_SA_AUTH_SENT)
		sa->endpoint = *from;
	if (sa->answered.scattered)
		ike_mobike_answered_from(sa, from);
	hear_window(sa, &opening.chain);
	if (header->exchange == IKE_EXCHANGE_AUTH)
		ike_mobike_hear(sa, &opening.chain);
	exchange->response(sa, now, &opening.chain);
	explicit_bzero(&opening, sizeof opening);
}

/* Whether the peer's request may come now. */
static bool may_request(const struct ike_sa *sa, uint8_t exchange)
{
	switch (sa->state) {
	case IKE_SA_HALF_OPEN:
		return exchange == (ike_intermediate_expected(sa) ? IKE_EXCHANGE_INTERMEDIATE
								  : IKE_EXCHANGE_AUTH);
	case IKE_SA_ESTABLISHED:
	case IKE_SA_DELETING:
		return exchange != IKE_EXCHANGE_AUTH && exchange != IKE_EXCHANGE_INTERMEDIATE;
	case IKE_SA_INIT_SENT:
	case IKE_SA_INTERMEDIATE_SENT:
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

/*
 * A request that we have answered, in other pieces than before: our answer did not get through, and
 * perhaps it was too large too. Only the first piece brings it again (RFC 7383 §2.6.1).
 */
static bool repeat_divided_answer(struct ike_sa *sa, const struct sockaddr_in *from,
				  struct opening *opening)
{
	struct ike_answer *answer = ike_answers_find(&sa->answers, opening->header->message_id);
	const struct ike_payload *payload;
	struct ike_fragment fragment;

	if (!answer || !answer->message.data || !sa->peer_takes_fragments)
		return false;
	payload = find_encrypted(sa, opening);
	if (!payload || payload->type != IKE_PAYLOAD_SKF ||
	    ike_fragment_read(payload, &fragment) < 0)
		return false;
	if (fragment.number > 1)
		return true;
	if (ike_sk_open(&sa->suite, ike_sa_peer_key(sa, opening->header->exchange), opening->data,
			payload, opening->inner) < 0)
		return false;
	ike_fragments_follow(sa, opening->size);
	ike_fragments_divide(sa, &answer->message);
	repeat_answer(sa, from, answer);
	return true;
}

/* Whether it is one that we have not seen; what else there is to do is done. */
static bool is_new(struct ike_sa *sa, const struct sockaddr_in *from, struct opening *opening)
{
	unsigned int window = sa->state == IKE_SA_HALF_OPEN ? 1 : IKE_WINDOW;
	struct ike_answer *answer;

	switch (ike_answers_judge(&sa->answers, opening->header->message_id, opening->hash, window,
				  &answer)) {
	case IKE_ARRIVAL_NEW:
		return true;
	case IKE_ARRIVAL_AGAIN:
		repeat_answer(sa, from, answer);
		return false;
	case IKE_ARRIVAL_OUTSIDE:
		if (!repeat_divided_answer(sa, from, opening))
			sa->context->counters.out_of_window++;
		return false;
	}
	return false;
}

static void receive_request(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
			    const struct ike_header *header, const uint8_t *data, size_t size)
{
	const struct exchange *exchange = find_exchange(header->exchange);
	struct opening opening;
	uint8_t unsupported;

	begin_opening(&opening, now, header, data, size);
	if (ike_sha256(data, size, opening.hash) < 0 || !is_new(sa, from, &opening))
		return;
	if (!exchange || !may_request(sa, header->exchange)) {
		sa->context->counters.unexpected++;
		return;
	}
	if (open_message(sa, &opening) < 0)
		return;
	sa->heard = now;
	ike_answers_add(&sa->answers, header->message_id, opening.hash, from);
	sa->at_hand = *header;
	sa->asked_id = header->message_id;
	sa->asked_from = *from;
	unsupported = opening.malformed ? 0 : ike_chain_find_unsupported(&opening.chain);
	if (opening.malformed) {
		sa->context->counters.malformed++;
		ike_sa_answer_error(sa, header->exchange, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0);
	} else if (unsupported) {
		ike_sa_answer_error(sa, header->exchange, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
				    &unsupported, 1);
	} else {
		hear_window(sa, &opening.chain);
		if (header->exchange == IKE_EXCHANGE_AUTH)
			ike_mobike_hear(sa, &opening.chain);
		exchange->request(sa, now, &opening.chain);
	}
	explicit_bzero(&opening, sizeof opening);
}

void ike_sa_receive(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
		    const struct ike_header *header, const uint8_t *data, size_t size)
{
	/* Who began the SA does not change in its life (§3.1). */
	if (!(header->flags & IKE_FLAG_INITIATOR) != sa->initiator) {
		sa->context->counters.malformed++;
		return;
	}
	if (header->exchange == IKE_EXCHANGE_SA_INIT ||
	    header->exchange == IKE_EXCHANGE_SESSION_RESUME) {
		bool resuming = header->exchange == IKE_EXCHANGE_SESSION_RESUME;

		if (!(header->flags & IKE_FLAG_RESPONSE) || sa->state != IKE_SA_INIT_SENT ||
		    resuming != (sa->session != NULL))
			sa->context->counters.out_of_window++;
		else if (resuming)
			ike_resume_response(sa, now, header, data, size);
		else
			ike_init_response(sa, now, from, header, data, size);
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
	ike_sa_pursue(sa, now);
}

void ike_sa_repeat_init(struct ike_sa *sa, const struct sockaddr_in *from)
{
	if (sa->state != IKE_SA_HALF_OPEN)
		return;
	sa->context->counters.repeated_responses++;
	transmit(sa, from, &sa->own_init);
}
