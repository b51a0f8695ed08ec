/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a datagram at the UDP port goes through: first as it is, as a stranger would send it; then
 * as the decrypted content of a packet with a good ICV, as a peer that went bad would.
 */
#include "services/tunneld/datagram-wire.h"
#include "services/tunneld/esp-wire.h"
#include "services/tunneld/inner-wire.h"
#include "services/tunneld/outer-wire.h"

#include <openssl/evp.h>
#include <string.h>

#define SPI   0xc0000001
#define LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t keymat[36] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 };

/* The rest of the way of what was opened. */
static void receive(struct esp_opened *opened)
{
	struct inner_packet inner;
	uint32_t number;

	if (opened->next_header == ESP_NEXT_DUMMY) {
		dummy_read(opened->payload, opened->size, &number);
		return;
	}
	if (inner_parse(opened->payload, opened->size, &inner) < 0)
		return;
	if (inner.size > opened->size)
		abort();
	(void)ecn_combine(opened->payload, 3);
}

static void open_as_it_is(const uint8_t *data, size_t size, bool esn)
{
	uint8_t *copy = malloc(size + 1);
	struct esp_opened opened;
	struct esp_in *in;

	if (!copy || esp_in_new(NULL, ESP_AES128GCM16, esn, SPI, keymat, &in) < 0)
		abort();
	memcpy(copy, data, size);
	if (datagram_classify(copy, size) == DATAGRAM_ESP && datagram_spi(copy) == SPI &&
	    esp_open(in, copy, size, &opened) == 0)
		receive(&opened);
	esp_in_free(in);
	free(copy);
}

/* A packet whose text, trailer and all, is the input. */
static size_t seal_text(const uint8_t *text, size_t size, uint8_t *packet)
{
	static const uint8_t head[ESP_HEADER_SIZE] = { 0xc0, 0, 0, 1, 0, 0, 0, 1,
						       0,    0, 0, 0, 0, 0, 0, 1 };
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	uint8_t nonce[12];
	int n;

	memcpy(packet, head, sizeof head);
	memcpy(nonce, keymat + 16, 4);
	memcpy(nonce + 4, head + 8, 8);
	if (!cipher || EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, keymat, nonce) != 1 ||
	    EVP_EncryptUpdate(cipher, NULL, &n, head, 8) != 1 ||
	    EVP_EncryptUpdate(cipher, packet + sizeof head, &n, text, size) != 1 ||
	    EVP_EncryptFinal_ex(cipher, packet + sizeof head + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, ESP_ICV_SIZE,
				packet + sizeof head + size) != 1)
		abort();
	EVP_CIPHER_CTX_free(cipher);
	return sizeof head + size + ESP_ICV_SIZE;
}

static void open_as_content(const uint8_t *data, size_t size)
{
	uint8_t packet[ESP_HEADER_SIZE + LIMIT + ESP_ICV_SIZE];
	struct esp_opened opened;
	struct esp_in *in;
	size_t packet_size;
	int r;

	size -= size % ESP_ALIGNMENT;
	if (!size || size > LIMIT || esp_in_new(NULL, ESP_AES128GCM16, false, SPI, keymat, &in) < 0)
		return;
	packet_size = seal_text(data, size, packet);
	r = esp_open(in, packet, packet_size, &opened);
	if (r == 0)
		receive(&opened);
	else if (r != -EINVAL)
		abort();
	esp_in_free(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_as_it_is(data, size, false);
	open_as_it_is(data, size, true);
	open_as_content(data, size);
	return 0;
}
