/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-revoked-state.h"

#include <stdio.h>
#include <string.h>

bool ike_revoked_covers(const struct revocation_list *list, const char *name, uint64_t issued)
{
	char host[REVOCATION_HOST_SIZE];
	size_t size = strcspn(name, ".");

	if (!list || !list->n || size >= sizeof host)
		return false;
	memcpy(host, name, size);
	host[size] = 0;
	return revocation_list_covers(list, host, issued);
}

int ike_revoked_set(struct ike_context *context, const struct revocation_list *list)
{
	struct revocation_list *copy;

	if (context->revoked ? !memcmp(context->revoked, list, sizeof *list) : !list->n)
		return 0;
	copy = malloc(sizeof *copy);
	if (!copy)
		return -ENOMEM;
	*copy = *list;
	free(context->revoked);
	context->revoked = copy;
	return 1;
}

bool ike_revoked_end(struct ike_sa *sa)
{
	if (sa->state == IKE_SA_DEAD || sa->state == IKE_SA_CLOSED || !sa->authenticated ||
	    !ike_revoked_covers(sa->context->revoked, sa->peer, sa->peer_issued))
		return false;
	if (sa->state != IKE_SA_DELETING)
		ike_actions_note(&sa->context->actions, "%s was forgotten: its keys end", sa->peer);
	snprintf(sa->trouble, sizeof sa->trouble, "%s", IKE_REVOKED_REASON);
	return true;
}
