noinst_LTLIBRARIES += libtunneld-core.la
pkglibexec_PROGRAMS += services/tunneld/tunneld

libtunneld_core_la_SOURCES = \
	services/tunneld/aead.c services/tunneld/aead.h services/tunneld/aead-internal.h \
	services/tunneld/aead-openssl.c \
	services/tunneld/coalesce.c services/tunneld/coalesce.h \
	services/tunneld/datagram-wire.c services/tunneld/datagram-wire.h \
	services/tunneld/echo-wire.c services/tunneld/echo-wire.h \
	services/tunneld/error-limit.c services/tunneld/error-limit.h \
	services/tunneld/esp-wire.c services/tunneld/esp-wire.h \
	services/tunneld/hold-queue.c services/tunneld/hold-queue.h \
	services/tunneld/inner-wire.c services/tunneld/inner-wire.h \
	services/tunneld/internet-sum.c services/tunneld/internet-sum.h \
	services/tunneld/outer-wire.c services/tunneld/outer-wire.h \
	services/tunneld/keepalive-state.c services/tunneld/keepalive-state.h \
	services/tunneld/net-words.h \
	services/tunneld/path-mtu-state.c services/tunneld/path-mtu-state.h \
	services/tunneld/peer-acquire.c services/tunneld/peer-internal.h \
	services/tunneld/peer-counters.h \
	services/tunneld/peer-doubt.c services/tunneld/peer-hold.c \
	services/tunneld/peer-pairs.c services/tunneld/peer-place.c \
	services/tunneld/peer-state.c services/tunneld/peer-state.h \
	services/tunneld/peer-table.c services/tunneld/peer-table.h \
	services/tunneld/recent-packets.c services/tunneld/recent-packets.h \
	services/tunneld/replay-window.c services/tunneld/replay-window.h \
	services/tunneld/reverse-path.c services/tunneld/reverse-path.h \
	services/tunneld/sa-pair.h \
	services/tunneld/segment.c services/tunneld/segment.h \
	services/tunneld/uplink-state.c services/tunneld/uplink-state.h \
	services/tunneld/xfrm-wire.c services/tunneld/xfrm-wire.h
if IPSEC_MB
libtunneld_core_la_SOURCES += services/tunneld/aead-ipsec-mb.c
endif
libtunneld_core_la_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS) $(IPSEC_MB_CFLAGS) $(MNL_CFLAGS)
libtunneld_core_la_LIBADD = libbase.la $(CRYPTO_LIBS) $(IPSEC_MB_LIBS) $(MNL_LIBS)

services_tunneld_tunneld_SOURCES = \
	services/tunneld/bus.c services/tunneld/bus.h \
	services/tunneld/bus-peer.c services/tunneld/bus-peer.h \
	services/tunneld/datapath.c services/tunneld/datapath.h \
	services/tunneld/datapath-in.c services/tunneld/datapath-internal.h \
	services/tunneld/datapath-linger.c \
	services/tunneld/datapath-out.c \
	services/tunneld/datapath-xfrm.c services/tunneld/datapath-xfrm.h \
	services/tunneld/datapath-xfrm-events.c services/tunneld/datapath-xfrm-internal.h \
	services/tunneld/firewall-client.c services/tunneld/firewall-client.h \
	services/tunneld/identity-client.c services/tunneld/identity-client.h \
	services/tunneld/ike-channel.c services/tunneld/ike-channel.h \
	services/tunneld/install.c services/tunneld/install.h \
	services/tunneld/main.c \
	services/tunneld/offload-proof.c services/tunneld/offload-proof.h \
	services/tunneld/offload-proof-tun.c services/tunneld/offload-proof-internal.h \
	services/tunneld/offload-proof-udp.c \
	services/tunneld/offloads.h \
	services/tunneld/mapper-client.c services/tunneld/mapper-client.h \
	services/tunneld/settings.c services/tunneld/settings.h \
	services/tunneld/tun-device.c services/tunneld/tun-device.h \
	services/tunneld/tun-routes.c services/tunneld/tun-routes.h \
	services/tunneld/tunneld.c services/tunneld/tunneld.h \
	services/tunneld/udp-port.c services/tunneld/udp-port.h \
	services/tunneld/uplink-query.c services/tunneld/uplink-query.h \
	services/tunneld/uplinks.c services/tunneld/uplinks.h \
	services/tunneld/watcher-client.c services/tunneld/watcher-client.h \
	services/tunneld/xfrm-link.c services/tunneld/xfrm-link.h \
	services/tunneld/xfrm-proof.c services/tunneld/xfrm-proof.h
services_tunneld_tunneld_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS) $(MNL_CFLAGS)
services_tunneld_tunneld_LDADD = libtunneld-core.la libkeys.la libloop.la libnet.la libbase.la $(MNL_LIBS)
EXTRA_DIST += services/tunneld/README
