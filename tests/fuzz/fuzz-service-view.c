/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any records as the account's: the input is a message whose records a server tells the watcher
 * when it is asked for them. The views of hosts and services and the stub's zone are made of them.
 */
#include "services/llq-watcher/host-view-state.h"
#include "services/llq-watcher/service-view-state.h"
#include "services/llq-watcher/stub-state.h"

#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <assert.h>
#include <string.h>

#define ACCOUNT "alice.example"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzzing {
	const struct dns_message *zone;
	struct dns_tsig_key key;
	struct llq_time time;
	struct watch_set *set;
	struct host_view hosts;
	struct service_view services;
	struct stub_zone *names;
	uint32_t number;
};

static uint32_t next_number(void *userdata)
{
	return ++*(uint32_t *)userdata;
}

static void want(struct fuzzing *fuzzing)
{
	watch_set_want_begin(fuzzing->set);
	host_view_want(&fuzzing->hosts, fuzzing->set);
	service_view_want(&fuzzing->services, fuzzing->set, 60);
	watch_set_want_end(fuzzing->set, &fuzzing->time);
}

static void add_answers(const struct fuzzing *fuzzing, const ldns_rr *question,
			struct dns_builder *builder)
{
	for (size_t i = 0; i < dns_message_count(fuzzing->zone, DNS_SECTION_ANSWER); i++) {
		const ldns_rr *rr = dns_message_rr(fuzzing->zone, DNS_SECTION_ANSWER, i);

		if (dns_record_is(rr, ldns_rr_owner(question), ldns_rr_get_type(question)))
			dns_builder_add_rr(builder, DNS_SECTION_ANSWER, rr);
	}
}

/* The server's answer to one datagram: a challenge, or what there is. */
static void serve(struct fuzzing *fuzzing, const uint8_t *data, size_t size)
{
	cleanup(dns_message_freep) struct dns_message *request = NULL;
	uint8_t reply[4096], octets[DNS_OPTION_LLQ_SIZE];
	struct writer options = writer_init(octets, sizeof(octets));
	struct dns_builder builder;
	struct dns_tsig tsig;
	const ldns_rr *question;
	struct dns_llq llq;
	int n;

	if (dns_message_parse(data, size, &request) < 0 || dns_tsig_find(data, size, &tsig) != 1 ||
	    dns_options_read_llqs(request->options, request->options_size, &llq, 1) != 1)
		return;
	question = dns_message_rr(request, DNS_SECTION_QUESTION, 0);
	dns_builder_init(&builder, reply, sizeof(reply), request->id, DNS_FLAG_QR | DNS_FLAG_AA);
	dns_builder_add_question(&builder, ldns_rr_owner(question), ldns_rr_get_type(question),
				 LDNS_RR_CLASS_IN);
	if (llq.id == 0)
		llq.id = ++fuzzing->number;
	else
		add_answers(fuzzing, question, &builder);
	dns_option_write_llq(&options, &llq);
	dns_builder_add_edns(&builder, 1232, 0, octets, options.position);
	n = dns_builder_sign(&builder, &fuzzing->key, &tsig.mac, fuzzing->time.realtime, NULL);
	if (n > 0)
		watch_set_receive(fuzzing->set, &fuzzing->time, reply, n);
}

static void add_name(void *userdata, const ldns_rr *rr)
{
	stub_zone_add(userdata, rr);
}

/* The names that the stub has can all be asked for. */
static void ask(struct fuzzing *fuzzing)
{
	const struct stub_view view = { .zone = fuzzing->names, .complete = true };

	for (size_t i = 0; i < dns_message_count(fuzzing->zone, DNS_SECTION_ANSWER); i++) {
		const ldns_rr *rr = dns_message_rr(fuzzing->zone, DNS_SECTION_ANSWER, i);
		cleanup(dns_message_freep) struct dns_message *answer = NULL;
		struct stub_counts counts = { 0 };
		uint8_t octets[512], reply[4096];
		struct dns_builder builder;
		struct stub_question question = { .data = octets };
		size_t n;

		dns_builder_init(&builder, octets, sizeof(octets), 1, 0);
		dns_builder_add_question(&builder, ldns_rr_owner(rr), ldns_rr_get_type(rr),
					 LDNS_RR_CLASS_IN);
		question.size = dns_builder_finish(&builder);
		n = stub_answer(&view, &question, 0, reply, sizeof(reply), &counts);
		assert(n > 0 && n <= 512 && dns_message_parse(reply, n, &answer) == 0);
	}
}

static void check_services(const struct service_view *view)
{
	assert(view->n_services <= SERVICE_VIEW_MAX);
	for (size_t i = 0; i < view->n_services; i++) {
		const struct service *service = view->services[i];
		size_t at = 0;

		assert(service->name[0] && service->type[0] == '_');
		assert(!service->live || strlen(service->target) > strlen(ACCOUNT));
		while (at < service->text_size)
			at += service->text[at] + 1u;
		assert(at == service->text_size);
	}
}

static void run(struct fuzzing *fuzzing)
{
	const uint8_t *datagram;
	size_t size;

	want(fuzzing);
	watch_set_start(fuzzing->set, &fuzzing->key, &fuzzing->time);
	for (int i = 0; i < 200 && watch_set_next_message(fuzzing->set, &datagram, &size); i++) {
		serve(fuzzing, datagram, size);
		want(fuzzing);
	}
	host_view_update(&fuzzing->hosts, fuzzing->set);
	service_view_update(&fuzzing->services, fuzzing->set);
	check_services(&fuzzing->services);
	watch_set_each_record(fuzzing->set, add_name, fuzzing->names);
	for (size_t i = 0; i < dns_message_count(fuzzing->zone, DNS_SECTION_ANSWER); i++)
		add_name(fuzzing->names, dns_message_rr(fuzzing->zone, DNS_SECTION_ANSWER, i));
	stub_zone_finish(fuzzing->names);
	ask(fuzzing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32];
	cleanup(dns_message_freep) struct dns_message *zone = NULL;
	struct fuzzing fuzzing = {
		.key = { .algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
			 .secret = secret,
			 .secret_size = sizeof(secret) },
		.time = { .now = 1000, .realtime = 1700000000 },
	};
	struct llq_set_options options = { .random = next_number, .userdata = &fuzzing.number };

	if (size > 4000 || dns_message_parse(data, size, &zone) < 0)
		return 0;
	fuzzing.zone = zone;
	host_view_init(&fuzzing.hosts, ACCOUNT, "laptop");
	if (dns_name_from_text("k.laptop.alice.example", &fuzzing.key.name) == 0 &&
	    service_view_init(&fuzzing.services, ACCOUNT) == 0 &&
	    stub_zone_new(ACCOUNT, &fuzzing.names) == 0 &&
	    watch_set_new(&options, &fuzzing.set) == 0)
		run(&fuzzing);
	watch_set_free(fuzzing.set);
	stub_zone_free(fuzzing.names);
	service_view_clear(&fuzzing.services);
	host_view_clear(&fuzzing.hosts);
	return 0;
}
