/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/why-words.h"

#include "clients/ctl/daemons.h"
#include "clients/ctl/netcheck-words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is looked at, and what was found in it. */
struct walk {
	json_object *identity, *mapper, *registrar, *watcher, *tunnel, *key;
	json_object *host, *peer, *sa, *child; /* NULL: not there */
	const struct why_trial *trial;
	uint64_t now;
	char name[TEXT_SIZE];     /* as it is told to people: its first label */
	char endpoint[TEXT_SIZE]; /* where it is said to be; "" */
	struct why_report *report;
};

/* Reports. */

__attribute__((format(printf, 4, 5))) static void step(struct walk *walk, const char *name,
						       enum why_mark mark, const char *format, ...)
{
	struct why_step *next;
	va_list arguments;

	if (walk->report->n_steps == WHY_STEP_LIMIT)
		return;
	next = &walk->report->steps[walk->report->n_steps++];
	next->name = name;
	next->mark = mark;
	va_start(arguments, format);
	vsnprintf(next->text, sizeof next->text, format, arguments);
	va_end(arguments);
}

/* The verdict; true, for who ends with it. */
__attribute__((format(printf, 4, 5))) static bool verdict(struct walk *walk, enum why_reach reach,
							  const char *kind, const char *format, ...)
{
	va_list arguments;

	walk->report->reach = reach;
	walk->report->kind = kind;
	va_start(arguments, format);
	vsnprintf(walk->report->summary, sizeof walk->report->summary, format, arguments);
	va_end(arguments);
	return true;
}

__attribute__((format(printf, 2, 3))) static bool advise(struct walk *walk, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(walk->report->advice, sizeof walk->report->advice, format, arguments);
	va_end(arguments);
	return true;
}

/* Finding. */

static bool is_name(const char *full, const char *host)
{
	char label[TEXT_SIZE];
	size_t length = strlen(host);

	text_first_label(full, label);
	if (length && host[length - 1] == '.')
		length--;
	return !strcasecmp(label, host) ||
	       (strlen(full) == length && !strncasecmp(full, host, length));
}

/* The same for a name of one label of the account that we are in. */
static bool is_label(struct walk *walk, const char *label, const char *host)
{
	char full[3 * TEXT_SIZE];

	snprintf(full, sizeof full, "%s.%s.%s", label, values_text(walk->identity, "account"),
		 values_text(walk->identity, "domain"));
	return is_name(full, host);
}

static json_object *find(json_object *state, const char *list, const char *key, const char *host)
{
	for (size_t i = 0; i < values_count(state, list); i++) {
		json_object *element = values_element(state, list, i);

		if (is_name(values_text(element, key), host))
			return element;
	}
	return NULL;
}

const char *why_host_id(json_object *all, const char *host)
{
	json_object *seen = find(values_member(all, CTL_WATCHER->name), "hosts", "name", host);

	if (!seen)
		seen = find(values_member(all, CTL_TUNNEL->name), "peers", "name", host);
	return values_text(seen, "host_id");
}

static bool has_state(json_object *state, const char *word)
{
	return !strcmp(values_text(state, "state"), word);
}

static void reason_of(json_object *state, char ret[static TEXT_SIZE])
{
	text_clean(values_text(state, "reason"), ret);
}

/* The best SA with it: an established one before others. */
static void find_sa(struct walk *walk, const char *host)
{
	for (size_t i = 0; i < values_count(walk->key, "ike_sas"); i++) {
		json_object *sa = values_element(walk->key, "ike_sas", i);

		if (is_name(values_text(sa, "peer"), host) &&
		    (!walk->sa || has_state(sa, "established")))
			walk->sa = sa;
	}
	for (size_t i = 0; walk->sa && i < values_count(walk->key, "child_sas"); i++) {
		json_object *child = values_element(walk->key, "child_sas", i);

		if (!strcmp(values_text(child, "ike_sa"), values_text(walk->sa, "path")))
			walk->child = child;
	}
}

/* Steps. Each tells what it looked at, and returns true with a verdict when it ends there. */

static bool look_at_daemons(struct walk *walk)
{
	json_object *const states[CTL_DAEMONS] = { walk->identity, walk->mapper, walk->registrar,
						   walk->watcher,  walk->tunnel, walk->key };

	for (size_t i = 0; i < CTL_DAEMONS; i++) {
		const struct ctl_daemon *daemon = &ctl_daemons[i];
		const char *error = values_text(states[i], "error");
		char text[TEXT_SIZE];

		if (!values_flag(states[i], "running")) {
			step(walk, "daemons", WHY_BAD, "%s is not running", daemon->name);
			verdict(walk, WHY_NOT_REACHED, "daemon", "On this host %s is not running.",
				daemon->name);
			return advise(walk, "Start it: systemctl start %s", daemon->unit);
		}
		if (*error) {
			text_clean(error, text);
			step(walk, "daemons", WHY_BAD, "%s does not answer: %s", daemon->name,
			     text);
			verdict(walk, WHY_NOT_REACHED, "daemon", "On this host %s does not answer.",
				daemon->name);
			return advise(walk, "Restart it: systemctl restart %s", daemon->unit);
		}
	}
	step(walk, "daemons", WHY_GOOD, "all %d run", CTL_DAEMONS);
	return false;
}

static bool look_at_account(struct walk *walk, const char *host)
{
	char account[TEXT_SIZE], domain[TEXT_SIZE], own[TEXT_SIZE], reason[TEXT_SIZE];

	text_clean(values_text(walk->identity, "account"), account);
	text_clean(values_text(walk->identity, "domain"), domain);
	text_clean(values_text(walk->identity, "host_name"), own);
	if (!values_flag(walk->identity, "signed_in")) {
		reason_of(walk->identity, reason);
		step(walk, "account", WHY_BAD, "not signed in%s%s", *reason ? ": " : "", reason);
		if (values_number(walk->identity, "forgotten"))
			verdict(walk, WHY_NOT_REACHED, "forgotten",
				"This host was forgotten by its account, and is signed out.");
		else
			verdict(walk, WHY_NOT_REACHED, "signed-out",
				"This host is not signed in to an account.");
		return advise(walk, "Sign in: homewardctl sign-in");
	}
	step(walk, "account", WHY_GOOD, "signed in as %s.%s.%s", own, account, domain);
	if (is_label(walk, own, host)) {
		step(walk, "host", WHY_OPEN, "%s is this host itself", own);
		return verdict(walk, WHY_REACHED, "self", "%s is this host itself.", own);
	}
	return false;
}

static bool look_at_network(struct walk *walk)
{
	char local[TEXT_SIZE], interface[TEXT_SIZE], reason[TEXT_SIZE];

	text_clean(values_text(walk->mapper, "local_address"), local);
	text_clean(values_text(walk->mapper, "primary_interface"), interface);
	if (*local) {
		step(walk, "network", WHY_GOOD, "%s on %s", local, interface);
		return false;
	}
	reason_of(walk->mapper, reason);
	step(walk, "network", WHY_BAD, "none: %s", reason);
	verdict(walk, WHY_NOT_REACHED, "network", "This host is in no network.");
	return advise(walk, "Connect it to one; \"homewardctl netcheck\" says what is missing.");
}

/* What the server makes of us. It is asked for two things, and either may tell first. */
static bool look_at_clock_and_key(struct walk *walk)
{
	json_object *const askers[] = { walk->registrar, walk->watcher };
	char reason[TEXT_SIZE];

	for (size_t i = 0; i < sizeof askers / sizeof *askers; i++) {
		reason_of(askers[i], reason);
		if (has_state(askers[i], "clock-skew") || strstr(reason, "clock is ")) {
			step(walk, "server", WHY_BAD, "%s", reason);
			verdict(walk, WHY_NOT_REACHED, "clock",
				"This host's clock is wrong, so the account's server takes nothing "
				"from it.");
			return advise(walk, "Set the clock: timedatectl set-ntp true");
		}
		if (has_state(askers[i], "bad-key") || has_state(askers[i], "refused")) {
			step(walk, "server", WHY_BAD, "%s", reason);
			verdict(walk, WHY_NOT_REACHED, "refused",
				"The account's server refuses this host: another password, or no "
				"such account.");
			return advise(
				walk,
				"Sign in again: homewardctl sign-out, then homewardctl sign-in");
		}
	}
	return false;
}

static bool look_at_server(struct walk *walk)
{
	char server[TEXT_SIZE], reason[TEXT_SIZE];

	text_clean(values_text(walk->watcher, "server"), server);
	reason_of(walk->watcher, reason);
	if (has_state(walk->watcher, "watching")) {
		step(walk, "server", WHY_GOOD, "%s tells what the other hosts publish",
		     *server ? server : "it");
		return false;
	}
	if (look_at_clock_and_key(walk))
		return true;
	step(walk, "server", WHY_BAD, "%s: %s", values_text(walk->watcher, "state"), reason);
	/* What it said before is good enough to try. */
	if (walk->host || walk->peer)
		return false;
	verdict(walk, WHY_NOT_REACHED, "server",
		"The account's server is not reached, so where %s is cannot be known.", walk->name);
	return advise(walk, "Look after the server, or the way to it: %s",
		      *reason ? reason : "homewardctl status says more");
}

static bool is_revoked(struct walk *walk, const char *host)
{
	for (size_t i = 0; i < values_count(walk->identity, "revoked"); i++) {
		const char *name =
			values_text(values_element(walk->identity, "revoked", i), "host");

		if (*name && is_label(walk, name, host))
			return true;
	}
	return false;
}

/* The names there are, as many as fit. */
static void list_names(struct walk *walk, char ret[static TEXT_SIZE])
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < values_count(walk->watcher, "hosts"); i++) {
		char label[TEXT_SIZE];
		int n;

		text_first_label(values_text(values_element(walk->watcher, "hosts", i), "name"),
				 label);
		n = snprintf(ret + used, TEXT_SIZE - used, "%s%s", used ? ", " : "", label);
		if (n < 0 || used + (size_t)n >= TEXT_SIZE) {
			ret[used] = '\0';
			return;
		}
		used += (size_t)n;
	}
}

static bool look_at_unknown(struct walk *walk, const char *host)
{
	char names[TEXT_SIZE];

	if (is_revoked(walk, host)) {
		step(walk, "host", WHY_BAD, "%s was forgotten, and publishes nothing", walk->name);
		verdict(walk, WHY_NOT_REACHED, "revoked",
			"%s was forgotten: what it had of this account is worth nothing any more.",
			walk->name);
		return advise(walk, "If it is wanted again, sign in on it: homewardctl sign-in");
	}
	list_names(walk, names);
	step(walk, "host", WHY_BAD, "the zone has no %s%s%s", walk->name,
	     *names ? "; it has " : " and no other host", names);
	verdict(walk, WHY_NOT_REACHED, "unknown-name",
		"No host called %s publishes anything in this account.", walk->name);
	return advise(
		walk,
		"If the name is right, it is switched off for long or signed out: look on it with "
		"\"homewardctl status\".");
}

static bool is_in_zone(const struct walk *walk)
{
	return walk->host &&
	       (values_flag(walk->host, "live") || values_number(walk->host, "not_heard_since"));
}

static bool tell_not_published(struct walk *walk)
{
	verdict(walk, WHY_NOT_REACHED, "not-published",
		"%s does not publish where it is: it is off, signed out, or its lease ended.",
		walk->name);
	return advise(walk, "Look on %s with \"homewardctl status\".", walk->name);
}

static bool look_at_host(struct walk *walk, const char *host)
{
	uint64_t not_heard = values_number(walk->host, "not_heard_since");
	char id[TEXT_SIZE], when[TEXT_SIZE];

	if (!walk->host && !walk->peer)
		return look_at_unknown(walk, host);
	text_clean(values_text(walk->host ? walk->host : walk->peer, "host_id"), id);
	text_relative(not_heard, walk->now, when);
	if (!is_in_zone(walk)) {
		step(walk, "host", WHY_BAD, "%s (%s) is not in the zone any more", walk->name, id);
		/* With keys that there are still, it may be reached all the same. */
		return !has_state(walk->peer, "established") && tell_not_published(walk);
	}
	step(walk, "host", WHY_GOOD, "%s is %s%s%s", walk->name, id,
	     not_heard ? "; the server was last heard " : "", not_heard ? when : "");
	return false;
}

/* RFC 1918, RFC 6598 and RFC 3927: nobody elsewhere reaches them. */
static bool is_private(const char *address)
{
	struct in_addr in;
	uint32_t number;

	if (inet_pton(AF_INET, address, &in) != 1)
		return false;
	number = ntohl(in.s_addr);
	return number >> 24 == 10 || number >> 20 == 0xac1 || number >> 16 == 0xc0a8 ||
	       number >> 22 == 0x191 || number >> 16 == 0xa9fe;
}

static const char *endpoint_address(struct walk *walk)
{
	json_object *endpoint = values_member(walk->peer, "endpoint");

	if (!endpoint)
		endpoint = values_member(walk->host, "endpoint");
	return values_text(endpoint, "address");
}

static bool look_at_endpoint(struct walk *walk)
{
	json_object *endpoint = values_member(walk->peer, "endpoint");
	const char *source = values_text(walk->peer, "endpoint_source");

	if (!endpoint)
		endpoint = values_member(walk->host, "endpoint");
	if (!endpoint) {
		step(walk, "endpoint", WHY_BAD, "none: where it can be reached is not published");
		verdict(walk, WHY_NOT_REACHED, "not-published",
			"%s publishes no address at which it can be reached.", walk->name);
		return advise(walk,
			      "On %s, \"homewardctl netcheck\" says what to do in its router.",
			      walk->name);
	}
	text_endpoint(endpoint, "", walk->endpoint);
	step(walk, "endpoint", is_private(endpoint_address(walk)) ? WHY_OPEN : WHY_GOOD,
	     "%s%s%s%s%s", walk->endpoint, *source ? " (" : "", source, *source ? ")" : "",
	     is_private(endpoint_address(walk)) ? ", which only its own network knows" : "");
	return false;
}

/* Our own side: it is no hindrance as long as the other one is reached. */
static void look_at_mapping(struct walk *walk, struct netcheck_report *ours)
{
	netcheck_judge(walk->mapper, ours);
	step(walk, "mapping", ours->reach == NETCHECK_YES ? WHY_GOOD : WHY_OPEN, "%s",
	     ours->reach == NETCHECK_YES ? "others reach this host"
	     : ours->reach == NETCHECK_NO
		     ? "others do not reach this host, which has to begin with each of them"
		     : "whether others reach this host is not known yet");
}

static bool look_at_tunnel(struct walk *walk)
{
	char state[TEXT_SIZE], reason[TEXT_SIZE];

	if (!has_state(walk->tunnel, "ready") || !has_state(walk->key, "ready")) {
		json_object *late = has_state(walk->tunnel, "ready") ? walk->key : walk->tunnel;
		const struct ctl_daemon *daemon = late == walk->key ? CTL_KEY : CTL_TUNNEL;

		text_clean(values_text(late, "state"), state);
		reason_of(late, reason);
		step(walk, "tunnel", WHY_BAD, "%s is %s: %s", daemon->name, state, reason);
		verdict(walk, walk->trial->over ? WHY_NOT_REACHED : WHY_NOT_KNOWN, "daemon",
			"On this host %s is not ready: %s", daemon->name, reason);
		return advise(walk, "Wait a moment; if it stays so: systemctl restart %s",
			      daemon->unit);
	}
	if (walk->peer) {
		text_clean(values_text(walk->peer, "state"), state);
		step(walk, "tunnel", strcmp(state, "established") ? WHY_OPEN : WHY_GOOD, "%s",
		     state);
	} else {
		step(walk, "tunnel", WHY_OPEN, "tunneld does not know the host yet");
	}
	return false;
}

static void look_at_keys(struct walk *walk)
{
	char state[TEXT_SIZE], error[TEXT_SIZE];
	uint64_t repeated = values_number(walk->sa, "retransmissions");

	text_clean(values_text(walk->sa, "last_error"), error);
	if (!*error)
		text_clean(values_text(walk->peer, "last_error"), error);
	if (!walk->sa) {
		step(walk, "keys", *error ? WHY_BAD : WHY_OPEN, "no conversation%s%s",
		     *error ? "; the last one failed: " : "", error);
		return;
	}
	text_clean(values_text(walk->sa, "state"), state);
	step(walk, "keys", !strcmp(state, "established") ? WHY_GOOD : WHY_OPEN,
	     "%s%s%s, %" PRIu64 " message%s sent again%s%s", state,
	     *values_text(walk->sa, "role") ? ", as " : "", values_text(walk->sa, "role"), repeated,
	     repeated == 1 ? "" : "s", *error ? "; last trouble: " : "", error);
	if (!walk->child)
		return;
	text_clean(values_text(walk->child, "algorithm"), state);
	step(walk, "traffic keys", WHY_GOOD, "%s, SPI %08x in, %08x out", state,
	     (unsigned int)values_number(walk->child, "spi_in"),
	     (unsigned int)values_number(walk->child, "spi_out"));
}

static void look_at_traffic(struct walk *walk)
{
	json_object *counters = values_member(walk->peer, "counters");
	uint64_t received = values_number(walk->peer, "last_received");
	char when[TEXT_SIZE];

	if (!walk->peer || !values_member(walk->peer, "counters"))
		return;
	text_relative(received, walk->now, when);
	step(walk, "traffic", received && received >= walk->trial->since ? WHY_GOOD : WHY_OPEN,
	     "%" PRIu64 " packets in, %" PRIu64 " out; last heard %s",
	     values_number(counters, "PacketsIn"), values_number(counters, "PacketsOut"),
	     received ? when : "never");
}

/* What a failed conversation means. */
static bool explain_failure(struct walk *walk, const char *error)
{
	if (strstr(error, "clock")) {
		verdict(walk, WHY_NOT_REACHED, "clock",
			"The clock of this host or of %s is wrong: %s", walk->name, error);
		return advise(walk, "Set the clock of both: timedatectl set-ntp true");
	}
	if (strstr(error, "forgotten") || strstr(error, "revoked")) {
		verdict(walk, WHY_NOT_REACHED, "revoked", "%s was forgotten by the account.",
			walk->name);
		return advise(walk, "If it is wanted again, sign in on it: homewardctl sign-in");
	}
	if (strstr(error, "AUTHENTICATION_FAILED") || strstr(error, "of this account") ||
	    strstr(error, "post-quantum") || strstr(error, "signature")) {
		verdict(walk, WHY_NOT_REACHED, "other-account",
			"%s and this host do not accept each other: %s", walk->name, error);
		return advise(walk,
			      "On %s, \"homewardctl trace --all\" has its reason; signing both in "
			      "again, with the same "
			      "password, and setting both clocks mends most of them.",
			      walk->name);
	}
	verdict(walk, WHY_NOT_REACHED, "failed", "No keys could be agreed with %s: %s", walk->name,
		error);
	return advise(walk,
		      "On %s, \"homewardctl status\" and \"homewardctl trace --all\" say more.",
		      walk->name);
}

static bool explain_silence(struct walk *walk, const struct netcheck_report *ours)
{
	if (is_private(endpoint_address(walk))) {
		verdict(walk, WHY_NOT_REACHED, "unmapped",
			"%s is behind a router that lets nothing in: %s, which it publishes, is "
			"known in its own "
			"network only.",
			walk->name, walk->endpoint);
		return advise(walk,
			      "On %s, \"homewardctl netcheck\" says what to do in its router%s.",
			      walk->name,
			      ours->reach == NETCHECK_YES
				      ? "; until then, let it begin: it reaches this host"
				      : "");
	}
	verdict(walk, WHY_NOT_REACHED, "no-answer",
		"Nobody answers for %s at %s: it sleeps, its keyd or tunneld is off, or its router "
		"lets nothing in.",
		walk->name, walk->endpoint);
	return advise(walk, "On %s, look at \"homewardctl status\" and \"homewardctl netcheck\".",
		      walk->name);
}

static bool is_answered(const struct walk *walk)
{
	uint64_t received = values_number(walk->peer, "last_received");

	return walk->trial->answered ||
	       (walk->trial->begun && has_state(walk->peer, "established") &&
		received > walk->trial->since);
}

/* What came of the packets that were sent. */
static bool judge_trial(struct walk *walk, const struct netcheck_report *ours)
{
	const struct why_trial *trial = walk->trial;
	const char *raw = values_text(walk->peer, "last_error");
	char error[TEXT_SIZE], when[TEXT_SIZE];

	if (is_answered(walk))
		return verdict(walk, WHY_REACHED, "reached", "%s is reached, at %s.", walk->name,
			       walk->endpoint);
	if (!trial->begun)
		return verdict(walk, WHY_TRY, "trying", "%s has not been tried yet.", walk->name);
	if (!*raw)
		raw = values_text(walk->sa, "last_error");
	text_clean(raw, error);
	/* A new failure says more than time that went by. */
	if (trial->error && *error)
		return strstr(error, "no answer") ? explain_silence(walk, ours)
						  : explain_failure(walk, error);
	if (!trial->over)
		return verdict(walk, WHY_NOT_KNOWN, "trying", "%s is being tried.", walk->name);
	if (!is_in_zone(walk))
		return tell_not_published(walk);
	if (has_state(walk->peer, "established")) {
		uint64_t received = values_number(walk->peer, "last_received");

		text_relative(received, walk->now, when);
		verdict(walk, WHY_NOT_REACHED, "silent",
			"There are keys with %s, but it does not answer; it was %s%s.", walk->name,
			received ? "last heard " : "never heard", received ? when : "");
		return advise(walk,
			      "Wait half a minute for it to be asked; then look on %s, which may "
			      "be off or "
			      "without a network.",
			      walk->name);
	}
	if (*error && !strstr(error, "no answer"))
		return explain_failure(walk, error);
	return explain_silence(walk, ours);
}

static void walk_through(struct walk *walk, const char *host)
{
	struct netcheck_report ours;

	if (look_at_daemons(walk) || look_at_account(walk, host) || look_at_network(walk) ||
	    look_at_server(walk) || look_at_host(walk, host) || look_at_endpoint(walk))
		return;
	look_at_mapping(walk, &ours);
	if (look_at_tunnel(walk))
		return;
	look_at_keys(walk);
	look_at_traffic(walk);
	judge_trial(walk, &ours);
}

void why_judge(json_object *all, const char *host, const struct why_trial *trial, uint64_t now,
	       struct why_report *ret)
{
	struct walk walk = {
		.identity = values_member(all, CTL_IDENTITY->name),
		.mapper = values_member(all, CTL_MAPPER->name),
		.registrar = values_member(all, CTL_REGISTRAR->name),
		.watcher = values_member(all, CTL_WATCHER->name),
		.tunnel = values_member(all, CTL_TUNNEL->name),
		.key = values_member(all, CTL_KEY->name),
		.trial = trial,
		.now = now,
		.report = ret,
	};

	*ret = (struct why_report){ .reach = WHY_NOT_KNOWN, .kind = "trying" };
	walk.host = find(walk.watcher, "hosts", "name", host);
	walk.peer = find(walk.tunnel, "peers", "name", host);
	text_first_label(host, walk.name);
	find_sa(&walk, host);
	walk_through(&walk, host);
}
