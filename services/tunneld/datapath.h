/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Packets: from the TUN interface sealed to the UDP port, from the UDP port opened to the interface
 * or handed to keyd; and the sending that a peer's state asks for. What is here is all that the
 * rest of tunneld asks of a data path.
 *
 *   datapath.c      start, stop, timers, what a peer's state asks for
 *   datapath-out.c  interface to port: one place knows that a packet is too big for its peer
 *   datapath-in.c   port to interface: one place sees each authenticated dummy packet
 *   datapath-linger.c  waiting for an answer before going to sleep
 */
#include "services/tunneld/tunneld.h"

int datapath_start(struct tunneld *tunneld);
void datapath_stop(struct tunneld *tunneld);
/* After the last security association is gone. */
void datapath_free_engine(struct tunneld *tunneld);
/* Does what PEER_* flags ask for, and sets the timer for the peer. It never takes the peer away. */
void datapath_carry_out(struct tunneld *tunneld, struct peer *peer, unsigned int todo);
/*
 * From now on these are used, as far as this kernel knows them: tunneld->offloads says which those
 * are. May be called at any time between start and stop; packets under way are not lost, but for a
 * train that was received and not read yet when gro_receive goes off. `aead` is not looked at.
 */
void datapath_set_offloads(struct tunneld *tunneld, const struct offloads *wanted);
