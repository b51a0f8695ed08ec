/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <openssl/core_names.h>
#include <string.h>

#define CLASS_IN  1
#define CLASS_ANY 255
#define TYPE_SOA  6
#define TYPE_SRV  33
#define TYPE_OPT  41
#define TYPE_TSIG 250
#define TTL       10
#define LEASE     7200
#define TARGET    "AutoTunnel-00-22-69-FF-FE-8E-34-2A"
/* What follows the MAC in TSIG: original id, error, other size. */
#define TSIG_TAIL 6

static void read_key(char *line, struct load_key *key)
{
	char *save, *domain = strtok_r(line, " \t\n", &save);
	char *name = strtok_r(NULL, " \t\n", &save);
	char *secret = strtok_r(NULL, " \t\n", &save);
	OSSL_PARAM parameters[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	cleanup(freep) char *decoded = NULL;
	EVP_MAC *hmac;
	int size;

	if (!secret || strlen(secret) % 4 || strlen(secret) > sizeof(key->secret) ||
	    dns_name_from_text(domain, &key->domain) < 0 ||
	    dns_name_from_text(name, &key->key.name) < 0)
		load_die("a key is not \"domain key-name secret\"");
	decoded = malloc(strlen(secret) + 1);
	size = EVP_DecodeBlock((unsigned char *)decoded, (unsigned char *)secret, strlen(secret));
	if (size < 3)
		load_die("a secret is not Base64");
	for (size_t end = strlen(secret); end > 0 && secret[end - 1] == '='; end--)
		size--;
	memcpy(key->secret, decoded, size);
	dns_name_lower(&key->domain);
	dns_name_lower(&key->key.name);
	key->key.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256;
	key->key.secret_size = size;
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	key->hmac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	if (!key->hmac || !EVP_MAC_init(key->hmac, key->secret, size, parameters))
		load_die("no HMAC");
	EVP_MAC_free(hmac);
}

void load_keys_read(const char *path, struct load_keys *ret)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0;
	char line[1024];

	*ret = (struct load_keys){};
	if (!file)
		load_die("cannot read %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (ret->n == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			ret->items = realloc(ret->items, capacity * sizeof(*ret->items));
			if (!ret->items)
				load_die("no memory");
		}
		memset(&ret->items[ret->n], 0, sizeof(*ret->items));
		read_key(line, &ret->items[ret->n++]);
	}
	fclose(file);
	if (ret->n == 0)
		load_die("%s holds no key", path);
	for (size_t i = 0; i < ret->n; i++)
		ret->items[i].key.secret = ret->items[i].secret;
}

void load_keys_clear(struct load_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		EVP_MAC_CTX_free(keys->items[i].hmac);
	free(keys->items);
	*keys = (struct load_keys){};
}

static const uint8_t algorithm_name[] = "\013hmac-sha256";

static void compute_mac(const struct load_key *key, const uint8_t *prior,
			const struct writer *message, uint64_t seconds, uint8_t *ret)
{
	static const uint8_t prior_size[] = { 0, LOAD_MAC_SIZE };
	uint8_t octets[DNS_NAME_SIZE_MAX + 64];
	struct writer variables = writer_init(octets, sizeof(octets));
	EVP_MAC_CTX *hmac = EVP_MAC_CTX_dup(key->hmac);
	size_t size = 0;

	dns_name_write(&variables, &key->key.name);
	writer_u16(&variables, CLASS_ANY);
	writer_u32(&variables, 0);
	writer_copy(&variables, algorithm_name, sizeof(algorithm_name));
	writer_unsigned(&variables, seconds, 6);
	writer_u16(&variables, DNS_TSIG_FUDGE);
	writer_u32(&variables, 0);
	if (!hmac || variables.failed ||
	    (prior && (!EVP_MAC_update(hmac, prior_size, sizeof(prior_size)) ||
		       !EVP_MAC_update(hmac, prior, LOAD_MAC_SIZE))) ||
	    !EVP_MAC_update(hmac, message->data, message->position) ||
	    !EVP_MAC_update(hmac, octets, variables.position) ||
	    !EVP_MAC_final(hmac, ret, &size, LOAD_MAC_SIZE) || size != LOAD_MAC_SIZE)
		load_die("cannot sign");
	EVP_MAC_CTX_free(hmac);
}

void load_sign(struct writer *message, const struct load_key *key, const uint8_t *prior,
	       uint64_t seconds)
{
	uint8_t mac[LOAD_MAC_SIZE];

	compute_mac(key, prior, message, seconds, mac);
	dns_name_write(message, &key->key.name);
	writer_u16(message, TYPE_TSIG);
	writer_u16(message, CLASS_ANY);
	writer_u32(message, 0);
	writer_u16(message, sizeof(algorithm_name) + 10 + LOAD_MAC_SIZE + TSIG_TAIL);
	writer_copy(message, algorithm_name, sizeof(algorithm_name));
	writer_unsigned(message, seconds, 6);
	writer_u16(message, DNS_TSIG_FUDGE);
	writer_u16(message, LOAD_MAC_SIZE);
	writer_copy(message, mac, LOAD_MAC_SIZE);
	writer_copy(message, message->data, 2);
	writer_u32(message, 0);
	/* ARCOUNT: no message here has as many as 255. */
	message->data[11]++;
	if (message->failed)
		load_die("a message is too long");
}

const uint8_t *load_mac_of(const struct writer *message)
{
	return message->data + message->position - TSIG_TAIL - LOAD_MAC_SIZE;
}

bool load_verify(const uint8_t *message, size_t size, const struct load_key *key,
		 const uint8_t *prior)
{
	struct dns_tsig_mac mac = { .size = LOAD_MAC_SIZE };
	struct dns_tsig tsig;

	if (prior)
		memcpy(mac.octets, prior, LOAD_MAC_SIZE);
	return dns_tsig_find(message, size, &tsig) > 0 &&
	       dns_tsig_verify(message, &tsig, &key->key, prior ? &mac : NULL,
			       load_now() / LOAD_SECOND, 0) == DNS_TSIG_RESULT_OK;
}

void load_host_name(const struct load_key *key, unsigned int host, struct dns_name *ret)
{
	struct writer name = writer_init(ret->octets, sizeof(ret->octets));
	char label[16];
	int size = snprintf(label, sizeof(label), "host%u", host);

	writer_copy(&name, "\013_autotunnel\004_udp", 17);
	writer_u8(&name, size);
	writer_copy(&name, label, size);
	dns_name_write(&name, &key->domain);
	if (name.failed)
		load_die("a name is too long");
	ret->size = name.position;
}

static void write_header(struct writer *message, uint16_t id, uint16_t flags, uint16_t n_updates,
			 bool has_edns)
{
	writer_u16(message, id);
	writer_u16(message, flags);
	writer_u16(message, 1);
	writer_u16(message, 0);
	writer_u16(message, n_updates);
	writer_u16(message, has_edns);
}

/* OPT up to the options, which are `size` octets. */
static void write_opt(struct writer *message, uint16_t size)
{
	writer_u8(message, 0);
	writer_u16(message, TYPE_OPT);
	writer_u16(message, DNS_UDP_SIZE);
	writer_u32(message, 0);
	writer_u16(message, size);
}

static void write_question(struct writer *message, const struct load_key *key, unsigned int host)
{
	struct dns_name name;

	load_host_name(key, host, &name);
	dns_name_write(message, &name);
	writer_u16(message, TYPE_SRV);
	writer_u16(message, CLASS_IN);
}

void load_build_query(struct writer *message, const struct load_key *key, unsigned int host,
		      uint16_t id, uint64_t seconds)
{
	write_header(message, id, 0, 0, true);
	write_question(message, key, host);
	write_opt(message, 0);
	load_sign(message, key, NULL, seconds);
}

void load_build_update(struct writer *message, const struct load_key *key,
		       const struct dns_name *zone, unsigned int host, uint16_t port, uint16_t id,
		       uint64_t seconds)
{
	struct dns_name name, target;

	write_header(message, id, DNS_FLAGS_OPCODE(LDNS_PACKET_UPDATE), 2, true);
	dns_name_write(message, zone ?: &key->domain);
	writer_u16(message, TYPE_SOA);
	writer_u16(message, CLASS_IN);
	load_host_name(key, host, &name);
	dns_name_write(message, &name);
	writer_u16(message, TYPE_SRV);
	writer_u16(message, CLASS_ANY);
	writer_u32(message, 0);
	writer_u16(message, 0);

	(void)dns_name_from_text(TARGET, &target);
	dns_name_write(message, &name);
	writer_u16(message, TYPE_SRV);
	writer_u16(message, CLASS_IN);
	writer_u32(message, TTL);
	writer_u16(message, 6 + target.size - 1 + key->domain.size);
	writer_u32(message, 0);
	writer_u16(message, port);
	writer_copy(message, target.octets, target.size - 1);
	dns_name_write(message, &key->domain);

	write_opt(message, 8);
	dns_option_write_update_lease(message, &(struct dns_update_lease){ .lease = LEASE });
	load_sign(message, key, NULL, seconds);
}

void load_build_llq(struct writer *message, const struct load_key *key, unsigned int host,
		    uint16_t id, uint16_t flags, const struct dns_llq *llq, const uint8_t *prior,
		    uint64_t seconds)
{
	write_header(message, id, flags, 0, true);
	write_question(message, key, host);
	write_opt(message, DNS_OPTION_LLQ_SIZE);
	dns_option_write_llq(message, llq);
	load_sign(message, key, prior, seconds);
}

void load_build_binding(struct writer *message, const struct load_key *key, uint16_t id,
			const uint8_t binding[static DNS_CHANNEL_BINDING_SIZE], uint64_t seconds)
{
	write_header(message, id, 0, 0, true);
	dns_name_write(message, &key->domain);
	writer_u16(message, TYPE_SOA);
	writer_u16(message, CLASS_IN);
	write_opt(message, 4 + DNS_CHANNEL_BINDING_SIZE);
	writer_u16(message, DNS_OPTION_CHANNEL_BINDING);
	writer_u16(message, DNS_CHANNEL_BINDING_SIZE);
	writer_copy(message, binding, DNS_CHANNEL_BINDING_SIZE);
	load_sign(message, key, NULL, seconds);
}

static void skip_name(struct reader *reader)
{
	uint8_t size;

	do {
		size = reader_u8(reader);
		reader_take(reader, size >= 0xc0 ? 1 : size);
	} while (size > 0 && size < 0xc0 && !reader->failed);
}

static void scan_record(struct reader *reader, struct load_outline *ret)
{
	struct reader rdata;
	uint16_t type;

	skip_name(reader);
	type = reader_u16(reader);
	reader_take(reader, 6);
	rdata = reader_sub(reader, reader_u16(reader));
	if (reader->failed)
		return;
	if (type == TYPE_OPT && rdata.size > 0)
		ret->has_llq = dns_options_read_llqs(rdata.data, rdata.size, &ret->llq, 1) == 1;
	if (type == TYPE_TSIG && rdata.size > LOAD_MAC_SIZE + TSIG_TAIL)
		ret->mac = rdata.data + rdata.size - TSIG_TAIL - LOAD_MAC_SIZE;
}

bool load_scan(const uint8_t *message, size_t size, struct load_outline *ret)
{
	struct reader reader = reader_init(message, size);
	uint32_t counts[4], n_records;

	*ret = (struct load_outline){};
	ret->id = reader_u16(&reader);
	ret->flags = reader_u16(&reader);
	for (unsigned int i = 0; i < 4; i++)
		counts[i] = reader_u16(&reader);
	ret->n_answers = counts[1];
	for (uint32_t i = 0; i < counts[0] && !reader.failed; i++) {
		skip_name(&reader);
		reader_u32(&reader);
	}
	n_records = counts[1] + counts[2] + counts[3];
	for (uint32_t i = 0; i < n_records && !reader.failed; i++)
		scan_record(&reader, ret);
	return !reader.failed;
}
