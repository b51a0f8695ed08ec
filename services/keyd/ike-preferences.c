/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-preferences.h"

#include <errno.h>

static const struct {
	const char *name;
	struct ike_cipher cipher;
} ciphers[] = {
	{ "aes128gcm16", { IKE_ENCR_AES_GCM_16, 128 } },
	{ "aes256gcm16", { IKE_ENCR_AES_GCM_16, 256 } },
	{ "chacha20poly1305", { IKE_ENCR_CHACHA20_POLY1305, 256 } },
};

static const struct {
	const char *name;
	uint16_t number;
} prfs[] = {
	{ "prfsha256", IKE_PRF_HMAC_SHA2_256 },
	{ "prfsha384", IKE_PRF_HMAC_SHA2_384 },
	{ "prfsha512", IKE_PRF_HMAC_SHA2_512 },
};

static const uint16_t groups[] = { IKE_GROUP_X25519, IKE_GROUP_P256, IKE_GROUP_P384 };

void ike_preferences_init(struct ike_preferences *preferences)
{
	*preferences = (struct ike_preferences){};
	for (size_t i = 0; i < IKE_PREFERENCES_LIMIT; i++) {
		preferences->ike.items[i] = ciphers[i].cipher;
		preferences->prfs.items[i] = prfs[i].number;
		preferences->groups.items[i] = groups[i];
	}
	preferences->ike.n = preferences->prfs.n = preferences->groups.n = IKE_PREFERENCES_LIMIT;
	preferences->esp = preferences->ike;
}

enum ike_kem_use ike_preferences_kem(const struct ike_preferences *preferences)
{
	return preferences->has_kem ? preferences->kem_use : IKE_KEM_NEVER;
}

static const char *cipher_word(size_t i)
{
	return ciphers[i].name;
}

static const char *prf_word(size_t i)
{
	return prfs[i].name;
}

static const char *group_word(size_t i)
{
	return ike_group_name(groups[i]);
}

/* The indices of the words of a list. How many, or -EINVAL. */
static int parse_words(const char *words, const char *(*word_at)(size_t i),
		       size_t ret[IKE_PREFERENCES_LIMIT])
{
	static const char space[] = " \t";
	bool used[IKE_PREFERENCES_LIMIT] = {};
	int n = 0;

	for (words += strspn(words, space); *words; words += strspn(words, space)) {
		size_t size = strcspn(words, space), i;

		for (i = 0; i < IKE_PREFERENCES_LIMIT; i++)
			if (strlen(word_at(i)) == size && !strncmp(word_at(i), words, size))
				break;
		if (i == IKE_PREFERENCES_LIMIT || used[i])
			return -EINVAL;
		used[i] = true;
		ret[n++] = i;
		words += size;
	}
	return n ? n : -EINVAL;
}

int ike_preferences_parse_ciphers(const char *words, void *ret)
{
	size_t indices[IKE_PREFERENCES_LIMIT];
	struct ike_ciphers *list = ret;
	int n = parse_words(words, cipher_word, indices);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		list->items[i] = ciphers[indices[i]].cipher;
	list->n = n;
	return 0;
}

int ike_preferences_parse_prfs(const char *words, void *ret)
{
	size_t indices[IKE_PREFERENCES_LIMIT];
	struct ike_numbers *list = ret;
	int n = parse_words(words, prf_word, indices);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		list->items[i] = prfs[indices[i]].number;
	list->n = n;
	return 0;
}

int ike_preferences_parse_groups(const char *words, void *ret)
{
	size_t indices[IKE_PREFERENCES_LIMIT];
	struct ike_numbers *list = ret;
	int n = parse_words(words, group_word, indices);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		list->items[i] = groups[indices[i]];
	list->n = n;
	return 0;
}

const char *ike_cipher_name(uint16_t encryption, uint16_t key_bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
		if (ciphers[i].cipher.encryption == encryption &&
		    ciphers[i].cipher.key_bits == key_bits)
			return ciphers[i].name;
	return NULL;
}

const char *ike_prf_name(uint16_t prf)
{
	for (size_t i = 0; i < ARRAY_SIZE(prfs); i++)
		if (prfs[i].number == prf)
			return prfs[i].name;
	return NULL;
}
