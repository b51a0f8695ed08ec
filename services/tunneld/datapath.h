/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Packets: from the TUN interface sealed to the UDP port, from the UDP port opened to the interface
 * or handed to keyd; and the sending that a peer's state asks for. */
#include "services/tunneld/tunneld.h"

int datapath_start(struct tunneld *tunneld);
void datapath_stop(struct tunneld *tunneld);
/* Does what PEER_* flags ask for, and sets the timer for the peer. It never takes the peer away. */
void datapath_carry_out(struct tunneld *tunneld, struct peer *peer, unsigned int todo);
