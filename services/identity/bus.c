/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.homeward.Identity1: translates, decides nothing. */
#include "bus-interfaces/errors.h"
#include "common/loop/bus-values.h"
#include "services/identity/bus-revoking.h"
#include "services/identity/identity.h"

#include <arpa/inet.h>
#include <string.h>

#define IDENTITY_PATH      HOMEWARD_OBJECT_ROOT "/Identity1"
#define IDENTITY_INTERFACE "org.homeward.Identity1"

static const struct counter_description counter_descriptions[] = {
	{ "SignIns", offsetof(struct identity_counters, sign_ins) },
	{ "SignInsRefused", offsetof(struct identity_counters, sign_ins_refused) },
	{ "SignOuts", offsetof(struct identity_counters, sign_outs) },
	{ "Signatures", offsetof(struct identity_counters, signatures) },
	{ "SignaturesRefused", offsetof(struct identity_counters, signatures_refused) },
	{ "TsigKeysGiven", offsetof(struct identity_counters, tsig_keys_given) },
	{ "TsigKeysRefused", offsetof(struct identity_counters, tsig_keys_refused) },
	{ "PpksGiven", offsetof(struct identity_counters, ppks_given) },
	{ "PpksRefused", offsetof(struct identity_counters, ppks_refused) },
	{ "Forgets", offsetof(struct identity_counters, forgets) },
	{ "ForgetsRefused", offsetof(struct identity_counters, forgets_refused) },
	{ "Forgotten", offsetof(struct identity_counters, forgotten) },
	{ "ListsTaken", offsetof(struct identity_counters, lists_taken) },
	{ "ListsOld", offsetof(struct identity_counters, lists_old) },
	{ "ListsRefused", offsetof(struct identity_counters, lists_refused) },
	{ "SubmissionsGiven", offsetof(struct identity_counters, submissions_given) },
	{ "SubmissionsRefused", offsetof(struct identity_counters, submissions_refused) },
	{},
};

const char *identity_error_name(int error)
{
	switch (error) {
	case -EINVAL:
		return HOMEWARD_ERROR_INVALID_ARGUMENT;
	case -EALREADY:
		return HOMEWARD_ERROR_ALREADY_SIGNED_IN;
	case -ENOKEY:
		return HOMEWARD_ERROR_NOT_SIGNED_IN;
	case -EBUSY:
		return HOMEWARD_ERROR_BUSY;
	case -EKEYREJECTED:
		return HOMEWARD_ERROR_WRONG_PASSWORD;
	case -EREMOTEIO:
		return HOMEWARD_ERROR_NOT_PUBLISHED;
	case -ENOSPC:
		return HOMEWARD_ERROR_LIMITS_EXCEEDED;
	case -ENXIO:
		return HOMEWARD_ERROR_NO_SUCH_OBJECT;
	}
	return HOMEWARD_ERROR_FAILED;
}

void identity_bus_done(void *userdata, int error, const char *message)
{
	sd_bus_message *call = userdata;

	if (error)
		sd_bus_reply_method_errorf(call, identity_error_name(error), "%s", message);
	else
		sd_bus_reply_method_return(call, NULL);
	sd_bus_message_unref(call);
}

static int on_sign_in(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	struct identity *identity = userdata;
	const char *account, *message = NULL;
	int fd, r;

	r = sd_bus_message_read(call, "sh", &account, &fd);
	if (r < 0)
		return r;
	r = identity_sign_in(identity, account, fd, identity_bus_done, sd_bus_message_ref(call),
			     &message);
	if (r >= 0)
		return 1;
	sd_bus_message_unref(call);
	return sd_bus_error_set(ret_error, identity_error_name(r), message);
}

static int on_sign_out(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	const char *message = NULL;
	int r = identity_sign_out(userdata, identity_bus_done, sd_bus_message_ref(call), &message);

	if (r >= 0)
		return 1;
	sd_bus_message_unref(call);
	return sd_bus_error_set(ret_error, identity_error_name(r), message);
}

static int on_set_host_name(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	const char *name, *message = NULL;
	int r = sd_bus_message_read(call, "s", &name);

	if (r < 0)
		return r;
	r = identity_set_host_name(userdata, name, identity_bus_done, sd_bus_message_ref(call),
				   &message);
	if (r >= 0)
		return 1;
	sd_bus_message_unref(call);
	return sd_bus_error_set(ret_error, identity_error_name(r), message);
}

static int on_sign(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	cleanup(freep) uint8_t *signature = NULL;
	const char *message = NULL;
	const void *octets;
	sd_bus_message *reply = NULL;
	size_t size, signature_size;
	int r = sd_bus_message_read_array(call, 'y', &octets, &size);

	if (r < 0)
		return r;
	r = identity_sign(userdata, octets, size, &signature, &signature_size, &message);
	if (r < 0)
		return sd_bus_error_set(ret_error, identity_error_name(r), message);
	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = sd_bus_message_append_array(reply, 'y', signature, signature_size);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static int on_get_tsig_key(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	cleanup(close_fdp) int fd = -1;
	const char *message = NULL;
	char name[NAME_SIZE];

	fd = identity_give_tsig_key(userdata, name, &message);
	if (fd < 0)
		return sd_bus_error_set(ret_error, identity_error_name(fd), message);
	return sd_bus_reply_method_return(call, "ssh", name, "hmac-sha256", fd);
}

static int on_get_ppk(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	cleanup(close_fdp) int fd = -1;
	const char *message = NULL;
	char id[NAME_SIZE];

	fd = identity_give_ppk(userdata, id, &message);
	if (fd < 0)
		return sd_bus_error_set(ret_error, identity_error_name(fd), message);
	return sd_bus_reply_method_return(call, "sh", id, fd);
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct identity *identity = userdata;
	const struct credentials *credentials = identity->credentials;
	const uint8_t *eui64 = host_id_eui64(identity->host_id.id);
	char text[NAME_SIZE] = "";

	if (!strcmp(property, "State"))
		return sd_bus_message_append(reply, "s", account_state_name(identity->state));
	if (!strcmp(property, "Reason"))
		return sd_bus_message_append(reply, "s", identity->reason ?: "");
	if (!strcmp(property, "HostName"))
		return sd_bus_message_append(reply, "s", identity->host);
	if (!strcmp(property, "KeyProtection"))
		return sd_bus_message_append(
			reply, "s", key_protection_name(identity_key_protection(identity)));
	if (identity->host_id.chosen && !strcmp(property, "HostId"))
		inet_ntop(AF_INET6, identity->host_id.id, text, sizeof text);
	if (identity->host_id.chosen && !strcmp(property, "Eui64"))
		eui64_to_text(eui64, text);
	if (identity->host_id.chosen && !strcmp(property, "TunnelLabel"))
		eui64_to_tunnel_label(eui64, text);
	if (credentials && !strcmp(property, "Domain"))
		strcpy(text, credentials->name.domain);
	if (credentials && !strcmp(property, "Account"))
		strcpy(text, credentials->name.account);
	if (credentials && !strcmp(property, "TsigKeyName"))
		names_tsig_key(&credentials->name, credentials->host, credentials->tag, text);
	return sd_bus_message_append(reply, "s", text);
}

static int get_signed_in(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct identity *identity = userdata;

	return sd_bus_message_append(reply, "b", identity->state == ACCOUNT_SIGNED_IN);
}

static int get_certificate(sd_bus *bus, const char *path, const char *interface,
			   const char *property, sd_bus_message *reply, void *userdata,
			   sd_bus_error *ret_error)
{
	const struct identity *identity = userdata;
	const struct credentials *credentials = identity->credentials;
	struct certificate certificate = {};

	if (credentials)
		certificate = !strcmp(property, "Certificate") ? credentials->certificate
							       : credentials->account_certificate;
	return sd_bus_message_append_array(reply, 'y', certificate.data, certificate.size);
}

static int get_counters(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct identity *identity = userdata;

	return bus_append_counters(reply, counter_descriptions, &identity->counters);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable identity_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("State", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Reason", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
	SD_BUS_PROPERTY("Timeline", "a(tts)", timeline_property,
			offsetof(struct identity, timeline), 0),
	SD_BUS_PROPERTY("HostId", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Eui64", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("TunnelLabel", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("HostName", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Domain", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Account", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("SignedIn", "b", get_signed_in, 0, CHANGES),
	SD_BUS_PROPERTY("TsigKeyName", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Certificate", "ay", get_certificate, 0, CHANGES),
	SD_BUS_PROPERTY("AccountCertificate", "ay", get_certificate, 0, CHANGES),
	SD_BUS_PROPERTY("KeyProtection", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Revoked", "a(st)", bus_revoking_get_hosts, 0, CHANGES),
	SD_BUS_PROPERTY("RevocationNumber", "t", bus_revoking_get, 0, CHANGES),
	SD_BUS_PROPERTY("Forgotten", "t", bus_revoking_get, 0, CHANGES),
	SD_BUS_PROPERTY("Submission", "t", bus_revoking_get, 0, CHANGES),
	SD_BUS_METHOD_WITH_ARGS("SignIn", SD_BUS_ARGS("s", account, "h", password),
				SD_BUS_NO_RESULT, on_sign_in, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("SignOut", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_sign_out,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("SetHostName", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT,
				on_set_host_name, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Sign", SD_BUS_ARGS("ay", octets), SD_BUS_RESULT("ay", signature),
				on_sign, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetTsigKey", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("s", name, "s", algorithm, "h", secret),
				on_get_tsig_key, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Forget", SD_BUS_ARGS("s", host, "h", password), SD_BUS_NO_RESULT,
				bus_revoking_on_forget, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("TakeRevocationLists", SD_BUS_ARGS("aay", lists), SD_BUS_NO_RESULT,
				bus_revoking_on_take_lists, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetSubmission", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("t", number, "s", host, "aay", former, "ay", list,
					      "s", name, "s", algorithm, "h", secret),
				bus_revoking_on_get_submission, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS(
		"FinishSubmission", SD_BUS_ARGS("t", number, "b", published, "s", words),
		SD_BUS_NO_RESULT, bus_revoking_on_finish_submission, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetPpk", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", id, "h", secret),
				on_get_ppk, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int identity_bus_register(struct identity *identity)
{
	return sd_bus_add_object_vtable(daemon_bus(identity->daemon), &identity->object,
					IDENTITY_PATH, IDENTITY_INTERFACE, identity_vtable,
					identity);
}

void identity_bus_changed(struct identity *identity, const char *const *properties)
{
	/* Before the object is there, nobody can have read an older value. */
	if (identity->object)
		sd_bus_emit_properties_changed_strv(daemon_bus(identity->daemon), IDENTITY_PATH,
						    IDENTITY_INTERFACE, (char **)properties);
}
