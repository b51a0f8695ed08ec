/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-proposal-wire.h"

#include "common/base/cleanup.h"
#include "services/keyd/ike-kem.h"
#include "services/keyd/ike-message-wire.h"

#include <errno.h>
#include <stdio.h>

#define PROPOSALS_LIMIT      16
#define TRANSFORMS_LIMIT     64     /* of one proposal; what comes after is not looked at */
#define ATTRIBUTE_KEY_LENGTH 0x800e /* type and value (§3.3.5) */
#define LAST                 0
#define MORE_PROPOSALS       2
#define MORE_TRANSFORMS      3
#define SALT_SIZE            4

static const uint16_t sequence_numbers[] = { 1, 0 }; /* extended first */

/* One transform of an offer; key_bits 0: no such attribute. */
struct transform {
	uint8_t type;
	uint16_t id;
	uint16_t key_bits;
	bool unknown_attribute;
};

struct proposal {
	uint8_t number;
	uint8_t protocol;
	uint8_t spi_size;
	const uint8_t *spi;
	struct transform transforms[TRANSFORMS_LIMIT];
	size_t n_transforms;
};

static void write_transform(struct writer *writer, bool last, uint8_t type, uint16_t id,
			    uint16_t key_bits)
{
	writer_u8(writer, last ? LAST : MORE_TRANSFORMS);
	writer_u8(writer, 0);
	writer_u16(writer, key_bits ? 12 : 8);
	writer_u8(writer, type);
	writer_u8(writer, 0);
	writer_u16(writer, id);
	if (key_bits) {
		writer_u16(writer, ATTRIBUTE_KEY_LENGTH);
		writer_u16(writer, key_bits);
	}
}

/* ChaCha20 has one key length and must not name it (RFC 7634 §2). */
static uint16_t attribute_bits(uint16_t encryption, uint16_t key_bits)
{
	return encryption == IKE_ENCR_CHACHA20_POLY1305 ? 0 : key_bits;
}

/* `spi_size` octets of `spi`. */
static size_t begin_proposal(struct writer *writer, bool last, uint8_t number, uint8_t protocol,
			     uint64_t spi, uint8_t spi_size, uint8_t n_transforms)
{
	size_t start = writer->position;

	writer_u8(writer, last ? LAST : MORE_PROPOSALS);
	writer_u8(writer, 0);
	writer_u16(writer, 0);
	writer_u8(writer, number);
	writer_u8(writer, protocol);
	writer_u8(writer, spi_size);
	writer_u8(writer, n_transforms);
	writer_unsigned(writer, spi, spi_size);
	return start;
}

static void end_proposal(struct writer *writer, size_t start)
{
	writer_patch_u16(writer, start + 2, writer->position - start);
}

static void write_ciphers(struct writer *writer, const struct ike_ciphers *ciphers)
{
	for (size_t i = 0; i < ciphers->n; i++)
		write_transform(
			writer, false, IKE_TRANSFORM_ENCR, ciphers->items[i].encryption,
			attribute_bits(ciphers->items[i].encryption, ciphers->items[i].key_bits));
}

static void write_numbers(struct writer *writer, bool last, uint8_t type, const uint16_t *numbers,
			  size_t n)
{
	for (size_t i = 0; i < n; i++)
		write_transform(writer, last && i + 1 == n, type, numbers[i], 0);
}

static void write_ike_proposal(struct writer *writer, const struct ike_preferences *preferences,
			       const uint64_t *spi, uint8_t number, bool last, bool with_kem)
{
	const struct ike_numbers *prfs = &preferences->prfs, *groups = &preferences->groups;
	size_t start = begin_proposal(writer, last, number, IKE_PROTOCOL_IKE, spi ? *spi : 0,
				      spi ? IKE_SPI_SIZE_IKE : 0,
				      preferences->ike.n + prfs->n + groups->n + with_kem);

	write_ciphers(writer, &preferences->ike);
	write_numbers(writer, false, IKE_TRANSFORM_PRF, prfs->items, prfs->n);
	write_numbers(writer, !with_kem, IKE_TRANSFORM_KE, groups->items, groups->n);
	if (with_kem)
		write_transform(writer, true, IKE_TRANSFORM_ADDKE1, IKE_KEM_MLKEM768, 0);
	end_proposal(writer, start);
}

void ike_proposal_write_ike_offer(struct writer *writer, const struct ike_preferences *preferences,
				  const uint64_t *spi)
{
	enum ike_kem_use use = spi ? IKE_KEM_NEVER : ike_preferences_kem(preferences);
	uint8_t number = 1;

	if (use != IKE_KEM_NEVER)
		write_ike_proposal(writer, preferences, spi, number++, use == IKE_KEM_REQUIRED,
				   true);
	if (use != IKE_KEM_REQUIRED)
		write_ike_proposal(writer, preferences, spi, number, true, false);
}

void ike_proposal_write_esp_offer(struct writer *writer, const struct ike_preferences *preferences,
				  uint32_t spi, enum ike_key_exchanges key_exchanges)
{
	size_t n_groups = key_exchanges == IKE_WITH_KEY_EXCHANGE ? preferences->groups.n : 0;
	size_t start = begin_proposal(writer, true, 1, IKE_PROTOCOL_ESP, spi, IKE_SPI_SIZE_ESP,
				      preferences->esp.n + n_groups + ARRAY_SIZE(sequence_numbers));

	write_ciphers(writer, &preferences->esp);
	write_numbers(writer, false, IKE_TRANSFORM_KE, preferences->groups.items, n_groups);
	write_numbers(writer, true, IKE_TRANSFORM_ESN, sequence_numbers,
		      ARRAY_SIZE(sequence_numbers));
	end_proposal(writer, start);
}

void ike_proposal_write_ike(struct writer *writer, uint8_t number, const struct ike_suite *suite,
			    const uint64_t *spi)
{
	bool with_kem = !spi && suite->kem;
	size_t start = begin_proposal(writer, true, number, IKE_PROTOCOL_IKE, spi ? *spi : 0,
				      spi ? IKE_SPI_SIZE_IKE : 0, 3 + with_kem);

	write_transform(writer, false, IKE_TRANSFORM_ENCR, suite->encryption,
			attribute_bits(suite->encryption, suite->key_bits));
	write_transform(writer, false, IKE_TRANSFORM_PRF, suite->prf, 0);
	write_transform(writer, !with_kem, IKE_TRANSFORM_KE, suite->group, 0);
	if (with_kem)
		write_transform(writer, true, IKE_TRANSFORM_ADDKE1, suite->kem, 0);
	end_proposal(writer, start);
}

void ike_proposal_write_esp(struct writer *writer, uint8_t number, const struct esp_suite *suite,
			    uint32_t spi)
{
	size_t start = begin_proposal(writer, true, number, IKE_PROTOCOL_ESP, spi, IKE_SPI_SIZE_ESP,
				      suite->group ? 3 : 2);

	write_transform(writer, false, IKE_TRANSFORM_ENCR, suite->encryption,
			attribute_bits(suite->encryption, suite->key_bits));
	if (suite->group)
		write_transform(writer, false, IKE_TRANSFORM_KE, suite->group, 0);
	write_transform(writer, true, IKE_TRANSFORM_ESN, suite->esn, 0);
	end_proposal(writer, start);
}

/* Attributes: type and value, or type, length and value (§3.3.5). */
static void read_attributes(struct reader *reader, struct transform *transform)
{
	while (reader_left(reader)) {
		uint16_t type = reader_u16(reader);
		uint16_t value = reader_u16(reader);

		if (type == ATTRIBUTE_KEY_LENGTH) {
			transform->key_bits = value;
			continue;
		}
		/* A transform with an attribute we do not understand is not for us (§3.3.6). */
		transform->unknown_attribute = true;
		if (!(type & 0x8000))
			reader_take(reader, value);
	}
}

static int read_transforms(struct reader *reader, unsigned int n, struct proposal *proposal)
{
	proposal->n_transforms = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct transform transform = {};
		struct reader attributes;
		uint8_t more = reader_u8(reader);
		uint16_t length;

		reader_u8(reader);
		length = reader_u16(reader);
		transform.type = reader_u8(reader);
		reader_u8(reader);
		transform.id = reader_u16(reader);
		if (reader->failed || length < 8 || (more == LAST) != (i + 1 == n))
			return -EBADMSG;
		attributes = reader_sub(reader, length - 8);
		read_attributes(&attributes, &transform);
		if (attributes.failed)
			return -EBADMSG;
		if (proposal->n_transforms < TRANSFORMS_LIMIT)
			proposal->transforms[proposal->n_transforms++] = transform;
	}
	return reader_left(reader) ? -EBADMSG : 0;
}

/* The next proposal of the payload. 1, 0 after the last one, -EBADMSG. */
static int read_proposal(struct reader *reader, bool *more, struct proposal *proposal)
{
	struct reader body;
	unsigned int n_transforms;
	uint16_t length;
	uint8_t mark;
	int r;

	if (!*more)
		return reader_left(reader) ? -EBADMSG : 0;
	mark = reader_u8(reader);
	reader_u8(reader);
	length = reader_u16(reader);
	if (reader->failed || length < 8 || (mark != LAST && mark != MORE_PROPOSALS))
		return -EBADMSG;
	*more = mark == MORE_PROPOSALS;
	body = reader_sub(reader, length - 4);
	proposal->number = reader_u8(&body);
	proposal->protocol = reader_u8(&body);
	proposal->spi_size = reader_u8(&body);
	n_transforms = reader_u8(&body);
	proposal->spi = reader_take(&body, proposal->spi_size);
	if (body.failed)
		return -EBADMSG;
	r = read_transforms(&body, n_transforms, proposal);
	return r < 0 ? r : 1;
}

static bool offers(const struct proposal *proposal, uint8_t type, uint16_t id, uint16_t key_bits)
{
	for (size_t i = 0; i < proposal->n_transforms; i++) {
		const struct transform *transform = &proposal->transforms[i];

		if (transform->type == type && transform->id == id &&
		    transform->key_bits == key_bits && !transform->unknown_attribute)
			return true;
	}
	return false;
}

/* Whether the proposal has no transform of this type, or one that says "none". */
static bool can_do_without(const struct proposal *proposal, uint8_t type)
{
	bool has = false;

	for (size_t i = 0; i < proposal->n_transforms; i++)
		if (proposal->transforms[i].type == type) {
			if (proposal->transforms[i].id == 0)
				return true;
			has = true;
		}
	return !has;
}

/* The first of ours that is offered; NULL: none. */
static const struct ike_cipher *choose_cipher(const struct proposal *proposal,
					      const struct ike_ciphers *ciphers)
{
	for (size_t i = 0; i < ciphers->n; i++) {
		const struct ike_cipher *cipher = &ciphers->items[i];

		if (offers(proposal, IKE_TRANSFORM_ENCR, cipher->encryption,
			   attribute_bits(cipher->encryption, cipher->key_bits)))
			return cipher;
	}
	return NULL;
}

static int choose_number(const struct proposal *proposal, uint8_t type, const uint16_t *numbers,
			 size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (offers(proposal, type, numbers[i], 0))
			return numbers[i];
	return -1;
}

static int choose_group(const struct proposal *proposal, const struct ike_numbers *groups)
{
	return choose_number(proposal, IKE_TRANSFORM_KE, groups->items, groups->n);
}

/* Transform types we do not know: further key exchanges and others to come (RFC 9370). The first
 * additional key exchange is known to who chose it. */
static bool has_only_known_types(const struct proposal *proposal, bool with_kem)
{
	for (size_t i = 0; i < proposal->n_transforms; i++) {
		uint8_t type = proposal->transforms[i].type;

		if (type > IKE_TRANSFORM_ESN && !(type == IKE_TRANSFORM_ADDKE1 && with_kem) &&
		    !can_do_without(proposal, type))
			return false;
	}
	return true;
}

/* What is asked of the proposals of a payload, and the first that was found to suit. */
struct choice {
	const struct ike_preferences *preferences;
	uint8_t spi_size;
	enum ike_key_exchanges key_exchanges; /* of ESP */
	enum ike_kem_use kem;                 /* of IKE */
	bool answer;                          /* not an offer: nothing is left to choose */

	bool found;
	uint8_t number;
	uint64_t spi;
	struct ike_suite ike;
	struct esp_suite esp;
};

static bool suits_ike(const struct proposal *proposal, struct choice *choice)
{
	const struct ike_preferences *preferences = choice->preferences;
	const struct ike_cipher *cipher = choose_cipher(proposal, &preferences->ike);
	int prf = choose_number(proposal, IKE_TRANSFORM_PRF, preferences->prfs.items,
				preferences->prfs.n);
	int group = choose_group(proposal, &preferences->groups);

	bool with_kem = choice->kem != IKE_KEM_NEVER &&
			offers(proposal, IKE_TRANSFORM_ADDKE1, IKE_KEM_MLKEM768, 0);

	if (proposal->protocol != IKE_PROTOCOL_IKE || !cipher || prf < 0 || group < 0 ||
	    !can_do_without(proposal, IKE_TRANSFORM_ESN) ||
	    (choice->kem == IKE_KEM_REQUIRED && !with_kem))
		return false;
	choice->ike = (struct ike_suite){
		.encryption = cipher->encryption,
		.key_bits = cipher->key_bits,
		.prf = prf,
		.group = group,
		.kem = with_kem ? IKE_KEM_MLKEM768 : 0,
	};
	return true;
}

static bool suits_esp(const struct proposal *proposal, struct choice *choice)
{
	const struct ike_preferences *preferences = choice->preferences;
	const struct ike_cipher *cipher = choose_cipher(proposal, &preferences->esp);
	int esn = choose_number(proposal, IKE_TRANSFORM_ESN, sequence_numbers,
				ARRAY_SIZE(sequence_numbers));
	int group = -1;

	if (choice->key_exchanges == IKE_WITH_KEY_EXCHANGE)
		group = choose_group(proposal, &preferences->groups);
	if (proposal->protocol != IKE_PROTOCOL_ESP || !cipher || esn < 0 ||
	    (group < 0 && !can_do_without(proposal, IKE_TRANSFORM_KE)) ||
	    !can_do_without(proposal, IKE_TRANSFORM_PRF))
		return false;
	choice->esp = (struct esp_suite){
		.encryption = cipher->encryption,
		.key_bits = cipher->key_bits,
		.group = group < 0 ? 0 : group,
		.esn = esn,
	};
	return true;
}

/* An answer has one transform of each type it has at all, and is to the proposal we made of them:
 * where there were two, the second is the one without an additional key exchange. */
static bool leaves_no_choice(const struct proposal *proposal, const struct choice *choice)
{
	bool second = choice->kem == IKE_KEM_PREFERRED && !choice->ike.kem;

	for (size_t i = 0; i < proposal->n_transforms; i++)
		for (size_t j = 0; j < i; j++)
			if (proposal->transforms[i].type == proposal->transforms[j].type)
				return false;
	return proposal->number == (second ? 2 : 1);
}

typedef bool (*suits_callback)(const struct proposal *proposal, struct choice *choice);

static bool suits(const struct proposal *proposal, suits_callback suits_protocol,
		  struct choice *choice)
{
	struct reader spi = reader_init(proposal->spi, proposal->spi_size);

	if (proposal->spi_size != choice->spi_size || !suits_protocol(proposal, choice) ||
	    !can_do_without(proposal, IKE_TRANSFORM_INTEG) ||
	    !has_only_known_types(proposal, choice->ike.kem) ||
	    (choice->answer && !leaves_no_choice(proposal, choice)))
		return false;
	choice->number = proposal->number;
	choice->spi = reader_unsigned(&spi, proposal->spi_size);
	/* No SA has the number 0 (§3.1, RFC 4303 §2.1). */
	return !choice->spi_size || choice->spi;
}

static int choose(const uint8_t *data, size_t size, suits_callback suits_protocol,
		  struct choice *choice)
{
	struct reader reader = reader_init(data, size);
	struct proposal proposal;
	struct choice tried;
	unsigned int n = 0;
	bool more = true;
	int r;

	/* All are read even after one suits, so that a malformed payload never half works. */
	while ((r = read_proposal(&reader, &more, &proposal)) > 0) {
		if (n++ == PROPOSALS_LIMIT || (choice->answer && n > 1))
			return -EBADMSG;
		if (choice->found)
			continue;
		tried = *choice;
		if (suits(&proposal, suits_protocol, &tried)) {
			tried.found = true;
			*choice = tried;
		}
	}
	if (r < 0)
		return r;
	return choice->found ? 0 : -ENOENT;
}

static int find_ike(const struct ike_preferences *preferences, const uint8_t *data, size_t size,
		    bool answer, struct ike_suite *ret, uint64_t *ret_spi, uint8_t *ret_number)
{
	struct choice choice = {
		.preferences = preferences,
		.spi_size = ret_spi ? IKE_SPI_SIZE_IKE : 0,
		.kem = ret_spi ? IKE_KEM_NEVER : ike_preferences_kem(preferences),
		.answer = answer,
	};
	bool either = choice.kem == IKE_KEM_PREFERRED && !answer;
	int r;

	if (either)
		choice.kem = IKE_KEM_REQUIRED;
	r = choose(data, size, suits_ike, &choice);
	if (either && r == -ENOENT) {
		choice.kem = IKE_KEM_NEVER;
		r = choose(data, size, suits_ike, &choice);
	}
	if (r < 0)
		return r;
	*ret = choice.ike;
	*ret_number = choice.number;
	if (ret_spi)
		*ret_spi = choice.spi;
	return 0;
}

static int find_esp(const struct ike_preferences *preferences, const uint8_t *data, size_t size,
		    enum ike_key_exchanges key_exchanges, bool answer, struct esp_suite *ret,
		    uint32_t *ret_spi, uint8_t *ret_number)
{
	struct choice choice = {
		.preferences = preferences,
		.spi_size = IKE_SPI_SIZE_ESP,
		.key_exchanges = key_exchanges,
		.kem = IKE_KEM_NEVER,
		.answer = answer,
	};
	int r = choose(data, size, suits_esp, &choice);

	if (r < 0)
		return r;
	*ret = choice.esp;
	*ret_number = choice.number;
	*ret_spi = choice.spi;
	return 0;
}

int ike_proposal_choose_ike(const struct ike_preferences *preferences, const uint8_t *data,
			    size_t size, struct ike_suite *ret, uint64_t *ret_spi,
			    uint8_t *ret_number)
{
	return find_ike(preferences, data, size, false, ret, ret_spi, ret_number);
}

int ike_proposal_choose_esp(const struct ike_preferences *preferences, const uint8_t *data,
			    size_t size, enum ike_key_exchanges key_exchanges,
			    struct esp_suite *ret, uint32_t *ret_spi, uint8_t *ret_number)
{
	return find_esp(preferences, data, size, key_exchanges, false, ret, ret_spi, ret_number);
}

int ike_proposal_read_ike_answer(const struct ike_preferences *preferences, const uint8_t *data,
				 size_t size, struct ike_suite *ret, uint64_t *ret_spi)
{
	uint8_t number;

	return find_ike(preferences, data, size, true, ret, ret_spi, &number);
}

int ike_proposal_read_esp_answer(const struct ike_preferences *preferences, const uint8_t *data,
				 size_t size, enum ike_key_exchanges key_exchanges,
				 struct esp_suite *ret, uint32_t *ret_spi)
{
	uint8_t number;

	return find_esp(preferences, data, size, key_exchanges, true, ret, ret_spi, &number);
}

const char *esp_suite_name(const struct esp_suite *suite)
{
	return ike_cipher_name(suite->encryption, suite->key_bits) ?: "";
}

size_t esp_suite_key_size(const struct esp_suite *suite)
{
	return suite->key_bits / 8 + SALT_SIZE;
}

void ike_suite_name(const struct ike_suite *suite, char *name, size_t size)
{
	snprintf(name, size, "%s-%s-%s%s",
		 ike_cipher_name(suite->encryption, suite->key_bits) ?: "?",
		 ike_prf_name(suite->prf) ?: "?", ike_group_name(suite->group) ?: "?",
		 suite->kem ? "-ke1_mlkem768" : "");
}
