/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What this machine says about itself in its TXT records: little, for people to tell hosts apart.
 */
#include "services/registrar/registration.h"

void device_describe(struct registration_device *ret);
