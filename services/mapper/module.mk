noinst_LTLIBRARIES += libmapper-core.la
pkglibexec_PROGRAMS += services/mapper/mapper services/mapper/igd-worker

libmapper_core_la_SOURCES = \
	services/mapper/announcement-wire.c services/mapper/announcement-wire.h \
	services/mapper/gena-wire.c services/mapper/gena-wire.h \
	services/mapper/igd-call-wire.c services/mapper/igd-call-wire.h \
	services/mapper/igd-internal.h \
	services/mapper/igd-look-state.c \
	services/mapper/igd-state.c services/mapper/igd-state.h \
	services/mapper/igd-task-state.c \
	services/mapper/igd-url-wire.c services/mapper/igd-url-wire.h \
	services/mapper/captive-wire.c services/mapper/captive-wire.h \
	services/mapper/gateway-event.h \
	services/mapper/gateway-memory-state.c services/mapper/gateway-memory-state.h \
	services/mapper/gateway-state.c services/mapper/gateway-state.h \
	services/mapper/ledger-state.c services/mapper/ledger-state.h \
	services/mapper/mapper-state.c services/mapper/mapper-state.h \
	services/mapper/mapper-action-state.c services/mapper/mapper-event-state.c \
	services/mapper/mapper-state-internal.h \
	services/mapper/mapping-state.c services/mapper/mapping-state.h \
	services/mapper/mapper-words.c services/mapper/mapper-words.h \
	services/mapper/nat-kind-state.c services/mapper/nat-kind-state.h services/mapper/nat-kind.h \
	services/mapper/natpmp-state.c services/mapper/natpmp-state.h \
	services/mapper/natpmp-wire.c services/mapper/natpmp-wire.h \
	services/mapper/network-state.c services/mapper/network-state.h \
	services/mapper/packet-count.c services/mapper/packet-count.h \
	services/mapper/resume-state.c services/mapper/resume-state.h \
	services/mapper/pcp-state.c services/mapper/pcp-state.h \
	services/mapper/pcp-wire.c services/mapper/pcp-wire.h \
	services/mapper/silence-state.c services/mapper/silence-state.h \
	services/mapper/speaker-state.c services/mapper/speaker-state.h \
	services/mapper/ssdp-wire.c services/mapper/ssdp-wire.h \
	services/mapper/stun-state.c services/mapper/stun-state.h \
	services/mapper/wish-state.c services/mapper/wish-state.h

services_mapper_mapper_SOURCES = \
	services/mapper/announcement-listener.c services/mapper/announcement-listener.h \
	services/mapper/bus.c services/mapper/bus.h \
	services/mapper/bus-shown.c services/mapper/bus-shown.h \
	services/mapper/captive-check.c services/mapper/captive-check.h \
	services/mapper/captive-watch.c services/mapper/captive-watch.h \
	services/mapper/gateway-igd.c \
	services/mapper/speaker.h \
	services/mapper/speakers.c services/mapper/speakers.h \
	services/mapper/store.c services/mapper/store.h \
	services/mapper/gateway-natpmp.c \
	services/mapper/gateway-pcp.c \
	services/mapper/gateway-socket.c services/mapper/gateway-socket.h \
	services/mapper/gateway-neighbour.c services/mapper/gateway-neighbour.h \
	services/mapper/gena-listener.c services/mapper/gena-listener.h \
	services/mapper/identity-client.c services/mapper/identity-client.h \
	services/mapper/main.c \
	services/mapper/mapper.c services/mapper/mapper.h \
	services/mapper/network-manager-client.c services/mapper/network-manager-client.h \
	services/mapper/network-watch.c services/mapper/network-watch.h \
	services/mapper/reachability.c services/mapper/reachability.h \
	services/mapper/resume-watch.c services/mapper/resume-watch.h \
	services/mapper/silence-client.c services/mapper/silence-client.h \
	services/mapper/ssdp-search.c services/mapper/ssdp-search.h \
	services/mapper/stun-client.c services/mapper/stun-client.h \
	services/mapper/stun-servers.c services/mapper/stun-servers.h
libmapper_core_la_LIBADD = libbase.la libstun.la

services_mapper_mapper_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS) $(MNL_CFLAGS) $(LDNS_CFLAGS) $(SSL_CFLAGS)
services_mapper_mapper_LDADD = libmapper-core.la libdnsclient.la libloop.la libnet.la $(MNL_LIBS) $(NATPMP_LIBS)

# What speaks with UPnP gateways; libigdworker is what its fuzzing wants of it.
noinst_LTLIBRARIES += libigdworker.la
libigdworker_la_SOURCES = \
	services/mapper/igd-worker-calls.c services/mapper/igd-worker-calls.h \
	services/mapper/igd-worker-events.c
libigdworker_la_CFLAGS = $(AM_CFLAGS) $(MINIUPNPC_CFLAGS)
libigdworker_la_LIBADD = libmapper-core.la libbase.la $(MINIUPNPC_LIBS)
services_mapper_igd_worker_SOURCES = services/mapper/igd-worker.c
services_mapper_igd_worker_LDADD = libigdworker.la
