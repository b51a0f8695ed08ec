/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-actions-state.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

void ike_actions_init(struct ike_actions *actions)
{
	actions->first = NULL;
	actions->last = &actions->first;
}

void ike_actions_deinit(struct ike_actions *actions)
{
	struct ike_action *action;

	while ((action = ike_actions_take(actions)))
		ike_action_free(action);
}

struct ike_action *ike_actions_take(struct ike_actions *actions)
{
	struct ike_action *action = actions->first;

	if (!action)
		return NULL;
	actions->first = action->next;
	if (!actions->first)
		actions->last = &actions->first;
	action->next = NULL;
	return action;
}

struct ike_action *ike_action_free(struct ike_action *action)
{
	if (!action)
		return NULL;
	if (action->data)
		explicit_bzero(action->data, action->size);
	free(action->data);
	free(action);
	return NULL;
}

struct ike_action *ike_actions_add(struct ike_actions *actions, enum ike_action_type type,
				   uint64_t sa, const void *data, size_t size)
{
	cleanup(ike_action_freep) struct ike_action *action = calloc(1, sizeof *action);

	if (!action)
		return NULL;
	action->type = type;
	action->sa = sa;
	if (size) {
		action->data = malloc(size);
		if (!action->data)
			return NULL;
		memcpy(action->data, data, size);
		action->size = size;
	}
	*actions->last = action;
	actions->last = &action->next;
	return steal_ptr(action);
}

void ike_actions_send(struct ike_actions *actions, uint64_t sa, const struct sockaddr_in *endpoint,
		      const void *data, size_t size)
{
	struct ike_action *action = ike_actions_add(actions, IKE_ACTION_SEND, sa, data, size);

	if (action)
		action->endpoint = *endpoint;
}

void ike_actions_note(struct ike_actions *actions, const char *format, ...)
{
	struct ike_action *action = ike_actions_add(actions, IKE_ACTION_NOTE, 0, NULL, 0);
	va_list arguments;

	if (!action)
		return;
	va_start(arguments, format);
	vsnprintf(action->text, sizeof action->text, format, arguments);
	va_end(arguments);
}

const char *ike_endpoint_text(const struct sockaddr_in *endpoint, char text[IKE_ENDPOINT_TEXT])
{
	size_t size;

	inet_ntop(AF_INET, &endpoint->sin_addr, text, INET_ADDRSTRLEN);
	size = strlen(text);
	snprintf(text + size, IKE_ENDPOINT_TEXT - size, ":%u", ntohs(endpoint->sin_port));
	return text;
}
