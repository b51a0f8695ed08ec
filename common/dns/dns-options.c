/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-options.h"

#include <errno.h>

#define LLQ_SIZE 18

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
