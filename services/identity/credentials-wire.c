/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * magic[8], EUI-64[8], then nine fields of two octets length and content: account, members zone,
 * host, tag, host key, TSIG secret, certificate, account's certificate, post-quantum preshared key;
 * nothing after them. The first form had no ninth field.
 */
#include "services/identity/credentials-wire.h"

#include "common/keys/account-keys.h"
#include "common/wire/cursor.h"

static const char magic_without_ppk[8] = "hwident1", magic[8] = "hwident2";

struct credentials *credentials_free(struct credentials *credentials)
{
	if (!credentials)
		return NULL;
	secret_free(credentials->host_key);
	secret_free(credentials->tsig);
	secret_free(credentials->ppk);
	certificate_deinit(&credentials->certificate);
	certificate_deinit(&credentials->account_certificate);
	free(credentials);
	return NULL;
}

static void write_field(struct writer *writer, const void *data, size_t size)
{
	if (size > UINT16_MAX)
		writer->failed = true;
	writer_u16(writer, size);
	writer_copy(writer, data, size);
}

static void write_text(struct writer *writer, const char *text)
{
	write_field(writer, text, strlen(text));
}

int credentials_encode(const struct credentials *credentials, struct secret **ret)
{
	cleanup(secret_freep) struct secret *room = NULL;
	struct writer writer;
	int r = secret_new(CREDENTIALS_SIZE_LIMIT, &room);

	if (r < 0)
		return r;
	writer = writer_init(room->data, room->size);
	writer_copy(&writer, credentials->ppk ? magic : magic_without_ppk, sizeof magic);
	writer_copy(&writer, credentials->eui64, EUI64_SIZE);
	write_text(&writer, credentials->name.account);
	write_text(&writer, credentials->name.domain);
	write_text(&writer, credentials->host);
	write_text(&writer, credentials->tag);
	write_field(&writer, credentials->host_key->data, credentials->host_key->size);
	write_field(&writer, credentials->tsig->data, credentials->tsig->size);
	write_field(&writer, credentials->certificate.data, credentials->certificate.size);
	write_field(&writer, credentials->account_certificate.data,
		    credentials->account_certificate.size);
	if (credentials->ppk)
		write_field(&writer, credentials->ppk->data, credentials->ppk->size);
	return writer.failed ? -EFBIG : secret_new_copy(room->data, writer.position, ret);
}

static void read_text(struct reader *reader, char *target, size_t capacity)
{
	size_t size = reader_u16(reader);
	const uint8_t *octets = reader_take(reader, size);

	if (!octets || !size || size >= capacity || memchr(octets, 0, size)) {
		reader->failed = true;
		return;
	}
	memcpy(target, octets, size);
	target[size] = 0;
}

static void read_secret(struct reader *reader, struct secret **ret)
{
	size_t size = reader_u16(reader);
	const uint8_t *octets = reader_take(reader, size);

	if (!octets || !size || secret_new_copy(octets, size, ret) < 0)
		reader->failed = true;
}

static void read_certificate(struct reader *reader, struct certificate *ret)
{
	size_t size = reader_u16(reader);
	const uint8_t *octets = reader_take(reader, size);

	if (!octets || !size || !(ret->data = malloc(size))) {
		reader->failed = true;
		return;
	}
	memcpy(ret->data, octets, size);
	ret->size = size;
}

/* The names were valid when they were written; what is not is no file of ours. */
static bool names_are_valid(const struct credentials *credentials)
{
	char text[2 * NAME_SIZE], label[LABEL_SIZE];
	struct account_name again;
	char *end = stpcpy(text, credentials->name.account);

	*end++ = '@';
	strcpy(end, credentials->name.domain);
	return names_parse_account(text, &again) >= 0 &&
	       !strcmp(again.account, credentials->name.account) &&
	       !strcmp(again.domain, credentials->name.domain) &&
	       names_parse_label(credentials->host, label) >= 0 &&
	       !strcmp(label, credentials->host) && names_check_key_tag(credentials->tag) >= 0 &&
	       names_check_fit(&credentials->name, credentials->host) >= 0;
}

int credentials_decode(const uint8_t *data, size_t size, struct credentials **ret)
{
	cleanup(credentials_freep) struct credentials *credentials = calloc(1, sizeof *credentials);
	struct reader reader = reader_init(data, size);
	char start[sizeof magic];
	bool has_ppk;

	if (!credentials)
		return -ENOMEM;
	reader_copy(&reader, start, sizeof start);
	has_ppk = !memcmp(start, magic, sizeof magic);
	reader_copy(&reader, credentials->eui64, EUI64_SIZE);
	read_text(&reader, credentials->name.account, sizeof credentials->name.account);
	read_text(&reader, credentials->name.domain, sizeof credentials->name.domain);
	read_text(&reader, credentials->host, sizeof credentials->host);
	read_text(&reader, credentials->tag, sizeof credentials->tag);
	read_secret(&reader, &credentials->host_key);
	read_secret(&reader, &credentials->tsig);
	read_certificate(&reader, &credentials->certificate);
	read_certificate(&reader, &credentials->account_certificate);
	if (has_ppk)
		read_secret(&reader, &credentials->ppk);
	if (reader.failed || reader_left(&reader) ||
	    (!has_ppk && memcmp(start, magic_without_ppk, sizeof magic)) ||
	    credentials->tsig->size != ACCOUNT_KEY_SIZE ||
	    (has_ppk && credentials->ppk->size != ACCOUNT_KEY_SIZE) ||
	    !names_are_valid(credentials))
		return -EBADMSG;
	*ret = steal_ptr(credentials);
	return 0;
}
