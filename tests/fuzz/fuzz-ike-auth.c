/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A certificate, and AUTH data, of somebody unknown. The first octet chooses. */
#include "tests/fuzz/ike-fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture *fixture = fixture_get();
	const struct ike_trust *trust = fixture->context.local->trust;
	static const uint8_t octets[] = "what is signed";
	const char *reason = NULL;
	struct ike_holder holder;

	if (size < 1)
		return 0;
	if (data[0] & 1) {
		ike_signature_check(fixture->account.key, data + 1, size - 1, octets,
				    sizeof octets);
		return 0;
	}
	if (ike_certificate_check(trust, data + 1, size - 1, FIXTURE_DESKTOP, TEST_REALTIME,
				  &holder, &reason) >= 0)
		EVP_PKEY_free(holder.key);
	else if (!reason)
		abort();
	return 0;
}
