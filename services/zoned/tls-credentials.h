/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The server's certificate and private key as files in PEM, and the pin of the key: the SHA-256 of
 * the SubjectPublicKeyInfo (RFC 7858 §4.2), which is also what a TLSA record 3 1 1 holds
 * (RFC 6698). zoned makes a pair at its first start when the configuration names none.
 */
#include "common/base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

#define TLS_PIN_SIZE      32
#define TLS_PIN_TEXT_SIZE 52 /* "sha256/" and 44 characters of base64 */

/* Makes what is missing: a key (ECDSA P-256, readable by its owner only), and a self-signed
 * certificate for it, in the name of `server_name`, good for ten years from `now` (seconds since
 * 1970). Each file is there whole or not at all; a certificate without a key is an error. 1: made;
 * 0: both were there; or a negative errno with the complaint in `ret_message` (the caller frees).
 */
int tls_credentials_ensure(const char *certificate, const char *key, const char *server_name,
			   int64_t now, char **ret_message);

/* The pin of the first certificate in the file. 0, or a negative errno with a complaint. */
int tls_credentials_pin(const char *certificate, uint8_t ret[static TLS_PIN_SIZE],
			char **ret_message);
/* As clients want it in their configuration: "sha256/" and base64. */
void tls_pin_to_text(const uint8_t pin[static TLS_PIN_SIZE], char ret[static TLS_PIN_TEXT_SIZE]);
