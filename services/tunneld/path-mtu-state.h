/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How large an inner packet may be on the way to a peer: a search by probes (RFC 8899), which needs
 * no ICMP message of anybody. All sizes are of the inner packet; time is in ms.
 *
 * A probe is a dummy packet of ESP (next header 59), as large as the packet it speaks for and sent
 * with DF. Every implementation authenticates and discards it (RFC 4303 §2.6); a homeward host
 * answers it with a small one. So nothing in the tunnel's own addresses or in IKE is needed, no
 * other implementation is troubled, and nobody but the peer can say that a size works. A peer that
 * answers no dummy of the least size either is another implementation, and is asked by echo
 * requests to its host id instead, inside of the tunnel. If it answers none of these the least size
 * stays, which needs no proof: packets of that size are sent without DF and fit every path, in
 * fragments if they must.
 *
 * Nothing is sent unless packets are: a peer at rest costs no wake-up. While packets above the
 * least size flow, the size in force is proven again each second, at once after a change of the
 * path, and at once when the peer fell silent. It has failed when three probes of it were lost
 * while something else came through; from the loss to that two round trips pass. Then the least
 * size is in force, and the search begins anew below the failed one. What is not answered while
 * nothing at all comes through says nothing about sizes.
 */
#include <stdbool.h>
#include <stdint.h>

#define PATH_MTU_LEAST 1280 /* of IPv6, RFC 8200 §5 */
#define PATH_MTU_NEVER UINT64_MAX
#define PATH_MTU_SHOTS 3
/* The size in force is proven so often while packets above the least size flow. */
#define PATH_MTU_VERIFY_MSEC 1000
/* A larger one is tried again after so long (RFC 8899 §5.1.1). */
#define PATH_MTU_RAISE_MSEC 600000
/* Of a size that works and one that does not: near enough. */
#define PATH_MTU_GRAIN      8
#define PATH_MTU_REMEMBERED 16

struct path_mtu {
	uint16_t limit;   /* never more */
	uint16_t current; /* in force */
	uint64_t due;     /* call path_mtu_timer() then; may be too early, never too late */

	uint16_t size;      /* that is probed; 0: none */
	uint16_t high;      /* searching: no more than this */
	unsigned int shots; /* of this size, sent so far */
	bool heard;         /* something else came since the first of them */
	bool hurry;         /* the path is in doubt */
	bool searched;      /* the search is over */
	bool answers;       /* it answers probes of the present kind */
	bool by_echo;       /* which is echo requests */
	uint64_t again_at;  /* when a larger one is tried */
	uint64_t verified;  /* when `current` was proven last */
	uint32_t rtt;       /* of probes, smoothed; 0: unknown */
	bool other_path;    /* `rtt` is that of the path before */
	uint32_t number;    /* of the last probe */
	struct path_mtu_shot {
		uint32_t number;
		uint16_t size;
		uint64_t at;
	} sent[PATH_MTU_REMEMBERED]; /* answers may be later than we thought */

	uint64_t n_probes, n_shrunk;
};

/* Begins at the least size. `limit` is at least that. */
void path_mtu_init(struct path_mtu *mtu, uint16_t limit);
/* There are no associations any more. */
void path_mtu_rest(struct path_mtu *mtu);
/* The path is in doubt, or with `changed` another one, which may take more than the former: what is
 * in force is proven before anything else. */
void path_mtu_suspect(struct path_mtu *mtu, uint64_t now, bool changed);
/* An inner packet of this size was sent. */
void path_mtu_sent(struct path_mtu *mtu, uint64_t now, uint16_t size);
/* Something small that was sent on the present path was answered after `took` ms. */
void path_mtu_timed(struct path_mtu *mtu, uint64_t took);
/* Something authenticated came that is no answer to a probe of this kind. */
void path_mtu_heard(struct path_mtu *mtu, uint64_t now);
/* The answer to a probe. Returns whether `current` changed. */
bool path_mtu_answered(struct path_mtu *mtu, uint64_t now, uint32_t number);
/* Our own side cannot send a probe of the present size (EMSGSIZE). Returns whether `current`
 * changed. */
bool path_mtu_refused(struct path_mtu *mtu, uint64_t now);
/* At `due`. Returns whether `current` changed. A probe is to be sent if *ret_size is not 0, with
 * the number *ret_number: with DF if it is above PATH_MTU_LEAST, and as an echo request if
 * `by_echo`. */
bool path_mtu_timer(struct path_mtu *mtu, uint64_t now, uint16_t *ret_size, uint32_t *ret_number);
