/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The revocation list of an account, as whoever runs the zone may have made it. */
#include "common/keys/revocation-list.h"
#include "services/identity/certificate.h"
#include "services/identity/revocations-wire.h"

#include <stdlib.h>
#include <string.h>

static const struct certificate *get_account(void)
{
	static struct certificate account;
	struct secret *seed;

	if (account.data)
		return &account;
	if (secret_new(32, &seed) < 0)
		abort();
	for (size_t i = 0; i < 32; i++)
		seed->data[i] = (uint8_t)i;
	if (certificate_make_account(seed, "alice.members.example.org", &account) < 0)
		abort();
	secret_free(seed);
	return &account;
}

/* What was read can be written, and says the same then. */
static void check_file(const struct revocation_list *list)
{
	struct revocations known = { .list = *list }, again;
	uint8_t *data;
	size_t size;

	strcpy(known.domain, "alice.members.example.org");
	if (revocations_encode(&known, &data, &size) < 0)
		abort();
	if (revocations_decode(data, size, &again) < 0 || memcmp(&known, &again, sizeof known))
		abort();
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct certificate *account = get_account();
	struct revocation_list list;
	struct revocations known;

	if (revocation_list_read(data, size, &list) >= 0) {
		if (list.n > REVOCATION_HOSTS_MAX)
			abort();
		check_file(&list);
	}
	revocation_list_verify(data, size, account->data, account->size, &list);
	revocations_decode(data, size, &known);
	return 0;
}
