/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/stun-servers.h"

#include "common/base/atomic-file.h"
#include "common/dns-client/dns-exchange.h"
#include "common/dns-client/resolv-conf.h"
#include "common/dns-client/server-list.h"
#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define DNS_PORT          53
#define RESOLV_CONF_LIMIT 65536

struct stun_servers {
	struct loop *loop;
	stun_servers_callback callback;
	void *userdata;
	struct loop_timer *later;

	struct in_addr resolvers[RESOLV_CONF_SERVERS];
	size_t n_resolvers, resolver;
	struct dns_exchange *exchange;
	ldns_rdf *asked;
	ldns_rr_type type;

	struct stun_server_names names; /* to be found */
	size_t name;                    /* the one being looked for */
	struct sockaddr_in found[STUN_SERVERS_LIMIT];
	size_t n_found;
};

static int parse_name(const char *word, struct stun_server_name *ret)
{
	const char *colon = strchr(word, ':');
	size_t size = colon ? (size_t)(colon - word) : strlen(word);
	unsigned int port = STUN_PORT;
	char more;

	if (colon && (sscanf(colon + 1, "%5u%c", &port, &more) != 1 || port == 0 || port > 65535))
		return -EINVAL;
	if (size == 0 || size >= sizeof ret->host)
		return -EINVAL;
	memcpy(ret->host, word, size);
	ret->host[size] = 0;
	ret->port = port;
	return 0;
}

int stun_servers_parse(const char *value, void *field)
{
	cleanup(freep) char *copy = strdup(value);
	struct stun_server_names names = {};
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *word = strtok_r(copy, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		cleanup(ldns_rdf_freep) ldns_rdf *name = NULL;

		if (names.n == STUN_SERVERS_LIMIT || parse_name(word, &names.items[names.n]) < 0)
			return -EINVAL;
		name = dns_record_name(names.items[names.n++].host);
		if (!name)
			return -EINVAL;
	}
	*(struct stun_server_names *)field = names;
	return 0;
}

static void on_answer(void *userdata, const struct dns_exchange_result *result);
static void find_next(struct stun_servers *servers);

static int ask(struct stun_servers *servers)
{
	uint8_t message[512];
	struct dns_builder builder;
	struct dns_exchange_options options = {
		.server = { .sin_family = AF_INET,
			    .sin_port = htons(DNS_PORT),
			    .sin_addr = servers->resolvers[servers->resolver] },
		.message = message,
		.brief = servers->resolver + 1 < servers->n_resolvers,
	};
	int r;

	dns_builder_init(&builder, message, sizeof message, 0, DNS_FLAG_RD);
	dns_builder_add_question(&builder, servers->asked, servers->type, LDNS_RR_CLASS_IN);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, NULL, 0);
	r = dns_builder_finish(&builder);
	if (r < 0)
		return r;
	options.size = r;
	servers->exchange = dns_exchange_free(servers->exchange);
	return dns_exchange_new(servers->loop, &options, on_answer, servers, &servers->exchange);
}

/* Of the resolvers in turn. False: none can be asked. */
static bool ask_from(struct stun_servers *servers, size_t resolver)
{
	for (servers->resolver = resolver; servers->resolver < servers->n_resolvers;
	     servers->resolver++)
		if (ask(servers) >= 0)
			return true;
	return false;
}

static bool ask_for(struct stun_servers *servers, const char *name, ldns_rr_type type)
{
	ldns_rdf_deep_free(servers->asked);
	servers->asked = dns_record_name(name);
	servers->type = type;
	return servers->asked && ask_from(servers, 0);
}

static void add_found(struct stun_servers *servers, struct in_addr address)
{
	if (servers->n_found == STUN_SERVERS_LIMIT || !address.s_addr)
		return;
	servers->found[servers->n_found++] = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr = address,
		.sin_port = htons(servers->names.items[servers->name].port),
	};
}

static uint32_t random_number(void)
{
	uint32_t number = 0;

	/* It balances load; nothing hangs on it. */
	if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
		number = realtime_usec();
	return number;
}

static void take_services(struct stun_servers *servers, const struct dns_message *answer)
{
	cleanup(freep) struct server_list *list = calloc(1, sizeof *list);

	if (!list)
		return;
	server_list_add(list, answer, servers->asked, 0, false, random_number);
	for (size_t i = 0; i < list->n && i < STUN_SERVERS_LIMIT; i++) {
		struct stun_server_name *name = &servers->names.items[servers->names.n++];

		snprintf(name->host, sizeof name->host, "%s", list->items[i].trust.name);
		name->port = ntohs(list->items[i].address.sin_port);
		if (list->items[i].address.sin_addr.s_addr)
			inet_ntop(AF_INET, &list->items[i].address.sin_addr, name->host,
				  sizeof name->host);
	}
}

/* A resolver follows aliases by itself: any address that it gives is meant. */
static void take_address(struct stun_servers *servers, const struct dns_message *answer)
{
	struct in_addr address;

	for (size_t i = 0; i < dns_message_count(answer, DNS_SECTION_ANSWER); i++)
		if (dns_record_read_a(dns_message_rr(answer, DNS_SECTION_ANSWER, i), &address) >=
		    0) {
			add_found(servers, address);
			return;
		}
}

static void on_answer(void *userdata, const struct dns_exchange_result *result)
{
	struct stun_servers *servers = userdata;
	/* It is there until this returns, and the next question replaces it. */
	struct dns_exchange *exchange = steal_ptr(servers->exchange);

	if (result->error < 0) {
		if (!ask_from(servers, servers->resolver + 1)) {
			if (servers->type == LDNS_RR_TYPE_A)
				servers->name++;
			find_next(servers);
		}
	} else if (servers->type == LDNS_RR_TYPE_SRV) {
		take_services(servers, result->response);
		find_next(servers);
	} else {
		take_address(servers, result->response);
		servers->name++;
		find_next(servers);
	}
	dns_exchange_free(exchange);
}

static void on_later(void *userdata)
{
	struct stun_servers *servers = userdata;

	servers->callback(servers->userdata, servers->found, servers->n_found);
}

static void find_next(struct stun_servers *servers)
{
	for (; servers->name < servers->names.n; servers->name++) {
		const char *host = servers->names.items[servers->name].host;
		struct in_addr address;

		if (inet_pton(AF_INET, host, &address) == 1)
			add_found(servers, address);
		else if (ask_for(servers, host, LDNS_RR_TYPE_A))
			return;
	}
	loop_timer_set_delay(servers->later, 0);
}

static void read_resolvers(struct stun_servers *servers)
{
	cleanup(freep) uint8_t *text = NULL;
	size_t size;

	servers->n_resolvers = 0;
	if (atomic_file_read(RESOLV_CONF_PATH, RESOLV_CONF_LIMIT, &text, &size) >= 0)
		servers->n_resolvers = resolv_conf_parse((const char *)text, servers->resolvers);
}

void stun_servers_find(struct stun_servers *servers, const struct stun_server_names *names,
		       const char *zone)
{
	char service[300];

	stun_servers_stop(servers);
	read_resolvers(servers);
	servers->names = *names;
	servers->name = servers->n_found = 0;
	if (names->n == 0 && zone) {
		snprintf(service, sizeof service, "_stun._udp.%s", zone);
		if (ask_for(servers, service, LDNS_RR_TYPE_SRV))
			return;
	}
	find_next(servers);
}

void stun_servers_stop(struct stun_servers *servers)
{
	loop_timer_set(servers->later, UINT64_MAX);
	servers->exchange = dns_exchange_free(servers->exchange);
}

int stun_servers_new(struct loop *loop, stun_servers_callback callback, void *userdata,
		     struct stun_servers **ret)
{
	cleanup(stun_servers_freep) struct stun_servers *servers = calloc(1, sizeof *servers);
	int r;

	if (!servers)
		return -ENOMEM;
	servers->loop = loop;
	servers->callback = callback;
	servers->userdata = userdata;
	r = loop_timer_new(loop, on_later, servers, &servers->later);
	if (r < 0)
		return r;
	*ret = steal_ptr(servers);
	return 0;
}

struct stun_servers *stun_servers_free(struct stun_servers *servers)
{
	if (!servers)
		return NULL;
	dns_exchange_free(servers->exchange);
	loop_timer_free(servers->later);
	ldns_rdf_deep_free(servers->asked);
	free(servers);
	return NULL;
}
