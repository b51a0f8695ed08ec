/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where preshared keys come from: a file that nobody else can read, or a credential of the service
 * manager. */
#include "services/keyd/ike-psk.h"

/* `place`: a path, or the name of a credential (systemd.exec(5), LoadCredential=). 0, or a negative
 * errno after a line that says what is wrong. */
int psk_file_read(const char *place, struct ike_psks **ret);
