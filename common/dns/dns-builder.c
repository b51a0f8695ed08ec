/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-builder.h"

#include <errno.h>

#define COUNTS_AT     4
#define POINTER_FLAG  0xC000
#define POINTER_REACH 0x4000

void dns_builder_init(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id,
		      uint16_t flags)
{
	memset(builder, 0, sizeof(*builder));
	builder->writer = writer_init(buffer, capacity);
	writer_u16(&builder->writer, id);
	writer_u16(&builder->writer, flags);
	writer_u64(&builder->writer, 0);
}

void dns_builder_set_flags(struct dns_builder *builder, uint16_t flags)
{
	writer_patch_u16(&builder->writer, 2, flags);
}

/* Whether the name written at `position` equals these octets; both are our own, so well-formed. */
static bool is_written_at(const struct writer *writer, size_t position, const uint8_t *name)
{
	for (;;) {
		uint8_t size = writer->data[position];

		if (size >= 0xC0) {
			position = (size & 0x3F) << 8 | writer->data[position + 1];
			continue;
		}
		/* A label of another size may reach beyond the end of `name`. */
		if (*name != size || memcmp(writer->data + position, name, size + 1) != 0)
			return false;
		if (size == 0)
			return true;
		position += size + 1;
		name += size + 1;
	}
}

static size_t find_written(const struct dns_builder *builder, const uint8_t *name)
{
	for (unsigned int i = 0; i < builder->n_names; i++) {
		if (is_written_at(&builder->writer, builder->names[i], name))
			return builder->names[i];
	}
	return 0;
}

void dns_builder_write_name(struct dns_builder *builder, const ldns_rdf *rdf)
{
	struct writer *writer = &builder->writer;
	uint16_t begun[DNS_NAME_SIZE_MAX / 2];
	unsigned int n_begun = 0;
	struct dns_name name;
	const uint8_t *rest = name.octets;
	size_t written = 0;

	if (dns_name_from_rdf(rdf, &name) < 0) {
		writer->failed = true;
		return;
	}
	while (*rest && written == 0) {
		written = find_written(builder, rest);
		if (written == 0) {
			begun[n_begun++] = writer->position;
			writer_copy(writer, rest, *rest + 1u);
			rest += *rest + 1u;
		}
	}
	if (written > 0)
		writer_u16(writer, POINTER_FLAG | written);
	else
		writer_u8(writer, 0);
	/* Only a name that is complete may be pointed at. */
	for (unsigned int i = 0; i < n_begun && !writer->failed; i++) {
		if (begun[i] < POINTER_REACH && builder->n_names < DNS_BUILDER_NAMES)
			builder->names[builder->n_names++] = begun[i];
	}
}

void dns_builder_add_question(struct dns_builder *builder, const ldns_rdf *name, ldns_rr_type type,
			      ldns_rr_class class)
{
	if (builder->section != DNS_SECTION_QUESTION)
		builder->writer.failed = true;
	dns_builder_write_name(builder, name);
	writer_u16(&builder->writer, type);
	writer_u16(&builder->writer, class);
	builder->counts[DNS_SECTION_QUESTION]++;
}

static void begin_record(struct dns_builder *builder, enum dns_section section)
{
	if (section < builder->section || section == DNS_SECTION_QUESTION ||
	    builder->counts[section] == UINT16_MAX) {
		builder->writer.failed = true;
		return;
	}
	builder->section = section;
	builder->counts[section]++;
}

/* Types whose names every receiver can decompress: those of RFC 1035. */
static bool is_compressed_always(ldns_rr_type type)
{
	return type == LDNS_RR_TYPE_NS || type == LDNS_RR_TYPE_CNAME || type == LDNS_RR_TYPE_PTR;
}

/* RFC 6762 §18.14. */
static bool is_compressed_widely(ldns_rr_type type)
{
	static const ldns_rr_type types[] = {
		LDNS_RR_TYPE_DNAME, LDNS_RR_TYPE_SOA,  LDNS_RR_TYPE_MX, LDNS_RR_TYPE_AFSDB,
		LDNS_RR_TYPE_RT,    LDNS_RR_TYPE_KX,   LDNS_RR_TYPE_RP, LDNS_RR_TYPE_PX,
		LDNS_RR_TYPE_SRV,   LDNS_RR_TYPE_NSEC,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i] == type)
			return true;
	return is_compressed_always(type);
}

static void write_rdata(struct dns_builder *builder, const ldns_rr *rr, bool compressed)
{
	struct writer *writer = &builder->writer;

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(rr, i);

		if (compressed && ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME)
			dns_builder_write_name(builder, rdf);
		else
			writer_copy(writer, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
	}
}

static void write_rr(struct dns_builder *builder, const ldns_rr *rr, ldns_rr_class class,
		     uint32_t ttl, bool compressed)
{
	struct writer *writer = &builder->writer;
	size_t size_at;

	dns_builder_write_name(builder, ldns_rr_owner(rr));
	writer_u16(writer, ldns_rr_get_type(rr));
	writer_u16(writer, class);
	writer_u32(writer, ttl);
	size_at = writer->position;
	writer_u16(writer, 0);
	write_rdata(builder, rr, compressed);
	writer_patch_u16(writer, size_at, writer->position - size_at - 2);
}

void dns_builder_write_rr(struct dns_builder *builder, const ldns_rr *rr, uint32_t ttl)
{
	write_rr(builder, rr, ldns_rr_get_class(rr), ttl,
		 is_compressed_widely(ldns_rr_get_type(rr)));
}

void dns_builder_add_rr_as(struct dns_builder *builder, enum dns_section section, const ldns_rr *rr,
			   ldns_rr_class class, uint32_t ttl)
{
	begin_record(builder, section);
	write_rr(builder, rr, class, ttl, is_compressed_always(ldns_rr_get_type(rr)));
}

void dns_builder_add_rr(struct dns_builder *builder, enum dns_section section, const ldns_rr *rr)
{
	dns_builder_add_rr_as(builder, section, rr, ldns_rr_get_class(rr), ldns_rr_ttl(rr));
}

void dns_builder_add_empty_rr(struct dns_builder *builder, enum dns_section section,
			      const ldns_rdf *name, ldns_rr_type type, ldns_rr_class class)
{
	begin_record(builder, section);
	dns_builder_write_name(builder, name);
	writer_u16(&builder->writer, type);
	writer_u16(&builder->writer, class);
	writer_u32(&builder->writer, 0);
	writer_u16(&builder->writer, 0);
}

void dns_builder_add_edns(struct dns_builder *builder, uint16_t udp_size, uint16_t rcode,
			  const void *options, size_t size)
{
	struct writer *writer = &builder->writer;

	if (size > UINT16_MAX)
		writer->failed = true;
	begin_record(builder, DNS_SECTION_ADDITIONAL);
	writer_u8(writer, 0);
	writer_u16(writer, LDNS_RR_TYPE_OPT);
	writer_u16(writer, udp_size);
	writer_u8(writer, rcode >> 4);
	writer_unsigned(writer, 0, 3);
	writer_u16(writer, size);
	writer_copy(writer, options, size);
}

struct dns_builder_mark dns_builder_mark(const struct dns_builder *builder)
{
	struct dns_builder_mark mark = {
		.position = builder->writer.position,
		.section = builder->section,
		.n_names = builder->n_names,
	};

	memcpy(mark.counts, builder->counts, sizeof(mark.counts));
	return mark;
}

void dns_builder_rewind(struct dns_builder *builder, const struct dns_builder_mark *mark)
{
	builder->writer.position = mark->position;
	builder->writer.failed = false;
	builder->section = mark->section;
	builder->n_names = mark->n_names;
	memcpy(builder->counts, mark->counts, sizeof(mark->counts));
}

int dns_builder_finish(struct dns_builder *builder)
{
	for (int i = 0; i < DNS_N_SECTIONS; i++)
		writer_patch_u16(&builder->writer, COUNTS_AT + 2 * i, builder->counts[i]);
	return builder->writer.failed ? -EMSGSIZE : (int)builder->writer.position;
}

int dns_builder_sign(struct dns_builder *builder, const struct dns_tsig_key *key,
		     const struct dns_tsig_mac *prior, uint64_t now, struct dns_tsig_mac *ret_mac)
{
	int r = dns_builder_finish(builder);

	if (r < 0)
		return r;
	r = dns_tsig_sign(&builder->writer, key, prior, now, ret_mac);
	if (r < 0)
		return r == -ENOBUFS ? -EMSGSIZE : r;
	return builder->writer.position;
}
