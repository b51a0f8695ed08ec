/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two conversations with strongSwan, as they were on the wire: keys that follow from the shared
 * secrets, signatures, and each message taken apart to the last payload and put together again to
 * the same octets.
 */
#include "services/keyd/ike-auth.h"
#include "services/keyd/ike-crypto.h"
#include "tests/unit/keyd/test.h"

#include <openssl/x509.h>

struct captured_message {
	bool by_strongswan;
	const char *hex;
};

/* Of an IKE SA: what the two have agreed on, and what follows from it. */
struct captured_keys {
	const char *shared, *d, *ei, *er, *pi, *pr;
};

/* Of a pair: its own shared secret or NULL, and the keys of the exchange's two sides. */
struct captured_child {
	const char *shared, *initiator, *responder;
};

#include "tests/unit/keyd/captured.h"

#define CAPTURED_LIMIT 32

struct message {
	bool by_strongswan;
	uint8_t data[2048];
	size_t size;
	struct ike_header header;
	struct ike_chain outer;
	uint8_t plain[2048]; /* of SK and SKF */
	size_t plain_size;
};

struct conversation {
	const struct captured_message *captured;
	size_t n;
	const struct captured_keys *keys;
	const struct captured_child *children;
	struct ike_suite suite;
	struct esp_suite esp;
	unsigned int offers; /* of strongSwan, with more than one of a kind */
	struct message messages[CAPTURED_LIMIT];
	struct ike_keys sas[2];
};

static struct conversation conversations[] = {
	{ it_began_messages,
	  ARRAY_SIZE(it_began_messages),
	  it_began_keys,
	  it_began_children,
	  { IKE_ENCR_AES_GCM_16, 128, IKE_PRF_HMAC_SHA2_384, IKE_GROUP_X25519 },
	  { IKE_ENCR_CHACHA20_POLY1305, 256, IKE_GROUP_X25519, false },
	  4 },
	{ we_began_messages,
	  ARRAY_SIZE(we_began_messages),
	  we_began_keys,
	  we_began_children,
	  { IKE_ENCR_AES_GCM_16, 128, IKE_PRF_HMAC_SHA2_256, IKE_GROUP_X25519 },
	  { IKE_ENCR_AES_GCM_16, 128, IKE_GROUP_X25519, false },
	  1 },
};

static void set_keys(const struct captured_keys *captured, struct ike_keys *ret)
{
	*ret = (struct ike_keys){ .prf_size = from_hex(captured->d, ret->d),
				  .key_size = strlen(captured->ei) / 2 };
	from_hex(captured->d, ret->d);
	from_hex(captured->pi, ret->pi);
	from_hex(captured->pr, ret->pr);
	from_hex(captured->ei, ret->ei);
	from_hex(captured->er, ret->er);
}

/* The keys that encrypt it: the first of the SAs until there is another. */
static const uint8_t *key_of(const struct conversation *conversation, const struct message *message)
{
	bool second = true;
	const struct ike_keys *keys;

	for (size_t i = 0; i < conversation->n; i++) {
		const struct message *first = &conversation->messages[i];

		if (first->header.exchange == IKE_EXCHANGE_SA_INIT &&
		    first->header.spi_responder == message->header.spi_responder)
			second = false;
	}
	keys = &conversation->sas[second];
	return message->header.flags & IKE_FLAG_INITIATOR ? keys->ei : keys->er;
}

static bool is_sealed(const struct message *message)
{
	return message->header.exchange != IKE_EXCHANGE_SA_INIT;
}

static int set_up(void **state)
{
	for (size_t c = 0; c < ARRAY_SIZE(conversations); c++) {
		struct conversation *conversation = &conversations[c];

		assert_in_range(conversation->n, 1, CAPTURED_LIMIT);
		for (int i = 0; i < 2; i++)
			set_keys(&conversation->keys[i], &conversation->sas[i]);
		for (size_t i = 0; i < conversation->n; i++) {
			struct message *message = &conversation->messages[i];

			message->by_strongswan = conversation->captured[i].by_strongswan;
			message->size = from_hex(conversation->captured[i].hex, message->data);
			assert_int_equal(
				ike_header_read(message->data, message->size, &message->header), 0);
			assert_int_equal(ike_chain_read(message->header.next_payload,
							message->data + IKE_HEADER_SIZE,
							message->size - IKE_HEADER_SIZE,
							&message->outer),
					 0);
			assert_int_equal(ike_chain_find_unsupported(&message->outer), 0);
		}
		for (size_t i = 0; i < conversation->n; i++) {
			struct message *message = &conversation->messages[i];
			int size;

			if (!is_sealed(message))
				continue;
			assert_int_equal(message->outer.n_payloads, 1);
			size = ike_sk_open(&conversation->suite, key_of(conversation, message),
					   message->data, &message->outer.payloads[0],
					   message->plain);
			assert_true(size >= 0);
			message->plain_size = size;
		}
	}
	return 0;
}

/* Payloads. */

/* The SA payload as keyd would write what it reads there. */
static void rebuild_sa(const struct message *message, const struct ike_payload *payload,
		       struct writer *writer)
{
	enum ike_key_exchanges with = message->header.exchange == IKE_EXCHANGE_AUTH
					      ? IKE_WITHOUT_KEY_EXCHANGE
					      : IKE_WITH_KEY_EXCHANGE;
	bool response = message->header.flags & IKE_FLAG_RESPONSE;
	struct ike_preferences preferences;
	struct esp_suite esp = {};
	struct ike_suite ike = {};
	uint8_t number = 1;
	uint32_t spi;
	uint64_t ike_spi;
	uint64_t *spi_at =
		message->header.exchange == IKE_EXCHANGE_CREATE_CHILD_SA ? &ike_spi : NULL;

	ike_preferences_init(&preferences);
	if (payload->data[5] == IKE_PROTOCOL_IKE) {
		assert_int_equal(ike_proposal_choose_ike(&preferences, payload->data, payload->size,
							 &ike, spi_at, &number),
				 0);
		if (message->by_strongswan || response)
			ike_proposal_write_ike(writer, number, &ike, spi_at);
		else
			ike_proposal_write_ike_offer(writer, &preferences, spi_at);
	} else {
		assert_int_equal(ike_proposal_choose_esp(&preferences, payload->data, payload->size,
							 with, &esp, &spi, &number),
				 0);
		if (message->by_strongswan || response)
			ike_proposal_write_esp(writer, number, &esp, spi);
		else
			ike_proposal_write_esp_offer(writer, &preferences, spi, with);
	}
}

static void rebuild_notify(const struct ike_payload *payload, struct writer *writer)
{
	struct ike_notify notify;

	assert_int_equal(ike_notify_read(payload, &notify), 0);
	writer_u8(writer, notify.protocol);
	writer_u8(writer, notify.spi_size);
	writer_u16(writer, notify.type);
	writer_copy(writer, notify.spi, notify.spi_size);
	writer_copy(writer, notify.data.data, notify.data.size);
	assert_string_not_equal(ike_notify_name(notify.type), "");
}

static void rebuild_delete(const struct ike_payload *payload, struct ike_builder *builder)
{
	uint8_t protocol, spi_size;
	struct ike_octets spis;
	struct reader reader;
	uint16_t n;

	assert_int_equal(ike_delete_read(payload, &protocol, &spi_size, &n, &spis), 0);
	reader = reader_init(spis.data, spis.size);
	if (protocol == IKE_PROTOCOL_IKE)
		ike_builder_add_delete_ike(builder);
	else
		ike_builder_add_delete_esp(builder, reader_u32(&reader));
}

static void rebuild_selectors(const struct ike_payload *payload, struct ike_builder *builder)
{
	struct ike_selectors selectors;

	assert_int_equal(ike_selectors_read(payload, &selectors), 0);
	assert_int_equal(selectors.n_items, 1);
	assert_memory_equal(selectors.items[0].first, selectors.items[0].last, 16);
	ike_builder_add_selector(builder, payload->type, selectors.items[0].first);
}

static void rebuild_id(const struct ike_payload *payload, struct ike_builder *builder)
{
	struct ike_octets octets;
	char name[256] = "";
	uint8_t type;

	assert_int_equal(ike_id_read(payload, &type, &octets), 0);
	assert_int_equal(type, IKE_ID_FQDN);
	assert_in_range(octets.size, 1, sizeof name - 1);
	memcpy(name, octets.data, octets.size);
	ike_builder_add_id(builder, payload->type, name);
}

/* The payload anew from what was read of it. */
static void rebuild(const struct message *message, const struct ike_payload *payload,
		    struct ike_builder *builder)
{
	struct ike_octets octets;
	uint16_t group;
	uint8_t tag;

	switch ((enum ike_payload_type)payload->type) {
	case IKE_PAYLOAD_SA:
		rebuild_sa(message, payload, ike_builder_open(builder, IKE_PAYLOAD_SA));
		ike_builder_close(builder);
		return;
	case IKE_PAYLOAD_KE:
		assert_int_equal(ike_ke_read(payload, &group, &octets), 0);
		ike_builder_add_ke(builder, group, octets.data, octets.size);
		return;
	case IKE_PAYLOAD_IDI:
	case IKE_PAYLOAD_IDR:
		rebuild_id(payload, builder);
		return;
	case IKE_PAYLOAD_CERT:
	case IKE_PAYLOAD_CERTREQ:
		assert_int_equal(ike_certificate_read(payload, &tag, &octets), 0);
		assert_int_equal(tag, IKE_CERTIFICATE_X509);
		ike_builder_add_tagged(builder, payload->type, tag, octets.data, octets.size);
		return;
	case IKE_PAYLOAD_AUTH:
		assert_int_equal(ike_authentication_read(payload, &tag, &octets), 0);
		assert_int_equal(tag, IKE_METHOD_SIGNATURE);
		ike_builder_add_tagged(builder, payload->type, tag, octets.data, octets.size);
		return;
	case IKE_PAYLOAD_NONCE:
		ike_builder_add(builder, payload->type, payload->data, payload->size);
		return;
	case IKE_PAYLOAD_NOTIFY:
		rebuild_notify(payload, ike_builder_open(builder, IKE_PAYLOAD_NOTIFY));
		ike_builder_close(builder);
		return;
	case IKE_PAYLOAD_DELETE:
		rebuild_delete(payload, builder);
		return;
	case IKE_PAYLOAD_TSI:
	case IKE_PAYLOAD_TSR:
		rebuild_selectors(payload, builder);
		return;
	case IKE_PAYLOAD_NONE:
	case IKE_PAYLOAD_VENDOR:
	case IKE_PAYLOAD_SK:
	case IKE_PAYLOAD_CP:
	case IKE_PAYLOAD_EAP:
	case IKE_PAYLOAD_SKF:
		fail();
	}
	fail();
}

/* An offer of strongSwan's with alternatives: keyd never writes another's. Each of the others is
 * what it was, octet by octet. */
static void rebuild_chain(struct conversation *conversation, const struct message *message,
			  const struct ike_chain *chain, struct ike_builder *builder)
{
	for (size_t i = 0; i < chain->n_payloads; i++) {
		const struct ike_payload *payload = &chain->payloads[i];
		uint8_t buffer[2048];
		struct ike_builder one;

		ike_builder_begin_inner(&one, buffer, sizeof buffer);
		rebuild(message, payload, &one);
		assert_true(ike_builder_finish(&one) > 4);
		if (payload->type == IKE_PAYLOAD_SA &&
		    (one.writer.position != payload->size + 4 ||
		     memcmp(buffer + 4, payload->data, payload->size))) {
			assert_true(message->by_strongswan);
			assert_false(message->header.flags & IKE_FLAG_RESPONSE);
			assert_true(conversation->offers-- > 0);
			ike_builder_add(builder, payload->type, payload->data, payload->size);
			continue;
		}
		assert_int_equal(one.writer.position, payload->size + 4);
		assert_memory_equal(buffer + 4, payload->data, payload->size);
		rebuild(message, payload, builder);
	}
}

static void rebuild_init(struct conversation *conversation, const struct message *message)
{
	uint8_t buffer[2048];
	struct ike_builder builder;

	ike_builder_begin(&builder, buffer, sizeof buffer, &message->header);
	rebuild_chain(conversation, message, &message->outer, &builder);
	assert_int_equal(ike_builder_finish(&builder), message->size);
	assert_memory_equal(buffer, message->data, message->size);
}

/* Encrypted once more, with the same initialization vector: the same octets. */
static void reseal(struct conversation *conversation, const struct message *message,
		   const uint8_t *plain, size_t size)
{
	const struct ike_payload *payload = &message->outer.payloads[0];
	struct ike_fragment fragment;
	struct reader reader;
	uint8_t buffer[2048];
	uint64_t iv;
	int r;

	if (payload->type == IKE_PAYLOAD_SKF) {
		assert_int_equal(ike_fragment_read(payload, &fragment), 0);
		reader = reader_init(payload->data + 4, 8);
		iv = reader_u64(&reader);
		r = ike_skf_seal(&conversation->suite, key_of(conversation, message), iv,
				 &message->header, &fragment, payload->next, plain, size, buffer,
				 sizeof buffer);
	} else {
		reader = reader_init(payload->data, 8);
		iv = reader_u64(&reader);
		r = ike_sk_seal(&conversation->suite, key_of(conversation, message), iv,
				&message->header, payload->next, plain, size, buffer,
				sizeof buffer);
	}
	assert_int_equal(r, message->size);
	assert_memory_equal(buffer, message->data, message->size);
}

/* A whole message in the clear, from its pieces; how many there are. */
static size_t assemble(const struct conversation *conversation, size_t first, uint8_t *ret,
		       size_t *ret_size, uint8_t *ret_type)
{
	const struct message *messages = conversation->messages;
	struct ike_fragment fragment = { .number = 1, .total = 1 };

	if (messages[first].outer.payloads[0].type == IKE_PAYLOAD_SKF)
		assert_int_equal(ike_fragment_read(&messages[first].outer.payloads[0], &fragment),
				 0);
	assert_int_equal(fragment.number, 1);
	*ret_type = messages[first].outer.payloads[0].next;
	*ret_size = 0;
	for (size_t i = 0; i < fragment.total; i++) {
		memcpy(ret + *ret_size, messages[first + i].plain, messages[first + i].plain_size);
		*ret_size += messages[first + i].plain_size;
	}
	return fragment.total;
}

static void test_every_octet(void **state)
{
	for (size_t c = 0; c < ARRAY_SIZE(conversations); c++) {
		struct conversation *conversation = &conversations[c];
		uint8_t plain[4096], buffer[4096], type;
		struct ike_builder builder;
		struct ike_chain chain;
		size_t size, n;

		for (size_t i = 0; i < conversation->n; i += n) {
			const struct message *message = &conversation->messages[i];
			struct writer writer = writer_init(buffer, sizeof buffer);

			ike_header_write(&writer, &message->header);
			assert_memory_equal(buffer, message->data, IKE_HEADER_SIZE);
			n = 1;
			if (!is_sealed(message)) {
				rebuild_init(conversation, message);
				continue;
			}
			n = assemble(conversation, i, plain, &size, &type);
			assert_int_equal(ike_chain_read(type, plain, size, &chain), 0);
			assert_int_equal(ike_chain_find_unsupported(&chain), 0);
			ike_builder_begin_inner(&builder, buffer, sizeof buffer);
			rebuild_chain(conversation, message, &chain, &builder);
			assert_int_equal(ike_builder_finish(&builder), size);
			assert_memory_equal(buffer, plain, size);
			for (size_t j = i, at = 0; j < i + n; j++) {
				reseal(conversation, &conversation->messages[j], buffer + at,
				       conversation->messages[j].plain_size);
				at += conversation->messages[j].plain_size;
			}
		}
		assert_int_equal(conversation->offers, 0);
	}
}

/* Keys. */

static struct ike_octets payload_octets(const struct ike_chain *chain, enum ike_payload_type type)
{
	const struct ike_payload *payload = ike_chain_find(chain, type);

	assert_non_null(payload);
	return (struct ike_octets){ payload->data, payload->size };
}

/* The messages of IKE_SA_INIT that count: the last of either direction. */
static const struct message *find_init(const struct conversation *conversation, bool response)
{
	const struct message *found = NULL;

	for (size_t i = 0; i < conversation->n; i++)
		if (!is_sealed(&conversation->messages[i]) &&
		    !(conversation->messages[i].header.flags & IKE_FLAG_RESPONSE) == !response)
			found = &conversation->messages[i];
	assert_non_null(found);
	return found;
}

/* The nth CREATE_CHILD_SA that is a request or response, with its chain. */
static void find_create(const struct conversation *conversation, unsigned int nth, bool response,
			struct ike_chain *ret)
{
	for (size_t i = 0; i < conversation->n; i++) {
		const struct message *message = &conversation->messages[i];

		if (message->header.exchange != IKE_EXCHANGE_CREATE_CHILD_SA ||
		    !(message->header.flags & IKE_FLAG_RESPONSE) != !response || nth--)
			continue;
		assert_int_equal(ike_chain_read(message->outer.payloads[0].next, message->plain,
						message->plain_size, ret),
				 0);
		return;
	}
	fail();
}

static void assert_keys(const struct ike_keys *keys, const struct captured_keys *captured)
{
	struct ike_keys expected;

	set_keys(captured, &expected);
	assert_int_equal(keys->prf_size, strlen(captured->d) / 2);
	assert_int_equal(keys->key_size, expected.key_size);
	assert_memory_equal(keys->d, expected.d, keys->prf_size);
	assert_memory_equal(keys->pi, expected.pi, keys->prf_size);
	assert_memory_equal(keys->pr, expected.pr, keys->prf_size);
	assert_memory_equal(keys->ei, expected.ei, keys->key_size);
	assert_memory_equal(keys->er, expected.er, keys->key_size);
}

static void test_keys(void **state)
{
	for (size_t c = 0; c < ARRAY_SIZE(conversations); c++) {
		struct conversation *conversation = &conversations[c];
		const struct message *request = find_init(conversation, false);
		const struct message *response = find_init(conversation, true);
		struct ike_preferences preferences;
		struct ike_chain ask, answer;
		struct ike_keys keys;
		struct ike_suite suite;
		uint8_t shared[32];
		uint64_t spis[2];
		uint8_t number;

		from_hex(conversation->keys[0].shared, shared);
		assert_int_equal(
			ike_keys_derive(&conversation->suite,
					payload_octets(&request->outer, IKE_PAYLOAD_NONCE),
					payload_octets(&response->outer, IKE_PAYLOAD_NONCE),
					(struct ike_octets){ shared, sizeof shared },
					response->header.spi_initiator,
					response->header.spi_responder, &keys),
			0);
		assert_keys(&keys, &conversation->keys[0]);
		/* The third CREATE_CHILD_SA makes another IKE SA. */
		find_create(conversation, 2, false, &ask);
		find_create(conversation, 2, true, &answer);
		ike_preferences_init(&preferences);
		for (int i = 0; i < 2; i++) {
			const struct ike_payload *sa =
				ike_chain_find(i ? &answer : &ask, IKE_PAYLOAD_SA);

			assert_int_equal(ike_proposal_choose_ike(&preferences, sa->data, sa->size,
								 &suite, &spis[i], &number),
					 0);
		}
		from_hex(conversation->keys[1].shared, shared);
		assert_int_equal(ike_keys_rekey(conversation->suite.prf, &conversation->sas[0],
						&conversation->suite,
						payload_octets(&ask, IKE_PAYLOAD_NONCE),
						payload_octets(&answer, IKE_PAYLOAD_NONCE),
						(struct ike_octets){ shared, sizeof shared },
						spis[0], spis[1], &keys),
				 0);
		assert_keys(&keys, &conversation->keys[1]);
	}
}

static void assert_material(const struct captured_child *captured, const uint8_t *material,
			    size_t half)
{
	uint8_t expected[IKE_KEY_LIMIT];

	assert_int_equal(from_hex(captured->initiator, expected), half);
	assert_memory_equal(material, expected, half);
	assert_int_equal(from_hex(captured->responder, expected), half);
	assert_memory_equal(material + half, expected, half);
}

static void test_children(void **state)
{
	for (size_t c = 0; c < ARRAY_SIZE(conversations); c++) {
		struct conversation *conversation = &conversations[c];
		size_t half = esp_suite_key_size(&conversation->esp);
		uint8_t material[ESP_KEYMAT_LIMIT], shared[32];

		assert_int_equal(
			ike_keys_derive_child(&conversation->suite, &conversation->sas[0],
					      payload_octets(&find_init(conversation, false)->outer,
							     IKE_PAYLOAD_NONCE),
					      payload_octets(&find_init(conversation, true)->outer,
							     IKE_PAYLOAD_NONCE),
					      material, 2 * half),
			0);
		assert_material(&conversation->children[0], material, half);
		for (unsigned int i = 0; i < 2; i++) {
			struct ike_chain ask, answer;

			find_create(conversation, i, false, &ask);
			find_create(conversation, i, true, &answer);
			from_hex(conversation->children[i + 1].shared, shared);
			assert_int_equal(ike_keys_derive_child_fresh(
						 &conversation->suite, &conversation->sas[0],
						 (struct ike_octets){ shared, sizeof shared },
						 payload_octets(&ask, IKE_PAYLOAD_NONCE),
						 payload_octets(&answer, IKE_PAYLOAD_NONCE),
						 material, 2 * half),
					 0);
			assert_material(&conversation->children[i + 1], material, half);
		}
	}
}

/* Both sides' AUTH, with the certificates they sent. */
static void test_signatures(void **state)
{
	for (size_t c = 0; c < ARRAY_SIZE(conversations); c++) {
		struct conversation *conversation = &conversations[c];
		uint8_t plain[4096], type;
		size_t size, n;

		for (size_t i = 0; i < conversation->n; i += n) {
			const struct message *message = &conversation->messages[i];
			bool response = message->header.flags & IKE_FLAG_RESPONSE;
			struct ike_keys *keys = &conversation->sas[0];
			struct ike_octets octets, id, own, auth;
			const uint8_t *certificate;
			uint8_t *signed_octets;
			size_t signed_size;
			struct ike_chain chain;
			EVP_PKEY *key;
			X509 *x509;

			n = 1;
			if (message->header.exchange != IKE_EXCHANGE_AUTH)
				continue;
			n = assemble(conversation, i, plain, &size, &type);
			assert_int_equal(ike_chain_read(type, plain, size, &chain), 0);
			id = payload_octets(&chain, response ? IKE_PAYLOAD_IDR : IKE_PAYLOAD_IDI);
			octets = payload_octets(&chain, IKE_PAYLOAD_CERT);
			certificate = octets.data + 1;
			x509 = d2i_X509(NULL, &certificate, octets.size - 1);
			assert_non_null(x509);
			key = X509_get_pubkey(x509);
			own = (struct ike_octets){ find_init(conversation, response)->data,
						   find_init(conversation, response)->size };
			assert_int_equal(
				ike_signed_octets(
					conversation->suite.prf, response ? keys->pr : keys->pi,
					keys->prf_size, own,
					payload_octets(&find_init(conversation, !response)->outer,
						       IKE_PAYLOAD_NONCE),
					id, (struct ike_octets){}, &signed_octets, &signed_size),
				0);
			auth = payload_octets(&chain, IKE_PAYLOAD_AUTH);
			assert_int_equal(ike_signature_check(key, auth.data + 4, auth.size - 4,
							     signed_octets, signed_size),
					 0);
			signed_octets[0] ^= 1;
			assert_int_equal(ike_signature_check(key, auth.data + 4, auth.size - 4,
							     signed_octets, signed_size),
					 -EACCES);
			free(signed_octets);
			EVP_PKEY_free(key);
			X509_free(x509);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_octet),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_signatures),
	};

	return cmocka_run_group_tests_name("ike-captured", tests, set_up, NULL);
}
