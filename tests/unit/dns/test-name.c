/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-name.h"

#include <errno.h>

static bool read_at(const char *hex, size_t position, bool compressed, struct dns_name *ret,
		    size_t *ret_position)
{
	uint8_t data[512];
	size_t size = from_hex(hex, data);
	struct reader reader = reader_init(data, size);

	reader.position = position;
	dns_name_read(&reader, compressed, ret);
	*ret_position = reader.position;
	return !reader.failed;
}

static void text_and_back(void **state)
{
	struct dns_name name, other;
	char text[DNS_NAME_TEXT_SIZE];

	assert_int_equal(dns_name_from_text("1a2b.Desktop.alice.", &name), 0);
	assert_hex(name.octets, name.size, "0431613262074465736b746f7005616c69636500");
	assert_int_equal(dns_name_to_text(&name, text, sizeof(text)), 0);
	assert_string_equal(text, "1a2b.Desktop.alice");
	assert_int_equal(dns_name_from_text("1A2B.desktop.ALICE", &other), 0);
	assert_true(dns_name_equal(&name, &other));
	dns_name_lower(&name);
	assert_hex(name.octets, name.size, "0431613262076465736b746f7005616c69636500");
	assert_int_equal(dns_name_from_text(".", &name), 0);
	assert_int_equal(name.size, 1);
	assert_int_equal(dns_name_to_text(&name, text, sizeof(text)), 0);
	assert_string_equal(text, ".");
}

/* G42, and the same octets from ldns. */
static void name_of_a_service(void **state)
{
	static const char golden[] = "0f5f646e732d7570646174652d746c73045f75647005616c69636507"
				     "6d656d62657273026d6503636f6d00";
	static const char text[] = "_dns-update-tls._udp.alice.members.me.com";
	struct dns_name name;
	ldns_rdf *rdf = ldns_dname_new_frm_str(text);

	assert_int_equal(dns_name_from_text(text, &name), 0);
	assert_hex(name.octets, name.size, golden);
	assert_int_equal(dns_name_from_rdf(rdf, &name), 0);
	assert_hex(name.octets, name.size, golden);
	ldns_rdf_deep_free(rdf);
}

static void refused_texts(void **state)
{
	char long_label[80], long_name[300];
	struct dns_name name;

	memset(long_label, 'a', 64);
	long_label[64] = 0;
	for (size_t i = 0; i < 256; i++)
		long_name[i] = i % 2 ? '.' : 'a';
	long_name[256] = 0;
	assert_int_equal(dns_name_from_text("a..b", &name), -EINVAL);
	assert_int_equal(dns_name_from_text(".a", &name), -EINVAL);
	assert_int_equal(dns_name_from_text(long_label, &name), -EINVAL);
	assert_int_equal(dns_name_from_text(long_name, &name), -EINVAL);
	long_name[254] = 0;
	assert_int_equal(dns_name_from_text(long_name, &name), 0);
	assert_int_equal(name.size, 255);
}

static void compressed(void **state)
{
	struct dns_name name;
	char text[DNS_NAME_TEXT_SIZE];
	size_t position;

	assert_true(read_at("03636f6d0001620161c00005", 7, true, &name, &position));
	assert_int_equal(dns_name_to_text(&name, text, sizeof(text)), 0);
	assert_string_equal(text, "a.com");
	assert_int_equal(position, 11);
	assert_false(read_at("03636f6d0001620161c00005", 7, false, &name, &position));
}

static void malformed(void **state)
{
	struct dns_name name;
	size_t position;

	assert_false(read_at("c000", 0, true, &name, &position));     /* at itself */
	assert_false(read_at("0161c000", 2, true, &name, &position)); /* 0: a, then round again */
	assert_false(read_at("c002c000", 2, true, &name, &position)); /* at each other */
	assert_false(read_at("0161", 0, true, &name, &position));     /* no end */
	assert_false(read_at("05616263", 0, true, &name, &position));
	assert_false(read_at("c0", 0, true, &name, &position));
	assert_false(read_at("4061", 0, true, &name, &position)); /* reserved label kind */
	assert_false(read_at("", 0, true, &name, &position));
}

/* A pointer at each even octet, to the one before: the name at its end would take as many steps. */
static void chain_of_pointers(void **state)
{
	uint8_t data[2 + 2 * 200] = { 0 };
	struct dns_name name;

	for (size_t i = 1; i <= 200; i++) {
		data[2 * i] = 0xC0 | (2 * i - 2) >> 8;
		data[2 * i + 1] = 2 * i - 2;
	}
	for (size_t i = 1; i <= 200; i++) {
		struct reader reader = reader_init(data, sizeof(data));

		reader.position = 2 * i;
		dns_name_read(&reader, true, &name);
		assert_int_equal(reader.failed, i > 128);
	}
}

static void odd_octets_are_escaped(void **state)
{
	struct dns_name name;
	char text[DNS_NAME_TEXT_SIZE], small[4];
	size_t position;

	assert_true(read_at("03612e0000", 0, true, &name, &position));
	assert_int_equal(dns_name_to_text(&name, text, sizeof(text)), 0);
	assert_string_equal(text, "a\\046\\000");
	assert_int_equal(dns_name_to_text(&name, small, sizeof(small)), -ENOBUFS);
	assert_int_equal(small[3], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_of_a_service),
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(refused_texts),
		cmocka_unit_test(compressed),
		cmocka_unit_test(malformed),
		cmocka_unit_test(chain_of_pointers),
		cmocka_unit_test(odd_octets_are_escaped),
	};

	return cmocka_run_group_tests_name("dns-name", tests, NULL, NULL);
}
