/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The server's side of TLS (RFC 7858, RFC 9325) over a descriptor that does not block: TLS 1.2 and
 * 1.3, AEAD suites only, ALPN "dot", no renegotiation, no compression, no early data. Buffers are
 * given back while nothing is in them, so that tens of thousands of silent connections are cheap.
 */
#include "common/base/cleanup.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads certificate chain and key. 0, or a negative errno with the complaint in `ret_message` (the
 * caller frees). SSL_CTX_free() when done; connections hold references of their own. */
int tls_context_new(const char *certificate, const char *key, SSL_CTX **ret, char **ret_message);

/* A server's end on `fd`, which stays the caller's. 0 or -ENOMEM. SSL_free() when done. */
int tls_accept(SSL_CTX *context, int fd, SSL **ret);
/* 0: done. -EAGAIN: not yet; `ret_wants_write`: wait for the descriptor to take octets, otherwise
 * for it to have some. Another negative errno: failed. */
int tls_handshake(SSL *ssl, bool *ret_wants_write);
/* As recv() and send(): how many octets, 0 from tls_read() at the end, or a negative errno. */
ssize_t tls_read(SSL *ssl, void *data, size_t size, bool *ret_wants_write);
ssize_t tls_write(SSL *ssl, const void *data, size_t size);
/* Says that this is the end, as far as that is possible at once. */
void tls_say_end(SSL *ssl);
/* The octets by which both ends know this connection (RFC 9266). False when it has none: TLS 1.2
 * without the extended master secret. */
bool tls_export_binding(SSL *ssl, uint8_t *ret, size_t size, const char *label);
