/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/tls-context.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

/* Of TLS 1.2; those of TLS 1.3 are all AEAD. */
#define SUITES "ECDHE+AESGCM:ECDHE+CHACHA20"
/* It is the client who chooses among these, and before anybody knows who it is: with the finite
 * fields that OpenSSL offers by itself, one handshake can cost what a hundred of these do. */
#define GROUPS "X25519:P-256:P-384"

static const uint8_t protocol[] = "\x03"
				  "dot";

/* RFC 7301 §3.2: a client that lists protocols and not this one means another service. */
static int select_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_size,
			   const unsigned char *offered, unsigned int size, void *userdata)
{
	for (unsigned int i = 0; i < size; i += offered[i] + 1u) {
		if (offered[i] == protocol[0] && i + protocol[0] < size &&
		    memcmp(offered + i, protocol, protocol[0] + 1u) == 0) {
			*ret = offered + i + 1;
			*ret_size = offered[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int no_password(char *buffer, int size, int is_writing, void *userdata)
{
	return -1;
}

static bool set_up(SSL_CTX *context)
{
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_PRIORITIZE_CHACHA |
					     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Tickets are kept by the clients. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_max_early_data(context, 0);
	SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
	SSL_CTX_set_default_passwd_cb(context, no_password);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(context, SUITES) == 1 &&
	       SSL_CTX_set1_groups_list(context, GROUPS) == 1;
}

/* What an administrator can make something of: OpenSSL's own would begin with numbers. */
static const char *words_for(unsigned long error)
{
	if (ERR_SYSTEM_ERROR(error))
		return strerror(ERR_GET_REASON(error));
	if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
		return "this is not in PEM, or of something else";
	return ERR_reason_error_string(error) ?: "OpenSSL does not say why";
}

int tls_context_new(const char *certificate, const char *key, SSL_CTX **ret, char **ret_message)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	const char *complaint = NULL;

	*ret_message = NULL;
	if (!context || !set_up(context)) {
		SSL_CTX_free(context);
		ERR_clear_error();
		return -ENOMEM;
	}
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		complaint = certificate;
	else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		complaint = key; /* or it is another certificate's */
	if (!complaint) {
		*ret = context;
		return 0;
	}
	if (asprintf(ret_message, "cannot use %s: %s", complaint, words_for(ERR_peek_error())) < 0)
		*ret_message = NULL;
	SSL_CTX_free(context);
	ERR_clear_error();
	return -EINVAL;
}

int tls_accept(SSL_CTX *context, int fd, SSL **ret)
{
	SSL *ssl = SSL_new(context);

	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_accept_state(ssl);
	*ret = ssl;
	return 0;
}

/* What a call that did not succeed means; the queue of errors is the thread's and must be empty
 * before the next one. */
static int interpret(SSL *ssl, int result, bool *ret_wants_write)
{
	int saved = errno;
	int error = SSL_get_error(ssl, result);

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
		*ret_wants_write = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*ret_wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return saved ? -saved : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

int tls_handshake(SSL *ssl, bool *ret_wants_write)
{
	int r = SSL_do_handshake(ssl);

	if (r == 1)
		return 0;
	r = interpret(ssl, r, ret_wants_write);
	return r == 0 ? -ECONNRESET : r;
}

ssize_t tls_read(SSL *ssl, void *data, size_t size, bool *ret_wants_write)
{
	int r = SSL_read(ssl, data, size > INT_MAX ? INT_MAX : (int)size);

	*ret_wants_write = false;
	return r > 0 ? r : interpret(ssl, r, ret_wants_write);
}

ssize_t tls_write(SSL *ssl, const void *data, size_t size)
{
	bool wants_write;
	int r = SSL_write(ssl, data, size > INT_MAX ? INT_MAX : (int)size);

	if (r > 0)
		return r;
	r = interpret(ssl, r, &wants_write);
	return r == 0 ? -EPIPE : r;
}

void tls_say_end(SSL *ssl)
{
	if (SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error();
}

bool tls_export_binding(SSL *ssl, uint8_t *ret, size_t size, const char *label)
{
	bool exported;

	if (!SSL_is_init_finished(ssl) ||
	    (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1))
		return false;
	exported = SSL_export_keying_material(ssl, ret, size, label, strlen(label), (uint8_t *)"",
					      0, 1) == 1;
	ERR_clear_error();
	return exported;
}
