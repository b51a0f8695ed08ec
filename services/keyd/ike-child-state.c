/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-child-state.h"

#include "services/keyd/ike-sa-internal.h"

#define SPI_MINIMUM 0x40000000 /* what InstallSa of Tunnel1 takes */

#define for_each_child(child, sa)                                                                  \
	for ((child) = (sa)->children; (child) < (sa)->children + IKE_CHILDREN_LIMIT; (child)++)   \
		if ((child)->id)

/* A number for our inbound direction that no other pair has. */
static uint32_t choose_spi(struct ike_context *context)
{
	uint32_t spi;

	do
		context->random.fill(context->random.userdata, &spi, sizeof spi);
	while (spi < SPI_MINIMUM || !context->surroundings->take_spi(context->userdata, spi));
	return spi;
}

struct ike_child *ike_child_add(struct ike_sa *sa, bool initiator)
{
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++) {
		struct ike_child *child = &sa->children[i];

		if (child->id)
			continue;
		*child = (struct ike_child){
			.id = sa->context->surroundings->next_child_id(sa->context->userdata),
			.spi_in = choose_spi(sa->context),
			.initiator = initiator,
			.rekey_at = UINT64_MAX,
			.expires_at = UINT64_MAX,
		};
		return child;
	}
	return NULL;
}

bool ike_child_has_room(const struct ike_sa *sa)
{
	return ike_child_count(sa) < IKE_CHILDREN_LIMIT;
}

struct ike_child *ike_child_find(struct ike_sa *sa, uint64_t id)
{
	struct ike_child *child;

	for_each_child(child, sa) if (child->id == id) return child;
	return NULL;
}

struct ike_child *ike_child_find_in(struct ike_sa *sa, uint32_t spi_in)
{
	struct ike_child *child;

	for_each_child(child, sa) if (child->spi_in == spi_in) return child;
	return NULL;
}

struct ike_child *ike_child_find_out(struct ike_sa *sa, uint32_t spi_out)
{
	struct ike_child *child;

	for_each_child(child, sa) if (child->spi_out == spi_out && child->spi_out) return child;
	return NULL;
}

const struct ike_child *ike_child_main(const struct ike_sa *sa)
{
	const struct ike_child *child, *newest = NULL;

	for_each_child(child, sa) if (child->installed && !child->closing &&
				      (!newest || child->id > newest->id)) newest = child;
	return newest;
}

unsigned int ike_child_count(const struct ike_sa *sa)
{
	const struct ike_child *child;
	unsigned int n = 0;

	for_each_child(child, sa) n++;
	return n;
}

bool ike_child_busy(const struct ike_sa *sa)
{
	const struct ike_child *child;

	for_each_child(child, sa) if (child->closing || !child->installed) return true;
	return false;
}

int ike_child_install(struct ike_sa *sa, struct ike_child *child, const uint8_t *material)
{
	uint8_t keys[ESP_KEYMAT_LIMIT];
	size_t half = esp_suite_key_size(&child->suite);
	struct writer writer = writer_init(keys, sizeof keys);
	struct ike_action *action;

	/* tunneld wants the inbound direction first. */
	writer_copy(&writer, child->initiator ? material + half : material, half);
	writer_copy(&writer, child->initiator ? material : material + half, half);
	action = ike_actions_add(&sa->context->actions, IKE_ACTION_INSTALL, sa->id, keys,
				 writer.position);
	explicit_bzero(keys, sizeof keys);
	if (!action)
		return -ENOMEM;
	child->asked = true;
	action->child = *child;
	action->endpoint = sa->endpoint;
	action->limit_octets = ike_lifetimes_volume(sa->context, sa->context->lifetimes.octets);
	action->limit_packets = ike_lifetimes_volume(sa->context, sa->context->lifetimes.packets);
	memcpy(action->host_id, sa->peer_host_id, sizeof action->host_id);
	strcpy(action->name, sa->peer);
	return 0;
}

static void changed(struct ike_sa *sa)
{
	ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

static void act(struct ike_sa *sa, enum ike_action_type type, const struct ike_child *child)
{
	struct ike_action *action = ike_actions_add(&sa->context->actions, type, sa->id, NULL, 0);

	if (action)
		action->child = *child;
}

void ike_child_begin(struct ike_sa *sa, uint64_t now, struct ike_child *child)
{
	child->installed = true;
	child->created = now;
	ike_lifetimes_begin_child(sa, now, child);
	changed(sa);
}

void ike_child_close(struct ike_sa *sa, struct ike_child *child)
{
	if (child->closing)
		return;
	child->closing = true;
	if (child->asked)
		act(sa, IKE_ACTION_RETIRE, child);
	changed(sa);
}

void ike_child_end(struct ike_sa *sa, struct ike_child *child)
{
	if (child->asked && !child->closing)
		act(sa, IKE_ACTION_RETIRE, child);
	ike_child_forget(sa, child);
}

void ike_child_remove(struct ike_sa *sa, struct ike_child *child)
{
	if (child->asked)
		act(sa, IKE_ACTION_REMOVE, child);
	ike_child_forget(sa, child);
}

void ike_child_forget(struct ike_sa *sa, struct ike_child *child)
{
	if (child->id)
		sa->context->surroundings->give_spi(sa->context->userdata, child->spi_in);
	*child = (struct ike_child){};
	changed(sa);
}

void ike_child_inherit(struct ike_sa *from, struct ike_sa *to)
{
	memcpy(to->children, from->children, sizeof to->children);
	memset(from->children, 0, sizeof from->children);
	changed(from);
	changed(to);
}

bool ike_selector_is_unlimited(const struct ike_selector *selector)
{
	return !selector->protocol && !selector->port_first && selector->port_last == UINT16_MAX;
}

bool ike_selectors_cover(const struct ike_selectors *selectors, const uint8_t address[16])
{
	for (size_t i = 0; i < selectors->n_items; i++)
		if (ike_selector_is_unlimited(&selectors->items[i]) &&
		    memcmp(selectors->items[i].first, address, 16) <= 0 &&
		    memcmp(selectors->items[i].last, address, 16) >= 0)
			return true;
	return false;
}

bool ike_selectors_are(const struct ike_selectors *selectors, const uint8_t address[16])
{
	return selectors->n_items == 1 && ike_selector_is_unlimited(&selectors->items[0]) &&
	       !memcmp(selectors->items[0].first, address, 16) &&
	       !memcmp(selectors->items[0].last, address, 16);
}

int ike_selectors_find(const struct ike_chain *chain, struct ike_selectors *initiator,
		       struct ike_selectors *responder)
{
	const struct ike_payload *tsi = ike_chain_find(chain, IKE_PAYLOAD_TSI);
	const struct ike_payload *tsr = ike_chain_find(chain, IKE_PAYLOAD_TSR);

	if (!tsi || !tsr || ike_selectors_read(tsi, initiator) < 0 ||
	    ike_selectors_read(tsr, responder) < 0)
		return -EBADMSG;
	return 0;
}
