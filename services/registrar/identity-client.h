/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Identity1 as the registrar sees it: who we are, and the key we sign with. */
#include "common/dns-client/signing-identity.h"

int identity_client_new(sd_bus *bus, signing_identity_callback on_change,
			signing_identity_key_callback on_key, void *userdata,
			struct signing_identity **ret);
