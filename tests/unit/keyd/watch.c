/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/keyd/watch.h"

#include "services/keyd/ike-child-state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_LIMIT 8192
#define KEYS_LIMIT    1024

/* What one side of one IKE SA has sent under one number. */
struct record {
	uint64_t spi_initiator, spi_responder; /* the second is 0 with IKE_SA_INIT */
	bool of_initiator, response;
	uint32_t id;
	bool sealed;
	uint64_t iv;
	uint16_t piece, pieces; /* 0: in one */
	size_t size;
	uint64_t hash;
	unsigned int n_sent, n_arrived;
};

struct key {
	uint8_t octets[72];
	uint64_t owner; /* the SPIs, mixed */
};

struct watch {
	struct record *records;
	size_t n_records, n_sealed;
	struct key *keys;
	size_t n_keys;
	char complaint[256];
};

struct watch *watch_new(void)
{
	struct watch *watch = calloc(1, sizeof *watch);

	watch->records = calloc(RECORDS_LIMIT, sizeof *watch->records);
	watch->keys = calloc(KEYS_LIMIT, sizeof *watch->keys);
	return watch;
}

struct watch *watch_free(struct watch *watch)
{
	if (!watch)
		return NULL;
	free(watch->records);
	free(watch->keys);
	free(watch);
	return NULL;
}

const char *watch_complaint(const struct watch *watch)
{
	return *watch->complaint ? watch->complaint : NULL;
}

unsigned int watch_sealed(const struct watch *watch)
{
	return watch->n_sealed;
}

static void __attribute__((format(printf, 3, 4)))
complain(struct watch *watch, const struct record *record, const char *format, ...)
{
	va_list arguments;
	size_t n;

	if (*watch->complaint)
		return;
	va_start(arguments, format);
	vsnprintf(watch->complaint, sizeof watch->complaint, format, arguments);
	va_end(arguments);
	n = strlen(watch->complaint);
	if (record)
		snprintf(watch->complaint + n, sizeof watch->complaint - n,
			 " (SPI %016llx %016llx, %s's %s %u, piece %u of %u)",
			 (unsigned long long)record->spi_initiator,
			 (unsigned long long)record->spi_responder,
			 record->of_initiator ? "initiator" : "responder",
			 record->response ? "response" : "request", record->id, record->piece,
			 record->pieces);
}

static uint64_t hash(const uint8_t *data, size_t size)
{
	uint64_t value = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		value = (value ^ data[i]) * 0x100000001b3ull;
	return value;
}

static bool read_datagram(const struct datagram *datagram, struct record *ret)
{
	struct ike_header header;
	struct ike_fragment fragment;
	struct ike_chain chain;

	memset(ret, 0, sizeof *ret);
	if (ike_header_read(datagram->data, datagram->size, &header) < 0 ||
	    ike_chain_read(header.next_payload, datagram->data + IKE_HEADER_SIZE,
			   datagram->size - IKE_HEADER_SIZE, &chain) < 0 ||
	    header.version != IKE_VERSION || !header.spi_initiator)
		return false;
	ret->spi_initiator = header.spi_initiator;
	ret->spi_responder = header.exchange == IKE_EXCHANGE_SA_INIT ? 0 : header.spi_responder;
	ret->of_initiator = header.flags & IKE_FLAG_INITIATOR;
	ret->response = header.flags & IKE_FLAG_RESPONSE;
	ret->id = header.message_id;
	ret->size = datagram->size;
	ret->hash = hash(datagram->data, datagram->size);
	if (header.exchange == IKE_EXCHANGE_SA_INIT)
		return header.message_id == 0;
	if (!header.spi_responder || chain.n_payloads != 1 ||
	    (chain.payloads[0].type != IKE_PAYLOAD_SK && chain.payloads[0].type != IKE_PAYLOAD_SKF))
		return false;
	ret->sealed = true;
	if (chain.payloads[0].type == IKE_PAYLOAD_SKF) {
		if (ike_fragment_read(&chain.payloads[0], &fragment) < 0)
			return false;
		ret->piece = fragment.number;
		ret->pieces = fragment.total;
		memcpy(&ret->iv, chain.payloads[0].data + 4, 8);
	} else {
		memcpy(&ret->iv, chain.payloads[0].data, 8);
	}
	return true;
}

static bool same_sa(const struct record *a, const struct record *b)
{
	return a->spi_initiator == b->spi_initiator && a->spi_responder == b->spi_responder;
}

static bool same_stream(const struct record *a, const struct record *b)
{
	return same_sa(a, b) && a->of_initiator == b->of_initiator && a->response == b->response;
}

static struct record *find(struct watch *watch, const struct record *like)
{
	for (size_t i = 0; i < watch->n_records; i++)
		if (same_stream(&watch->records[i], like) && watch->records[i].id == like->id &&
		    watch->records[i].hash == like->hash)
			return &watch->records[i];
	return NULL;
}

/* How often a whole message of this number went out or came: its first piece counts. */
static unsigned int count(const struct watch *watch, const struct record *like, bool of_initiator,
			  bool response, bool arrived)
{
	unsigned int n = 0;

	for (size_t i = 0; i < watch->n_records; i++) {
		const struct record *record = &watch->records[i];

		if (same_sa(record, like) && record->of_initiator == of_initiator &&
		    record->response == response && record->id == like->id && record->piece <= 1)
			n += arrived ? record->n_arrived : record->n_sent;
	}
	return n;
}

/* Whether the answer to this number came to who asked, in whatever division. */
static bool is_answered(const struct watch *watch, const struct record *like, uint32_t id)
{
	for (size_t i = 0; i < watch->n_records; i++) {
		const struct record *record = &watch->records[i];
		uint16_t pieces = record->pieces;
		uint32_t seen = 0;

		if (!same_sa(record, like) || record->of_initiator == like->of_initiator ||
		    !record->response || record->id != id || !record->n_arrived)
			continue;
		if (!pieces)
			return true;
		for (size_t j = 0; j < watch->n_records; j++) {
			const struct record *other = &watch->records[j];

			if (same_stream(record, other) && other->id == id &&
			    other->pieces == pieces && other->n_arrived)
				seen |= 1u << (other->piece - 1);
		}
		if (seen == (1u << pieces) - 1)
			return true;
	}
	return false;
}

/* A new request: the next number, and no further ahead than the window (§2.3), which is one until
 * the other side can have said more. */
static void check_request(struct watch *watch, const struct record *record)
{
	uint32_t window = 1;
	uint32_t first = record->id, highest = 0;
	bool any = false;

	for (size_t i = 0; i < watch->n_records; i++) {
		const struct record *other = &watch->records[i];

		if (same_sa(other, record) && other->of_initiator != record->of_initiator &&
		    other->n_arrived)
			window = IKE_WINDOW;
		if (!same_stream(other, record))
			continue;
		any = true;
		if (other->id < first)
			first = other->id;
		if (other->id > highest)
			highest = other->id;
	}
	/* The first of an SA is 1 after IKE_SA_INIT, and 0 in a successor or from its responder. */
	if (any ? record->id > highest + 1 : record->id > 1)
		complain(watch, record, "a number is passed over");
	for (uint32_t id = first; id + window <= record->id; id++)
		if (!is_answered(watch, record, id)) {
			complain(watch, record, "it is beyond the window of %u: %u has no answer",
				 window, id);
			return;
		}
}

/* Under one number there is one message; it may be divided anew (RFC 7383 §2.5.2). */
static void check_same(struct watch *watch, const struct record *record)
{
	for (size_t i = 0; i < watch->n_records; i++) {
		const struct record *other = &watch->records[i];

		if (same_stream(other, record) && other->id == record->id &&
		    other->pieces == record->pieces && other->piece == record->piece)
			complain(watch, record, "it differs from what was sent before");
	}
}

static void check_response(struct watch *watch, const struct record *record)
{
	unsigned int asked, answered;

	if (record->piece > 1)
		return;
	asked = count(watch, record, !record->of_initiator, false, true);
	answered = count(watch, record, record->of_initiator, true, false);
	if (answered >= asked)
		complain(watch, record, "%u requests came, %u responses went before this", asked,
			 answered);
}

static void check_iv(struct watch *watch, const struct record *record)
{
	for (size_t i = 0; i < watch->n_records; i++) {
		const struct record *other = &watch->records[i];

		if (other->sealed && same_sa(other, record) &&
		    other->of_initiator == record->of_initiator && other->iv == record->iv)
			complain(watch, record,
				 "its initialization vector was used for another (number %u)",
				 other->id);
	}
}

void watch_sent(struct watch *watch, const struct datagram *datagram)
{
	struct record record, *known;

	if (!read_datagram(datagram, &record)) {
		complain(watch, &record, "it is not of the form of a message");
		return;
	}
	if (record.response && record.sealed)
		check_response(watch, &record);
	known = find(watch, &record);
	if (known) {
		known->n_sent++;
		return;
	}
	if (watch->n_records == RECORDS_LIMIT) {
		complain(watch, &record, "there is no end of messages");
		return;
	}
	if (record.sealed) {
		watch->n_sealed++;
		if (!record.response && record.piece <= 1)
			check_request(watch, &record);
		check_same(watch, &record);
		check_iv(watch, &record);
	}
	record.n_sent = 1;
	watch->records[watch->n_records++] = record;
}

void watch_arrived(struct watch *watch, const struct datagram *datagram)
{
	struct record record, *known;

	if (!read_datagram(datagram, &record))
		return;
	known = find(watch, &record);
	if (known)
		known->n_arrived++;
}

static void see_key(struct watch *watch, const uint8_t *octets, size_t size, uint64_t owner)
{
	struct key key = { .owner = owner };

	memcpy(key.octets, octets, size < sizeof key.octets ? size : sizeof key.octets);
	for (size_t i = 0; i < watch->n_keys; i++) {
		if (memcmp(watch->keys[i].octets, key.octets, sizeof key.octets))
			continue;
		if (watch->keys[i].owner != owner)
			complain(watch, NULL, "two associations have one key");
		return;
	}
	if (watch->n_keys < KEYS_LIMIT)
		watch->keys[watch->n_keys++] = key;
	else
		complain(watch, NULL, "there is no end of keys");
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	return (a * 0x9e3779b97f4a7c15ull) ^ b;
}

void watch_keys(struct watch *watch, struct world *world)
{
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		for (const struct ike_sa *sa = host_next_sa(host, NULL); sa;
		     sa = host_next_sa(host, sa)) {
			if (sa->state != IKE_SA_ESTABLISHED)
				continue;
			see_key(watch, sa->keys.ei, sizeof sa->keys.ei,
				mix(sa->spi_initiator, sa->spi_responder));
			see_key(watch, sa->keys.er, sizeof sa->keys.er,
				mix(sa->spi_responder, sa->spi_initiator));
		}
		for (int j = 0; j < WORLD_PAIRS; j++) {
			const struct pair *pair = &host->pairs[j];
			size_t half = pair->keys_size / 2;

			if (!pair->there)
				continue;
			see_key(watch, pair->keys, half,
				mix(pair->child.spi_in, pair->child.spi_out));
			see_key(watch, pair->keys + half, half,
				mix(pair->child.spi_out, pair->child.spi_in));
		}
	}
}
