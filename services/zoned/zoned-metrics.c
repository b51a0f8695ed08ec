/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zoned-metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* What the names do not say by themselves. */
static const struct {
	const char *name;
	const char *help;
} helps[] = {
	{ "Queries", "Queries received, long-lived ones included." },
	{ "Updates", "UPDATE messages received." },
	{ "UpdatesRefused", "UPDATE messages answered with an error." },
	{ "Refused", "Messages answered REFUSED." },
	{ "Malformed", "Messages that could not be taken apart." },
	{ "BadKey", "Messages signed by what cannot be a key here." },
	{ "BadSignature", "Messages whose signature is wrong, or made by an unknown key." },
	{ "BadTime", "Messages signed too long ago, or in the future." },
	{ "Replayed", "UPDATE messages that were sent before." },
	{ "Truncated", "Answers that did not fit and were sent with TC." },
	{ "Overloaded", "Changes refused because too many were waiting." },
	{ "Transactions", "Transactions begun in the database." },
	{ "TransactionsFailed", "Transactions that could not be made durable." },
	{ "RecordsExpired", "Records removed because their lease ended." },
	{ "LlqSetups", "Long-lived queries set up." },
	{ "LlqRefreshes", "Long-lived queries refreshed." },
	{ "LlqRejected", "Long-lived queries refused." },
	{ "LlqEvents", "Events sent for long-lived queries." },
	{ "LlqEventRetries", "Events sent again." },
	{ "LlqAcks", "Events acknowledged." },
	{ "LlqAcksIgnored", "Acknowledgements of no event." },
	{ "LlqDeaths", "Long-lived queries given up because nobody acknowledged." },
	{ "Bindings", "TLS connections bound to a key." },
	{ "BindingsWrong", "Signed queries that named another TLS connection." },
	{ "Subscribes", "Subscriptions of DNS Push taken." },
	{ "SubscribesRefused", "Subscriptions of DNS Push refused." },
	{ "PushMessages", "Changes told by DNS Push." },
	{ "PushReconfirms", "Records that clients doubted." },
	{ "DsoFatal", "Sessions aborted because of what the client sent." },
	{ "DsoSilent", "Sessions aborted because the client was silent." },
	{ "TcpConnections", "TCP connections accepted." },
	{ "TlsConnections", "TLS connections accepted." },
	{ "TlsHandshakesFailed", "TLS handshakes that came to nothing." },
	{ "StreamsRefused", "Connections refused: too many from their address." },
	{ "StreamsMadeRoom", "Silent connections closed for others." },
	{ "StreamsTimedOut", "Connections closed during handshake, message or answer." },
	{ "StreamsOverflowed", "Connections closed because they took no answers." },
	{ "StunRequests", "STUN requests received." },
	{ "StunAnswers", "STUN answers sent, errors included." },
	{ "StunUnknown", "STUN requests refused because of what they ask for." },
	{ "StunChanged", "STUN answers sent from another address or port than was asked." },
	{ "StunRedirected", "STUN answers sent to another port than asked." },
	{ "StunMalformed", "Datagrams to the STUN port that are no STUN." },
	{ "StunLimited", "STUN requests not answered because their address had enough answers." },
};

static const char *find_help(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(helps); i++)
		if (strcmp(helps[i].name, name) == 0)
			return helps[i].help;
	return "Since zoned started.";
}

static void write_counters(struct metrics_text *text, const struct counter_description *d,
			   const void *counters)
{
	for (; d->name; d++) {
		uint64_t value;

		memcpy(&value, (const uint8_t *)counters + d->offset, sizeof value);
		metrics_counter(text, d->name, value, find_help(d->name));
	}
}

uint64_t zoned_measures_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void zoned_measures_receive(struct zoned_measures *measures, const struct authority *authority)
{
	if (!measures->arrival && authority_n_waiting(authority))
		measures->arrival = zoned_measures_now();
}

static uint64_t count_events(const struct authority *authority)
{
	const struct authority_counters *counters = authority_counters(authority);

	return counters->llq_events + counters->push_messages;
}

void zoned_measures_begin(struct zoned_measures *measures, const struct authority *authority,
			  bool writes)
{
	/* One with nothing to write waits for nothing. */
	measures->began = writes ? zoned_measures_now() : 0;
	measures->under_way = measures->arrival;
	measures->arrival = 0;
	measures->events = count_events(authority);
}

void zoned_measures_finish(struct zoned_measures *measures, bool durable)
{
	if (durable && measures->began)
		metrics_histogram_add(&measures->transaction,
				      zoned_measures_now() - measures->began);
	measures->durable = durable ? measures->under_way : 0;
	measures->began = measures->under_way = 0;
}

void zoned_measures_sent(struct zoned_measures *measures, const struct authority *authority)
{
	/* A lease that ends also makes events, but nobody waits for those. */
	if (!measures->durable || count_events(authority) == measures->events)
		return;
	metrics_histogram_add(&measures->event, zoned_measures_now() - measures->durable);
	measures->durable = 0;
}

/* The database with its journal, 0 when there is none. */
static uint64_t database_size(const char *path)
{
	static const char *const endings[] = { "", "-wal" };
	uint64_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		cleanup(freep) char *file = NULL;
		struct stat status;

		if (asprintf(&file, "%s%s", path, endings[i]) < 0)
			file = NULL;
		else if (stat(file, &status) == 0)
			size += status.st_size;
	}
	return size;
}

void zoned_metrics_write(struct metrics_text *text, const struct authority *authority,
			 const struct zoned_measures *measures, const char *database)
{
	const struct authority_counters *counters = authority_counters(authority);

	metrics_gauge(text, "Accounts", NULL, authority_n_accounts(authority),
		      "Accounts being served.");
	metrics_gauge(text, "LiveLlqs", NULL, authority_n_llqs(authority),
		      "Long-lived queries that are not over.");
	metrics_gauge(text, "Sessions", NULL, authority_n_sessions(authority),
		      "Connections bound to a key or with a DSO session.");
	metrics_gauge(text, "Subscriptions", NULL, authority_n_subscriptions(authority),
		      "Subscriptions of DNS Push.");
	metrics_gauge(text, "Records", NULL, authority_n_records(authority),
		      "Records of the accounts, those from the configuration included.");
	metrics_gauge(text, "Waiting", NULL, authority_n_waiting(authority),
		      "Changes that wait for the next transaction.");
	metrics_gauge(text, "DatabaseBytes", "bytes", database_size(database),
		      "The database with its journal.");
	write_counters(text, authority_counter_descriptions, counters);
	metrics_histogram(text, "TransactionSeconds", &measures->transaction,
			  "How long transactions take until they are durable.");
	metrics_histogram(text, "EventSeconds", &measures->event,
			  "From the arrival of an UPDATE until its events are out.");
}

static const struct counter_description stream_counter_descriptions[] = {
	{ "TcpConnections", offsetof(struct stream_counters, tcp_connections) },
	{ "TlsConnections", offsetof(struct stream_counters, tls_connections) },
	{ "TlsHandshakesFailed", offsetof(struct stream_counters, tls_handshakes_failed) },
	{ "StreamsRefused", offsetof(struct stream_counters, refused_per_address) },
	{ "StreamsMadeRoom", offsetof(struct stream_counters, made_room) },
	{ "StreamsTimedOut", offsetof(struct stream_counters, timed_out) },
	{ "StreamsOverflowed", offsetof(struct stream_counters, overflowed) },
	{},
};

static const struct counter_description stun_counter_descriptions[] = {
	{ "StunRequests", offsetof(struct stun_counters, requests) },
	{ "StunAnswers", offsetof(struct stun_counters, answers) },
	{ "StunUnknown", offsetof(struct stun_counters, unknown) },
	{ "StunChanged", offsetof(struct stun_counters, changed) },
	{ "StunRedirected", offsetof(struct stun_counters, redirected) },
	{ "StunMalformed", offsetof(struct stun_counters, malformed) },
	{ "StunLimited", offsetof(struct stun_counters, limited) },
	{},
};

void zoned_metrics_write_stun(struct metrics_text *text, const struct stun_counters *counters)
{
	write_counters(text, stun_counter_descriptions, counters);
}

void zoned_metrics_write_streams(struct metrics_text *text, const struct stream_counters *counters,
				 size_t n_tcp, size_t n_tls)
{
	metrics_gauge(text, "LiveTcpConnections", NULL, n_tcp, "TCP connections that are open.");
	metrics_gauge(text, "LiveTlsConnections", NULL, n_tls, "TLS connections that are open.");
	write_counters(text, stream_counter_descriptions, counters);
}
