/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-psk.h"

#include "services/keyd/ike-auth.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

/* Sixteen octets by chance are different ones but for two or three; zeros and "aaaa..." are not. */
#define DIFFERENT_MINIMUM 8
#define WHITE_SPACE       " \t\r"

struct psk {
	char name[IKE_NAME_LIMIT];
	uint8_t key[IKE_PSK_MAXIMUM];
	size_t size;
};

struct ike_psks {
	struct psk *items;
	size_t n;
};

struct ike_psks *ike_psks_free(struct ike_psks *psks)
{
	if (!psks)
		return NULL;
	if (psks->items)
		explicit_bzero(psks->items, psks->n * sizeof *psks->items);
	free(psks->items);
	free(psks);
	return NULL;
}

struct ike_octets ike_psks_find(const struct ike_psks *psks, const char *name)
{
	for (size_t i = 0; psks && i < psks->n; i++)
		if (!strcmp(psks->items[i].name, name))
			return (struct ike_octets){ psks->items[i].key, psks->items[i].size };
	return (struct ike_octets){};
}

static size_t read_hex(const char *text, size_t size, uint8_t ret[IKE_PSK_MAXIMUM])
{
	if (size % 2 || size / 2 > IKE_PSK_MAXIMUM)
		return 0;
	for (size_t i = 0; i < size; i += 2) {
		int high = OPENSSL_hexchar2int(text[i]), low = OPENSSL_hexchar2int(text[i + 1]);

		if (high < 0 || low < 0)
			return 0;
		ret[i / 2] = high << 4 | low;
	}
	return size / 2;
}

static size_t read_base64(const char *text, size_t size, uint8_t ret[IKE_PSK_MAXIMUM])
{
	uint8_t decoded[(IKE_PSK_MAXIMUM + 2) / 3 * 3];
	size_t padding = 0;
	int n;

	if (size % 4 || size / 4 * 3 > sizeof decoded)
		return 0;
	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	n = EVP_DecodeBlock(decoded, (const unsigned char *)text, size);
	if (n < (int)padding || n - padding > IKE_PSK_MAXIMUM)
		n = padding;
	memcpy(ret, decoded, n - padding);
	explicit_bzero(decoded, sizeof decoded);
	return n - padding;
}

static unsigned int count_different(const uint8_t *octets, size_t size)
{
	bool seen[256] = {};
	unsigned int n = 0;

	for (size_t i = 0; i < size; i++) {
		n += !seen[octets[i]];
		seen[octets[i]] = true;
	}
	return n;
}

/* NULL, or what is wrong. */
static const char *read_key(const char *text, size_t size, struct psk *psk)
{
	if (size < 2 || text[0] != '0' || (text[1] != 'x' && text[1] != 's'))
		return "the key must be octets, written 0x... or 0s...; passphrases are not taken";
	psk->size = text[1] == 'x' ? read_hex(text + 2, size - 2, psk->key)
				   : read_base64(text + 2, size - 2, psk->key);
	if (!psk->size)
		return "the key cannot be read as octets";
	if (psk->size < IKE_PSK_MINIMUM)
		return "the key has less than 128 bits";
	if (count_different(psk->key, psk->size) < DIFFERENT_MINIMUM)
		return "the key is not a random one";
	return NULL;
}

/* NULL, or what is wrong with a line that is not empty. */
static const char *read_line(const struct ike_psks *psks, const char *line, size_t size,
			     struct psk *psk)
{
	size_t name_size = 0, key_size = 0;
	const char *key, *complaint;

	while (name_size < size && !strchr(WHITE_SPACE, line[name_size]))
		name_size++;
	if (name_size >= sizeof psk->name)
		return "the name is too long";
	for (size_t i = 0; i < name_size; i++)
		psk->name[i] = tolower((unsigned char)line[i]);
	psk->name[name_size] = 0;
	if (!strchr(psk->name, '.'))
		return "the name must be a full one, such as laptop.alice.members.example.org";
	if (ike_psks_find(psks, psk->name).size)
		return "this name has a key already";
	key = line + name_size;
	size -= name_size;
	while (size && strchr(WHITE_SPACE, *key)) {
		key++;
		size--;
	}
	while (key_size < size && !strchr(WHITE_SPACE, key[key_size]))
		key_size++;
	complaint = read_key(key, key_size, psk);
	for (size_t i = key_size; i < size && !complaint; i++)
		if (!strchr(WHITE_SPACE, key[i]))
			complaint = "there is something after the key";
	return complaint;
}

static int parse(struct ike_psks *psks, const char *text, size_t size, const char **ret_complaint,
		 unsigned int *ret_line)
{
	const char *end = text + size;

	for (*ret_line = 1; text < end; (*ret_line)++) {
		const char *newline = memchr(text, '\n', end - text), *next;

		next = newline ? newline + 1 : end;
		size = (newline ?: end) - text;
		if (memchr(text, 0, size)) {
			*ret_complaint = "it is not text";
			return -EINVAL;
		}
		while (size && strchr(WHITE_SPACE, *text)) {
			text++;
			size--;
		}
		if (size && *text != '#') {
			if (psks->n >= IKE_PSKS_LIMIT) {
				*ret_complaint = "there are too many keys";
				return -EINVAL;
			}
			*ret_complaint = read_line(psks, text, size, &psks->items[psks->n]);
			if (*ret_complaint)
				return -EINVAL;
			psks->n++;
		}
		text = next;
	}
	return 0;
}

int ike_psks_parse(const char *text, size_t size, struct ike_psks **ret, const char **ret_complaint,
		   unsigned int *ret_line)
{
	cleanup(ike_psks_freep) struct ike_psks *psks = calloc(1, sizeof *psks);
	struct psk *fitting;
	int r;

	if (!psks)
		return -ENOMEM;
	psks->items = calloc(IKE_PSKS_LIMIT, sizeof *psks->items);
	if (!psks->items)
		return -ENOMEM;
	r = parse(psks, text, size, ret_complaint, ret_line);
	/* What a bad line left behind is one more. */
	if (r < 0 && psks->n < IKE_PSKS_LIMIT)
		psks->n++;
	if (r < 0)
		return r;
	fitting = calloc(psks->n ?: 1, sizeof *fitting);
	if (!fitting)
		return -ENOMEM;
	memcpy(fitting, psks->items, psks->n * sizeof *fitting);
	explicit_bzero(psks->items, psks->n * sizeof *fitting);
	free(psks->items);
	psks->items = fitting;
	*ret = steal_ptr(psks);
	return 0;
}
