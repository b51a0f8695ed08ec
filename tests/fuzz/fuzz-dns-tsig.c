/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The TSIG record of a message from the network, and the error answers to it. */
#include "common/dns/dns-message.h"
#include "common/dns/dns-tsig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_tsig_error errors[] = { DNS_TSIG_ERROR_BADKEY,
						      DNS_TSIG_ERROR_BADTIME };
	uint8_t secret[32] = { 0 }, answer[1024] = { 0 };
	struct dns_tsig_key key = { .secret = secret, .secret_size = sizeof(secret) };
	struct dns_tsig tsig, again;

	if (dns_tsig_find(data, size, &tsig) != 1)
		return 0;
	key.name = tsig.key_name;
	key.algorithm = tsig.algorithm;
	dns_tsig_verify(data, &tsig, &key, NULL, tsig.time_signed, 0);
	dns_tsig_verify(data, &tsig, &key, &tsig.mac, 0, 16);
	if (key.algorithm == DNS_TSIG_ALGORITHM_UNKNOWN)
		return 0;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct writer writer = writer_init(answer, sizeof(answer));

		writer.position = DNS_HEADER_SIZE;
		answer[11] = 0;
		if (dns_tsig_sign_error(&writer, &tsig, &key, errors[i], 1) == 0 &&
		    dns_tsig_find(answer, writer.position, &again) != 1)
			abort();
	}
	return 0;
}
