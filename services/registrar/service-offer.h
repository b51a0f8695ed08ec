/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A service as somebody offers it (RFC 6763): checked piece by piece as it is put together, and as
 * a line of the file that keeps it. Pure.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_TYPE_SIZE    24   /* "_" 15 characters "._udp" NUL */
#define SERVICE_LABEL_SIZE   64   /* 63 octets and NUL */
#define SERVICE_TEXT_MAX     1300 /* octets; RFC 6763 §6.2: what fits one packet */
#define SERVICE_SUBTYPES_MAX 8

struct service_offer {
	char type[SERVICE_TYPE_SIZE];  /* "_ssh._tcp" */
	char name[SERVICE_LABEL_SIZE]; /* of the instance, UTF-8; "": the host's name */
	uint16_t port;                 /* host order, not 0 */
	uint16_t text_size;
	uint8_t n_subtypes;
	uint8_t text[SERVICE_TEXT_MAX]; /* strings, each after its length (RFC 1035 §3.3.14) */
	char subtypes[SERVICE_SUBTYPES_MAX][SERVICE_LABEL_SIZE]; /* "_printer" */
};

/* Each returns NULL, or a sentence that says what is wrong; then nothing was changed. */

/* "_ssh._tcp": RFC 6335 §5.1, RFC 6763 §7; not the types by which homeward itself works. */
const char *service_offer_set_type(struct service_offer *offer, const char *type);
/* One label of UTF-8 without control characters; "" for the host's name. */
const char *service_offer_set_name(struct service_offer *offer, const char *name);
const char *service_offer_set_port(struct service_offer *offer, unsigned int port);
/* One string "key", "key=" or "key=value" of any octets (RFC 6763 §6.3 to §6.5). */
const char *service_offer_add_text(struct service_offer *offer, const void *string, size_t size);
const char *service_offer_add_subtype(struct service_offer *offer, const char *subtype);

/* Whether both are the same but for their names. */
bool service_offer_equal(const struct service_offer *a, const struct service_offer *b);

/* The name for attempt `number` (from 1 on): "desktop", "desktop (2)", ... cut to fit a label. */
void service_offer_number_name(const char *name, unsigned int number,
			       char ret[static SERVICE_LABEL_SIZE]);

/* The file's lines: "share _ssh._tcp 22 1 - - -", with name, text and subtypes in hexadecimal
 * digits, after the number of the name last used. Without the line's end. */
#define SERVICE_LINE_SIZE 4096
int service_offer_write_line(const struct service_offer *offer, unsigned int number, char *line,
			     size_t size);
/* 0, or -EBADMSG for what is no such line or breaks a rule. `line` ends with NUL. */
int service_offer_read_line(const char *line, struct service_offer *ret, unsigned int *ret_number);
