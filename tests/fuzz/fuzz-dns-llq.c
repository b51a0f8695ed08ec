/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A datagram for the watcher, as malicious as one likes but signed rightly, so that the code behind
 * the signature is reached too: the input is signed as an event with the key of the set. */
#include "services/llq-watcher/host-view-state.h"

#include "common/dns/dns-records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t same(void *userdata)
{
	uint32_t *number = userdata;

	return (*number)++;
}

static void want(const struct host_view *view, struct watch_set *set, const struct llq_time *time)
{
	watch_set_want_begin(set);
	host_view_want(view, set);
	watch_set_want_end(set, time);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32];
	struct dns_tsig_key key = { .algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
				    .secret = secret,
				    .secret_size = sizeof(secret) };
	struct llq_time time = { .now = 1000, .realtime = 1700000000 };
	uint32_t number = 1;
	struct llq_set_options options = { .random = same, .userdata = &number };
	uint8_t message[2048];
	struct writer writer = writer_init(message, sizeof(message));
	struct host_view view;
	struct watch_set *set;
	const uint8_t *datagram;
	struct dns_tsig tsig;
	size_t datagram_size;

	if (size > 1400 || dns_name_from_text("k.laptop.alice.example", &key.name) < 0 ||
	    watch_set_new(&options, &set) < 0)
		return 0;
	host_view_init(&view, "alice.example", "laptop");
	want(&view, set, &time);
	watch_set_start(set, &key, &time);
	watch_set_receive(set, &time, data, size);
	/* As the answer to what was sent, so often that a handshake can end and an event can
	 * follow. */
	for (int i = 0; i < 4 && watch_set_next_message(set, &datagram, &datagram_size); i++) {
		writer = writer_init(message, sizeof(message));
		writer_copy(&writer, data, size);
		if (dns_tsig_find(datagram, datagram_size, &tsig) != 1 || size < DNS_HEADER_SIZE)
			break;
		message[0] = datagram[0];
		message[1] = datagram[1];
		if (dns_tsig_sign(&writer, &key, &tsig.mac, time.realtime, NULL) == 0)
			watch_set_receive(set, &time, message, writer.position);
		want(&view, set, &time);
		host_view_update(&view, set);
	}
	watch_set_stop(set, &time);
	host_view_clear(&view);
	watch_set_free(set);
	return 0;
}
