/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/stun-responder-state.h"

#include "common/net/stun-wire.h"

#define ATTRIBUTE_HEADER   4
#define FINGERPRINT_LENGTH 8

/* Splitmix64's last step: enough for whoever does not know the seed. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

static struct stun_bucket *find_bucket(struct stun_responder *responder,
				       const struct endpoint *remote)
{
	uint64_t address = 0;

	memcpy(&address, remote->address, remote->family == 4 ? 4 : 8);
	return &responder->buckets[mix(mix(address ^ responder->seed) + remote->family) %
				   STUN_BUCKETS];
}

static bool may_answer(struct stun_responder *responder, const struct endpoint *remote,
		       uint64_t now)
{
	struct stun_bucket *bucket = find_bucket(responder, remote);
	uint64_t passed = now - bucket->at;

	/* The first one finds it empty of history, and full. */
	if (!bucket->at || passed > STUN_BURST * 1000 / STUN_RATE)
		bucket->milli = STUN_BURST * 1000;
	else
		bucket->milli += passed * STUN_RATE;
	if (bucket->milli > STUN_BURST * 1000)
		bucket->milli = STUN_BURST * 1000;
	bucket->at = now;
	if (bucket->milli < 1000)
		return false;
	bucket->milli -= 1000;
	return true;
}

static struct stun_address to_stun(const struct endpoint *endpoint)
{
	struct stun_address address = { .family = endpoint->family, .port = endpoint->port };

	memcpy(address.octets, endpoint->address, sizeof address.octets);
	return address;
}

static bool is_same_address(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && memcmp(a->address, b->address, sizeof a->address) == 0;
}

/* The other address and port as seen from the one that was asked (RFC 5780 §6.1). */
static bool find_other(const struct stun_responder *responder, const struct endpoint *local,
		       struct endpoint *ret)
{
	const struct endpoint *first = &responder->primary, *second = &responder->alternate;

	if (!first->family)
		return false;
	if (is_same_address(local, first))
		*ret = *second;
	else if (is_same_address(local, second))
		*ret = *first;
	else
		return false;
	if (local->port != first->port && local->port != second->port)
		return false;
	ret->port = local->port == first->port ? second->port : first->port;
	return true;
}

static void put_unknown(struct writer *writer, const struct stun_message *request, bool can_change)
{
	uint16_t attributes[STUN_UNKNOWN_LIMIT + 1];
	size_t n = 0;

	if (request->has_change_request && !can_change)
		attributes[n++] = STUN_CHANGE_REQUEST;
	for (size_t i = 0; i < request->n_unknown; i++)
		attributes[n++] = request->unknown[i];
	stun_put_error(writer, STUN_UNKNOWN_ATTRIBUTE, "Unknown Attribute");
	stun_put_unknown_attributes(writer, attributes, n);
}

/* As far as the request itself was long. */
static void put_padding(struct writer *writer, size_t request_size, bool with_fingerprint)
{
	size_t taken =
		writer->position + ATTRIBUTE_HEADER + (with_fingerprint ? FINGERPRINT_LENGTH : 0);

	if (request_size > taken)
		stun_put_padding(writer, (request_size - taken) & ~(size_t)3);
}

static void put_answer(struct stun_responder *responder, struct writer *writer,
		       const struct stun_message *request, size_t size, const struct peer *peer,
		       const struct endpoint *other, struct peer *way)
{
	struct stun_address remote = to_stun(&peer->remote);
	struct stun_address origin, alternate;

	if (request->change_address)
		memcpy(way->local.address, other->address, sizeof way->local.address);
	if (request->change_port)
		way->local.port = other->port;
	responder->counters.changed += request->change_address || request->change_port;
	if (request->has_response_port) {
		way->remote.port = request->response_port;
		responder->counters.redirected++;
	}
	stun_put_xor_mapped(writer, &remote, request->txid);
	if (other) {
		origin = to_stun(&way->local);
		alternate = to_stun(other);
		stun_put_address(writer, STUN_MAPPED_ADDRESS, &remote);
		stun_put_address(writer, STUN_RESPONSE_ORIGIN, &origin);
		stun_put_address(writer, STUN_OTHER_ADDRESS, &alternate);
	}
	if (request->has_padding)
		put_padding(writer, size, request->has_fingerprint);
}

static size_t make_answer(struct stun_responder *responder, const struct stun_message *request,
			  size_t size, const struct peer *peer, uint8_t *answer, struct peer *way)
{
	struct writer writer = writer_init(answer, STUN_ANSWER_LIMIT);
	struct endpoint other;
	bool can_change = find_other(responder, &peer->local, &other);
	int r;

	/* Errors go to where the request came from, whatever it asked for. */
	*way = *peer;
	if (request->n_unknown || (request->has_change_request && !can_change)) {
		responder->counters.unknown++;
		stun_begin(&writer, STUN_ERROR, request->txid);
		put_unknown(&writer, request, can_change);
	} else if (request->has_response_port &&
		   (request->has_padding || request->response_port == 0)) {
		/* RFC 5780 §7.5 */
		stun_begin(&writer, STUN_ERROR, request->txid);
		stun_put_error(&writer, STUN_BAD_REQUEST, "Bad Request");
	} else {
		stun_begin(&writer, STUN_SUCCESS, request->txid);
		put_answer(responder, &writer, request, size, peer, can_change ? &other : NULL,
			   way);
	}
	if (request->has_fingerprint)
		stun_put_fingerprint(&writer);
	r = stun_end(&writer);
	return r < 0 ? 0 : r;
}

size_t stun_responder_answer(struct stun_responder *responder, const struct peer *peer,
			     const uint8_t *data, size_t size, uint64_t now, uint8_t *answer,
			     struct peer *ret_way)
{
	struct stun_message request;

	if (size > STUN_MESSAGE_LIMIT || stun_parse(data, size, &request) < 0) {
		responder->counters.malformed++;
		return 0;
	}
	/* Answers to answers would go on for ever. */
	if (request.type != STUN_REQUEST)
		return 0;
	responder->counters.requests++;
	if (!may_answer(responder, &peer->remote, now)) {
		responder->counters.limited++;
		return 0;
	}
	size = make_answer(responder, &request, size, peer, answer, ret_way);
	responder->counters.answers += size > 0;
	return size;
}
