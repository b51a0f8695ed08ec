/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who begins an SA with us, before it is known who that is: what it may take of us (RFC 7296 §2.6).
 */
#include "services/keyd/ike-manager-internal.h"
#include "services/keyd/ike-resume.h"

static bool is_stranger(const struct ike_sa *sa)
{
	return !sa->authenticated && sa->state != IKE_SA_DEAD;
}

/* All or those of one address: at most IKE_HALF_OPEN_MAXIMUM. */
static unsigned int count(const struct ike_manager *manager, const struct sockaddr_in *from,
			  struct ike_sa **ret_oldest)
{
	unsigned int n = 0;

	for (struct ike_sa *sa = manager->sas.strangers; sa; sa = sa->links.next_stranger)
		if (is_stranger(sa) &&
		    (!from || sa->endpoint.sin_addr.s_addr == from->sin_addr.s_addr)) {
			n++;
			*ret_oldest = sa;
		}
	return n;
}

/* Room for one more stranger. `proved`: where he is, as his cookie shows; one such place cannot
 * take all there is. */
static void make_room(struct ike_manager *manager, uint64_t now, const struct sockaddr_in *proved)
{
	struct ike_sa *oldest = NULL;

	if ((!proved || count(manager, proved, &oldest) < IKE_HALF_OPEN_OF_ADDRESS) &&
	    count(manager, NULL, &oldest) < IKE_HALF_OPEN_MAXIMUM)
		return;
	manager->context.counters.half_open_dropped++;
	ike_sas_touch(&manager->sas, oldest);
	ike_sa_drop(oldest);
	ike_manager_settle(manager, now);
}

void ike_strangers_receive(struct ike_manager *manager, uint64_t now,
			   const struct sockaddr_in *from, const struct ike_header *header,
			   const uint8_t *data, size_t size)
{
	uint8_t hash[IKE_FIRST_HASH_SIZE];
	struct ike_sa *sa;
	bool wary;

	if (ike_sha256(data, size, hash) < 0)
		return;
	sa = ike_sas_find_first(&manager->sas, hash);
	if (sa && sa->state != IKE_SA_DEAD) {
		ike_sa_repeat_init(sa, from);
		return;
	}
	if (!manager->context.local) {
		manager->context.counters.not_ready++;
		return;
	}
	wary = count(manager, NULL, &sa) >= manager->cookies_from;
	if (wary && !ike_sa_has_cookie(&manager->context, now, from, header, data, size))
		return;
	sa = header->exchange == IKE_EXCHANGE_SESSION_RESUME
		     ? ike_resume_respond(&manager->context, now, from, header, data, size)
		     : ike_sa_respond(&manager->context, now, from, header, data, size);
	if (!sa)
		return;
	make_room(manager, now, wary ? from : NULL);
	ike_manager_add_stranger(manager, sa, hash);
	ike_manager_settle(manager, now);
}
