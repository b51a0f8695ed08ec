/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/tls-credentials.h"
#include "services/zoned/zonectl.h"

#include <stdio.h>
#include <string.h>

int zonectl_tls_pin(const struct zonectl *ctl)
{
	const char *path = ctl->config.tls.certificate;
	cleanup(freep) char *message = NULL;
	uint8_t pin[TLS_PIN_SIZE];
	char text[TLS_PIN_TEXT_SIZE];
	json_object *object;
	int r;

	if (ctl->config.tls.port == 0)
		return zonectl_fail("there is no TLS: [tls] port is 0 in %s", ctl->config_path);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return zonectl_fail("there is no %s yet%s", path,
				    ctl->config.tls.has_own ? "; zoned makes it when it starts"
							    : "");
	r = tls_credentials_pin(path, pin, &message);
	if (r < 0)
		return zonectl_fail("%s", message ?: strerror(-r));
	tls_pin_to_text(pin, text);
	if (!ctl->json) {
		puts(text);
		return ZONECTL_DONE;
	}
	object = json_object_new_object();
	json_object_object_add(object, "pin", json_object_new_string(text));
	json_object_object_add(object, "certificate", json_object_new_string(path));
	json_object_object_add(object, "port", json_object_new_int64(ctl->config.tls.port));
	return zonectl_print_json(object);
}
