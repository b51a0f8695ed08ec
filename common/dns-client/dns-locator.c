/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * name-server -> name-server-address -> service -> address -> tlsa. The first two are asked of the
 * system's resolver and left out with a configured server; a server that does not answer for the
 * account makes us go back to the second with the next name. The service step is taken for each
 * service, the last two for each server found, where there is something to ask.
 */
#include "common/dns-client/dns-locator.h"

#include "common/base/atomic-file.h"
#include "common/dns-client/resolv-conf.h"
#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define DNS_PORT  53
#define NAMES_MAX 8 /* of name servers */

enum step {
	STEP_IDLE,
	STEP_NAME_SERVER,
	STEP_NAME_SERVER_ADDRESS,
	STEP_SERVICE,
	STEP_ADDRESS,
	STEP_TLSA,
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
	ldns_rdf *members, *asked; /* names; `asked` is the one asked for now */
	char account_domain[256];
	ldns_rdf *names[NAMES_MAX];     /* of the name servers */
	struct in_addr glue[NAMES_MAX]; /* their addresses, as far as they came along */
	size_t n_names, name;           /* `name`: the one in use */
	size_t service;                 /* the one asked for */
	struct server_list servers;
	size_t server; /* the one whose address or TLSA is asked for */
	struct in_addr resolvers[RESOLV_CONF_SERVERS];
	size_t n_resolvers, n_tried, resolver;
	struct in_addr answering; /* the resolver that answered last; 0.0.0.0: none did */
	struct sockaddr_in first; /* the server asked for the services */
	bool of_first;            /* it is asked for the TLSA record of another one, too */
	char words[160];
	int error; /* for `later` */
	uint64_t server_time;
};

static void on_answer(void *userdata, const struct dns_exchange_result *result);

static void report(struct dns_locator *locator, int error)
{
	dns_locator_stop(locator);
	locator->callback(locator->userdata, error, locator->words,
			  error == 0 ? &locator->servers : NULL);
}

static void on_later(void *userdata)
{
	struct dns_locator *locator = userdata;

	report(locator, locator->error);
}

static uint32_t random_number(void)
{
	uint32_t number = 0;

	/* It balances load; nothing hangs on it. */
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = realtime_usec();
	return number;
}

/* Whom to ask in this step. */
static struct sockaddr_in server_of_step(const struct dns_locator *locator, enum step step)
{
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };

	if (step < STEP_SERVICE) {
		server.sin_addr = locator->resolvers[locator->resolver];
		return server;
	}
	if (step == STEP_TLSA && !locator->of_first) {
		server.sin_addr = locator->servers.items[locator->server].address.sin_addr;
		if (server.sin_addr.s_addr != locator->first.sin_addr.s_addr)
			return server;
	}
	return locator->first;
}

/* Whether there is another one to ask if this one does not answer. */
static bool is_brief(const struct dns_locator *locator, enum step step)
{
	switch (step) {
	case STEP_IDLE:
	case STEP_NAME_SERVER:
	case STEP_NAME_SERVER_ADDRESS:
		return locator->n_tried + 1 < locator->n_resolvers;
	case STEP_SERVICE:
		return locator->name + 1 < locator->n_names;
	case STEP_ADDRESS:
		return true;
	case STEP_TLSA:
		return server_of_step(locator, step).sin_addr.s_addr !=
		       locator->first.sin_addr.s_addr;
	}
	return false;
}

static int ask(struct dns_locator *locator, enum step step, const ldns_rdf *name, ldns_rr_type type)
{
	bool signed_step = step >= STEP_SERVICE;
	uint8_t message[512];
	struct dns_builder builder;
	struct dns_exchange_options options = {
		.message = message,
		.server = server_of_step(locator, step),
		.key = signed_step ? locator->key : NULL,
		.brief = is_brief(locator, step),
	};
	int r;

	dns_builder_init(&builder, message, sizeof(message), 0, signed_step ? 0 : DNS_FLAG_RD);
	dns_builder_add_question(&builder, name, type, LDNS_RR_CLASS_IN);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, NULL, 0);
	r = dns_builder_finish(&builder);
	if (r < 0)
		return r;
	options.size = r;
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

static void remember(struct dns_locator *locator, ldns_rdf *name)
{
	ldns_rdf_deep_free(locator->asked);
	locator->asked = name;
}

/* Asks for a name made of text; -EINVAL where it is none. */
static void ask_for(struct dns_locator *locator, enum step step, const char *text,
		    ldns_rr_type type)
{
	remember(locator, dns_record_name(text));
	if (locator->asked) {
		ask_or_fail(locator, step, locator->asked, type);
		return;
	}
	locator->error = -EINVAL;
	loop_timer_set_delay(locator->later, 0);
}

static void ask_for_service(struct dns_locator *locator)
{
	char name[DNS_NAME_TEXT_SIZE];

	snprintf(name, sizeof(name), "%s.%s", locator->options.services[locator->service].name,
		 locator->account_domain);
	ask_for(locator, STEP_SERVICE, name, LDNS_RR_TYPE_SRV);
}

static bool is_allowed(const struct dns_locator *locator, const struct dns_locator_service *service)
{
	switch ((enum dns_encryption)locator->options.config->encryption) {
	case DNS_ENCRYPTION_TLS:
		return service->tls;
	case DNS_ENCRYPTION_PREFERRED:
		return true;
	case DNS_ENCRYPTION_NONE:
		return !service->tls;
	}
	return false;
}

/* The first service to ask for from number `i` on: of a kind of which none is there. */
static size_t next_service(const struct dns_locator *locator, size_t i)
{
	const struct dns_locator_options *options = &locator->options;

	for (; i < options->n_services; i++) {
		bool there = !is_allowed(locator, &options->services[i]);

		for (size_t k = 0; k < locator->servers.n; k++)
			there |= locator->servers.items[k].service == options->services[i].kind;
		if (!there)
			break;
	}
	return i;
}

static void ask_for_services(struct dns_locator *locator, struct in_addr address, uint16_t port)
{
	locator->first = (struct sockaddr_in){ .sin_family = AF_INET,
					       .sin_addr = address,
					       .sin_port = htons(port) };
	locator->servers.n = 0;
	locator->service = next_service(locator, 0);
	if (locator->service < locator->options.n_services) {
		ask_for_service(locator);
		return;
	}
	snprintf(locator->words, sizeof(locator->words),
		 "the configuration allows no way to a server");
	locator->error = -ENOENT;
	loop_timer_set_delay(locator->later, 0);
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

static void ask_name_server(struct dns_locator *locator)
{
	const ldns_rdf *name = locator->names[locator->name];

	if (locator->glue[locator->name].s_addr) {
		ask_for_services(locator, locator->glue[locator->name], DNS_PORT);
		return;
	}
	remember(locator, ldns_rdf_clone(name));
	ask_or_fail(locator, STEP_NAME_SERVER_ADDRESS, name, LDNS_RR_TYPE_A);
}

static void forget_names(struct dns_locator *locator)
{
	for (size_t i = 0; i < locator->n_names; i++)
		ldns_rdf_deep_free(locator->names[i]);
	memset(locator->glue, 0, sizeof(locator->glue));
	locator->n_names = locator->name = 0;
}

static void take_name_servers(struct dns_locator *locator, const struct dns_message *response)
{
	forget_names(locator);
	for (size_t i = 0;
	     i < dns_message_count(response, DNS_SECTION_ANSWER) && locator->n_names < NAMES_MAX;
	     i++) {
		const ldns_rr *ns = dns_message_rr(response, DNS_SECTION_ANSWER, i), *a;
		const ldns_rdf *target;
		ldns_rdf *name;

		if (!dns_record_is(ns, locator->members, LDNS_RR_TYPE_NS) ||
		    dns_record_read_target(ns, &target) < 0 || !(name = ldns_rdf_clone(target)))
			continue;
		a = dns_message_find(response, target, LDNS_RR_TYPE_A);
		if (a)
			dns_record_read_a(a, &locator->glue[locator->n_names]);
		locator->names[locator->n_names++] = name;
	}
	if (locator->n_names > 0) {
		ask_name_server(locator);
		return;
	}
	describe(locator, "no name servers are known for", locator->members);
	report(locator, -ENOENT);
}

/* Whether another of the name servers was asked instead. */
static bool try_next_name(struct dns_locator *locator)
{
	if (locator->name + 1 >= locator->n_names)
		return false;
	locator->name++;
	ask_name_server(locator);
	return true;
}

static void take_name_server_address(struct dns_locator *locator,
				     const struct dns_message *response)
{
	ldns_rr *a = dns_message_find(response, locator->asked, LDNS_RR_TYPE_A);
	struct in_addr address;

	if (a && dns_record_read_a(a, &address) == 0) {
		ask_for_services(locator, address, DNS_PORT);
		return;
	}
	describe(locator, "no address is known of", locator->asked);
	if (!try_next_name(locator))
		report(locator, -ENOENT);
}

/* The next question about the servers found, or the end. */
static void ask_about_servers(struct dns_locator *locator)
{
	struct server_list *list = &locator->servers;
	char name[DNS_NAME_TEXT_SIZE];
	size_t i = server_list_without_address(list);

	if (i < list->n) {
		locator->server = i;
		ask_for(locator, STEP_ADDRESS, list->items[i].trust.name, LDNS_RR_TYPE_A);
		return;
	}
	for (; locator->server < list->n; locator->server++) {
		struct dns_server *server = &list->items[locator->server];
		size_t same = server_list_find_same(list, locator->server);

		if (!server->tls || server->trust.pins.n > 0)
			continue;
		if (same == locator->server) {
			snprintf(name, sizeof(name), "_%u._tcp.%s", ntohs(server->address.sin_port),
				 server->trust.name);
			ask_for(locator, STEP_TLSA, name, LDNS_RR_TYPE_TLSA);
			return;
		}
		server->trust.tlsa = list->items[same].trust.tlsa;
	}
	report(locator, 0);
}

static void report_no_service(struct dns_locator *locator, const struct dns_message *response)
{
	char what[64];
	int error;

	switch (response->rcode) {
	case LDNS_RCODE_NOERROR:
	case LDNS_RCODE_NXDOMAIN:
		snprintf(what, sizeof(what), "the account's domain names no server%s:",
			 locator->options.config->encryption == DNS_ENCRYPTION_TLS ? " for TLS"
										   : "");
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
	describe(locator, what, locator->asked);
	report(locator, error);
}

static void take_service(struct dns_locator *locator, const struct dns_message *response)
{
	const struct dns_locator_service *service = &locator->options.services[locator->service];
	struct server_list *list = &locator->servers;
	size_t n;

	if (response->rcode != LDNS_RCODE_NOERROR && response->rcode != LDNS_RCODE_NXDOMAIN) {
		report_no_service(locator, response);
		return;
	}
	n = server_list_add(list, response, locator->asked, service->kind, service->tls,
			    random_number);
	for (size_t i = list->n - n; i < list->n; i++) {
		list->items[i].trust.pins = locator->options.config->pins;
		list->items[i].trust.config = locator->options.config->path;
	}
	locator->service = next_service(locator, locator->service + 1);
	if (locator->service < locator->options.n_services) {
		ask_for_service(locator);
	} else if (list->n == 0) {
		report_no_service(locator, response);
	} else {
		locator->server = 0;
		ask_about_servers(locator);
	}
}

/* NULL: there was no answer. */
static void take_address(struct dns_locator *locator, const struct dns_message *response)
{
	ldns_rr *a = response ? dns_message_find(response, locator->asked, LDNS_RR_TYPE_A) : NULL;
	struct in_addr address = { 0 };

	if (a)
		dns_record_read_a(a, &address);
	if (!address.s_addr)
		address = locator->first.sin_addr;
	server_list_set_address(&locator->servers,
				locator->servers.items[locator->server].trust.name, address);
	locator->server = 0;
	ask_about_servers(locator);
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
		describe(locator, what, locator->asked);
	} else if (result->error < 0) {
		snprintf(locator->words, sizeof(locator->words), "the system's DNS resolver %s",
			 error_words(result->error));
	} else {
		snprintf(what, sizeof(what), "the system's DNS resolver answers %s for",
			 rcode_words(result->response));
		describe(locator, what, locator->members);
	}
}

/* Only who says that there is no such record leaves it to the authorities; silence may be
 * somebody's who would like that. A server that answers no questions is spoken for by the one that
 * named it. */
static void take_tlsa(struct dns_locator *locator, const struct dns_exchange_result *result)
{
	struct dns_server *server = &locator->servers.items[locator->server];

	if (result->error < 0 && !locator->of_first &&
	    server_of_step(locator, STEP_TLSA).sin_addr.s_addr != locator->first.sin_addr.s_addr) {
		locator->of_first = true;
		ask_or_fail(locator, STEP_TLSA, locator->asked, LDNS_RR_TYPE_TLSA);
		return;
	}
	locator->of_first = false;
	if (result->error < 0) {
		describe_failure(locator, result);
		locator->server_time = result->server_time;
		report(locator, result->error);
		return;
	}
	server_list_read_tlsa(result->response, locator->asked, &server->trust.tlsa);
	locator->server++;
	ask_about_servers(locator);
}

static bool is_failure(const struct dns_locator *locator, const struct dns_exchange_result *result)
{
	return result->error < 0 ||
	       (locator->step < STEP_SERVICE && result->response->rcode != LDNS_RCODE_NOERROR &&
		result->response->rcode != LDNS_RCODE_NXDOMAIN);
}

static void on_failure(struct dns_locator *locator, const struct dns_exchange_result *result)
{
	bool silent = result->error != -ENOKEY && result->error != -EKEYREJECTED &&
		      result->error != -ETIME;

	describe_failure(locator, result);
	locator->server_time = result->server_time;
	if (try_next_resolver(locator))
		return;
	/* What another server says of our key would be the same. */
	if (locator->step == STEP_SERVICE && silent && try_next_name(locator))
		return;
	report(locator, result->error ?: -EIO);
}

static void on_answer(void *userdata, const struct dns_exchange_result *result)
{
	struct dns_locator *locator = userdata;

	/* Without these there are other ways. */
	if (locator->step == STEP_ADDRESS)
		return take_address(locator, result->response);
	if (locator->step == STEP_TLSA)
		return take_tlsa(locator, result);
	if (is_failure(locator, result))
		return on_failure(locator, result);
	if (locator->step < STEP_SERVICE)
		locator->answering = locator->resolvers[locator->resolver];
	switch (locator->step) {
	case STEP_NAME_SERVER:
		return take_name_servers(locator, result->response);
	case STEP_NAME_SERVER_ADDRESS:
		return take_name_server_address(locator, result->response);
	case STEP_SERVICE:
		return take_service(locator, result->response);
	case STEP_IDLE:
	case STEP_ADDRESS:
	case STEP_TLSA:
		return;
	}
}

static void read_resolvers(struct dns_locator *locator)
{
	uint8_t *text;
	size_t size;

	locator->resolver = locator->n_tried = locator->n_resolvers = 0;
	if (atomic_file_read(locator->options.config->resolv_conf ?: RESOLV_CONF_PATH, 65536, &text,
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
	const struct dns_server_config *config = locator->options.config;

	dns_locator_stop(locator);
	ldns_rdf_deep_free(locator->members);
	locator->members = dns_record_name(target->members_domain);
	if (!locator->members || strlen(target->account_domain) >= sizeof(locator->account_domain))
		return -EINVAL;
	strcpy(locator->account_domain, target->account_domain);
	locator->key = target->key;
	locator->words[0] = 0;
	locator->server_time = 0;
	locator->of_first = false;
	forget_names(locator);
	if (config->address.s_addr) {
		ask_for_services(locator, config->address, config->port ?: DNS_PORT);
		return 0;
	}
	read_resolvers(locator);
	if (locator->n_resolvers > 0) {
		ask_or_fail(locator, STEP_NAME_SERVER, locator->members, LDNS_RR_TYPE_NS);
		return 0;
	}
	snprintf(locator->words, sizeof(locator->words), "%s names no name server",
		 locator->options.config->resolv_conf ?: RESOLV_CONF_PATH);
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
	forget_names(locator);
	ldns_rdf_deep_free(locator->members);
	ldns_rdf_deep_free(locator->asked);
	free(locator);
	return NULL;
}

uint64_t dns_locator_server_time(const struct dns_locator *locator)
{
	return locator->server_time;
}

struct sockaddr_in dns_locator_server_asked(const struct dns_locator *locator)
{
	return locator->first;
}
