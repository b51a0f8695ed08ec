/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Host and account names as people write them, made into names of the zone. Pure. */
#include <stddef.h>
#include <stdint.h>

#define LABEL_SIZE 64                 /* 63 octets and a NUL */
#define NAME_SIZE  254                /* 253 octets of text and a NUL */
#define TAG_SIZE   sizeof("1a2b3c4d") /* of a machine */
/* Of a host's keys: the machine's, and when it was signed in (common/keys/issue-time.h). */
#define KEY_TAG_SIZE sizeof("1a2b3c4d6a63c1f0")

struct account_name {
	char account[LABEL_SIZE]; /* alice */
	char domain[NAME_SIZE];   /* members.example.org */
};

/* One label of letters, digits and inner hyphens, made lower case; not of the form that AutoTunnel
 * names have. -EINVAL otherwise. */
int names_parse_label(const char *text, char ret[static LABEL_SIZE]);
/* The first label of what gethostname() gave, made valid: other characters become hyphens. -EINVAL
 * when nothing is left of it, or only the "localhost" of a machine that nobody named. */
int names_from_host_name(const char *text, char ret[static LABEL_SIZE]);
/* "alice@members.example.org" or "alice.members.example.org", a final dot or not, into lower case.
 * The members zone has two labels or more. -EINVAL otherwise. */
int names_parse_account(const char *text, struct account_name *ret);

/* "alice.members.example.org". */
void names_account_domain(const struct account_name *name, char ret[static NAME_SIZE]);
/* Whether every name that this host will have in the zone and sign with fits into 253 octets. */
int names_check_fit(const struct account_name *name, const char *host);
/* "<first>.<account domain>", for names that were checked to fit. */
void names_below_account(const struct account_name *name, const char *first,
			 char ret[static NAME_SIZE]);
/* "1a2b3c4d6a63c1f0.desktop.alice.members.example.org": the name of this host's TSIG key. */
void names_tsig_key(const struct account_name *name, const char *host, const char *tag,
		    char ret[static NAME_SIZE]);
/* Eight digits of 0-9 a-f. */
int names_check_tag(const char *tag);
/* "1a2b3c4d" of a machine that was signed in at `time` -> "1a2b3c4d6a63c1f0". */
void names_key_tag(const char *machine_tag, uint64_t time, char ret[static KEY_TAG_SIZE]);
/* Such a one, or a machine's alone, as it was before. */
int names_check_key_tag(const char *tag);
