/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-options.h"

#include "common/dns/dns-name.h"

#include <errno.h>

#define LLQ_SIZE           18
#define OPTION_HEADER_SIZE 4

void dns_option_write_llq(struct writer *options, const struct dns_llq *llq)
{
	writer_u16(options, DNS_OPTION_LLQ);
	writer_u16(options, LLQ_SIZE);
	writer_u16(options, llq->version);
	writer_u16(options, llq->opcode);
	writer_u16(options, llq->error);
	writer_u64(options, llq->id);
	writer_u32(options, llq->lease);
}

void dns_option_write_update_lease(struct writer *options, const struct dns_update_lease *lease)
{
	writer_u16(options, DNS_OPTION_UPDATE_LEASE);
	writer_u16(options, lease->has_key_lease ? 8 : 4);
	writer_u32(options, lease->lease);
	if (lease->has_key_lease)
		writer_u32(options, lease->key_lease);
}

void dns_option_write_channel_binding(struct writer *options,
				      const uint8_t binding[static DNS_CHANNEL_BINDING_SIZE])
{
	writer_u16(options, DNS_OPTION_CHANNEL_BINDING);
	writer_u16(options, DNS_CHANNEL_BINDING_SIZE);
	writer_copy(options, binding, DNS_CHANNEL_BINDING_SIZE);
}

void dns_option_write_padding(struct writer *options, size_t size, size_t block, size_t limit)
{
	size_t wanted, n;
	uint8_t *zeros;

	size += OPTION_HEADER_SIZE;
	wanted = (size + block - 1) / block * block;
	if (wanted > limit)
		wanted = limit;
	if (wanted < size || options->failed)
		return;
	n = wanted - size;
	if (n + OPTION_HEADER_SIZE > options->capacity - options->position)
		return;
	writer_u16(options, DNS_OPTION_PADDING);
	writer_u16(options, n);
	zeros = writer_room(options, n);
	if (zeros)
		memset(zeros, 0, n);
}

void dns_option_write_keepalive(struct writer *options, uint16_t timeout)
{
	writer_u16(options, DNS_OPTION_KEEPALIVE);
	writer_u16(options, 2);
	writer_u16(options, timeout);
}

/* The record at the reader; true when it is OPT, whose data is at *ret_rdata then. */
static bool read_record(struct reader *reader, struct reader *ret_rdata)
{
	struct dns_name owner;
	uint16_t type;

	dns_name_read(reader, true, &owner);
	type = reader_u16(reader);
	reader_u16(reader);
	reader_u32(reader);
	*ret_rdata = reader_sub(reader, reader_u16(reader));
	return !reader->failed && type == LDNS_RR_TYPE_OPT;
}

int dns_options_find(const uint8_t *message, size_t size, const uint8_t **ret_options,
		     size_t *ret_size)
{
	struct reader reader = reader_init(message, size), rdata;
	uint32_t n_questions, n_records = 0;
	struct dns_name question;
	int n_found = 0;

	reader_u32(&reader);
	n_questions = reader_u16(&reader);
	for (int i = 0; i < 3; i++)
		n_records += reader_u16(&reader);
	for (uint32_t i = 0; i < n_questions && !reader.failed; i++) {
		dns_name_read(&reader, true, &question);
		reader_u32(&reader);
	}
	for (uint32_t i = 0; i < n_records && !reader.failed; i++) {
		if (!read_record(&reader, &rdata))
			continue;
		n_found++;
		*ret_options = rdata.data;
		*ret_size = rdata.size;
	}
	return reader.failed || reader_left(&reader) > 0 || n_found > 1 ? -EBADMSG : n_found;
}

int dns_options_next(struct reader *options, uint16_t *ret_code, struct reader *ret_value)
{
	if (!options->failed && reader_left(options) == 0)
		return 0;
	*ret_code = reader_u16(options);
	*ret_value = reader_sub(options, reader_u16(options));
	return options->failed ? -EBADMSG : 1;
}

int dns_options_read_llqs(const uint8_t *options, size_t size, struct dns_llq *ret_llqs,
			  size_t capacity)
{
	struct reader reader = reader_init(options, size), value;
	size_t n = 0;
	uint16_t code;
	int r;

	while ((r = dns_options_next(&reader, &code, &value)) > 0) {
		if (code != DNS_OPTION_LLQ)
			continue;
		if (value.size != LLQ_SIZE)
			return -EBADMSG;
		if (n == capacity)
			return -E2BIG;
		ret_llqs[n].version = reader_u16(&value);
		ret_llqs[n].opcode = reader_u16(&value);
		ret_llqs[n].error = reader_u16(&value);
		ret_llqs[n].id = reader_u64(&value);
		ret_llqs[n].lease = reader_u32(&value);
		n++;
	}
	return r < 0 ? r : (int)n;
}

int dns_options_read_update_lease(const uint8_t *options, size_t size, struct dns_update_lease *ret)
{
	struct reader reader = reader_init(options, size), value;
	struct dns_update_lease lease = { 0 };
	bool found = false;
	uint16_t code;
	int r;

	while ((r = dns_options_next(&reader, &code, &value)) > 0) {
		if (code != DNS_OPTION_UPDATE_LEASE)
			continue;
		if (found || (value.size != 4 && value.size != 8))
			return -EBADMSG;
		found = true;
		lease.has_key_lease = value.size == 8;
		lease.lease = reader_u32(&value);
		/* One value governs the keys too when there is only one (RFC 9664 §4.3). */
		lease.key_lease = lease.has_key_lease ? reader_u32(&value) : lease.lease;
	}
	if (r < 0)
		return r;
	if (found)
		*ret = lease;
	return found;
}

/* The option with this code. 1, 0, or -EBADMSG also when there is more than one. */
static int find_only(const uint8_t *options, size_t size, uint16_t wanted, struct reader *ret)
{
	struct reader reader = reader_init(options, size), value;
	bool found = false;
	uint16_t code;
	int r;

	while ((r = dns_options_next(&reader, &code, &value)) > 0) {
		if (code != wanted)
			continue;
		if (found)
			return -EBADMSG;
		found = true;
		*ret = value;
	}
	return r < 0 ? r : found;
}

int dns_options_read_channel_binding(const uint8_t *options, size_t size, const uint8_t **ret)
{
	struct reader value;
	int r = find_only(options, size, DNS_OPTION_CHANNEL_BINDING, &value);

	if (r <= 0)
		return r;
	if (value.size != DNS_CHANNEL_BINDING_SIZE)
		return -EBADMSG;
	*ret = value.data;
	return 1;
}

int dns_options_read_keepalive(const uint8_t *options, size_t size, bool *ret_has_timeout,
			       uint16_t *ret_timeout)
{
	struct reader value;
	int r = find_only(options, size, DNS_OPTION_KEEPALIVE, &value);

	if (r <= 0)
		return r;
	if (value.size != 0 && value.size != 2)
		return -EBADMSG;
	*ret_has_timeout = value.size == 2;
	*ret_timeout = value.size == 2 ? reader_u16(&value) : 0;
	return 1;
}

bool dns_options_have(const uint8_t *options, size_t size, uint16_t wanted)
{
	struct reader reader = reader_init(options, size), value;
	uint16_t code;

	while (dns_options_next(&reader, &code, &value) > 0)
		if (code == wanted)
			return true;
	return false;
}
