/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/transfer-key.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#define WORD_SIZE 1024

/* What a key file is made of: words, quoted or not, and the signs { } ; */
struct scanner {
	const char *at;
	char word[WORD_SIZE];
};

static void skip_line(struct scanner *scanner)
{
	while (*scanner->at && *scanner->at != '\n')
		scanner->at++;
}

/* Blanks and the three kinds of comments that BIND knows. */
static void skip_blanks(struct scanner *scanner)
{
	for (;;) {
		const char *at = scanner->at;

		if (isspace((unsigned char)*at)) {
			scanner->at++;
		} else if (*at == '#' || (at[0] == '/' && at[1] == '/')) {
			skip_line(scanner);
		} else if (at[0] == '/' && at[1] == '*') {
			const char *end = strstr(at + 2, "*/");

			scanner->at = end ? end + 2 : at + strlen(at);
		} else {
			return;
		}
	}
}

static bool is_sign(char c)
{
	return c == '{' || c == '}' || c == ';';
}

/* The next word or sign into scanner->word. False at the end or when it is too long. */
static bool next_word(struct scanner *scanner)
{
	size_t size = 0;
	bool is_quoted;

	skip_blanks(scanner);
	scanner->word[0] = 0;
	if (!*scanner->at)
		return false;
	if (is_sign(*scanner->at)) {
		scanner->word[0] = *scanner->at++;
		scanner->word[1] = 0;
		return true;
	}
	is_quoted = *scanner->at == '"';
	scanner->at += is_quoted;
	while (*scanner->at &&
	       (is_quoted ? *scanner->at != '"'
			  : !is_sign(*scanner->at) && !isspace((unsigned char)*scanner->at))) {
		if (size + 1 == sizeof scanner->word)
			return false;
		scanner->word[size++] = *scanner->at++;
	}
	scanner->word[size] = 0;
	if (is_quoted && *scanner->at++ != '"')
		return false;
	return true;
}

static bool expect(struct scanner *scanner, const char *word)
{
	return next_word(scanner) && strcmp(scanner->word, word) == 0;
}

static int decode_secret(const char *text, struct secret **ret)
{
	uint8_t octets[WORD_SIZE];
	size_t size = strlen(text);
	int n, r;

	if (size == 0 || size % 4)
		return -EINVAL;
	n = EVP_DecodeBlock(octets, (const unsigned char *)text, size);
	for (size_t i = size; n > 0 && i > 0 && text[i - 1] == '=' && i + 2 > size; i--)
		n--;
	r = n > 0 ? secret_new_copy(octets, n, ret) : -EINVAL;
	OPENSSL_cleanse(octets, sizeof octets);
	return r;
}

static int complain(char **ret_complaint, const char *words, const char *name)
{
	if (asprintf(ret_complaint, "%s%s%s", words, name ? " in key " : "", name ?: "") < 0)
		*ret_complaint = NULL;
	return -EINVAL;
}

/* Between the braces. */
static int parse_body(struct scanner *scanner, struct transfer_key *key, const char *name,
		      char **ret_complaint)
{
	while (next_word(scanner) && strcmp(scanner->word, "}") != 0) {
		if (strcmp(scanner->word, "algorithm") == 0) {
			if (!next_word(scanner))
				break;
			key->tsig.algorithm = dns_tsig_algorithm_from_text(scanner->word);
			if (key->tsig.algorithm == DNS_TSIG_ALGORITHM_UNKNOWN)
				return complain(ret_complaint, "unknown algorithm", name);
		} else if (strcmp(scanner->word, "secret") == 0 && !key->secret) {
			if (!next_word(scanner) || decode_secret(scanner->word, &key->secret) < 0)
				return complain(ret_complaint, "secret is not base64", name);
		} else {
			return complain(ret_complaint,
					"only algorithm and secret, once each, are known", name);
		}
		if (!expect(scanner, ";"))
			return complain(ret_complaint, "\";\" is missing", name);
	}
	if (strcmp(scanner->word, "}") != 0)
		return complain(ret_complaint, "\"}\" is missing", name);
	if (key->tsig.algorithm == DNS_TSIG_ALGORITHM_UNKNOWN || !key->secret)
		return complain(ret_complaint, "algorithm or secret is missing", name);
	key->tsig.secret = key->secret->data;
	key->tsig.secret_size = key->secret->size;
	return 0;
}

static int parse_key(struct scanner *scanner, struct transfer_keys *keys, char **ret_complaint)
{
	struct transfer_key key = {};
	char name[WORD_SIZE];
	int r;

	if (strcmp(scanner->word, "key") != 0)
		return complain(ret_complaint, "`key \"name\" { ... };` expected", NULL);
	if (!next_word(scanner) || dns_name_from_text(scanner->word, &key.tsig.name) < 0)
		return complain(ret_complaint, "the name of a key is not a domain name", NULL);
	strcpy(name, scanner->word);
	dns_name_lower(&key.tsig.name);
	if (keys->n == TRANSFER_KEYS_MAX)
		return complain(ret_complaint, "too many keys", NULL);
	if (transfer_keys_find(keys, &key.tsig.name))
		return complain(ret_complaint, "defined twice", name);
	r = expect(scanner, "{") ? parse_body(scanner, &key, name, ret_complaint)
				 : complain(ret_complaint, "\"{\" is missing", name);
	if (r >= 0 && !expect(scanner, ";"))
		r = complain(ret_complaint, "the final \";\" is missing", name);
	if (r < 0) {
		secret_free(key.secret);
		return r;
	}
	keys->items[keys->n++] = key;
	return 0;
}

int transfer_keys_parse(struct transfer_keys *keys, const char *text, char **ret_complaint)
{
	struct scanner scanner = { .at = text };
	int r = 0;

	while (r >= 0 && next_word(&scanner))
		r = parse_key(&scanner, keys, ret_complaint);
	if (r >= 0 && *scanner.at)
		r = complain(ret_complaint, "a word without end", NULL);
	OPENSSL_cleanse(scanner.word, sizeof scanner.word);
	return r;
}

void transfer_keys_clear(struct transfer_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		secret_free(keys->items[i].secret);
	*keys = (struct transfer_keys){};
}

const struct transfer_key *transfer_keys_find(const struct transfer_keys *keys,
					      const struct dns_name *name)
{
	for (size_t i = 0; keys && i < keys->n; i++)
		if (dns_name_equal(&keys->items[i].tsig.name, name))
			return &keys->items[i];
	return NULL;
}
