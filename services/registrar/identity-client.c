/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/identity-client.h"

int identity_client_new(sd_bus *bus, signing_identity_callback on_change,
			signing_identity_key_callback on_key, void *userdata,
			struct signing_identity **ret)
{
	static const struct signing_identity_place place = {
		.name = "org.homeward.Identity1",
		.path = "/org/homeward/Identity1",
		.interface = "org.homeward.Identity1",
	};

	return signing_identity_new(bus, &place, on_change, on_key, userdata, ret);
}
