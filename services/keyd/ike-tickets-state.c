/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-tickets-state.h"

#include "common/base/hash.h"

#include <openssl/crypto.h>
#include <string.h>

#define KEY_LIFETIME 3600 /* s; then a new one seals, and the old one opens what has not ended */
#define KEYS_LIMIT   16
#define SAVED_MAGIC  "homeward resumption 2\n"

struct ticket_key {
	uint8_t id[IKE_TICKET_KEY_ID];
	uint8_t key[IKE_SEAL_KEY];
	int64_t made;
	int64_t ends; /* of the last ticket that it sealed */
};

struct spent {
	UT_hash_handle hh;
	uint8_t nonce[IKE_SEAL_NONCE];
	int64_t ends;
};

struct kept {
	UT_hash_handle hh; /* by the peer's name, oldest first */
	struct ike_session session;
	struct ike_blob ticket;
};

struct ike_tickets {
	struct ticket_key keys[KEYS_LIMIT]; /* newest first */
	size_t n_keys;
	struct spent *spent;
	struct kept *kept;
	uint64_t version;
};

int ike_tickets_new(struct ike_tickets **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

static void remove_kept(struct ike_tickets *tickets, struct kept *kept)
{
	HASH_DEL(tickets->kept, kept);
	ike_blob_clear(&kept->ticket);
	OPENSSL_cleanse(kept, sizeof *kept);
	free(kept);
}

static void remove_spent(struct ike_tickets *tickets, struct spent *spent)
{
	HASH_DEL(tickets->spent, spent);
	free(spent);
}

/* No ticket of ours is good any more. */
static void forget_keys(struct ike_tickets *tickets)
{
	OPENSSL_cleanse(tickets->keys, sizeof tickets->keys);
	tickets->n_keys = 0;
	while (tickets->spent)
		remove_spent(tickets, tickets->spent);
}

void ike_tickets_clear(struct ike_tickets *tickets)
{
	while (tickets->kept)
		remove_kept(tickets, tickets->kept);
	forget_keys(tickets);
	tickets->version++;
}

struct ike_tickets *ike_tickets_free(struct ike_tickets *tickets)
{
	if (!tickets)
		return NULL;
	ike_tickets_clear(tickets);
	free(tickets);
	return NULL;
}

uint64_t ike_tickets_version(const struct ike_tickets *tickets)
{
	return tickets->version;
}

size_t ike_tickets_count(const struct ike_tickets *tickets)
{
	return HASH_COUNT(tickets->kept);
}

/* Ours. */

static void expire_keys(struct ike_tickets *tickets, int64_t now)
{
	while (tickets->n_keys && now >= tickets->keys[tickets->n_keys - 1].ends)
		OPENSSL_cleanse(&tickets->keys[--tickets->n_keys], sizeof *tickets->keys);
}

static void expire_spent(struct ike_tickets *tickets, int64_t now)
{
	struct spent *spent, *next;

	HASH_ITER (hh, tickets->spent, spent, next)
		if (now >= spent->ends)
			remove_spent(tickets, spent);
}

static struct ticket_key *sealing_key(struct ike_tickets *tickets, const struct ike_random *random,
				      int64_t now)
{
	struct ticket_key *key = &tickets->keys[0];

	expire_keys(tickets, now);
	/* Also after the clock was set back. */
	if (tickets->n_keys && now >= key->made && now < key->made + KEY_LIFETIME)
		return key;
	if (tickets->n_keys == KEYS_LIMIT)
		tickets->n_keys--;
	memmove(key + 1, key, tickets->n_keys * sizeof *key);
	tickets->n_keys++;
	random->fill(random->userdata, key->id, sizeof key->id);
	random->fill(random->userdata, key->key, sizeof key->key);
	key->made = key->ends = now;
	return key;
}

int ike_tickets_give(struct ike_tickets *tickets, const struct ike_random *random, int64_t now,
		     const struct ike_session *session, struct ike_blob *ret)
{
	struct ticket_key *key = sealing_key(tickets, random, now);
	uint8_t nonce[IKE_SEAL_NONCE], ticket[IKE_TICKET_LIMIT];
	int r;

	random->fill(random->userdata, nonce, sizeof nonce);
	r = ike_ticket_seal(key->key, key->id, nonce, session, ticket);
	if (r >= 0)
		r = ike_blob_set(ret, ticket, r);
	if (r < 0)
		return r;
	/* It is kept as long as one of its tickets. */
	if (session->ends > key->ends)
		key->ends = session->ends;
	tickets->version++;
	return 0;
}

static const struct ticket_key *find_key(const struct ike_tickets *tickets, const uint8_t *id)
{
	for (size_t i = 0; i < tickets->n_keys; i++)
		if (!memcmp(tickets->keys[i].id, id, IKE_TICKET_KEY_ID))
			return &tickets->keys[i];
	return NULL;
}

int ike_tickets_open(const struct ike_tickets *tickets, int64_t now, struct ike_octets ticket,
		     struct ike_session *ret)
{
	const uint8_t *id, *nonce;
	const struct ticket_key *key;
	struct spent *spent;
	int r;

	if (!ike_ticket_names(ticket, &id, &nonce))
		return -EBADMSG;
	key = find_key(tickets, id);
	if (!key)
		return -ENOENT;
	HASH_FIND(hh, tickets->spent, nonce, IKE_SEAL_NONCE, spent);
	if (spent)
		return -EALREADY;
	r = ike_ticket_open(key->key, ticket, ret);
	if (r >= 0 && now >= ret->ends) {
		ike_session_wipe(ret);
		r = -ESTALE;
	}
	return r;
}

void ike_tickets_spend(struct ike_tickets *tickets, int64_t now, struct ike_octets ticket,
		       int64_t ends)
{
	struct spent *spent = calloc(1, sizeof *spent);
	const uint8_t *id, *nonce;

	tickets->version++;
	expire_spent(tickets, now);
	if (spent && ike_ticket_names(ticket, &id, &nonce) &&
	    HASH_COUNT(tickets->spent) < IKE_TICKETS_SPENT) {
		memcpy(spent->nonce, nonce, sizeof spent->nonce);
		spent->ends = ends;
		HASH_ADD(hh, tickets->spent, nonce, IKE_SEAL_NONCE, spent);
		if (hash_has(&spent->hh))
			return;
	}
	free(spent);
	/* What cannot be remembered would serve twice: rather none serves. */
	forget_keys(tickets);
}

/* Those of peers. */

static struct kept *find_kept(const struct ike_tickets *tickets, const char *peer)
{
	struct kept *kept;

	HASH_FIND(hh, tickets->kept, peer, strlen(peer), kept);
	return kept;
}

void ike_tickets_drop(struct ike_tickets *tickets, const char *peer)
{
	struct kept *kept = find_kept(tickets, peer);

	if (!kept)
		return;
	remove_kept(tickets, kept);
	tickets->version++;
}

void ike_tickets_keep(struct ike_tickets *tickets, const struct ike_session *session,
		      struct ike_octets ticket)
{
	struct kept *kept;

	if (!ticket.size || ticket.size > IKE_FOREIGN_TICKET_LIMIT)
		return;
	ike_tickets_drop(tickets, session->peer);
	if (HASH_COUNT(tickets->kept) >= IKE_TICKETS_KEPT)
		remove_kept(tickets, tickets->kept);
	kept = calloc(1, sizeof *kept);
	if (!kept || ike_blob_set(&kept->ticket, ticket.data, ticket.size) < 0) {
		free(kept);
		return;
	}
	kept->session = *session;
	HASH_ADD(hh, tickets->kept, session.peer, strlen(kept->session.peer), kept);
	if (!hash_has(&kept->hh)) {
		ike_blob_clear(&kept->ticket);
		OPENSSL_cleanse(kept, sizeof *kept);
		free(kept);
	}
	tickets->version++;
}

bool ike_tickets_take(struct ike_tickets *tickets, int64_t now, const char *peer,
		      const uint8_t host_id[16], struct ike_session *ret,
		      struct ike_blob *ret_ticket)
{
	struct kept *kept = find_kept(tickets, peer);
	bool good = kept && now < kept->session.ends && !memcmp(kept->session.host_id, host_id, 16);

	if (!kept)
		return false;
	if (good) {
		*ret = kept->session;
		*ret_ticket = kept->ticket;
		kept->ticket = (struct ike_blob){};
	}
	remove_kept(tickets, kept);
	tickets->version++;
	return good;
}

/* Saving. */

static size_t saved_size(const struct ike_tickets *tickets)
{
	size_t size = 3 * 4 + tickets->n_keys * sizeof(struct ticket_key) +
		      HASH_COUNT(tickets->spent) * sizeof(struct spent);

	for (const struct kept *kept = tickets->kept; kept; kept = kept->hh.next)
		size += sizeof kept->session + 32 + kept->ticket.size;
	return size;
}

static void write_all(const struct ike_tickets *tickets, struct writer *writer)
{
	writer_u32(writer, tickets->n_keys);
	for (size_t i = 0; i < tickets->n_keys; i++) {
		const struct ticket_key *key = &tickets->keys[i];

		writer_copy(writer, key->id, sizeof key->id);
		writer_copy(writer, key->key, sizeof key->key);
		writer_u64(writer, key->made);
		writer_u64(writer, key->ends);
	}
	writer_u32(writer, HASH_COUNT(tickets->spent));
	for (const struct spent *spent = tickets->spent; spent; spent = spent->hh.next) {
		writer_copy(writer, spent->nonce, sizeof spent->nonce);
		writer_u64(writer, spent->ends);
	}
	writer_u32(writer, HASH_COUNT(tickets->kept));
	for (const struct kept *kept = tickets->kept; kept; kept = kept->hh.next) {
		ike_session_write(writer, &kept->session);
		writer_u16(writer, kept->ticket.size);
		writer_copy(writer, kept->ticket.data, kept->ticket.size);
	}
}

int ike_tickets_save(const struct ike_tickets *tickets, const struct ike_random *random,
		     const uint8_t secret[32], struct ike_blob *ret)
{
	const size_t clear_size = sizeof SAVED_MAGIC - 1 + IKE_TICKETS_SALT;
	uint8_t key[IKE_SEAL_KEY], nonce[IKE_SEAL_NONCE], *salt;
	size_t capacity = saved_size(tickets);
	uint8_t *text = malloc(capacity),
		*sealed = malloc(clear_size + IKE_SEAL_OVERHEAD + capacity);
	struct writer writer = writer_init(text, capacity);
	int r = text && sealed ? 0 : -ENOMEM;

	if (r >= 0) {
		write_all(tickets, &writer);
		memcpy(sealed, SAVED_MAGIC, sizeof SAVED_MAGIC - 1);
		salt = sealed + sizeof SAVED_MAGIC - 1;
		random->fill(random->userdata, salt, IKE_TICKETS_SALT);
		random->fill(random->userdata, nonce, sizeof nonce);
		r = writer.failed ? -ENOBUFS : ike_seal_key(secret, salt, key);
	}
	if (r >= 0)
		r = ike_seal(key, nonce, (struct ike_octets){ sealed, clear_size }, text,
			     writer.position, sealed + clear_size);
	if (text)
		OPENSSL_cleanse(text, capacity);
	free(text);
	OPENSSL_cleanse(key, sizeof key);
	if (r < 0) {
		free(sealed);
		return r;
	}
	ike_blob_clear(ret);
	*ret = (struct ike_blob){ sealed, clear_size + IKE_SEAL_OVERHEAD + writer.position };
	return 0;
}

static void read_keys(struct ike_tickets *tickets, struct reader *reader)
{
	uint32_t n = reader_u32(reader);

	reader->failed = reader->failed || n > KEYS_LIMIT;
	for (; n && !reader->failed; n--) {
		struct ticket_key *key = &tickets->keys[tickets->n_keys++];

		reader_copy(reader, key->id, sizeof key->id);
		reader_copy(reader, key->key, sizeof key->key);
		key->made = reader_u64(reader);
		key->ends = reader_u64(reader);
	}
}

static void read_spent(struct ike_tickets *tickets, struct reader *reader)
{
	for (uint32_t n = reader_u32(reader); n && !reader->failed; n--) {
		struct spent *spent = calloc(1, sizeof *spent);

		if (!spent) {
			reader->failed = true;
			return;
		}
		reader_copy(reader, spent->nonce, sizeof spent->nonce);
		spent->ends = reader_u64(reader);
		HASH_ADD(hh, tickets->spent, nonce, IKE_SEAL_NONCE, spent);
		if (!hash_has(&spent->hh)) {
			free(spent);
			reader->failed = true;
		}
	}
}

static void read_kept(struct ike_tickets *tickets, struct reader *reader, int64_t now)
{
	struct ike_session session;

	for (uint32_t n = reader_u32(reader); n && !reader->failed; n--) {
		struct ike_octets ticket;

		if (ike_session_read(reader, &session) < 0) {
			reader->failed = true;
			return;
		}
		ticket.size = reader_u16(reader);
		ticket.data = reader_take(reader, ticket.size);
		if (!reader->failed && now < session.ends)
			ike_tickets_keep(tickets, &session, ticket);
		ike_session_wipe(&session);
	}
}

static int read_all(struct ike_tickets *tickets, int64_t now, const uint8_t *text, size_t size)
{
	cleanup(ike_tickets_freep) struct ike_tickets *loaded = NULL;
	struct reader reader = reader_init(text, size);
	struct ike_tickets former;

	if (ike_tickets_new(&loaded) < 0)
		return -ENOMEM;
	read_keys(loaded, &reader);
	read_spent(loaded, &reader);
	read_kept(loaded, &reader, now);
	if (reader.failed || reader_left(&reader))
		return -EBADMSG;
	expire_keys(loaded, now);
	expire_spent(loaded, now);
	former = *tickets;
	*tickets = *loaded;
	tickets->version = former.version + 1;
	*loaded = former;
	OPENSSL_cleanse(&former, sizeof former);
	return 0;
}

int ike_tickets_load(struct ike_tickets *tickets, int64_t now, const uint8_t secret[32],
		     struct ike_octets octets)
{
	const size_t clear_size = sizeof SAVED_MAGIC - 1 + IKE_TICKETS_SALT;
	const struct ike_octets clear = { octets.data, clear_size };
	uint8_t key[IKE_SEAL_KEY], *text;
	int r;

	if (octets.size <= clear_size + IKE_SEAL_OVERHEAD ||
	    memcmp(octets.data, SAVED_MAGIC, sizeof SAVED_MAGIC - 1))
		return -EBADMSG;
	text = malloc(octets.size);
	if (!text)
		return -ENOMEM;
	r = ike_seal_key(secret, octets.data + sizeof SAVED_MAGIC - 1, key);
	if (r >= 0)
		r = ike_unseal(
			key, clear,
			(struct ike_octets){ octets.data + clear_size, octets.size - clear_size },
			text);
	if (r >= 0)
		r = read_all(tickets, now, text, r);
	OPENSSL_cleanse(text, octets.size);
	free(text);
	OPENSSL_cleanse(key, sizeof key);
	return r;
}
