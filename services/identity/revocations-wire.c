/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * magic[8], issuer[32], number[8], forgotten[8], domain, count[2], and for each entry until[8] and
 * host; domain and host are one octet length and content. Nothing after them.
 */
#include "services/identity/revocations-wire.h"

#include "common/wire/cursor.h"

#include <openssl/evp.h>

static const char magic[8] = "hwrevok1";

int revocations_bind(struct revocations *revocations, const char *domain,
		     const struct certificate *account)
{
	uint8_t issuer[REVOCATIONS_ISSUER_SIZE];

	if (EVP_Digest(account->data, account->size, issuer, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	if (!strcmp(revocations->domain, domain) &&
	    !memcmp(revocations->issuer, issuer, sizeof issuer))
		return 0;
	*revocations = (struct revocations){};
	strcpy(revocations->domain, domain);
	memcpy(revocations->issuer, issuer, sizeof issuer);
	return 0;
}

uint64_t revocations_sign_in_time(const struct revocations *revocations, const char *domain,
				  const char *host, uint64_t now)
{
	uint64_t until = revocation_list_until(&revocations->list, host);

	return strcmp(revocations->domain, domain) || now > until ? now : until + 1;
}

static void write_text(struct writer *writer, const char *text)
{
	writer_u8(writer, strlen(text));
	writer_copy(writer, text, strlen(text));
}

int revocations_encode(const struct revocations *revocations, uint8_t **ret, size_t *ret_size)
{
	const struct revocation_list *list = &revocations->list;
	cleanup(freep) uint8_t *octets = malloc(REVOCATIONS_SIZE_LIMIT);
	struct writer writer = writer_init(octets, REVOCATIONS_SIZE_LIMIT);

	if (!octets)
		return -ENOMEM;
	writer_copy(&writer, magic, sizeof magic);
	writer_copy(&writer, revocations->issuer, sizeof revocations->issuer);
	writer_u64(&writer, list->number);
	writer_u64(&writer, revocations->forgotten);
	write_text(&writer, revocations->domain);
	writer_u16(&writer, list->n);
	for (size_t i = 0; i < list->n; i++) {
		writer_u64(&writer, list->items[i].until);
		write_text(&writer, list->items[i].host);
	}
	if (writer.failed)
		return -EFBIG;
	*ret = steal_ptr(octets);
	*ret_size = writer.position;
	return 0;
}

static void read_text(struct reader *reader, char *target, size_t capacity)
{
	size_t size = reader_u8(reader);
	const uint8_t *octets = reader_take(reader, size);

	if (!octets || !size || size >= capacity || memchr(octets, 0, size)) {
		reader->failed = true;
		return;
	}
	memcpy(target, octets, size);
	target[size] = 0;
}

static int decode(struct reader *reader, struct revocations *ret)
{
	char start[sizeof magic];
	size_t n;

	reader_copy(reader, start, sizeof start);
	reader_copy(reader, ret->issuer, sizeof ret->issuer);
	ret->list.number = reader_u64(reader);
	ret->forgotten = reader_u64(reader);
	read_text(reader, ret->domain, sizeof ret->domain);
	n = reader_u16(reader);
	if (reader->failed || n > REVOCATION_HOSTS_MAX || memcmp(start, magic, sizeof magic))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		char host[REVOCATION_HOST_SIZE] = "";
		uint64_t until = reader_u64(reader);

		read_text(reader, host, sizeof host);
		if (reader->failed || revocation_list_add(&ret->list, host, until) < 0 ||
		    ret->list.n != i + 1 || strcmp(ret->list.items[i].host, host))
			return -EBADMSG;
	}
	return reader_left(reader) ? -EBADMSG : 0;
}

int revocations_decode(const uint8_t *data, size_t size, struct revocations *ret)
{
	struct reader reader = reader_init(data, size);
	int r;

	*ret = (struct revocations){};
	r = decode(&reader, ret);
	if (r < 0)
		*ret = (struct revocations){};
	return r;
}
