/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The child SAs of an IKE SA (RFC 7296 §1.3, §2.8, §2.9): the pairs that tunneld has or is to have,
 * between exactly our host id and the peer's.
 */
#include "services/keyd/ike-sa-state.h"

/* A place for a new child with a number and an inbound SPI; NULL when there are too many. */
struct ike_child *ike_child_add(struct ike_sa *sa, bool initiator);
/* By number, by our inbound SPI, by the peer's; NULL: there is none. */
struct ike_child *ike_child_find(struct ike_sa *sa, uint64_t id);
struct ike_child *ike_child_find_in(struct ike_sa *sa, uint32_t spi_in);
struct ike_child *ike_child_find_out(struct ike_sa *sa, uint32_t spi_out);
/* Room for one more. */
bool ike_child_has_room(const struct ike_sa *sa);
/* The newest that is installed and stays; NULL. */
const struct ike_child *ike_child_main(const struct ike_sa *sa);
/* How many there are of any kind. */
unsigned int ike_child_count(const struct ike_sa *sa);
/* Whether one is being installed or closed. */
bool ike_child_busy(const struct ike_sa *sa);

/* The keys of the child go to tunneld with the request to install it. `material` has those from the
 * exchange's initiator to its responder first (§2.17) and is 2 * esp_suite_key_size(). */
int ike_child_install(struct ike_sa *sa, struct ike_child *child, const uint8_t *material);
/* tunneld has it: its time begins. */
void ike_child_begin(struct ike_sa *sa, uint64_t now, struct ike_child *child);
/* We want it ended on both sides: nothing more is sent on it, and the peer is told. */
void ike_child_close(struct ike_sa *sa, struct ike_child *child);
/* It is ended on the other side; what is still under way may come in. */
void ike_child_end(struct ike_sa *sa, struct ike_child *child);
/* Its pair is removed at once. */
void ike_child_remove(struct ike_sa *sa, struct ike_child *child);
/* Takes it out of the SA; its pair is not touched. */
void ike_child_forget(struct ike_sa *sa, struct ike_child *child);
/* All children become those of another SA with the same peer. */
void ike_child_inherit(struct ike_sa *from, struct ike_sa *to);

/* Whether they cover this address, or are exactly it, for every protocol and port. */
bool ike_selectors_cover(const struct ike_selectors *selectors, const uint8_t address[16]);
bool ike_selectors_are(const struct ike_selectors *selectors, const uint8_t address[16]);
/* Every protocol and port. */
bool ike_selector_is_unlimited(const struct ike_selector *selector);
/* TSi and TSr of a message; -EBADMSG. */
int ike_selectors_find(const struct ike_chain *chain, struct ike_selectors *initiator,
		       struct ike_selectors *responder);
