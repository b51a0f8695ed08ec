/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What others say about a service: a line of the file that keeps it, when the input begins with
 * "s"; otherwise an instance as the local network announces it, name up to the first NUL and then
 * strings after their lengths. What is taken makes records, and reads back from its line as it was.
 */
#include "services/registrar/service-records.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct host_names names = {
	.host_name = "desktop",
	.account_domain = "alice.members.example.org",
};

static void use(const struct service_offer *offer)
{
	char line[SERVICE_LINE_SIZE], name[SERVICE_LABEL_SIZE];
	struct service_offer again;
	unsigned int number;
	ldns_rr_list *list;
	int r;

	if (service_offer_write_line(offer, 7, line, sizeof(line)) < 0 ||
	    service_offer_read_line(line, &again, &number) < 0 || number != 7 ||
	    strcmp(offer->name, again.name) != 0 || !service_offer_equal(offer, &again))
		abort();
	service_offer_number_name(*offer->name ? offer->name : names.host_name, 12, name);
	list = ldns_rr_list_new();
	r = list ? service_records_push(list, &names, offer, name) : 0;
	if (list && (r == 0) != (ldns_rr_list_rr_count(list) > 0))
		abort();
	ldns_rr_list_deep_free(list);
}

static void take_announced(const uint8_t *data, size_t size)
{
	struct service_offer offer = { .type = "_ipp._tcp", .port = 631 };
	char name[256];
	size_t at = 0;

	while (at < size && at < sizeof(name) - 1 && data[at])
		at++;
	memcpy(name, data, at);
	name[at++] = 0;
	if (service_offer_set_name(&offer, name))
		return;
	while (at < size && at + 1 + data[at] <= size) {
		service_offer_add_text(&offer, data + at + 1, data[at]);
		at += 1 + data[at];
	}
	use(&offer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct service_offer offer;
	unsigned int number;
	char *line;

	if (!size || data[0] != 's') {
		take_announced(data, size);
		return 0;
	}
	line = calloc(1, size + 1);
	if (!line)
		return 0;
	memcpy(line, data, size);
	if (service_offer_read_line(line, &offer, &number) == 0)
		use(&offer);
	free(line);
	return 0;
}
