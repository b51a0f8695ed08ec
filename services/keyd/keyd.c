/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/keyd.h"

#include "common/base/log.h"
#include "services/keyd/identity-client.h"
#include "services/keyd/ike-channel.h"
#include "services/keyd/psk-file.h"
#include "services/keyd/ticket-store.h"
#include "services/keyd/tunnel-client.h"

#include <openssl/rand.h>
#include <string.h>

#define CHANNEL_RETRY 1000 /* ms after the channel could not be opened */
#define GOODBYE       1500 /* ms for the answers to our last deletes */
/* ms between two looks at all peers: nothing that a person notices, and little work for many. */
#define PEERS_INTERVAL 10

struct keyd {
	struct daemon *daemon;
	struct loop *loop;
	struct loop_timer *timer; /* of the manager */
	struct loop_timer *channel_timer;
	struct loop_timer *peers_timer;
	uint64_t peers_shown; /* ms; when the manager was told last */
	struct ike_manager *manager;
	struct ticket_store *tickets; /* NULL: nothing is resumed */
	struct tunnel_client *tunnel;
	struct identity_client *identity;
	struct bus *bus;
	struct timeline timeline;

	struct ike_channel *channel;
	bool opening;
	uint64_t generation;          /* of the network, as tunneld acted on last */
	uint64_t channel_incarnation; /* the tunneld that the channel leads to; 0: none yet */
	enum identity_view view;
	bool signed_in;    /* the manager has an identity */
	bool carrying_out; /* the actions are being taken one by one */
	bool leaving;
};

static void fill_random(void *userdata, void *data, size_t size)
{
	/* Without randomness there are no keys: better no daemon than a guessable one. */
	if (RAND_priv_bytes(data, size) != 1)
		abort();
}

static void note(struct keyd *keyd, const char *text)
{
	log_info("%s", text);
	timeline_note(&keyd->timeline, tunnel_client_generation(keyd->tunnel), "%s", text);
}

static void carry_out(struct keyd *keyd, const struct ike_action *action)
{
	switch (action->type) {
	case IKE_ACTION_SEND:
		if (keyd->channel)
			ike_channel_send(keyd->channel, &action->endpoint, action->data,
					 action->size);
		break;
	case IKE_ACTION_SIGN:
		identity_client_sign(keyd->identity, action->sa, action->data, action->size);
		break;
	case IKE_ACTION_INSTALL:
		tunnel_client_install(keyd->tunnel, action);
		break;
	case IKE_ACTION_REMOVE:
		tunnel_client_remove(keyd->tunnel, action->child.spi_in);
		break;
	case IKE_ACTION_REMOVE_ALL:
		tunnel_client_remove_all(keyd->tunnel, action->name);
		break;
	case IKE_ACTION_MOVE:
		tunnel_client_move(keyd->tunnel, action->child.spi_in, &action->endpoint);
		break;
	case IKE_ACTION_RETIRE:
		tunnel_client_retire(keyd->tunnel, action->child.spi_in);
		break;
	case IKE_ACTION_ACQUIRE_FAILED:
		tunnel_client_acquire_failed(keyd->tunnel, action->name, action->text);
		break;
	case IKE_ACTION_CHANGED:
		bus_announce_sa(keyd->bus, action->sa);
		break;
	case IKE_ACTION_NOTE:
		note(keyd, action->text);
		break;
	}
}

/* After every event: what it led to, and when to look again. */
static void settle(struct keyd *keyd)
{
	struct ike_action *action;

	/* Carrying out may answer at once, which is an event of its own. */
	if (keyd->carrying_out)
		return;
	keyd->carrying_out = true;
	while ((action = ike_manager_take(keyd->manager))) {
		carry_out(keyd, action);
		ike_action_free(action);
	}
	keyd->carrying_out = false;
	if (keyd->tickets)
		ticket_store_look(keyd->tickets);
	bus_announce_state(keyd->bus);
	loop_timer_set(keyd->timer, ike_manager_due(keyd->manager));
	if (keyd->leaving && !ike_manager_busy(keyd->manager))
		daemon_stop(keyd->daemon, 0);
}

static uint64_t now_of(struct keyd *keyd)
{
	ike_manager_set_realtime(keyd->manager, realtime_usec() / 1000000);
	return loop_now(keyd->loop);
}

static void on_timer(void *userdata)
{
	struct keyd *keyd = userdata;

	ike_manager_tick(keyd->manager, now_of(keyd));
	settle(keyd);
}

static void on_datagram(void *userdata, const struct sockaddr_in *from, const uint8_t *message,
			size_t size)
{
	struct keyd *keyd = userdata;

	ike_manager_receive(keyd->manager, now_of(keyd), from, message, size);
	settle(keyd);
}

/* The channel and the peers. */

/* Peers of a tunneld we have no channel to yet would be asked for in vain. */
static bool may_show_peers(const struct keyd *keyd)
{
	return keyd->channel &&
	       keyd->channel_incarnation == tunnel_client_incarnation(keyd->tunnel) &&
	       tunnel_client_present(keyd->tunnel) && !keyd->leaving;
}

static void show_peers(struct keyd *keyd)
{
	struct ike_tunnel_peer *peers;
	size_t n;

	keyd->peers_shown = loop_now(keyd->loop);
	if (!may_show_peers(keyd))
		return;
	if (tunnel_client_read_peers(keyd->tunnel, &peers, &n) < 0)
		return;
	ike_manager_set_peers(keyd->manager, now_of(keyd), peers, n);
	free(peers);
}

static void on_peers_timer(void *userdata)
{
	struct keyd *keyd = userdata;

	show_peers(keyd);
	settle(keyd);
}

/* At once, or when many peers change together, so often and no oftener. */
static void show_peers_soon(struct keyd *keyd)
{
	if (loop_now(keyd->loop) >= keyd->peers_shown + PEERS_INTERVAL)
		show_peers(keyd);
	else
		loop_timer_set(keyd->peers_timer, keyd->peers_shown + PEERS_INTERVAL);
}

static void open_channel(struct keyd *keyd)
{
	if (!tunnel_client_present(keyd->tunnel) || keyd->opening || keyd->leaving)
		return;
	if (keyd->channel && keyd->channel_incarnation == tunnel_client_incarnation(keyd->tunnel))
		return;
	keyd->channel = ike_channel_free(keyd->channel);
	keyd->opening = tunnel_client_open_channel(keyd->tunnel) >= 0;
	if (!keyd->opening)
		loop_timer_set_delay(keyd->channel_timer, CHANNEL_RETRY);
}

static void on_channel_timer(void *userdata)
{
	struct keyd *keyd = userdata;

	open_channel(keyd);
	settle(keyd);
}

static void on_channel_closed(void *userdata)
{
	struct keyd *keyd = userdata;

	/* tunneld ended, or gave the channel to another keyd. The first shows itself on the bus. */
	keyd->channel = ike_channel_free(keyd->channel);
	loop_timer_set_delay(keyd->channel_timer, CHANNEL_RETRY);
	settle(keyd);
}

static void on_opened(void *userdata, int fd)
{
	struct keyd *keyd = userdata;
	uint64_t incarnation = tunnel_client_incarnation(keyd->tunnel);
	int r = fd;

	keyd->opening = false;
	if (r >= 0)
		r = ike_channel_new(keyd->loop, fd, on_datagram, on_channel_closed, keyd,
				    &keyd->channel);
	if (r < 0) {
		log_warning("cannot open the IKE channel: %s", strerror(-r));
		loop_timer_set_delay(keyd->channel_timer, CHANNEL_RETRY);
		settle(keyd);
		return;
	}
	if (keyd->channel_incarnation && keyd->channel_incarnation != incarnation)
		ike_manager_tunnel_restarted(keyd->manager, now_of(keyd));
	keyd->channel_incarnation = incarnation;
	show_peers(keyd);
	settle(keyd);
}

static void on_tunnel_changed(void *userdata)
{
	struct keyd *keyd = userdata;

	if (!tunnel_client_present(keyd->tunnel))
		keyd->opening = false;
	open_channel(keyd);
	show_peers_soon(keyd);
	if (tunnel_client_generation(keyd->tunnel) > keyd->generation) {
		keyd->generation = tunnel_client_generation(keyd->tunnel);
		ike_manager_network_changed(keyd->manager, now_of(keyd));
	}
	settle(keyd);
}

static void on_peer_changed(void *userdata, const char *path)
{
	struct keyd *keyd = userdata;
	struct ike_tunnel_peer peer;

	/* Otherwise it is shown with all others as soon as it may be. */
	if (may_show_peers(keyd)) {
		if (tunnel_client_read_peer(keyd->tunnel, path, &peer))
			ike_manager_set_peer(keyd->manager, now_of(keyd), &peer);
		else
			ike_manager_forget_peer(keyd->manager, now_of(keyd), path);
	}
	settle(keyd);
}

static void on_installed(void *userdata, uint64_t sa, uint32_t spi_in, bool success,
			 const char *reason)
{
	struct keyd *keyd = userdata;

	if (!success)
		log_warning("InstallSa: %s", reason);
	ike_manager_installed(keyd->manager, now_of(keyd), sa, spi_in, success, reason);
	settle(keyd);
}

static const struct tunnel_client_callbacks tunnel_callbacks = {
	.changed = on_tunnel_changed,
	.peer_changed = on_peer_changed,
	.opened = on_opened,
	.installed = on_installed,
};

/* Who we are. */

static void on_identity_changed(void *userdata)
{
	struct keyd *keyd = userdata;
	struct revocation_list revoked;
	struct ike_local *local = NULL;

	/* Before anybody is spoken to as this host: who is not to be believed. */
	if (!keyd->leaving && identity_client_read_revoked(keyd->identity, &revoked))
		ike_manager_set_revoked(keyd->manager, now_of(keyd), &revoked);
	keyd->view = identity_client_read(keyd->identity, &local);
	/* An identity that restarts is the same afterwards: nothing ends because of it. */
	if (keyd->view != IDENTITY_ABSENT && !keyd->leaving) {
		keyd->signed_in = keyd->view == IDENTITY_SIGNED_IN;
		/* First, for the manager may begin at once. */
		if (keyd->tickets)
			ticket_store_open(keyd->tickets, local);
		ike_manager_set_local(keyd->manager, now_of(keyd), local);
	}
	settle(keyd);
}

static void on_signed(void *userdata, uint64_t sa, const uint8_t *signature, size_t size)
{
	struct keyd *keyd = userdata;

	ike_manager_signed(keyd->manager, now_of(keyd), sa, signature, size);
	settle(keyd);
}

/* For the bus. */

struct ike_manager *keyd_manager(struct keyd *keyd)
{
	return keyd->manager;
}

struct timeline *keyd_timeline(struct keyd *keyd)
{
	return &keyd->timeline;
}

const char *keyd_state(const struct keyd *keyd)
{
	if (keyd->view == IDENTITY_ABSENT)
		return "waiting-identity";
	if (keyd->view == IDENTITY_SIGNED_OUT)
		return "signed-out";
	return keyd->channel ? "ready" : "waiting-tunnel";
}

const char *keyd_reason(const struct keyd *keyd)
{
	if (keyd->view == IDENTITY_ABSENT)
		return "identity is not there; is it running?";
	if (keyd->view == IDENTITY_SIGNED_OUT)
		return "no account: homewardctl sign-in";
	return keyd->channel ? "ready to negotiate" : "tunneld is not there; is it running?";
}

int keyd_rekey(struct keyd *keyd, uint64_t sa)
{
	int r = ike_manager_rekey(keyd->manager, now_of(keyd), sa);

	settle(keyd);
	return r;
}

int keyd_rekey_child(struct keyd *keyd, uint64_t child)
{
	int r = ike_manager_rekey_child(keyd->manager, now_of(keyd), child);

	settle(keyd);
	return r;
}

uint64_t keyd_now(const struct keyd *keyd)
{
	return loop_now(keyd->loop);
}

int keyd_terminate(struct keyd *keyd, uint64_t sa)
{
	int r = ike_manager_terminate(keyd->manager, now_of(keyd), sa);

	settle(keyd);
	return r;
}

static void on_terminate(void *userdata)
{
	struct keyd *keyd = userdata;

	keyd->leaving = true;
	ike_manager_terminate_all(keyd->manager, now_of(keyd));
	settle(keyd);
}

static void set_lifetimes(struct keyd *keyd, const struct keyd_config *config)
{
	const struct ike_lifetimes lifetimes = {
		.sa = config->rekey.ike * 1000ull,
		.child = config->rekey.child * 1000ull,
		.jitter = config->rekey.jitter,
		.octets = (uint64_t)config->rekey.mebibytes << 20,
		.packets = config->rekey.packets,
	};

	ike_manager_set_lifetimes(keyd->manager, &lifetimes);
}

int keyd_new(const struct keyd_config *config, struct keyd **ret)
{
	static const struct daemon_options options = {
		.bus_name = "org.homeward.Key1",
		.on_terminate = on_terminate,
		.goodbye_msec = GOODBYE,
	};
	static const struct ike_random random = { fill_random, NULL };
	cleanup(keyd_freep) struct keyd *keyd = calloc(1, sizeof *keyd);
	cleanup(ike_psks_freep) struct ike_psks *psks = NULL;
	const struct ike_kem *kem = ike_kem_of_openssl();
	int r;

	if (!keyd)
		return -ENOMEM;
	if (config->psk_file) {
		r = psk_file_read(config->psk_file, &psks);
		if (r < 0)
			return r;
	}
	if (!kem && config->preferences.kem_use == IKE_KEM_REQUIRED) {
		log_error("[algorithms] post-quantum = required, and the OpenSSL here has no "
			  "ML-KEM-768 (it takes 3.5 or newer)");
		return -EOPNOTSUPP;
	}
	r = ike_manager_new(&random, &keyd->manager);
	if (r >= 0)
		r = daemon_new(&options, keyd, &keyd->daemon);
	if (r < 0)
		return r;
	ike_manager_set_preferences(keyd->manager, &config->preferences);
	ike_manager_set_kem(keyd->manager, kem);
	ike_manager_set_cookies_from(keyd->manager, config->cookies_from);
	ike_manager_set_datagram_size(keyd->manager, config->datagram_size);
	set_lifetimes(keyd, config);
	ike_manager_set_ppk_use(keyd->manager, config->ppk_use);
	ike_manager_set_psks(keyd->manager, psks);
	psks = NULL;
	keyd->loop = daemon_loop(keyd->daemon);
	r = ike_manager_set_resumption(keyd->manager, config->resumption);
	if (r >= 0 && config->resumption)
		r = ticket_store_new(keyd->loop, keyd->manager, &random, config->runtime_folder,
				     &keyd->tickets);
	if (r >= 0)
		r = loop_timer_new(keyd->loop, on_timer, keyd, &keyd->timer);
	if (r >= 0)
		r = loop_timer_new(keyd->loop, on_channel_timer, keyd, &keyd->channel_timer);
	if (r >= 0)
		r = loop_timer_new(keyd->loop, on_peers_timer, keyd, &keyd->peers_timer);
	if (r >= 0)
		r = bus_new(keyd, keyd->loop, daemon_bus(keyd->daemon), &keyd->bus);
	if (r >= 0)
		r = identity_client_new(daemon_bus(keyd->daemon), on_identity_changed, on_signed,
					keyd, &keyd->identity);
	if (r >= 0)
		r = tunnel_client_new(keyd->loop, daemon_bus(keyd->daemon), &tunnel_callbacks, keyd,
				      &keyd->tunnel);
	if (r >= 0)
		r = daemon_announce(keyd->daemon);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	*ret = steal_ptr(keyd);
	return 0;
}

struct keyd *keyd_free(struct keyd *keyd)
{
	if (!keyd)
		return NULL;
	ticket_store_free(keyd->tickets);
	ike_channel_free(keyd->channel);
	tunnel_client_free(keyd->tunnel);
	identity_client_free(keyd->identity);
	bus_free(keyd->bus);
	loop_timer_free(keyd->timer);
	loop_timer_free(keyd->channel_timer);
	loop_timer_free(keyd->peers_timer);
	daemon_free(keyd->daemon);
	ike_manager_free(keyd->manager);
	free(keyd);
	return NULL;
}

int keyd_run(struct keyd *keyd)
{
	return daemon_run(keyd->daemon);
}
