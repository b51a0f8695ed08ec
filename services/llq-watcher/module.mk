noinst_LTLIBRARIES += libllqwatcher-core.la
libllqwatcher_core_la_SOURCES = \
	services/llq-watcher/host-view-state.c services/llq-watcher/host-view-state.h \
	services/llq-watcher/names-state.c services/llq-watcher/names-state.h \
	services/llq-watcher/service-view-state.c services/llq-watcher/service-view-state.h \
	services/llq-watcher/stub-state.c services/llq-watcher/stub-state.h \
	services/llq-watcher/stub-subtypes-state.c services/llq-watcher/stub-subtypes-state.h \
	services/llq-watcher/stub-zone-state.c services/llq-watcher/stub-zone-state.h \
	services/llq-watcher/llq-watch-state.c services/llq-watcher/llq-watch-state.h \
	services/llq-watcher/llq-wire.c services/llq-watcher/llq-wire.h \
	services/llq-watcher/message-queue.c services/llq-watcher/message-queue.h \
	services/llq-watcher/push-watch-state.c services/llq-watcher/push-watch-state.h \
	services/llq-watcher/record-list.c services/llq-watcher/record-list.h \
	services/llq-watcher/watch-set.c services/llq-watcher/watch-set.h \
	services/llq-watcher/watcher-state.c services/llq-watcher/watcher-state.h \
	services/llq-watcher/ways-state.c services/llq-watcher/ways-state.h
libllqwatcher_core_la_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
libllqwatcher_core_la_LIBADD = libdns.la

pkglibexec_PROGRAMS += services/llq-watcher/llq-watcher
services_llq_watcher_llq_watcher_SOURCES = \
	services/llq-watcher/bus.c \
	services/llq-watcher/bus-service.c \
	services/llq-watcher/identity-client.c services/llq-watcher/identity-client.h \
	services/llq-watcher/link-watch.c services/llq-watcher/link-watch.h \
	services/llq-watcher/link.c services/llq-watcher/link.h \
	services/llq-watcher/llq-socket.c services/llq-watcher/llq-socket.h \
	services/llq-watcher/main.c \
	services/llq-watcher/mapper-client.c services/llq-watcher/mapper-client.h \
	services/llq-watcher/names.c services/llq-watcher/names.h \
	services/llq-watcher/resolved-client.c services/llq-watcher/resolved-client.h \
	services/llq-watcher/revoked.c services/llq-watcher/revoked.h \
	services/llq-watcher/stub-server.c services/llq-watcher/stub-server.h \
	services/llq-watcher/watcher.c services/llq-watcher/watcher.h
services_llq_watcher_llq_watcher_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
services_llq_watcher_llq_watcher_LDADD = libllqwatcher-core.la libdnsclient.la libkeys.la libloop.la
