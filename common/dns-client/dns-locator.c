/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * name-server -> name-server-address -> service -> service-address. The first two are asked of the
 * system's resolver and left out with a configured server; the addresses are left out when they
 * came along with the answer before.
 */
#include "common/dns-client/dns-locator.h"

#include "common/base/atomic-file.h"
#include "common/dns-client/resolv-conf.h"
#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <stdio.h>
#include <string.h>

#define DNS_PORT 53

enum step {
	STEP_IDLE,
	STEP_NAME_SERVER,
	STEP_NAME_SERVER_ADDRESS,
	STEP_SERVICE,
	STEP_SERVICE_ADDRESS,
};

struct dns_locator {
	struct loop *loop;
	struct dns_locator_options options;
	dns_locator_callback callback;
	void *userdata;
	struct loop_timer *later; /* for a failure before anything was sent */
	struct dns_exchange *exchange;
	enum step step;
	const struct dns_tsig_key *key;
	ldns_rdf *members, *service, *asked; /* names; `asked` is the one whose address is wanted */
	struct in_addr resolvers[RESOLV_CONF_SERVERS];
	size_t n_resolvers, n_tried, resolver;
	struct in_addr answering; /* the resolver that answered last; 0.0.0.0: none did */
	struct sockaddr_in first; /* the server asked for the service */
	uint16_t port;            /* of the service; host order */
	char words[160];
	int error; /* for `later` */
	uint64_t server_time;
};

static void on_answer(void *userdata, const struct dns_exchange_result *result);

static void report(struct dns_locator *locator, int error, const struct sockaddr_in *server)
{
	dns_locator_stop(locator);
	locator->callback(locator->userdata, error, locator->words, server);
}

static void on_later(void *userdata)
{
	struct dns_locator *locator = userdata;

	report(locator, locator->error, NULL);
}

static int ask(struct dns_locator *locator, enum step step, const ldns_rdf *name, ldns_rr_type type)
{
	bool signed_step = step == STEP_SERVICE || step == STEP_SERVICE_ADDRESS;
	uint8_t message[512];
	struct dns_builder builder;
	struct dns_exchange_options options = { .message = message };
	int r;

	dns_builder_init(&builder, message, sizeof(message), 0, signed_step ? 0 : DNS_FLAG_RD);
	dns_builder_add_question(&builder, name, type, LDNS_RR_CLASS_IN);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, NULL, 0);
	r = dns_builder_finish(&builder);
	if (r < 0)
		return r;
	options.size = r;
	options.key = signed_step ? locator->key : NULL;
	if (signed_step) {
		options.server = locator->first;
	} else {
		options.server.sin_family = AF_INET;
		options.server.sin_addr = locator->resolvers[locator->resolver];
		options.server.sin_port = htons(DNS_PORT);
		options.brief = locator->n_tried + 1 < locator->n_resolvers;
	}
	locator->step = step;
	locator->exchange = dns_exchange_free(locator->exchange);
	return dns_exchange_new(locator->loop, &options, on_answer, locator, &locator->exchange);
}

/* Asks, and when that fails outright says so from the loop. */
static void ask_or_fail(struct dns_locator *locator, enum step step, const ldns_rdf *name,
			ldns_rr_type type)
{
	int r = ask(locator, step, name, type);

	if (r < 0) {
		locator->error = r;
		loop_timer_set_delay(locator->later, 0);
	}
}

static void ask_for_service(struct dns_locator *locator, struct in_addr address, uint16_t port)
{
	locator->first = (struct sockaddr_in){ .sin_family = AF_INET,
					       .sin_addr = address,
					       .sin_port = htons(port) };
	ask_or_fail(locator, STEP_SERVICE, locator->service, LDNS_RR_TYPE_SRV);
}

static void remember(struct dns_locator *locator, const ldns_rdf *name)
{
	ldns_rdf_deep_free(locator->asked);
	locator->asked = ldns_rdf_clone(name);
}

/* "NS of members.example.org" and the like, for `words`. */
static void describe(struct dns_locator *locator, const char *what, const ldns_rdf *name)
{
	char text[DNS_NAME_TEXT_SIZE] = "?";
	struct dns_name plain;

	if (name && dns_name_from_rdf(name, &plain) == 0)
		dns_name_to_text(&plain, text, sizeof(text));
	snprintf(locator->words, sizeof(locator->words), "%s %.100s", what, text);
}

static const char *error_words(int error)
{
	switch (error) {
	case -ECONNREFUSED:
		return "refuses to be spoken to";
	case -ENETUNREACH:
	case -EHOSTUNREACH:
		return "cannot be reached from this network";
	default:
		return "does not answer";
	}
}

static const char *rcode_words(const struct dns_message *response)
{
	const ldns_lookup_table *entry = ldns_lookup_by_id(ldns_rcodes, response->rcode);

	return entry ? entry->name : "an unknown error";
}

static void take_name_server(struct dns_locator *locator, const struct dns_message *response)
{
	ldns_rr *ns = dns_message_find(response, locator->members, LDNS_RR_TYPE_NS);
	const ldns_rdf *target;
	struct in_addr address;
	ldns_rr *a;

	if (!ns || dns_record_read_target(ns, &target) < 0) {
		describe(locator, "no name servers are known for", locator->members);
		report(locator, -ENOENT, NULL);
		return;
	}
	a = dns_message_find(response, target, LDNS_RR_TYPE_A);
	if (a && dns_record_read_a(a, &address) == 0) {
		ask_for_service(locator, address, DNS_PORT);
		return;
	}
	remember(locator, target);
	ask_or_fail(locator, STEP_NAME_SERVER_ADDRESS, target, LDNS_RR_TYPE_A);
}

static void take_name_server_address(struct dns_locator *locator,
				     const struct dns_message *response)
{
	ldns_rr *a = dns_message_find(response, locator->asked, LDNS_RR_TYPE_A);
	struct in_addr address;

	if (!a || dns_record_read_a(a, &address) < 0) {
		describe(locator, "no address is known of", locator->asked);
		report(locator, -ENOENT, NULL);
		return;
	}
	ask_for_service(locator, address, DNS_PORT);
}

/* The SRV record with the lowest priority. */
static const ldns_rdf *choose_service(struct dns_locator *locator,
				      const struct dns_message *response)
{
	const ldns_rdf *best = NULL, *target;
	uint16_t best_priority = 0, priority, port;

	for (size_t i = 0; i < dns_message_count(response, DNS_SECTION_ANSWER); i++) {
		ldns_rr *rr = dns_message_rr(response, DNS_SECTION_ANSWER, i);

		if (!dns_record_is(rr, locator->service, LDNS_RR_TYPE_SRV) ||
		    dns_record_read_srv(rr, &priority, &port, &target) < 0)
			continue;
		/* A target of "." says that the service is not offered (RFC 2782). */
		if (port == 0 || ldns_rdf_size(target) <= 1)
			continue;
		if (!best || priority < best_priority) {
			best = target;
			best_priority = priority;
			locator->port = port;
		}
	}
	return best;
}

static void report_no_service(struct dns_locator *locator, const struct dns_message *response)
{
	char what[64];
	int error;

	switch (response->rcode) {
	case LDNS_RCODE_NOERROR:
	case LDNS_RCODE_NXDOMAIN:
		snprintf(what, sizeof(what), "the account's domain names no server:");
		error = -ENOENT;
		break;
	case LDNS_RCODE_REFUSED:
		snprintf(what, sizeof(what), "the server refuses questions for");
		error = -EACCES;
		break;
	default:
		snprintf(what, sizeof(what), "the name server answers %s for",
			 rcode_words(response));
		error = -EIO;
		break;
	}
	describe(locator, what, locator->service);
	report(locator, error, NULL);
}

static void take_service(struct dns_locator *locator, const struct dns_message *response)
{
	const ldns_rdf *target = choose_service(locator, response);
	struct sockaddr_in server;
	ldns_rr *a;

	if (!target) {
		report_no_service(locator, response);
		return;
	}
	server = locator->first;
	server.sin_port = htons(locator->port);
	a = dns_message_find(response, target, LDNS_RR_TYPE_A);
	if (a && dns_record_read_a(a, &server.sin_addr) == 0) {
		report(locator, 0, &server);
		return;
	}
	remember(locator, target);
	ask_or_fail(locator, STEP_SERVICE_ADDRESS, target, LDNS_RR_TYPE_A);
}

static void take_service_address(struct dns_locator *locator, const struct dns_message *response)
{
	ldns_rr *a = dns_message_find(response, locator->asked, LDNS_RR_TYPE_A);
	struct sockaddr_in server = locator->first;

	server.sin_port = htons(locator->port);
	if (a)
		dns_record_read_a(a, &server.sin_addr);
	report(locator, 0, &server);
}

/* Whether another resolver of the system was asked instead. */
static bool try_next_resolver(struct dns_locator *locator)
{
	if (locator->step >= STEP_SERVICE || locator->n_tried + 1 >= locator->n_resolvers)
		return false;
	locator->n_tried++;
	locator->resolver = (locator->resolver + 1) % locator->n_resolvers;
	ask_or_fail(locator, STEP_NAME_SERVER, locator->members, LDNS_RR_TYPE_NS);
	return true;
}

static void describe_failure(struct dns_locator *locator, const struct dns_exchange_result *result)
{
	char what[64];

	if (locator->step >= STEP_SERVICE) {
		snprintf(what, sizeof(what), "the name server %s for", error_words(result->error));
		describe(locator, what, locator->service);
	} else if (result->error < 0) {
		snprintf(locator->words, sizeof(locator->words), "the system's DNS resolver %s",
			 error_words(result->error));
	} else {
		snprintf(what, sizeof(what), "the system's DNS resolver answers %s for",
			 rcode_words(result->response));
		describe(locator, what, locator->members);
	}
}

static bool is_failure(const struct dns_locator *locator, const struct dns_exchange_result *result)
{
	return result->error < 0 ||
	       (locator->step < STEP_SERVICE && result->response->rcode != LDNS_RCODE_NOERROR &&
		result->response->rcode != LDNS_RCODE_NXDOMAIN);
}

static void on_answer(void *userdata, const struct dns_exchange_result *result)
{
	struct dns_locator *locator = userdata;

	if (is_failure(locator, result)) {
		describe_failure(locator, result);
		locator->server_time = result->server_time;
		if (!try_next_resolver(locator))
			report(locator, result->error ?: -EIO, NULL);
		return;
	}
	if (locator->step < STEP_SERVICE)
		locator->answering = locator->resolvers[locator->resolver];
	switch (locator->step) {
	case STEP_IDLE:
		return;
	case STEP_NAME_SERVER:
		return take_name_server(locator, result->response);
	case STEP_NAME_SERVER_ADDRESS:
		return take_name_server_address(locator, result->response);
	case STEP_SERVICE:
		return take_service(locator, result->response);
	case STEP_SERVICE_ADDRESS:
		return take_service_address(locator, result->response);
	}
}

static void read_resolvers(struct dns_locator *locator)
{
	uint8_t *text;
	size_t size;

	locator->resolver = locator->n_tried = locator->n_resolvers = 0;
	if (atomic_file_read(locator->options.resolv_conf ?: RESOLV_CONF_PATH, 65536, &text,
			     &size) < 0)
		return;
	locator->n_resolvers = resolv_conf_parse((const char *)text, locator->resolvers);
	free(text);
	/* A dead one costs its time once only. */
	for (size_t i = 0; i < locator->n_resolvers; i++)
		if (locator->resolvers[i].s_addr == locator->answering.s_addr)
			locator->resolver = i;
}

int dns_locator_start(struct dns_locator *locator, const struct dns_locator_target *target)
{
	char service[DNS_NAME_TEXT_SIZE];

	dns_locator_stop(locator);
	ldns_rdf_deep_free(locator->members);
	ldns_rdf_deep_free(locator->service);
	snprintf(service, sizeof(service), "%s.%s", locator->options.service,
		 target->account_domain);
	locator->members = dns_record_name(target->members_domain);
	locator->service = dns_record_name(service);
	if (!locator->members || !locator->service)
		return -EINVAL;
	locator->key = target->key;
	locator->words[0] = 0;
	if (locator->options.configured.s_addr) {
		ask_for_service(locator, locator->options.configured,
				locator->options.configured_port ?: DNS_PORT);
		return 0;
	}
	read_resolvers(locator);
	if (locator->n_resolvers > 0) {
		ask_or_fail(locator, STEP_NAME_SERVER, locator->members, LDNS_RR_TYPE_NS);
		return 0;
	}
	snprintf(locator->words, sizeof(locator->words), "%s names no name server",
		 locator->options.resolv_conf ?: RESOLV_CONF_PATH);
	locator->error = -ENOENT;
	loop_timer_set_delay(locator->later, 0);
	return 0;
}

void dns_locator_stop(struct dns_locator *locator)
{
	locator->step = STEP_IDLE;
	locator->exchange = dns_exchange_free(locator->exchange);
	loop_timer_set(locator->later, UINT64_MAX);
}

void dns_locator_resend(struct dns_locator *locator)
{
	if (!locator->exchange)
		return;
	if (locator->step >= STEP_SERVICE) {
		dns_exchange_resend(locator->exchange);
		return;
	}
	/* Another network has another resolver. */
	read_resolvers(locator);
	if (locator->n_resolvers > 0)
		ask_or_fail(locator, STEP_NAME_SERVER, locator->members, LDNS_RR_TYPE_NS);
}

int dns_locator_new(struct loop *loop, const struct dns_locator_options *options,
		    dns_locator_callback callback, void *userdata, struct dns_locator **ret)
{
	cleanup(dns_locator_freep) struct dns_locator *locator = NULL;
	int r;

	locator = calloc(1, sizeof(*locator));
	if (!locator)
		return -ENOMEM;
	locator->options = *options;
	locator->loop = loop;
	locator->callback = callback;
	locator->userdata = userdata;
	r = loop_timer_new(loop, on_later, locator, &locator->later);
	if (r < 0)
		return r;
	*ret = steal_ptr(locator);
	return 0;
}

struct dns_locator *dns_locator_free(struct dns_locator *locator)
{
	if (!locator)
		return NULL;
	dns_exchange_free(locator->exchange);
	loop_timer_free(locator->later);
	ldns_rdf_deep_free(locator->members);
	ldns_rdf_deep_free(locator->service);
	ldns_rdf_deep_free(locator->asked);
	free(locator);
	return NULL;
}

uint64_t dns_locator_server_time(const struct dns_locator *locator)
{
	return locator->server_time;
}
