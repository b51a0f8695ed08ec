/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-name.h"

#include <errno.h>
#include <string.h>

#define LABEL_SIZE_MAX 63
#define POINTER_FLAG   0xC0
/* No name has more labels, and each needs one pointer at most to be found. */
#define POINTERS_MAX 128

void dns_name_read(struct reader *reader, bool compressed, struct dns_name *ret)
{
	struct dns_name name = { 0 };
	struct reader at = *reader;
	size_t lowest = reader->position;
	unsigned int n_jumps = 0;

	for (;;) {
		uint8_t size = reader_u8(&at);

		if (at.failed)
			break;
		if ((size & POINTER_FLAG) == POINTER_FLAG) {
			size_t target = (size & ~POINTER_FLAG) << 8 | reader_u8(&at);

			/* Strictly backwards, so that it ends, and soon: a message can hold a chain
			 * of thousands of pointers and thousands of names that begin with it. */
			if (at.failed || !compressed || target >= lowest || n_jumps == POINTERS_MAX)
				break;
			if (n_jumps++ == 0)
				reader->position = at.position;
			lowest = at.position = target;
			continue;
		}
		if (size > LABEL_SIZE_MAX || name.size + 1u + size > DNS_NAME_SIZE_MAX)
			break;
		name.octets[name.size++] = size;
		reader_copy(&at, name.octets + name.size, size);
		if (at.failed)
			break;
		name.size += size;
		if (size == 0) {
			if (n_jumps == 0)
				reader->position = at.position;
			*ret = name;
			return;
		}
		if (name.size == DNS_NAME_SIZE_MAX)
			break;
	}
	reader->failed = true;
}

void dns_name_write(struct writer *writer, const struct dns_name *name)
{
	writer_copy(writer, name->octets, name->size);
}

static uint8_t lower(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? octet - 'A' + 'a' : octet;
}

/* Label lengths are below 'A', so the octets can be taken one like the other. */
void dns_name_lower(struct dns_name *name)
{
	for (unsigned int i = 0; i < name->size; i++)
		name->octets[i] = lower(name->octets[i]);
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	if (a->size != b->size)
		return false;
	for (unsigned int i = 0; i < a->size; i++) {
		if (lower(a->octets[i]) != lower(b->octets[i]))
			return false;
	}
	return true;
}

int dns_name_from_text(const char *text, struct dns_name *ret)
{
	struct dns_name name = { 0 };
	struct writer writer = writer_init(name.octets, sizeof(name.octets));

	if (strcmp(text, ".") == 0)
		text = "";
	while (*text) {
		size_t size = strcspn(text, ".");

		if (size == 0 || size > LABEL_SIZE_MAX)
			return -EINVAL;
		writer_u8(&writer, size);
		writer_copy(&writer, text, size);
		text += size;
		if (*text == '.')
			text++;
	}
	writer_u8(&writer, 0);
	if (writer.failed)
		return -EINVAL;
	name.size = writer.position;
	*ret = name;
	return 0;
}

int dns_name_from_rdf(const ldns_rdf *rdf, struct dns_name *ret)
{
	size_t size = rdf ? ldns_rdf_size(rdf) : 0;

	if (size == 0 || size > DNS_NAME_SIZE_MAX || ldns_rdf_get_type(rdf) != LDNS_RDF_TYPE_DNAME)
		return -EINVAL;
	ret->size = size;
	memcpy(ret->octets, ldns_rdf_data(rdf), size);
	return 0;
}

static void write_octet_as_text(struct writer *writer, uint8_t octet)
{
	if ((octet >= '0' && octet <= '9') || (lower(octet) >= 'a' && lower(octet) <= 'z') ||
	    octet == '-' || octet == '_') {
		writer_u8(writer, octet);
		return;
	}
	writer_u8(writer, '\\');
	writer_u8(writer, '0' + octet / 100);
	writer_u8(writer, '0' + octet / 10 % 10);
	writer_u8(writer, '0' + octet % 10);
}

int dns_name_to_text(const struct dns_name *name, char *text, size_t size)
{
	struct writer writer = writer_init(text, size ? size - 1 : 0);
	struct reader reader = reader_init(name->octets, name->size);
	uint8_t label;

	if (size == 0)
		return -ENOBUFS;
	while ((label = reader_u8(&reader))) {
		if (writer.position > 0)
			writer_u8(&writer, '.');
		for (; label > 0; label--)
			write_octet_as_text(&writer, reader_u8(&reader));
	}
	if (writer.position == 0)
		writer_u8(&writer, '.');
	text[writer.position] = 0;
	return writer.failed ? -ENOBUFS : 0;
}
