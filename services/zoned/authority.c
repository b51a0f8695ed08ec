/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/authority-internal.h"

#include "services/zoned/authority-follow.h"
#include "services/zoned/authority-transfer.h"

/* SOA timers: secondaries learn of changes by NOTIFY, which is sent until it is answered; and a
 * negative answer is remembered as long as a record. */
#define SOA_REFRESH 3600
#define SOA_RETRY   600
#define SOA_EXPIRE  3600000
#define SOA_MINIMUM 10
#define APEX_TTL    3600

const struct counter_description authority_counter_descriptions[] = {
	{ "Queries", offsetof(struct authority_counters, queries) },
	{ "Updates", offsetof(struct authority_counters, updates) },
	{ "UpdatesRefused", offsetof(struct authority_counters, updates_refused) },
	{ "Refused", offsetof(struct authority_counters, refused) },
	{ "Malformed", offsetof(struct authority_counters, malformed) },
	{ "BadKey", offsetof(struct authority_counters, bad_key) },
	{ "BadSignature", offsetof(struct authority_counters, bad_signature) },
	{ "BadTime", offsetof(struct authority_counters, bad_time) },
	{ "Replayed", offsetof(struct authority_counters, replayed) },
	{ "Truncated", offsetof(struct authority_counters, truncated) },
	{ "Overloaded", offsetof(struct authority_counters, overloaded) },
	{ "Transactions", offsetof(struct authority_counters, transactions) },
	{ "TransactionsFailed", offsetof(struct authority_counters, transactions_failed) },
	{ "RecordsExpired", offsetof(struct authority_counters, records_expired) },
	{ "LlqSetups", offsetof(struct authority_counters, llq_setups) },
	{ "LlqRefreshes", offsetof(struct authority_counters, llq_refreshes) },
	{ "LlqRejected", offsetof(struct authority_counters, llq_rejected) },
	{ "LlqEvents", offsetof(struct authority_counters, llq_events) },
	{ "LlqEventRetries", offsetof(struct authority_counters, llq_event_retries) },
	{ "LlqAcks", offsetof(struct authority_counters, llq_acks) },
	{ "LlqAcksIgnored", offsetof(struct authority_counters, llq_acks_ignored) },
	{ "LlqDeaths", offsetof(struct authority_counters, llq_deaths) },
	{ "Bindings", offsetof(struct authority_counters, bindings) },
	{ "BindingsWrong", offsetof(struct authority_counters, bindings_wrong) },
	{ "Subscribes", offsetof(struct authority_counters, subscribes) },
	{ "SubscribesRefused", offsetof(struct authority_counters, subscribes_refused) },
	{ "PushMessages", offsetof(struct authority_counters, push_messages) },
	{ "PushReconfirms", offsetof(struct authority_counters, push_reconfirms) },
	{ "DsoFatal", offsetof(struct authority_counters, dso_fatal) },
	{ "DsoSilent", offsetof(struct authority_counters, dso_silent) },
	{ "TransfersWhole", offsetof(struct authority_counters, transfers_whole) },
	{ "TransfersIncremental", offsetof(struct authority_counters, transfers_incremental) },
	{ "NotifiesSent", offsetof(struct authority_counters, notifies_sent) },
	{ "NotifiesAnswered", offsetof(struct authority_counters, notifies_answered) },
	{ "TransfersIn", offsetof(struct authority_counters, transfers_in) },
	{ "UpdatesOut", offsetof(struct authority_counters, updates_out) },
	{ "UpdatesOutFailed", offsetof(struct authority_counters, updates_out_failed) },
	{},
};

/* Puts a record made of text into a zone. `%s` in `format` are names. */
static int put_text(struct zone *zone, bool fixed, uint32_t ttl, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int put_text(struct zone *zone, bool fixed, uint32_t ttl, const char *format, ...)
{
	cleanup(zone_record_unrefp) struct zone_record *record = NULL;
	cleanup(freep) char *text = NULL;
	ldns_rr *rr = NULL;
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	if (ldns_rr_new_frm_str(&rr, text, ttl, NULL, NULL) != LDNS_STATUS_OK)
		return -EINVAL;
	r = zone_record_new(rr, ZONE_NEVER, NULL, &record);
	if (r < 0)
		return r;
	record->fixed = fixed;
	return zone_put(zone, record);
}

static int put_soa(struct zone *zone, const char *apex, const char *server, uint32_t serial)
{
	return put_text(zone, false, APEX_TTL, "%s IN SOA %s hostmaster.%s %u %d %d %d %d", apex,
			server, apex, serial, SOA_REFRESH, SOA_RETRY, SOA_EXPIRE, SOA_MINIMUM);
}

int authority_make_public_zone(struct authority *authority, struct zone **ret)
{
	const struct authority_options *options = authority->options;
	cleanup(freep) char *apex = ldns_rdf2str(options->zone);
	cleanup(freep) char *server = ldns_rdf2str(options->server_name);
	size_t n_addresses =
		options->server_addresses ? ldns_rr_list_rr_count(options->server_addresses) : 0;
	cleanup(zone_freep) struct zone *zone = NULL;
	int r = zone_new(options->zone, &zone);

	if (r >= 0)
		r = put_soa(zone, apex, server, options->serial);
	if (r >= 0)
		r = put_text(zone, true, APEX_TTL, "%s IN NS %s", apex, server);
	/* RFC 8489 §8 */
	if (r >= 0 && options->stun_port)
		r = put_text(zone, true, APEX_TTL, "_stun._udp.%s IN SRV 0 0 %u %s", apex,
			     options->stun_port, server);
	for (size_t i = 0; r >= 0 && i < n_addresses; i++) {
		cleanup(zone_record_unrefp) struct zone_record *record = NULL;
		ldns_rr *rr = ldns_rr_clone(ldns_rr_list_rr(options->server_addresses, i));

		r = rr ? zone_record_new(rr, ZONE_NEVER, NULL, &record) : -ENOMEM;
		if (r >= 0)
			r = zone_put(zone, record);
	}
	if (r >= 0)
		*ret = steal_ptr(zone);
	return r;
}

/* `_853._tcp.ns…` TLSA 3 1 1: who has the account's key needs nothing else to know this server by
 * (the answer is signed), be its certificate made by itself or its name outside of our zone. */
int authority_set_tls_pin(struct authority *authority, const uint8_t pin[static 32])
{
	const struct authority_options *options = authority->options;
	bool is_inside = name_key_is_within(&authority->server_name, &authority->zone_name);
	cleanup(freep) char *server = ldns_rdf2str(options->server_name);
	cleanup(freep) char *apex = ldns_rdf2str(options->zone);
	char text[2 * 32 + 1];
	struct zone_range range;
	struct zone *zone;
	int r;

	if (!server || !apex)
		return -ENOMEM;
	if (!is_inside && !authority->server_zone) {
		r = zone_new(options->server_name, &authority->server_zone);
		if (r >= 0)
			r = put_soa(authority->server_zone, server, server, options->serial);
		if (r < 0)
			return r;
	}
	zone = is_inside ? authority->public_zone : authority->server_zone;
	for (int i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", pin[i]);
	range = zone_find_rrset(zone, &authority->tlsa_name, LDNS_RR_TYPE_TLSA);
	while (range.end > range.start)
		zone_remove_at(zone, --range.end);
	r = zone_bump_serial(zone);
	if (r < 0)
		return r;
	if (is_inside)
		notifier_zone_changed(&authority->notifier, &authority->public_notify);
	return put_text(zone, true, APEX_TTL, "_%u._tcp.%s IN TLSA 3 1 1 %s", options->tls_port,
			server, text);
}

static int name_tlsa(struct authority *authority)
{
	char label[8];
	struct name_key name;

	if (!authority->options->tls_port)
		return 0;
	snprintf(label, sizeof label, "_%u", authority->options->tls_port);
	if (!name_key_below(&authority->server_name, "_tcp", &name) ||
	    !name_key_below(&name, label, &authority->tlsa_name))
		return -EINVAL;
	return authority_set_tls_pin(authority, authority->options->tls_pin);
}

static int name_stun(struct authority *authority)
{
	struct name_key name;

	if (!authority->options->stun_port)
		return 0;
	return name_key_below(&authority->zone_name, "_udp", &name) &&
			       name_key_below(&name, "_stun", &authority->stun_name)
		       ? 0
		       : -EINVAL;
}

int authority_new(const struct authority_options *options, struct authority **ret)
{
	cleanup(authority_freep) struct authority *authority = calloc(1, sizeof *authority);
	int r;

	if (!authority)
		return -ENOMEM;
	authority->options = options;
	operation_queue_init(&authority->waiting);
	operation_queue_init(&authority->under_way);
	name_key_from_rdf(options->zone, &authority->zone_name);
	name_key_from_rdf(options->server_name, &authority->server_name);
	notifier_init(&authority->notifier, options->notify_targets, options->n_notify_targets);
	r = authority_make_public_zone(authority, &authority->public_zone);
	if (r >= 0 && options->is_follower)
		r = follower_new(authority, &authority->follower);
	if (r >= 0)
		r = name_tlsa(authority);
	if (r >= 0)
		r = name_stun(authority);
	if (r >= 0)
		r = secret_new_copy(options->llq_secret, sizeof options->llq_secret,
				    &authority->decoy);
	if (r < 0)
		return r;
	notifier_zone_changed(&authority->notifier, &authority->public_notify);
	*ret = steal_ptr(authority);
	return 0;
}

struct authority *authority_free(struct authority *authority)
{
	if (!authority)
		return NULL;
	operation_queue_clear(&authority->waiting);
	operation_queue_clear(&authority->under_way);
	session_table_clear(&authority->sessions);
	llq_table_clear(&authority->llqs, &authority->accounts);
	replay_guard_clear(&authority->replays);
	keyring_forget(&authority->keyring, NULL);
	secret_free(authority->decoy);
	accounts_clear(&authority->accounts);
	zone_free(authority->public_zone);
	zone_free(authority->server_zone);
	update_batch_clear(&authority->updates);
	follower_free(authority->follower);
	free(authority);
	return NULL;
}

int authority_add_account(struct authority *authority, int64_t id, const char *domain,
			  const void *key, size_t key_size)
{
	struct account *account;
	int r = account_new(&authority->accounts, id, domain, key, key_size, &account);

	if (r < 0)
		return r;
	/* Exactly one label below the members zone; anything else would shadow a public name. */
	if (!name_key_is_within(&account->name, &authority->zone_name) ||
	    account->name.size == authority->zone_name.size ||
	    account->name.size != authority->zone_name.size + 1 +
					  account->name.octets[authority->zone_name.size] ||
	    name_key_equal(&account->name, &authority->server_name)) {
		account_free(account);
		return -EINVAL;
	}
	account->is_listed = true;
	r = authority_begin_replication(authority, account);
	if (r < 0) {
		account_free(account);
		return r;
	}
	return accounts_add(&authority->accounts, account);
}

int authority_read_record(const struct stored_record *stored, uint64_t expires,
			  struct zone_record **ret)
{
	size_t size = stored->owner.size + 10 + stored->data.size;
	cleanup(freep) uint8_t *octets = malloc(size);
	struct writer writer = writer_init(octets, octets ? size : 0);
	ldns_rr *rr = NULL;
	size_t position = 0;

	if (!octets)
		return -ENOMEM;
	writer_copy(&writer, stored->owner.data, stored->owner.size);
	writer_u16(&writer, stored->type);
	writer_u16(&writer, LDNS_RR_CLASS_IN);
	writer_u32(&writer, stored->ttl);
	writer_u16(&writer, stored->data.size);
	writer_copy(&writer, stored->data.data, stored->data.size);
	if (ldns_wire2rr(&rr, octets, size, &position, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
		return -EINVAL;
	return zone_record_new(rr, expires, stored->writer, ret);
}

int authority_add_record(struct authority *authority, int64_t id,
			 const struct stored_record *stored, const struct moment *moment)
{
	cleanup(zone_record_unrefp) struct zone_record *record = NULL;
	struct account *account = accounts_find_id(&authority->accounts, id);
	const struct authority_options *options = authority->options;
	uint32_t longest = stored->type == LDNS_RR_TYPE_KEY ? options->key_lease.maximum
							    : options->update_lease.maximum;
	struct name_key owner;
	int r;

	if (!account)
		return -ENOENT;
	r = authority_read_record(stored, lease_from_date(moment, stored->expires, longest),
				  &record);
	if (r < 0)
		return r;
	record->id = stored->id;
	name_key_from_rdf(ldns_rr_owner(record->rr), &owner);
	if (!name_key_is_within(&owner, &account->name))
		return -EINVAL;
	if (authority->follower)
		record->fixed = follow_is_fixed(authority, account, record);
	return zone_put(account->zone, record);
}

/* The services of an account, and where to look for more. */
static int put_services(struct zone *zone, const char *apex, const char *server,
			const struct authority_options *options)
{
	static const char *const encrypted[] = { "_dns-update-tls._udp", "_dns-update-tls._tcp",
						 "_dns-llq-tls._udp", "_dns-llq-tls._tcp",
						 "_dns-push-tls._tcp" };
	static const char *const browse[] = { "b", "db", "lb", "r", "dr" };
	int r = put_text(zone, true, APEX_TTL, "_dns-update._udp.%s IN SRV 0 0 %u %s", apex,
			 options->port, server);

	if (r >= 0)
		r = put_text(zone, true, APEX_TTL, "_dns-llq._udp.%s IN SRV 0 0 %u %s", apex,
			     options->port, server);
	for (size_t i = 0; r >= 0 && options->tls_port && i < ARRAY_SIZE(encrypted); i++)
		r = put_text(zone, true, APEX_TTL, "%s.%s IN SRV 0 0 %u %s", encrypted[i], apex,
			     options->tls_port, server);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(browse); i++)
		r = put_text(zone, true, APEX_TTL, "%s._dns-sd._udp.%s IN PTR %s", browse[i], apex,
			     apex);
	return r;
}

int authority_put_services(const struct authority_options *options, struct zone *zone)
{
	cleanup(freep) char *server = ldns_rdf2str(options->server_name);
	cleanup(freep) char *apex = ldns_rdf2str(zone->apex);

	return server && apex ? put_services(zone, apex, server, options) : -ENOMEM;
}

/* What an account's zone has from the configuration and not from its hosts. With a primary its
 * services are what that says. */
static int put_fixed(struct authority *authority, struct zone *zone, const char *apex,
		     const char *server)
{
	int r = put_text(zone, true, APEX_TTL, "%s IN NS %s", apex, server);

	if (r < 0 || authority->follower)
		return r;
	return put_services(zone, apex, server, authority->options);
}

size_t authority_n_llqs(const struct authority *authority)
{
	return authority->llqs.n;
}

int authority_complete_account(struct authority *authority, int64_t id, const struct moment *moment)
{
	struct account *account = accounts_find_id(&authority->accounts, id);
	cleanup(freep) char *server = ldns_rdf2str(authority->options->server_name);
	cleanup(freep) char *apex = NULL;
	int r = 0;

	if (!account)
		return -ENOENT;
	authority_begin_clock(authority, moment);
	apex = ldns_rdf2str(account->zone->apex);
	if (!apex || !server)
		return -ENOMEM;
	/* A new account's SOA is stored with its first change. */
	if (!zone_soa(account->zone))
		r = put_soa(account->zone, apex, server, 1);
	if (r >= 0)
		r = put_fixed(authority, account->zone, apex, server);
	if (r >= 0 && authority->follower)
		r = follow_complete_account(authority, account);
	if (r >= 0)
		authority_complete_replication(authority, account);
	if (r >= 0)
		r = authority_restore_llqs(authority, account, moment->now);
	accounts_note_leases(&authority->accounts, account);
	return r;
}

bool authority_has_account(const struct authority *authority, int64_t id, const char *domain)
{
	const struct account *account = accounts_find_id(&authority->accounts, id);

	return account && strcasecmp(account->domain, domain) == 0;
}

void authority_unlist_accounts(struct authority *authority)
{
	struct account *account, *next;

	HASH_ITER (by_id, authority->accounts.by_id, account, next)
		account->is_listed = false;
}

void authority_list_account(struct authority *authority, int64_t id)
{
	struct account *account = accounts_find_id(&authority->accounts, id);

	if (account)
		account->is_listed = true;
}

static void forget(struct authority *authority, struct account *account)
{
	session_table_leave_account(&authority->sessions, account, LDNS_RCODE_REFUSED);
	llq_table_forget_account(&authority->llqs, account);
	keyring_forget(&authority->keyring, account);
	authority_clear_removals(account);
	authority_end_replication(authority, account);
	if (authority->follower)
		follow_forget_account(authority, account);
	accounts_remove(&authority->accounts, account);
}

void authority_keep_listed(struct authority *authority)
{
	struct account *account, *next;

	HASH_ITER (by_id, authority->accounts.by_id, account, next)
		if (!account->is_listed)
			forget(authority, account);
}

void authority_forget_account(struct authority *authority, int64_t id)
{
	struct account *account = accounts_find_id(&authority->accounts, id);

	if (account)
		forget(authority, account);
}

void authority_set_last_record_id(struct authority *authority, int64_t id)
{
	authority->last_record_id = id;
}

bool authority_is_busy(const struct authority *authority)
{
	return authority->is_busy;
}

const struct authority_counters *authority_counters(const struct authority *authority)
{
	return &authority->counters;
}

size_t authority_n_accounts(const struct authority *authority)
{
	return authority->accounts.n;
}
