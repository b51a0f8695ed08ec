/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A key encapsulation of the form of ML-KEM-768 that keeps no secret: so that what is done with one
 * is tested with any OpenSSL. Who changes anything on the way makes both sides differ.
 */
#include "services/keyd/ike-kem.h"

/* A public value that begins so is refused. */
#define PLAYED_KEM_BAD 0xee

extern const struct ike_kem played_kem;
