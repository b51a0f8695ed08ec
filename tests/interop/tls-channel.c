/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * tls-channel ADDRESS N PORT PIN [PORT PIN]...
 *
 * Asks N questions at once, q0.example. to q<N-1>.example., of the channel that registrar uses,
 * with these servers, and says of each what came of it, in the order in which it came: "I answer
 * RCODE" or "I error ERRNO WORDS". At the end, over how many servers it went last. For test_tls.py.
 */
#include "common/dns-client/dns-channel.h"
#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"
#include "common/loop/loop.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define QUESTIONS_MAX 64

struct asker;

struct question {
	struct asker *asker;
	struct dns_request *request;
	int number;
};

struct asker {
	struct loop *loop;
	struct dns_channel *channel;
	struct question questions[QUESTIONS_MAX];
	int n, n_done;
};

static bool on_answer(void *userdata, int error, const char *words, const uint8_t *data,
		      size_t size)
{
	struct question *question = userdata;
	struct asker *asker = question->asker;

	question->request = dns_request_free(question->request);
	if (data)
		printf("%d answer %u\n", question->number, data[3] & 0xf);
	else
		printf("%d error %d %s\n", question->number, error, words);
	if (++asker->n_done == asker->n)
		loop_stop(asker->loop, 0);
	return true;
}

static int ask(struct asker *asker, int i)
{
	struct question *question = &asker->questions[i];
	struct dns_builder builder;
	uint8_t message[512];
	char text[32];
	ldns_rdf *name;
	int r;

	snprintf(text, sizeof(text), "q%d.example", i);
	name = dns_record_name(text);
	dns_builder_init(&builder, message, sizeof(message), 1000 + i, 0);
	dns_builder_add_question(&builder, name, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
	r = dns_builder_finish(&builder);
	ldns_rdf_deep_free(name);
	question->asker = asker;
	question->number = i;
	return r < 0 ? r
		     : dns_channel_request(asker->channel, message, r, on_answer, question,
					   &question->request);
}

int main(int argc, char **argv)
{
	struct dns_server servers[4] = { { 0 } };
	struct asker asker = { 0 };
	size_t n = 0;

	if (argc < 5 || loop_new(&asker.loop) < 0 ||
	    dns_channel_new(asker.loop, &asker.channel) < 0)
		return 3;
	for (int i = 3; i + 1 < argc && n < 4; i += 2, n++) {
		servers[n].tls = true;
		servers[n].address.sin_family = AF_INET;
		servers[n].address.sin_port = htons(atoi(argv[i]));
		inet_pton(AF_INET, argv[1], &servers[n].address.sin_addr);
		dns_pins_parse(argv[i + 1], &servers[n].trust.pins);
	}
	dns_channel_set_servers(asker.channel, servers, n);
	asker.n = atoi(argv[2]);
	for (int i = 0; i < asker.n && i < QUESTIONS_MAX; i++) {
		if (ask(&asker, i) < 0)
			return 3;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	loop_run(asker.loop);
	printf("last %u dropped %u\n", ntohs(dns_channel_server(asker.channel)->address.sin_port),
	       (unsigned int)dns_channel_dropped(asker.channel));
	dns_channel_free(asker.channel);
	loop_free(asker.loop);
	return 0;
}
