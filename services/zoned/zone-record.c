/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zone-record.h"

#include <ctype.h>
#include <string.h>

void name_key_from_wire(const uint8_t *name, size_t size, struct name_key *ret)
{
	size_t position = 0, end = 0;

	for (position = 0; position < size && name[position]; position += 1 + name[position])
		end += 1 + name[position];
	assert(end <= NAME_KEY_SIZE_MAX);
	ret->size = end;
	for (position = 0; position < size && name[position]; position += 1 + name[position]) {
		end -= 1 + name[position];
		ret->octets[end] = name[position];
		for (unsigned int i = 1; i <= name[position]; i++)
			ret->octets[end + i] = tolower(name[position + i]);
	}
}

void name_key_from_rdf(const ldns_rdf *name, struct name_key *ret)
{
	name_key_from_wire(ldns_rdf_data(name), ldns_rdf_size(name), ret);
}

bool name_key_equal(const struct name_key *a, const struct name_key *b)
{
	return a->size == b->size && memcmp(a->octets, b->octets, a->size) == 0;
}

bool name_key_is_within(const struct name_key *name, const struct name_key *ancestor)
{
	return name->size >= ancestor->size &&
	       memcmp(name->octets, ancestor->octets, ancestor->size) == 0;
}

bool name_key_below(const struct name_key *parent, const char *label, struct name_key *ret)
{
	size_t size = strlen(label);

	if (size == 0 || size > 63 || parent->size + 1 + size + 1 > NAME_KEY_SIZE_MAX)
		return false;
	*ret = *parent;
	ret->octets[ret->size++] = size;
	for (size_t i = 0; i < size; i++)
		ret->octets[ret->size++] = tolower((unsigned char)label[i]);
	return true;
}

static int append_data(ldns_buffer *buffer, const ldns_rr *rr, bool canonical)
{
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *field = ldns_rr_rdf(rr, i);
		ldns_status status = canonical ? ldns_rdf2buffer_wire_canonical(buffer, field)
					       : ldns_rdf2buffer_wire(buffer, field);

		if (status != LDNS_STATUS_OK)
			return status == LDNS_STATUS_MEM_ERR ? -ENOMEM : -EINVAL;
	}
	return 0;
}

static int make_record(const ldns_rr *rr, struct zone_record **ret)
{
	ldns_buffer *data = ldns_buffer_new(512);
	struct zone_record *record;
	struct name_key owner;
	uint8_t *end;
	int r;

	if (!data)
		return -ENOMEM;
	r = append_data(data, rr, true);
	name_key_from_rdf(ldns_rr_owner(rr), &owner);
	record = r < 0 ? NULL
		       : calloc(1, sizeof *record + owner.size + 3 + ldns_buffer_position(data));
	if (!record) {
		ldns_buffer_free(data);
		return r < 0 ? r : -ENOMEM;
	}
	record->n_refs = 1;
	record->type = ldns_rr_get_type(rr);
	record->owner_size = owner.size;
	record->key_size = owner.size + 3 + ldns_buffer_position(data);
	end = mempcpy(record->key, owner.octets, owner.size);
	*end++ = 0;
	*end++ = record->type >> 8;
	*end++ = record->type;
	memcpy(end, ldns_buffer_begin(data), ldns_buffer_position(data));
	ldns_buffer_free(data);
	*ret = record;
	return 0;
}

int zone_record_new(ldns_rr *rr, uint64_t expires, const char *writer, struct zone_record **ret)
{
	struct zone_record *record;
	int r = make_record(rr, &record);

	if (r < 0) {
		ldns_rr_free(rr);
		return r;
	}
	record->rr = rr;
	record->expires = expires;
	if (writer) {
		record->writer = strdup(writer);
		if (!record->writer) {
			zone_record_unref(record);
			return -ENOMEM;
		}
	}
	*ret = record;
	return 0;
}

int zone_record_new_refreshed(const struct zone_record *record, uint64_t expires,
			      const char *writer, struct zone_record **ret)
{
	ldns_rr *rr = ldns_rr_clone(record->rr);
	int r = rr ? zone_record_new(rr, expires, writer, ret) : -ENOMEM;

	if (r < 0)
		return r;
	(*ret)->id = record->id;
	(*ret)->fixed = record->fixed;
	return 0;
}

struct zone_record *zone_record_ref(struct zone_record *record)
{
	record->n_refs++;
	return record;
}

struct zone_record *zone_record_unref(struct zone_record *record)
{
	if (!record || --record->n_refs > 0)
		return NULL;
	ldns_rr_free(record->rr);
	free(record->writer);
	free(record);
	return NULL;
}

int zone_record_compare(const struct zone_record *a, const struct zone_record *b)
{
	size_t common = a->key_size < b->key_size ? a->key_size : b->key_size;
	int order = memcmp(a->key, b->key, common);

	return order ?: (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

uint8_t *zone_record_data(const struct zone_record *record, size_t *ret_size)
{
	ldns_buffer *buffer = ldns_buffer_new(512);
	uint8_t *data = NULL;

	if (buffer && append_data(buffer, record->rr, false) >= 0) {
		*ret_size = ldns_buffer_position(buffer);
		data = malloc(*ret_size ?: 1);
		if (data)
			memcpy(data, ldns_buffer_begin(buffer), *ret_size);
	}
	ldns_buffer_free(buffer);
	return data;
}
