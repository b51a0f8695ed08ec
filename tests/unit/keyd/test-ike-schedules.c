/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Random schedules of everything that two hosts can do with each other, from the first message on,
 * over a network that loses, doubles, delays and reorders. Each has a seed; HOMEWARD_SCHEDULES says
 * how many are run, HOMEWARD_SEED runs one and tells what happens in it. However it goes, when the
 * network works again both have the same one pair in the end, and when it never does each says that
 * there is none and why. The rules of watch.h hold for each datagram.
 */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-sa-internal.h"
#include "tests/unit/keyd/played-kem.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/watch.h"
#include "tests/unit/keyd/world.h"

#include <arpa/inet.h>
#include <stdio.h>

#define SCHEDULES 300
#define EVENTS    10
/* Simulated seconds until all must be well again: our own limits of silence and of a peer that does
 * not answer, and the longest wait between negotiations. */
#define RECOVERY 240
/* No schedule has as many datagrams, and no host as many IKE SAs at once. */
#define SENT_LIMIT 4000
#define SAS_LIMIT  14

struct schedule {
	struct world *world;
	struct watch *watch;
	uint64_t plan, dice; /* of what happens, and of the network */
	unsigned int loss, doubles, spread, slow, replays;
	bool cut;                       /* nothing comes through */
	uint64_t dns_at[WORLD_HOSTS];   /* when its peer hears where this host is; 0: it knows */
	unsigned int deaf[WORLD_HOSTS]; /* seconds for which what it sends came to nothing */
	struct datagram recorded[16];
	unsigned int n_recorded, n_moves;
	uint64_t next_second;
	bool tell;
};

static uint64_t roll(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

#define tell(schedule, ...)                                                                        \
	do {                                                                                       \
		if ((schedule)->tell) {                                                            \
			printf("%8llu ", (unsigned long long)(schedule)->world->now - 1000000);    \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
		}                                                                                  \
	} while (0)

static void tell_datagram(struct schedule *schedule, const struct datagram *datagram,
			  const char *fate)
{
	struct ike_header header;

	if (!schedule->tell || ike_header_read(datagram->data, datagram->size, &header) < 0)
		return;
	tell(schedule, "   %s %s %u, SA %04x %04x, %08x to %08x, %zu octets %s",
	     header.exchange == IKE_EXCHANGE_SA_INIT           ? "INIT"
	     : header.exchange == IKE_EXCHANGE_INTERMEDIATE    ? "INTERMEDIATE"
	     : header.exchange == IKE_EXCHANGE_AUTH            ? "AUTH"
	     : header.exchange == IKE_EXCHANGE_CREATE_CHILD_SA ? "CREATE_CHILD"
							       : "INFORMATIONAL",
	     header.flags & IKE_FLAG_RESPONSE ? "response" : "request", header.message_id,
	     (unsigned int)header.spi_initiator & 0xffff,
	     (unsigned int)header.spi_responder & 0xffff, ntohl(datagram->from.sin_addr.s_addr),
	     ntohl(datagram->to.sin_addr.s_addr), datagram->size, fate);
}

/* Some are kept, and come again much later. */
static void replay(struct schedule *schedule, const struct datagram *datagram)
{
	struct datagram *slot;

	if (roll(&schedule->dice) % 4)
		return;
	slot = &schedule->recorded[roll(&schedule->dice) % ARRAY_SIZE(schedule->recorded)];
	if (slot->size && roll(&schedule->dice) % 100 < schedule->replays) {
		struct sockaddr_in from = slot->from;

		if (roll(&schedule->dice) % 2)
			from.sin_addr.s_addr ^= htonl(0x4d);
		world_inject(schedule->world, &from, &slot->to, slot->data, slot->size);
	}
	*slot = *datagram;
}

static unsigned int network(struct world *world, struct datagram *datagram)
{
	struct schedule *schedule = world->userdata;
	unsigned int copies = 1;

	watch_sent(schedule->watch, datagram);
	if (schedule->spread)
		datagram->at += roll(&schedule->dice) % schedule->spread;
	if (schedule->replays)
		replay(schedule, datagram);
	if (schedule->cut || roll(&schedule->dice) % 100 < schedule->loss)
		copies = 0;
	else if (roll(&schedule->dice) % 100 < schedule->doubles)
		copies = 2;
	tell_datagram(schedule, datagram, copies == 0 ? "lost" : copies == 2 ? "twice" : "");
	return copies;
}

static void arrived(struct world *world, struct host *host, const struct datagram *datagram)
{
	struct schedule *schedule = world->userdata;

	watch_arrived(schedule->watch, datagram);
}

static void wanted(struct world *world, struct host *host, const struct ike_action *action)
{
	struct schedule *schedule = world->userdata;

	switch (action->type) {
	case IKE_ACTION_INSTALL:
	case IKE_ACTION_REMOVE:
	case IKE_ACTION_RETIRE:
		tell(schedule, "%s: %s %08x %08x for SA %llu", host->name,
		     action->type == IKE_ACTION_INSTALL  ? "install"
		     : action->type == IKE_ACTION_REMOVE ? "remove"
							 : "retire",
		     action->child.spi_in, action->child.spi_out, (unsigned long long)action->sa);
		break;
	case IKE_ACTION_ACQUIRE_FAILED:
	case IKE_ACTION_NOTE:
		tell(schedule, "%s: %s", host->name, action->text);
		break;
	case IKE_ACTION_SIGN:
	case IKE_ACTION_SEND:
	case IKE_ACTION_REMOVE_ALL:
	case IKE_ACTION_MOVE:
	case IKE_ACTION_CHANGED:
		break;
	}
}

static uint64_t slowness(struct world *world)
{
	struct schedule *schedule = world->userdata;

	return schedule->slow ? roll(&schedule->dice) % schedule->slow : 0;
}

/* What a tunnel would notice of its packets, once a second. */
static void look_at_traffic(struct schedule *schedule)
{
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(schedule->world, i);
		struct host *other = world_host(schedule->world, !i);
		const struct pair *pair = host_pair(host);
		bool through = false;

		if (pair && host->wants_traffic) {
			for (int j = 0; j < WORLD_PAIRS; j++)
				if (other->pairs[j].there &&
				    other->pairs[j].child.spi_in == pair->child.spi_out)
					through = !schedule->cut;
			through = through && host->peer_endpoint.sin_addr.s_addr ==
						     other->address.sin_addr.s_addr;
			schedule->deaf[i] = through ? 0 : schedule->deaf[i] + 1;
		} else {
			schedule->deaf[i] = 0;
		}
		/* Who is heard from elsewhere is followed there. */
		if (through &&
		    other->peer_endpoint.sin_addr.s_addr != host->address.sin_addr.s_addr) {
			other->peer_endpoint = host->address;
			host_show(other);
			host_run(other);
		}
		if (host->silent != (schedule->deaf[i] >= 5)) {
			host->silent = schedule->deaf[i] >= 5;
			tell(schedule, "%s: silence %d", host->name, host->silent);
			host_show(host);
			host_run(host);
		}
	}
}

static void look_at_dns(struct schedule *schedule)
{
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *other = world_host(schedule->world, !i);

		if (!schedule->dns_at[i] || schedule->world->now < schedule->dns_at[i])
			continue;
		schedule->dns_at[i] = 0;
		other->peer_endpoint = world_host(schedule->world, i)->address;
		tell(schedule, "%s: the zone says where the other is", other->name);
		host_show(other);
		host_run(other);
	}
}

/* Pairs of a keyd that is no more: tunneld lets the former ones go, half a minute after the new one
 * is in use. */
static void forget_former(struct host *host)
{
	const struct pair *newest = host_pair(host);

	for (int i = 0; i < WORLD_PAIRS && newest; i++)
		if (newest->life == host->life && host->pairs[i].there &&
		    host->pairs[i].life != host->life)
			host->pairs[i].there = false;
}

static void run(struct schedule *schedule, uint64_t msec)
{
	struct world *world = schedule->world;
	uint64_t end = world->now - 1000000 + msec;

	while (world->now < end + 1000000) {
		uint64_t at = world->now - 1000000 + 250;
		unsigned int n;

		world_run_until(world, at < end ? at : end);
		look_at_dns(schedule);
		if (world->now >= schedule->next_second) {
			schedule->next_second = world->now + 1000;
			look_at_traffic(schedule);
		}
		watch_keys(schedule->watch, world);
		for (int i = 0; i < WORLD_HOSTS; i++) {
			n = 0;
			for (const struct ike_sa *sa = host_next_sa(world_host(world, i), NULL); sa;
			     sa = host_next_sa(world_host(world, i), sa))
				n++;
			assert_in_range(n, 0, SAS_LIMIT);
		}
	}
}

/* What may happen to a host. */

static void want_traffic(struct schedule *schedule, struct host *host)
{
	tell(schedule, "%s: traffic", host->name);
	host->wants_traffic = true;
	host_show(host);
	host_run(host);
}

static void want_keys(struct schedule *schedule, struct host *host)
{
	struct ike_sa *sa = host_current_sa(host);
	const struct ike_child *child = sa ? ike_child_main(sa) : NULL;
	unsigned int what = roll(&schedule->plan) % 3;

	if (!sa)
		return;
	tell(schedule, "%s: rekey %u", host->name, what);
	if (what == 0) {
		ike_manager_rekey(host->manager, host->world->now, sa->id);
	} else if (what == 1) {
		if (child)
			ike_manager_rekey_child(host->manager, host->world->now, child->id);
	} else {
		sa->rekey_at = host->world->now;
		host_pursue(host, sa);
	}
	host_run(host);
}

static void end_something(struct schedule *schedule, struct host *host)
{
	struct ike_sa *sa = host_current_sa(host);
	const struct ike_child *child = sa ? ike_child_main(sa) : NULL;
	unsigned int what = roll(&schedule->plan) % 2;

	if (!sa)
		return;
	tell(schedule, "%s: end %u", host->name, what);
	if (what == 0) {
		ike_manager_terminate(host->manager, host->world->now, sa->id);
		host_run(host);
	} else if (child) {
		ike_child_close(sa, (struct ike_child *)child);
		host_pursue(host, sa);
	}
}

/* The zone knows a while later. `noticed`: by its own keyd, or it is a NAT before it. */
static void move(struct schedule *schedule, struct host *host, bool noticed)
{
	int index = host == world_host(schedule->world, 1);

	host->address.sin_addr.s_addr = htonl(0xcb007100 + 2 * (++schedule->n_moves) + index);
	schedule->dns_at[index] = schedule->world->now + 200 + roll(&schedule->plan) % 4000;
	tell(schedule, "%s: moves to %08x%s", host->name, ntohl(host->address.sin_addr.s_addr),
	     noticed ? "" : " without noticing");
	if (!noticed)
		return;
	ike_manager_network_changed(host->manager, host->world->now);
	host_run(host);
}

static void restart(struct schedule *schedule, struct host *host)
{
	unsigned int what = roll(&schedule->plan) % 3;

	if (what) {
		tell(schedule, "%s: keyd is started anew", host->name);
		host_restart(host);
		for (int i = 0; i < WORLD_PAIRS; i++)
			host->pairs[i].child.id = 0;
	} else {
		tell(schedule, "%s: tunneld is started anew", host->name);
		memset(host->pairs, 0, sizeof host->pairs);
		ike_manager_tunnel_restarted(host->manager, host->world->now);
	}
	host_show(host);
	host_run(host);
}

static void notice(struct schedule *schedule, struct host *host)
{
	const struct pair *pair = host_pair(host);

	tell(schedule, "%s: worn and silent", host->name);
	host->worn = pair && roll(&schedule->plan) % 2 ? pair->child.spi_in : 0;
	host->silent = !host->worn;
	host_show(host);
	host_run(host);
	host->worn = 0;
	host->silent = false;
}

static void happen(struct schedule *schedule, struct host *host)
{
	switch (roll(&schedule->plan) % 16) {
	case 0:
	case 1:
	case 2:
		want_traffic(schedule, host);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		want_keys(schedule, host);
		break;
	case 7:
		end_something(schedule, host);
		break;
	case 8:
	case 9:
		move(schedule, host, true);
		break;
	case 10:
		move(schedule, host, false);
		break;
	case 11:
		restart(schedule, host);
		break;
	case 12:
		notice(schedule, host);
		break;
	case 13:
		host->refuses_install = !host->refuses_install;
		tell(schedule, "%s: installs %d", host->name, !host->refuses_install);
		break;
	case 14:
		schedule->cut = !schedule->cut;
		tell(schedule, "the network is %s", schedule->cut ? "cut" : "there");
		break;
	case 15:
		break;
	}
}

/* What the hosts are like. */
static void arrange(struct schedule *schedule)
{
	const struct ike_numbers groups[] = {
		{ { IKE_GROUP_X25519, IKE_GROUP_P256 }, 2 },
		{ { IKE_GROUP_P256, IKE_GROUP_X25519 }, 2 },
		{ { IKE_GROUP_X25519 }, 1 },
	};
	struct ike_lifetimes lifetimes = {};
	bool short_lives = roll(&schedule->plan) % 4 == 0;
	bool key = roll(&schedule->plan) % 2;
	/* Which of them can add a key exchange; where both can, they may require it. */
	unsigned int kem = schedule->plan >> 20 & 3, kem_required = schedule->plan >> 22 & 3;

	if (short_lives)
		lifetimes = (struct ike_lifetimes){ .sa = 9000, .child = 4000, .jitter = 30 };
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(schedule->world, i);
		struct ike_preferences preferences;

		ike_preferences_init(&preferences);
		preferences.groups = groups[roll(&schedule->plan) % ARRAY_SIZE(groups)];
		if (kem == 3 && kem_required >> i & 1)
			preferences.kem_use = IKE_KEM_REQUIRED;
		host->kem = kem >> i & 1 ? &played_kem : NULL;
		host->setup = (struct host_setup){
			.preferences = preferences,
			.lifetimes = lifetimes,
			.cookies_always = roll(&schedule->plan) % 3 == 0,
			.datagram_size = roll(&schedule->plan) % 2 ? 576 : 1280,
			.used = true,
		};
		host->has_ppk = key;
		memset(host->ppk, 0x5a, sizeof host->ppk);
		host->random += schedule->plan;
		ike_manager_free(host->manager);
		host_start(host);
	}
	schedule->loss = roll(&schedule->plan) % 50;
	schedule->doubles = roll(&schedule->plan) % 40;
	schedule->spread = roll(&schedule->plan) % 3 ? roll(&schedule->plan) % 600 : 0;
	schedule->slow = roll(&schedule->plan) % 3 ? 0 : 400;
	schedule->replays = roll(&schedule->plan) % 3 ? 0 : 30;
}

/* NULL when both have one IKE SA and one pair, and mean the same. */
static const char *unsettled(struct world *world)
{
	const struct ike_sa *sas[WORLD_HOSTS];

	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		forget_former(host);
		sas[i] = host_current_sa(host);
		if (!sas[i])
			return "a host has no IKE SA";
		if (host_next_sa(host, sas[i]) || host_next_sa(host, NULL) != sas[i])
			return "a host has more than one IKE SA";
		if (host_pairs(host) != 1)
			return "a host has not just one pair";
		if (ike_child_count(sas[i]) != 1 || !ike_child_main(sas[i]) ||
		    ike_child_main(sas[i])->spi_in != host_pair(host)->child.spi_in)
			return "keyd and tunneld mean other pairs";
	}
	if (sas[0]->spi_initiator != sas[1]->spi_initiator ||
	    sas[0]->spi_responder != sas[1]->spi_responder ||
	    sas[0]->initiator == sas[1]->initiator ||
	    memcmp(&sas[0]->keys, &sas[1]->keys, sizeof sas[0]->keys))
		return "the hosts mean other IKE SAs";
	if (!world_agrees(world))
		return "the hosts mean other pairs";
	return NULL;
}

static void tell_hosts(struct schedule *schedule)
{
	for (int i = 0; i < WORLD_HOSTS && schedule->tell; i++) {
		struct host *host = world_host(schedule->world, i);

		tell(schedule, "%s at %08x thinks %08x: %u pairs", host->name,
		     ntohl(host->address.sin_addr.s_addr),
		     ntohl(host->peer_endpoint.sin_addr.s_addr), host_pairs(host));
		for (int j = 0; j < WORLD_PAIRS; j++)
			if (host->pairs[j].there)
				tell(schedule, "  pair %08x %08x of keyd %u",
				     host->pairs[j].child.spi_in, host->pairs[j].child.spi_out,
				     host->pairs[j].life);
		for (const struct ike_sa *sa = host_next_sa(host, NULL); sa;
		     sa = host_next_sa(host, sa))
			tell(schedule, "  SA %04x %04x state %d %s%s %u children to %08x",
			     (unsigned int)sa->spi_initiator & 0xffff,
			     (unsigned int)sa->spi_responder & 0xffff, sa->state,
			     sa->superseded ? "superseded " : "", sa->trouble, ike_child_count(sa),
			     ntohl(sa->endpoint.sin_addr.s_addr));
	}
}

/* Everything works again: NULL, or why it is not well at the end. */
static const char *recover(struct schedule *schedule, unsigned int *ret_seconds)
{
	struct world *world = schedule->world;
	const struct ike_lifetimes forever = {};
	const char *reason = NULL;
	unsigned int calm = 0;

	tell(schedule, "everything works");
	schedule->loss = schedule->doubles = schedule->spread = schedule->slow = 0;
	schedule->replays = 0;
	schedule->cut = false;
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		host->refuses_install = false;
		ike_manager_set_lifetimes(host->manager, &forever);
	}
	for (unsigned int i = 0; i < RECOVERY; i++) {
		for (int j = 0; j < WORLD_HOSTS; j++)
			if (!world_host(world, j)->wants_traffic)
				want_traffic(schedule, world_host(world, j));
		run(schedule, 1000);
		reason = unsettled(world);
		calm = reason ? 0 : calm + 1;
		if (!reason && calm == 1)
			*ret_seconds = i + 1;
		/* And it stays so. */
		if (calm == 30)
			return NULL;
	}
	tell_hosts(schedule);
	return reason ? reason : "it does not stay so";
}

/* Nothing comes through any more: NULL, or who does not say so. */
static const char *despair(struct schedule *schedule)
{
	struct world *world = schedule->world;

	tell(schedule, "nothing works");
	schedule->cut = true;
	schedule->replays = 0;
	for (int i = 0; i < WORLD_HOSTS; i++) {
		want_traffic(schedule, world_host(world, i));
		world_host(world, i)->n_failed = 0;
		*world_host(world, i)->failure = 0;
	}
	for (unsigned int i = 0; i < RECOVERY; i++) {
		for (int j = 0; j < WORLD_HOSTS; j++)
			if (!world_host(world, j)->n_failed && !world_host(world, j)->wants_traffic)
				want_traffic(schedule, world_host(world, j));
		run(schedule, 1000);
	}
	tell_hosts(schedule);
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);
		bool orphan = false;

		for (int j = 0; j < WORLD_PAIRS; j++)
			orphan = orphan ||
				 (host->pairs[j].there && host->pairs[j].life != host->life);
		/* Pairs of a keyd that is no more stay until there are others. */
		if (host_pairs(host) && !orphan)
			return "a host holds a pair that is dead";
		if (!orphan && (!host->n_failed || !*host->failure))
			return "a host does not say that it has no keys";
	}
	return NULL;
}

static const char *run_schedule(uint64_t seed, bool aloud, unsigned int *ret_seconds)
{
	struct schedule *schedule = calloc(1, sizeof *schedule);
	static char text[512];
	const char *reason;

	schedule->world = world_new();
	schedule->watch = watch_new();
	schedule->plan = seed * 0x9e3779b97f4a7c15ull;
	schedule->dice = schedule->plan ^ 0x5555;
	schedule->tell = aloud;
	arrange(schedule);
	schedule->world->userdata = schedule;
	schedule->world->network = network;
	schedule->world->arrived = arrived;
	schedule->world->wanted = wanted;
	schedule->world->slowness = slowness;
	for (unsigned int i = 0; i < EVENTS; i++) {
		int who = roll(&schedule->plan) % 2;

		if (i == 0)
			want_traffic(schedule, world_host(schedule->world, who));
		else
			happen(schedule, world_host(schedule->world, who));
		/* Both at once now and then. */
		if (roll(&schedule->plan) % 3 == 0)
			happen(schedule, world_host(schedule->world, !who));
		run(schedule, roll(&schedule->plan) % 3 ? roll(&schedule->plan) % 150
							: roll(&schedule->plan) % 3000);
	}
	reason = seed % 8 ? recover(schedule, ret_seconds) : despair(schedule);
	if (watch_complaint(schedule->watch)) {
		snprintf(text, sizeof text, "%s", watch_complaint(schedule->watch));
		reason = text;
	}
	if (!reason && schedule->world->n_sent > SENT_LIMIT)
		reason = "there is no end of datagrams";
	world_free(schedule->world);
	watch_free(schedule->watch);
	free(schedule);
	return reason;
}

static void test_schedules(void **state)
{
	const char *many = getenv("HOMEWARD_SCHEDULES"), *one = getenv("HOMEWARD_SEED");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : SCHEDULES;
	unsigned int n_failed = 0, worst = 0;

	for (uint64_t seed = first; seed < first + n; seed++) {
		unsigned int seconds = 0;
		const char *reason = run_schedule(seed, one, &seconds);

		if (reason) {
			print_error("schedule %llu: %s\n", (unsigned long long)seed, reason);
			n_failed++;
		}
		if (seconds > worst)
			worst = seconds;
	}
	print_message("%llu schedules; all is well after %u simulated seconds at most\n",
		      (unsigned long long)n, worst);
	assert_int_equal(n_failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedules),
	};

	return cmocka_run_group_tests_name("ike-schedules", tests, NULL, NULL);
}
