/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/registrar-words.h"

#include "common/dns/dns-message.h"
#include "common/dns/server-words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum registrar_result registrar_result_of_error(const char *account_domain, int error,
						int64_t ahead, char *words, size_t size)
{
	switch (error) {
	case -ENOKEY:
	case -EKEYREJECTED:
		server_words_bad_key(account_domain, words, size);
		return REGISTRAR_RESULT_BAD_KEY;
	case -EACCES:
		snprintf(words, size, "the server does not let this host act for %s",
			 account_domain);
		return REGISTRAR_RESULT_REFUSED;
	case -ETIME:
		server_words_clock(ahead, words, size);
		return REGISTRAR_RESULT_CLOCK;
	/* Of the TLS connection, dns-stream.h; it has more words. */
	case -EPERM:
	case -EPROTO:
		snprintf(words, size, "who answers for the server of %s does not prove to be it",
			 account_domain);
		return REGISTRAR_RESULT_UNTRUSTED;
	case -ETIMEDOUT:
		snprintf(words, size, "the server of %s does not answer; trying again",
			 account_domain);
		return REGISTRAR_RESULT_UNREACHABLE;
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ENETDOWN:
		snprintf(words, size, "the server of %s cannot be reached: %s; trying again",
			 account_domain, strerror(-error));
		return REGISTRAR_RESULT_UNREACHABLE;
	default:
		snprintf(words, size, "asking the server of %s failed: %s; trying again",
			 account_domain, strerror(-error));
		return REGISTRAR_RESULT_FAILED;
	}
}

enum registrar_result registrar_result_of_rcode(const struct host_names *names, uint16_t rcode,
						char *words, size_t size)
{
	switch (rcode) {
	case LDNS_RCODE_NOERROR:
		return REGISTRAR_RESULT_OK;
	case LDNS_RCODE_YXDOMAIN:
		snprintf(words, size,
			 "another host of this account is called %s: sign out, choose another name "
			 "(homewardctl set-name), sign in again",
			 names->host_name);
		return REGISTRAR_RESULT_NAME_TAKEN;
	case LDNS_RCODE_SERVFAIL:
	case LDNS_RCODE_NOTIMPL:
		/* RFC 2136 §4: another server may do better, and this one later. */
		snprintf(words, size, "the server %s; trying again",
			 rcode == LDNS_RCODE_SERVFAIL ? "could not publish this host (SERVFAIL)"
						      : "does not take registrations (NOTIMP)");
		return REGISTRAR_RESULT_FAILED;
	case LDNS_RCODE_REFUSED:
	case LDNS_RCODE_NOTAUTH:
	case LDNS_RCODE_NOTZONE:
		snprintf(words, size, "the server refuses to publish this host under its name");
		return REGISTRAR_RESULT_REFUSED;
	default:
		snprintf(words, size,
			 "the server does not take this host's registration (RCODE %u)", rcode);
		return REGISTRAR_RESULT_REFUSED;
	}
}
