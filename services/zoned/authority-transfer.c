/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/authority-transfer.h"

#include "common/dns/dns-tsig-chain.h"

/* Octets of records in one message: beyond 16384 names are not compressed any more. */
#define TRANSFER_MESSAGE_SIZE 16384
/* Room for one record and the signature on top of it. */
#define TRANSFER_BUFFER_SIZE DNS_MESSAGE_SIZE_MAX

/* An answer of one or more messages. */
struct transfer {
	struct authority *authority;
	const struct request *request;
	const struct moment *moment;
	struct outbox *outbox;
	struct dns_builder builder;
	struct dns_tsig_mac mac;
	unsigned int n_messages;
	unsigned int n_records; /* in the message that is being filled */
	uint8_t *octets;
};

static uint16_t answer_flags(const struct transfer *transfer)
{
	return DNS_FLAG_QR | DNS_FLAG_AA | (transfer->request->message->flags & DNS_FLAG_RD);
}

static void begin_message(struct transfer *transfer)
{
	const struct request *request = transfer->request;
	const ldns_rr *question = dns_message_rr(request->message, DNS_SECTION_QUESTION, 0);

	dns_builder_init(&transfer->builder, transfer->octets,
			 TRANSFER_BUFFER_SIZE - dns_tsig_size(&request->identity.key) -
				 DNS_HEADER_SIZE,
			 request->message->id, answer_flags(transfer));
	/* Only the first message has the question (RFC 5936 §2.2.1). */
	if (transfer->n_messages == 0)
		dns_builder_add_question(&transfer->builder, ldns_rr_owner(question),
					 ldns_rr_get_type(question), ldns_rr_get_class(question));
	transfer->n_records = 0;
}

static int sign_message(struct transfer *transfer)
{
	const struct request *request = transfer->request;
	uint64_t now = transfer->moment->date / 1000;
	int r;

	if (transfer->builder.writer.failed)
		return -EMSGSIZE;
	transfer->builder.writer.capacity = TRANSFER_BUFFER_SIZE;
	if (transfer->n_messages == 0) {
		if (request->message->has_edns)
			dns_builder_add_edns(&transfer->builder, DNS_UDP_SIZE, 0, NULL, 0);
		return dns_builder_sign(&transfer->builder, &request->identity.key,
					&request->tsig.mac, now, &transfer->mac);
	}
	r = dns_builder_finish(&transfer->builder);
	if (r >= 0)
		r = dns_tsig_sign_next(&transfer->builder.writer, &request->identity.key,
				       &transfer->mac, now, &transfer->mac);
	return r;
}

static int end_message(struct transfer *transfer)
{
	int r = sign_message(transfer);

	if (r >= 0)
		r = outbox_append(transfer->outbox, &transfer->request->peer, transfer->octets,
				  transfer->builder.writer.position);
	transfer->n_messages++;
	return r;
}

static int add_rr(void *userdata, const ldns_rr *rr)
{
	struct transfer *transfer = userdata;
	struct dns_builder_mark mark = dns_builder_mark(&transfer->builder);
	int r;

	dns_builder_add_rr(&transfer->builder, DNS_SECTION_ANSWER, rr);
	if (transfer->n_records == 0 ||
	    (!transfer->builder.writer.failed &&
	     transfer->builder.writer.position <= TRANSFER_MESSAGE_SIZE)) {
		transfer->n_records++;
		return 0;
	}
	transfer->builder.writer.failed = false;
	dns_builder_rewind(&transfer->builder, &mark);
	r = end_message(transfer);
	if (r < 0)
		return r;
	begin_message(transfer);
	dns_builder_add_rr(&transfer->builder, DNS_SECTION_ANSWER, rr);
	transfer->n_records++;
	return 0;
}

/* The whole zone: its SOA at both ends (RFC 5936 §2.2). What is there, be its lease over or not:
 * that ends with a serial of its own. */
static int add_whole(struct transfer *transfer, const struct zone *zone)
{
	const struct zone_record *soa = zone_soa(zone);
	int r = add_rr(transfer, soa->rr);

	for (size_t i = 0; r >= 0 && i < zone->n_records; i++)
		if (zone->records[i] != soa)
			r = add_rr(transfer, zone->records[i]->rr);
	return r < 0 ? r : add_rr(transfer, soa->rr);
}

static int add_differences(struct transfer *transfer, const struct zone *zone,
			   const struct zone_journal *journal, size_t first)
{
	const struct zone_record *soa = zone_soa(zone);
	int r = add_rr(transfer, soa->rr);

	for (size_t i = first; r >= 0 && i < journal->n; i++) {
		r = journal_walk(&journal->items[i].removed, add_rr, transfer);
		if (r >= 0)
			r = journal_walk(&journal->items[i].added, add_rr, transfer);
	}
	return r < 0 ? r : add_rr(transfer, soa->rr);
}

/* The serial that an IXFR's client has. */
static bool read_serial(const struct request *request, uint32_t *ret)
{
	const ldns_rr *soa = dns_message_rr(request->message, DNS_SECTION_AUTHORITY, 0);

	if (!soa || ldns_rr_get_type(soa) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(soa) < 3)
		return false;
	*ret = ldns_rdf2native_int32(ldns_rr_rdf(soa, 2));
	return true;
}

static int add_answer(struct transfer *transfer, const struct zone *zone,
		      const struct zone_journal *journal, bool is_incremental)
{
	uint32_t serial = 0, current = zone_serial(zone);
	int first = -1;

	if (is_incremental && !read_serial(transfer->request, &serial))
		return -EBADMSG;
	/* Up to date or ahead of us; or UDP, where this says: come over TCP (RFC 1995 §4). */
	if (is_incremental &&
	    ((int32_t)(serial - current) >= 0 || !transfer->request->peer.connection))
		return add_rr(transfer, zone_soa(zone)->rr);
	if (is_incremental && journal)
		first = journal_find(journal, serial);
	if (first >= 0) {
		transfer->authority->counters.transfers_incremental++;
		return add_differences(transfer, zone, journal, first);
	}
	transfer->authority->counters.transfers_whole++;
	return add_whole(transfer, zone);
}

static void answer_transfer(struct authority *authority, struct request *request,
			    const struct moment *moment, const struct zone *zone,
			    const struct zone_journal *journal, bool is_incremental,
			    struct outbox *outbox)
{
	cleanup(freep) uint8_t *octets = malloc(TRANSFER_BUFFER_SIZE);
	struct transfer transfer = { authority, request, moment, outbox, .octets = octets };
	int r = octets ? 0 : -ENOMEM;

	if (r >= 0) {
		begin_message(&transfer);
		r = add_answer(&transfer, zone, journal, is_incremental);
	}
	if (r >= 0)
		r = end_message(&transfer);
	if (r < 0 && transfer.n_messages == 0)
		answer_rcode(authority, request,
			     r == -EBADMSG ? LDNS_RCODE_FORMERR : LDNS_RCODE_SERVFAIL, moment,
			     outbox);
}

/* The zone of exactly this name. */
static const struct zone *find_zone(const struct authority *authority, const struct name_key *name,
				    const struct zone_journal **ret_journal)
{
	const struct account *account;

	*ret_journal = NULL;
	if (name_key_equal(name, &authority->zone_name))
		return authority->public_zone;
	account = accounts_find(&authority->accounts, name);
	if (!account || !name_key_equal(name, &account->name))
		return NULL;
	if (account->replication)
		*ret_journal = &account->replication->journal;
	return account->zone;
}

static void receive_query(struct authority *authority, const struct moment *moment,
			  struct request *request, struct outbox *outbox)
{
	const ldns_rr *question = dns_message_rr(request->message, DNS_SECTION_QUESTION, 0);
	const struct zone_journal *journal;
	uint16_t type = question ? ldns_rr_get_type(question) : 0;
	uint16_t rcode = LDNS_RCODE_NOERROR;
	const struct zone *zone = NULL;
	struct name_key name;

	if (!question || dns_message_count(request->message, DNS_SECTION_QUESTION) != 1) {
		rcode = LDNS_RCODE_FORMERR;
	} else if (type != LDNS_RR_TYPE_AXFR && type != LDNS_RR_TYPE_IXFR) {
		authority_answer_question(authority, request, question, moment, outbox);
		return;
	} else {
		name_key_from_rdf(ldns_rr_owner(question), &name);
		zone = find_zone(authority, &name, &journal);
		if (!zone || !zone_soa(zone) || ldns_rr_get_class(question) != LDNS_RR_CLASS_IN)
			rcode = LDNS_RCODE_NOTAUTH;
		else if (type == LDNS_RR_TYPE_AXFR && !request->peer.connection)
			rcode = LDNS_RCODE_FORMERR;
	}
	if (rcode == LDNS_RCODE_NOERROR)
		answer_transfer(authority, request, moment, zone, journal,
				type == LDNS_RR_TYPE_IXFR, outbox);
	else
		answer_rcode(authority, request, rcode, moment, outbox);
}

void authority_receive_transfer(struct authority *authority, const struct moment *moment,
				struct request *request, struct outbox *outbox)
{
	if (request->message->opcode == LDNS_PACKET_QUERY) {
		authority->counters.queries++;
		receive_query(authority, moment, request, outbox);
		return;
	}
	authority->counters.refused++;
	answer_rcode(authority, request, LDNS_RCODE_REFUSED, moment, outbox);
}

/* Journal
 * -------------------------------------------------------------------------------------------- */

int authority_begin_replication(struct authority *authority, struct account *account)
{
	if (!authority->options->is_replicated)
		return 0;
	account->replication = replication_new(account);
	return account->replication ? 0 : -ENOMEM;
}

int authority_add_journal(struct authority *authority, int64_t id,
			  const struct stored_journal *stored)
{
	struct account *account = accounts_find_id(&authority->accounts, id);
	struct stored_journal entry = { .from = stored->from, .to = stored->to };
	int r;

	if (!account || !account->replication)
		return -ENOENT;
	r = octets_copy(stored->removed.data, stored->removed.size, &entry.removed);
	if (r >= 0)
		r = octets_copy(stored->added.data, stored->added.size, &entry.added);
	if (r < 0) {
		stored_journal_clear(&entry);
		return r;
	}
	return journal_append(&account->replication->journal, &entry);
}

void authority_complete_replication(struct authority *authority, struct account *account)
{
	struct replication *replication = account->replication;
	struct zone_journal *journal;

	if (!replication)
		return;
	journal = &replication->journal;
	/* The zone went on without a journal meanwhile. */
	if (journal->n && journal->items[journal->n - 1].to != zone_serial(account->zone)) {
		journal_clear(journal);
		replication->is_storage_stale = true;
	}
	/* Whoever was told before the end of the last run may not have heard. */
	notifier_zone_changed(&authority->notifier, &replication->notify);
}

void authority_end_replication(struct authority *authority, struct account *account)
{
	if (account->replication)
		notifier_forget(&authority->notifier, &account->replication->notify);
}

static int write_removal(struct account *account, uint32_t serial, bool all,
			 struct change_list *changes)
{
	struct change change = { .kind = all ? CHANGE_CLEAR_JOURNAL : CHANGE_DELETE_JOURNAL,
				 .account = account->id };

	change.serial = serial;
	return change_list_append(changes, &change);
}

static int write_surplus(struct account *account, const struct stored_journal *entry,
			 struct change_list *changes)
{
	struct replication *replication = account->replication;
	const struct zone_journal *journal = &replication->journal;
	size_t n = journal_count_surplus(journal, entry);
	int r = 0;

	if (n == journal->n && (n || replication->is_storage_stale))
		return write_removal(account, 0, true, changes);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = write_removal(account, journal->items[i].to, false, changes);
	return r;
}

int authority_write_journal(struct account *account, struct change_list *changes)
{
	struct change change = { .kind = CHANGE_PUT_JOURNAL, .account = account->id };
	struct replication *replication = account->replication;
	int r;

	if (!replication || zone_serial(account->staged) == zone_serial(account->zone))
		return 0;
	r = journal_make_entry(account->zone, account->staged, &replication->staged);
	if (r < 0)
		return r;
	replication->has_staged = true;
	r = write_surplus(account, &replication->staged, changes);
	if (r < 0 || journal_is_too_big(&replication->staged))
		return r;
	change.journal.from = replication->staged.from;
	change.journal.to = replication->staged.to;
	r = octets_copy(replication->staged.removed.data, replication->staged.removed.size,
			&change.journal.removed);
	if (r >= 0)
		r = octets_copy(replication->staged.added.data, replication->staged.added.size,
				&change.journal.added);
	if (r < 0) {
		change_clear(&change);
		return r;
	}
	return change_list_append(changes, &change);
}

void authority_settle_journal(struct authority *authority, struct account *account, bool durable)
{
	struct replication *replication = account->replication;

	if (!replication || !replication->has_staged)
		return;
	replication->has_staged = false;
	if (!durable) {
		stored_journal_clear(&replication->staged);
		replication->staged = (struct stored_journal){};
		return;
	}
	replication->is_storage_stale = false;
	/* Without memory for it secondaries get the whole zone. */
	(void)journal_append(&replication->journal, &replication->staged);
	notifier_zone_changed(&authority->notifier, &replication->notify);
}

/* NOTIFY
 * --------------------------------------------------------------------------------------------- */

/* Their sockets are those that listen: a secondary knows us by our address. */
static const struct peer *notify_peer(const struct authority *authority, size_t target,
				      struct peer *ret)
{
	*ret = (struct peer){ .remote = authority->options->notify_targets[target].remote };
	ret->local.family = ret->remote.family;
	return ret;
}

static const struct zone *zone_of(const struct authority *authority,
				  const struct notify_zone *notify)
{
	if (notify == &authority->public_notify)
		return authority->public_zone;
	return container_of(notify, struct replication, notify)->account->zone;
}

static uint16_t next_notify_id(struct authority *authority)
{
	uint64_t x = ++authority->n_notifies;

	/* Not to be guessed from the one before it. */
	for (size_t i = 0; i < 4; i++) {
		uint64_t part;

		memcpy(&part, authority->options->llq_secret + 8 * i, sizeof part);
		x = (x ^ part) * 0x9e3779b97f4a7c15;
		x ^= x >> 29;
	}
	return x >> 16;
}

static void send_notify(struct authority *authority, const struct zone *zone, size_t target,
			uint16_t id, const struct moment *moment, struct outbox *outbox)
{
	const struct transfer_key *key = authority->options->notify_targets[target].key;
	const struct zone_record *soa = zone_soa(zone);
	struct dns_builder builder;
	uint8_t octets[DNS_UDP_SIZE];
	struct peer peer;
	int size;

	dns_builder_init(&builder, octets, sizeof octets, id,
			 DNS_FLAGS_OPCODE(LDNS_PACKET_NOTIFY) | DNS_FLAG_AA);
	dns_builder_add_question(&builder, zone->apex, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
	if (soa)
		dns_builder_add_rr(&builder, DNS_SECTION_ANSWER, soa->rr);
	size = key ? dns_builder_sign(&builder, &key->tsig, NULL, moment->date / 1000, NULL)
		   : dns_builder_finish(&builder);
	if (size <= 0)
		return;
	authority->counters.notifies_sent++;
	outbox_append(outbox, notify_peer(authority, target, &peer), octets,
		      builder.writer.position);
}

void authority_send_notifies(struct authority *authority, const struct moment *moment,
			     struct outbox *outbox)
{
	struct notify_zone *zone;
	uint16_t id = next_notify_id(authority);
	size_t target;

	while (notifier_next(&authority->notifier, moment->now, id, &zone, &target)) {
		send_notify(authority, zone_of(authority, zone), target, id, moment, outbox);
		id = next_notify_id(authority);
	}
}

uint64_t authority_next_notify(const struct authority *authority, uint64_t now)
{
	return notifier_next_due(&authority->notifier, now);
}

void authority_receive_notify_answer(struct authority *authority, const struct peer *peer,
				     const uint8_t *data, size_t size)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct notify_zone *zone;
	const ldns_rr *question;
	size_t target;

	zone = notifier_find(&authority->notifier, &peer->remote,
			     (uint16_t)(data[0] << 8 | data[1]), &target);
	if (!zone || dns_message_parse_outline(data, size, &message) < 0)
		return;
	question = dns_message_rr(message, DNS_SECTION_QUESTION, 0);
	if (question && ldns_dname_compare(ldns_rr_owner(question), zone_of(authority, zone)->apex))
		return;
	/* Also a refusal is an answer: this secondary does not want to know. */
	authority->counters.notifies_answered++;
	notifier_answered(&authority->notifier, zone, target);
}
