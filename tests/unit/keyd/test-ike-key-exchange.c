/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-key-exchange.h"
#include "tests/unit/keyd/test.h"

#include <errno.h>

/* "Random" octets in the order in which they are asked for, again and again. */
struct script {
	uint8_t octets[96];
	size_t size, position;
};

static void fill(void *userdata, void *data, size_t size)
{
	struct script *script = userdata;
	uint8_t *octets = data;

	for (size_t i = 0; i < size; i++)
		octets[i] = script->octets[script->position++ % script->size];
}

struct vector {
	uint16_t group;
	const char *private_i, *public_i, *private_r, *public_r, *shared;
};

static const struct vector vectors[] = {
	/* RFC 8031 appendix A */
	{ IKE_GROUP_X25519, "751fb4308655b476b6789b7325f9ea8cddd16a58533ff6d9e60009464a5f9d94",
	  "48d5ddd4061257ba166fa3f9bbdb74f1a4e81c089384fa77f790709f0dfbc766",
	  "0a54645253290d60ddadd0e030bacd9e5501efdc220755a1e978f1b839a05688",
	  "0be7c1f5aad87d7e448662673298a443478b859745179eaf564c79c0ef6eee25",
	  "c74950607a12327f3204d94b6825bfb068b7f8319a9e3708ed3d43ce8130c950" },
	/* RFC 5903 §8.1 */
	{ IKE_GROUP_P256, "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
	  "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
	  "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
	  "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
	  "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
	  "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
	  "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de" },
	/* RFC 5903 §8.2 */
	{ IKE_GROUP_P384,
	  "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655"
	  "e35b538041e649ee3faef896783ab194",
	  "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6"
	  "de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f"
	  "65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
	  "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942"
	  "e0308312916b8ed2960e4bd55a7448fc",
	  "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d"
	  "0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f"
	  "66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
	  "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4"
	  "d603135569b9e9d09cf5d4a270f59746" },
};

static void assert_is(struct ike_octets octets, const char *hex)
{
	uint8_t expected[IKE_PUBLIC_LIMIT];

	assert_int_equal(octets.size, from_hex(hex, expected));
	assert_memory_equal(octets.data, expected, octets.size);
}

static struct ike_random from_script(struct script *script, const char *hex)
{
	*script = (struct script){};
	script->size = from_hex(hex, script->octets);
	return (struct ike_random){ fill, script };
}

static void test_vectors(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct ike_key_exchange *initiator, *responder;
		struct ike_shared at_initiator, at_responder;
		struct ike_random random;
		struct script script;

		random = from_script(&script, v->private_i);
		assert_int_equal(ike_key_exchange_begin(v->group, &random, &initiator), 0);
		assert_int_equal(ike_key_exchange_group(initiator), v->group);
		assert_is(ike_key_exchange_public(initiator), v->public_i);
		random = from_script(&script, v->private_r);
		assert_int_equal(ike_key_exchange_answer(v->group, &random,
							 ike_key_exchange_public(initiator),
							 &responder, &at_responder),
				 0);
		assert_is(ike_key_exchange_public(responder), v->public_r);
		assert_int_equal(ike_key_exchange_finish(initiator,
							 ike_key_exchange_public(responder),
							 &at_initiator),
				 0);
		assert_is(ike_shared_octets(&at_initiator), v->shared);
		assert_is(ike_shared_octets(&at_responder), v->shared);
		ike_key_exchange_free(initiator);
		ike_key_exchange_free(responder);
	}
}

/* RFC 7748 §6.1, and the octet that has no meaning (§5). */
static void test_x25519_top_bit(void **state)
{
	struct ike_key_exchange *exchange;
	struct ike_shared shared;
	struct script script;
	uint8_t peer[32];
	struct ike_random random = from_script(
		&script, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");

	assert_int_equal(ike_key_exchange_begin(IKE_GROUP_X25519, &random, &exchange), 0);
	from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", peer);
	for (int i = 0; i < 2; i++, peer[31] |= 0x80) {
		assert_int_equal(
			ike_key_exchange_finish(exchange, (struct ike_octets){ peer, 32 }, &shared),
			0);
		assert_is(ike_shared_octets(&shared),
			  "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	}
	ike_key_exchange_free(exchange);
}

/* Points of small order, off the curve, at infinity, of another size. */
static void test_bad_values(void **state)
{
	static const struct {
		uint16_t group;
		const char *value;
	} cases[] = {
		{ IKE_GROUP_X25519,
		  "0000000000000000000000000000000000000000000000000000000000000000" },
		{ IKE_GROUP_X25519,
		  "0100000000000000000000000000000000000000000000000000000000000000" },
		{ IKE_GROUP_X25519,
		  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" },
		{ IKE_GROUP_X25519,
		  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800" },
		/* Not on the curve: one bit of y. */
		{ IKE_GROUP_P256, "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
				  "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990b"
				  "b2" },
		{ IKE_GROUP_P256, "0000000000000000000000000000000000000000000000000000000000000000"
				  "00000000000000000000000000000000000000000000000000000000000000"
				  "00" },
		/* x beyond the field */
		{ IKE_GROUP_P256, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
				  "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990b"
				  "b3" },
		/* The uncompressed form with its first octet, which is not what is sent. */
		{ IKE_GROUP_P256, "04"
				  "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811"
				  "805271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b899"
				  "0bb3" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ike_key_exchange *exchange;
		struct ike_shared shared;
		struct script script;
		uint8_t value[IKE_PUBLIC_LIMIT];
		size_t size = from_hex(cases[i].value, value);
		struct ike_random random = from_script(&script, vectors[0].private_i);

		assert_int_equal(ike_key_exchange_answer(cases[i].group, &random,
							 (struct ike_octets){ value, size },
							 &exchange, &shared),
				 -EBADMSG);
	}
}

static void test_sizes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t right = ike_group_public_size(vectors[i].group);
		struct ike_key_exchange *exchange;
		struct ike_shared shared;
		struct script script;
		struct ike_random random = from_script(&script, vectors[i].private_i);

		assert_int_equal(ike_key_exchange_begin(vectors[i].group, &random, &exchange), 0);
		for (size_t size = 0; size <= 100; size++) {
			uint8_t *exact = calloc(1, size ? size : 1);

			if (size != right)
				assert_int_equal(
					ike_key_exchange_finish(exchange,
								(struct ike_octets){ exact, size },
								&shared),
					-EBADMSG);
			free(exact);
		}
		ike_key_exchange_free(exchange);
	}
}

/* A private value must be below the order of the group: what is not is drawn again. */
static void test_private_range(void **state)
{
	struct ike_key_exchange *exchange;
	struct script script;
	struct ike_random random = from_script(
		&script, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
			 "0000000000000000000000000000000000000000000000000000000000000000"
			 "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");

	assert_int_equal(ike_key_exchange_begin(IKE_GROUP_P256, &random, &exchange), 0);
	assert_int_equal(script.position, 96);
	assert_is(ike_key_exchange_public(exchange), vectors[1].public_i);
	ike_key_exchange_free(exchange);
}

/* Groups 2, 5, 14 (MODP), 22, 25 (P-192), 26, 32 (X448): not ours, or too weak. */
static void test_other_groups(void **state)
{
	static const uint16_t others[] = { 0, 1, 2, 5, 14, 15, 21, 22, 25, 26, 32, 36 };
	struct script script;
	struct ike_random random = from_script(&script, vectors[0].private_i);
	struct ike_key_exchange *exchange;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(ike_key_exchange_begin(others[i], &random, &exchange),
				 -EOPNOTSUPP);
		assert_int_equal(ike_group_public_size(others[i]), 0);
		assert_null(ike_group_name(others[i]));
	}
	assert_null(ike_key_exchange_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),       cmocka_unit_test(test_x25519_top_bit),
		cmocka_unit_test(test_bad_values),    cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_private_range), cmocka_unit_test(test_other_groups),
	};

	return cmocka_run_group_tests_name("ike-key-exchange", tests, NULL, NULL);
}
