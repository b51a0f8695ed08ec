/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/identity.h"

#include "common/base/log.h"
#include "services/identity/host-key.h"
#include "services/identity/interface-watch.h"
#include "services/identity/password-reader.h"
#include "services/identity/sign-in.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define SIGN_LIMIT 65536

static const char *const state_properties[] = { "State", "Reason", NULL };
static const char *const host_id_properties[] = { "HostId", "Eui64", "TunnelLabel", NULL };
static const char *const host_name_properties[] = { "HostName", NULL };
static const char *const account_properties[] = {
	"State",
	"Reason",
	"HostName",
	"Domain",
	"Account",
	"SignedIn",
	"TsigKeyName",
	"Certificate",
	"AccountCertificate",
	"Revoked",
	"RevocationNumber",
	"Forgotten",
	"KeyProtection",
	NULL,
};

/* The one place where the state changes; the caller announces it. */
static void set_state(struct identity *identity, enum account_state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void set_state(struct identity *identity, enum account_state state, const char *format, ...)
{
	va_list arguments;
	char *reason;

	va_start(arguments, format);
	if (vasprintf(&reason, format, arguments) >= 0) {
		free(identity->reason);
		identity->reason = reason;
	}
	va_end(arguments);
	if (state == identity->state)
		return;
	log_info("%s -> %s: %s", account_state_name(identity->state), account_state_name(state),
		 identity->reason);
	timeline_note(&identity->timeline, 0, "%s", identity->reason);
	identity->state = state;
}

/* "alice.members.example.org" -> "alice@members.example.org" */
static void write_account(const char *domain, char ret[static NAME_SIZE])
{
	strcpy(ret, domain);
	if (strchr(ret, '.'))
		*strchr(ret, '.') = '@';
}

static void set_forgotten(struct identity *identity)
{
	const struct revocations *known = &identity->revoking.known;
	time_t when = (time_t)known->forgotten;
	char account[NAME_SIZE], date[32] = "";
	struct tm fields;

	write_account(known->domain, account);
	if (gmtime_r(&when, &fields))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &fields);
	set_state(identity, ACCOUNT_SIGNED_OUT,
		  "this host was forgotten on %s, from another host of %s: its keys are worth "
		  "nothing any more and were removed; to make it a host of the account again, sign "
		  "in with \"homewardctl sign-in %s\"",
		  date, account, account);
}

static void set_signed_out(struct identity *identity)
{
	if (identity->revoking.known.forgotten) {
		set_forgotten(identity);
		return;
	}
	set_state(identity, ACCOUNT_SIGNED_OUT, "%s; sign in with \"homewardctl sign-in ACCOUNT\"",
		  identity->account_lost ? identity->account_lost : "no account");
}

static void set_signed_in(struct identity *identity)
{
	char domain[NAME_SIZE];

	names_account_domain(&identity->credentials->name, domain);
	set_state(identity, ACCOUNT_SIGNED_IN, "signed in as %s.%s", identity->host, domain);
}

static int get_random(uint8_t ret[static HOST_ID_RANDOM_SIZE])
{
	return getrandom(ret, HOST_ID_RANDOM_SIZE, 0) == HOST_ID_RANDOM_SIZE ? 0 : -EIO;
}

/* Stored before anybody hears of it: who was told an id will find the same after our restart. */
static void save_host_id(struct identity *identity)
{
	char text[EUI64_TEXT_SIZE];
	int r = store_save_host_id(&identity->config->store, identity->host_id.id);

	if (r < 0)
		log_error("cannot store the host id, it will be another one after a restart: %s",
			  strerror(-r));
	eui64_to_text(host_id_eui64(identity->host_id.id), text);
	timeline_note(&identity->timeline, 0, "host id with the EUI-64 %s", text);
	log_info("host id with the EUI-64 %s", text);
}

static void stop_looking(struct identity *identity)
{
	identity->interfaces = interface_watch_free(identity->interfaces);
	identity->patience = loop_timer_free(identity->patience);
}

/* Returns whether the host id is known now. */
static bool look_for_interface(struct identity *identity)
{
	struct loop *loop = daemon_loop(identity->daemon);
	cleanup(freep) struct host_interface *interfaces = NULL;
	uint8_t random[HOST_ID_RANDOM_SIZE];
	uint64_t due = UINT64_MAX;
	size_t n_interfaces;
	bool chosen = false;
	int r = interface_scan(&interfaces, &n_interfaces);

	if (r >= 0)
		r = get_random(random);
	if (r >= 0) {
		chosen = host_id_state_scan(&identity->host_id, interfaces, n_interfaces, random,
					    loop_now(loop), &due);
	} else {
		log_warning("cannot read the interfaces, trying again: %s", strerror(-r));
		due = loop_now(loop) + HOST_ID_PATIENCE;
	}
	loop_timer_set(identity->patience, due);
	if (chosen)
		save_host_id(identity);
	return chosen;
}

static void on_interfaces(void *userdata)
{
	struct identity *identity = userdata;

	if (!look_for_interface(identity))
		return;
	stop_looking(identity);
	set_signed_out(identity);
	identity_bus_changed(identity, host_id_properties);
	identity_bus_changed(identity, state_properties);
}

static int start_looking(struct identity *identity)
{
	struct loop *loop = daemon_loop(identity->daemon);
	int r = loop_timer_new(loop, on_interfaces, identity, &identity->patience);

	/* The watch first, so that nothing is missed between looking and watching. */
	if (r >= 0)
		r = interface_watch_new(loop, on_interfaces, identity, &identity->interfaces);
	if (r < 0) {
		log_error("cannot watch the network interfaces: %s", strerror(-r));
		return r;
	}
	if (look_for_interface(identity)) {
		stop_looking(identity);
		set_signed_out(identity);
	} else {
		set_state(identity, ACCOUNT_STARTING,
			  "waiting for a network interface to make the host id from");
	}
	return 0;
}

/* Takes in what a sign-in made, now or before a restart. */
static int take_credentials(struct identity *identity, struct credentials *credentials)
{
	uint8_t random[HOST_ID_RANDOM_SIZE];
	int r = host_key_import(credentials->host_key, &identity->host_key);

	if (r >= 0)
		r = certificate_check_host(&credentials->certificate,
					   &credentials->account_certificate, identity->host_key);
	if (r >= 0)
		r = get_random(random);
	if (r < 0) {
		EVP_PKEY_free(identity->host_key);
		identity->host_key = NULL;
		return r;
	}
	if (host_id_state_bind(&identity->host_id, credentials->eui64, random))
		save_host_id(identity);
	strcpy(identity->host, credentials->host);
	identity->credentials = credentials;
	identity->account_lost = NULL;
	r = revoking_bind(identity);
	if (r < 0)
		identity->credentials = NULL;
	return r;
}

static void drop_credentials(struct identity *identity)
{
	identity->credentials = credentials_free(identity->credentials);
	EVP_PKEY_free(identity->host_key);
	identity->host_key = NULL;
}

/* The name this host has while no certificate says otherwise. */
static void choose_host_name(struct identity *identity)
{
	char text[256] = "";

	if (identity->config->host_name) {
		strcpy(identity->host, identity->config->host_name);
		return;
	}
	if (store_load_host_name(&identity->config->store, identity->host) >= 0)
		return;
	gethostname(text, sizeof text - 1);
	if (names_from_host_name(text, identity->host) < 0)
		snprintf(identity->host, sizeof identity->host, "host-%s", identity->tag);
}

/* What to tell people who were signed in; NULL when nobody was. */
static const char *what_is_lost(int error)
{
	switch (error) {
	case -ENOENT:
		return NULL;
	case -ENOKEY:
		return "the stored account is sealed, and its key is not there "
		       "(\"systemctl status homeward-identity-key\" says why)";
	case -EKEYREJECTED:
		return "the stored account was sealed with a key that this machine has no more "
		       "(its TPM was cleared, or the disk is from another machine)";
	}
	return "the stored account cannot be read";
}

/* An account that was stored before there was a key to seal it with. */
static void seal(struct identity *identity, bool sealed)
{
	const struct store *store = &identity->config->store;
	int r = 0;

	identity->plain = !store->key;
	if (sealed || !store->key)
		return;
	r = store_seal_credentials(store, identity->credentials);
	identity->plain = r < 0;
	if (r < 0)
		log_error("the stored account cannot be sealed: %s", strerror(-r));
	else
		log_info("the stored account is sealed now");
}

static int load(struct identity *identity)
{
	const struct store *store = &identity->config->store;
	cleanup(credentials_freep) struct credentials *credentials = NULL;
	uint8_t id[HOST_ID_SIZE];
	bool sealed = false;
	const char *path;
	int r = store_prepare(store, &path);

	if (r < 0) {
		log_error("cannot use the folder %s: %s", path, strerror(-r));
		return r;
	}
	r = store_load_tag(store, identity->tag);
	if (r < 0) {
		log_error("cannot keep the machine's tag in %s: %s", store->state_folder,
			  strerror(-r));
		return r;
	}
	host_id_state_init(&identity->host_id, identity->config->modified_eui64,
			   loop_now(daemon_loop(identity->daemon)));
	r = store_load_host_id(store, id);
	if (r >= 0)
		r = host_id_state_restore(&identity->host_id, id);
	/* Written again: the setting that says where may have changed. */
	if (r >= 0)
		r = store_save_host_id(store, id);
	if (r < 0 && r != -ENOENT)
		log_warning("the stored host id: %s", strerror(-r));
	choose_host_name(identity);
	r = revoking_init(identity);
	if (r < 0)
		return r;
	r = store_load_credentials(store, &credentials, &sealed);
	if (r >= 0)
		r = take_credentials(identity, credentials);
	if (r >= 0) {
		seal(identity, sealed);
		steal_ptr(credentials);
		set_signed_in(identity);
		if (revoking_covers_us(identity))
			identity_be_forgotten(identity);
		return 0;
	}
	identity->account_lost = what_is_lost(r);
	if (r != -ENOENT)
		log_error("%s/credentials: %s: %s", store->state_folder, identity->account_lost,
			  strerror(-r));
	if (identity->host_id.chosen)
		set_signed_out(identity);
	return identity->host_id.chosen ? 0 : start_looking(identity);
}

static void on_signed_in(void *userdata, int error, struct credentials *credentials)
{
	struct identity *identity = userdata;
	cleanup(credentials_freep) struct credentials *made = credentials;
	const char *message = NULL;

	identity->sign_in = NULL;
	if (!error)
		error = take_credentials(identity, made);
	if (!error) {
		steal_ptr(made);
		identity->plain = !identity->config->store.key;
		identity->counters.sign_ins++;
		set_signed_in(identity);
		revoking_save(identity);
	} else {
		identity->counters.sign_ins_refused++;
		set_signed_out(identity);
	}
	message = password_reader_words(error);
	/* -EINVAL is whatever the caller can set right. */
	if (message)
		error = error == -ECANCELED ? -ECANCELED : -EINVAL;
	else if (error)
		log_error("signing in failed: %s", strerror(-error));
	identity_bus_changed(identity, account_properties);
	identity->sign_in_done(identity->sign_in_userdata, error,
			       message ?: "signing in failed; the journal says why");
	if (identity->terminating)
		identity_terminate(identity);
}

int identity_check(struct identity *identity, enum account_request request,
		   const char **ret_message)
{
	int r = account_state_check(identity->state, request);

	if (r == -ENOKEY)
		*ret_message = "this host is not signed in";
	else if (r == -EALREADY)
		*ret_message = "this host is signed in already; sign out first";
	else if (r == -EBUSY)
		*ret_message =
			identity->state == ACCOUNT_STARTING
				? "no network interface to make the host id from yet; try again"
				: "a sign-in is under way; wait for it";
	return r;
}

static uint64_t sign_in_time(const struct identity *identity, const struct account_name *name)
{
	char domain[NAME_SIZE];

	names_account_domain(name, domain);
	return revocations_sign_in_time(&identity->revoking.known, domain, identity->host,
					realtime_usec() / 1000000);
}

int identity_sign_in(struct identity *identity, const char *account, int password_fd,
		     identity_done done, void *userdata, const char **ret_message)
{
	struct sign_in_order order = {
		.store = &identity->config->store,
		.password_msec = identity->config->password_timeout * 1000,
	};
	int r = identity_check(identity, ACCOUNT_REQUEST_SIGN_IN, ret_message);

	if (r >= 0 && identity->naming) {
		*ret_message = "a host name is being stored; try again";
		r = -EBUSY;
	}
	if (r >= 0 && names_parse_account(account, &order.name) < 0) {
		*ret_message = "an account is written like alice@members.example.org";
		r = -EINVAL;
	}
	if (r >= 0 && names_check_fit(&order.name, identity->host) < 0) {
		*ret_message = "host name and account together are too long for a domain name";
		r = -EINVAL;
	}
	if (r < 0) {
		identity->counters.sign_ins_refused++;
		return r;
	}
	strcpy(order.host, identity->host);
	strcpy(order.tag, identity->tag);
	order.time = sign_in_time(identity, &order.name);
	memcpy(order.eui64, host_id_eui64(identity->host_id.id), EUI64_SIZE);
	*ret_message = "cannot start signing in";
	r = sign_in_start(daemon_loop(identity->daemon), &order, password_fd, on_signed_in,
			  identity, &identity->sign_in);
	if (r < 0)
		return r == -EINVAL ? -EIO : r;
	identity->sign_in_done = done;
	identity->sign_in_userdata = userdata;
	set_state(identity, ACCOUNT_SIGNING_IN, "deriving the keys of %s@%s", order.name.account,
		  order.name.domain);
	identity_bus_changed(identity, state_properties);
	return 0;
}

/* What is left of signing out once nobody can be signed in by it any more. */
struct wipe {
	const struct store *store;
	int fd, error;
	identity_done done;
	void *userdata;
};

static void on_wipe(void *userdata)
{
	struct wipe *wipe = userdata;

	wipe->error = store_wipe_credentials(wipe->store, wipe->fd);
}

static void on_wiped(void *userdata)
{
	struct wipe *wipe = userdata;

	if (wipe->error < 0)
		log_warning("the forgotten account's file could not be overwritten: %s",
			    strerror(-wipe->error));
	close_fd(wipe->fd);
	if (wipe->done)
		wipe->done(wipe->userdata, 0, NULL);
	free(wipe);
}

/* `done` may be NULL. */
static int leave(struct identity *identity, const char *why, identity_done done, void *userdata)
{
	cleanup(freep) struct wipe *wipe = calloc(1, sizeof *wipe);

	if (!wipe)
		return -ENOMEM;
	*wipe = (struct wipe){ .store = &identity->config->store,
			       .done = done,
			       .userdata = userdata };
	wipe->fd = store_forget_credentials(wipe->store);
	if (wipe->fd < 0 && wipe->fd != -ENOENT) {
		log_error("cannot remove %s/credentials: %s", wipe->store->state_folder,
			  strerror(-wipe->fd));
		close_fd(wipe->fd);
		return -EIO;
	}
	revoking_stop(identity, why);
	drop_credentials(identity);
	identity->plain = !wipe->store->key;
	choose_host_name(identity);
	set_signed_out(identity);
	identity_bus_changed(identity, account_properties);
	if (wipe->fd >= 0 &&
	    loop_queue_work(daemon_loop(identity->daemon), on_wipe, on_wiped, wipe) >= 0) {
		steal_ptr(wipe);
		return 0;
	}
	close_fd(wipe->fd);
	if (done)
		done(userdata, 0, NULL);
	return 0;
}

int identity_sign_out(struct identity *identity, identity_done done, void *userdata,
		      const char **ret_message)
{
	int r = identity_check(identity, ACCOUNT_REQUEST_SIGN_OUT, ret_message);

	if (r < 0)
		return r;
	*ret_message = "the stored account cannot be removed; the journal says why";
	r = leave(identity, "this host was signed out meanwhile", done, userdata);
	if (r >= 0)
		identity->counters.sign_outs++;
	return r;
}

void identity_be_forgotten(struct identity *identity)
{
	struct revocations *known = &identity->revoking.known;
	int r;

	known->forgotten = revocation_list_until(&known->list, identity->credentials->host);
	revoking_save(identity);
	identity->counters.forgotten++;
	r = leave(identity, "this host itself was forgotten meanwhile", NULL, NULL);
	if (r >= 0)
		return;
	/* The file is still there, and is looked at again at the next start; the keys are not. */
	log_error("the keys of this host, which was forgotten, cannot be removed: %s",
		  strerror(-r));
	revoking_stop(identity, "this host itself was forgotten meanwhile");
	drop_credentials(identity);
	set_signed_out(identity);
	identity_bus_changed(identity, account_properties);
}

/* A host name on its way to the disk. */
struct naming {
	struct identity *identity;
	char label[LABEL_SIZE];
	int error;
	identity_done done;
	void *userdata;
};

static void on_naming(void *userdata)
{
	struct naming *naming = userdata;

	naming->error = store_save_host_name(&naming->identity->config->store, naming->label);
}

static void on_named(void *userdata)
{
	struct naming *naming = userdata;
	struct identity *identity = naming->identity;

	identity->naming = false;
	if (naming->error < 0) {
		log_error("cannot store the host name: %s", strerror(-naming->error));
		naming->done(naming->userdata, -EIO,
			     "the host name cannot be stored; the journal says why");
	} else {
		if (strcmp(naming->label, identity->host)) {
			strcpy(identity->host, naming->label);
			timeline_note(&identity->timeline, 0, "host name %s", naming->label);
			identity_bus_changed(identity, host_name_properties);
		}
		naming->done(naming->userdata, 0, NULL);
	}
	free(naming);
}

int identity_set_host_name(struct identity *identity, const char *name, identity_done done,
			   void *userdata, const char **ret_message)
{
	cleanup(freep) struct naming *naming = calloc(1, sizeof *naming);
	int r = identity_check(identity, ACCOUNT_REQUEST_SET_HOST_NAME, ret_message);

	if (r < 0)
		return r;
	if (identity->config->host_name) {
		*ret_message = "host-name is set in the configuration file; change it there";
		return -EINVAL;
	}
	if (identity->naming) {
		*ret_message = "another name is being stored; try again";
		return -EBUSY;
	}
	*ret_message = "the host name cannot be stored";
	if (!naming)
		return -ENOMEM;
	*naming = (struct naming){ .identity = identity, .done = done, .userdata = userdata };
	if (names_parse_label(name, naming->label) < 0) {
		*ret_message =
			"a host name is 1 to 63 letters, digits and inner hyphens, without dots";
		return -EINVAL;
	}
	r = loop_queue_work(daemon_loop(identity->daemon), on_naming, on_named, naming);
	if (r < 0)
		return -EIO;
	identity->naming = true;
	steal_ptr(naming);
	return 0;
}

int identity_sign(struct identity *identity, const void *octets, size_t size,
		  uint8_t **ret_signature, size_t *ret_size, const char **ret_message)
{
	int r = identity_check(identity, ACCOUNT_REQUEST_USE_KEY, ret_message);

	if (r >= 0 && (!size || size > SIGN_LIMIT)) {
		*ret_message = "1 to 65536 octets can be signed";
		r = -EINVAL;
	}
	if (r >= 0) {
		*ret_message = "signing failed";
		r = host_key_sign(identity->host_key, octets, size, ret_signature, ret_size);
	}
	if (r < 0)
		identity->counters.signatures_refused++;
	else
		identity->counters.signatures++;
	return r;
}

int identity_give_tsig_key(struct identity *identity, char ret_name[static NAME_SIZE],
			   const char **ret_message)
{
	const struct credentials *credentials = identity->credentials;
	int r = identity_check(identity, ACCOUNT_REQUEST_USE_KEY, ret_message);

	if (r >= 0) {
		*ret_message = "the key cannot be handed over";
		r = secret_to_memfd(credentials->tsig);
	}
	if (r < 0) {
		identity->counters.tsig_keys_refused++;
		return r;
	}
	names_tsig_key(&credentials->name, credentials->host, credentials->tag, ret_name);
	identity->counters.tsig_keys_given++;
	return r;
}

int identity_give_ppk(struct identity *identity, char ret_id[static NAME_SIZE],
		      const char **ret_message)
{
	const struct credentials *credentials = identity->credentials;
	int r = identity_check(identity, ACCOUNT_REQUEST_USE_KEY, ret_message);

	if (r >= 0 && !credentials->ppk) {
		*ret_message = "this host signed in when there was no such key: sign out and in";
		r = -ENODATA;
	}
	if (r >= 0) {
		*ret_message = "the key cannot be handed over";
		r = secret_to_memfd(credentials->ppk);
	}
	if (r < 0) {
		identity->counters.ppks_refused++;
		return r;
	}
	names_account_domain(&credentials->name, ret_id);
	identity->counters.ppks_given++;
	return r;
}

enum key_protection identity_key_protection(const struct identity *identity)
{
	const struct store_key *key = identity->config->store.key;

	return key && !identity->plain ? key->protection : KEY_PROTECTION_NONE;
}

void identity_terminate(struct identity *identity)
{
	if (!identity->sign_in && !identity->revoking.forget && !identity->revoking.saving)
		daemon_stop(identity->daemon, 0);
}

static void on_terminate(void *userdata)
{
	struct identity *identity = userdata;

	identity->terminating = true;
	revoking_stop(identity, "identity was asked to stop");
	if (identity->sign_in)
		sign_in_cancel(identity->sign_in);
	identity_terminate(identity);
}

int identity_new(const struct identity_config *config, struct identity **ret)
{
	static const struct daemon_options options = {
		.bus_name = "org.homeward.Identity1",
		.on_terminate = on_terminate,
	};
	cleanup(identity_freep) struct identity *identity = calloc(1, sizeof *identity);
	int r;

	if (!identity)
		return -ENOMEM;
	identity->config = config;
	r = daemon_new(&options, identity, &identity->daemon);
	if (r >= 0)
		r = load(identity);
	if (r >= 0)
		r = identity_bus_register(identity);
	if (r >= 0)
		r = daemon_announce(identity->daemon);
	if (r < 0)
		return r;
	*ret = steal_ptr(identity);
	return 0;
}

struct identity *identity_free(struct identity *identity)
{
	if (!identity)
		return NULL;
	identity->terminating = true;
	revoking_stop(identity, "identity ends");
	identity->revoking.unsaved = false;
	revoking_deinit(identity);
	/* Queued work that still runs ends in here, so what it uses goes last. */
	stop_looking(identity);
	identity->object = sd_bus_slot_unref(identity->object);
	daemon_free(identity->daemon);
	drop_credentials(identity);
	free(identity->reason);
	free(identity);
	return NULL;
}

int identity_run(struct identity *identity)
{
	return daemon_run(identity->daemon);
}
