noinst_LTLIBRARIES += libllqwatcher-core.la
libllqwatcher_core_la_SOURCES = \
	services/llq-watcher/host-view-state.c services/llq-watcher/host-view-state.h \
	services/llq-watcher/llq-watch-state.c services/llq-watcher/llq-watch-state.h \
	services/llq-watcher/llq-wire.c services/llq-watcher/llq-wire.h \
	services/llq-watcher/watch-set.c services/llq-watcher/watch-set.h \
	services/llq-watcher/watcher-state.c services/llq-watcher/watcher-state.h
libllqwatcher_core_la_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
libllqwatcher_core_la_LIBADD = libdns.la

pkglibexec_PROGRAMS += services/llq-watcher/llq-watcher
services_llq_watcher_llq_watcher_SOURCES = \
	services/llq-watcher/bus.c \
	services/llq-watcher/identity-client.c services/llq-watcher/identity-client.h \
	services/llq-watcher/llq-socket.c services/llq-watcher/llq-socket.h \
	services/llq-watcher/main.c \
	services/llq-watcher/mapper-client.c services/llq-watcher/mapper-client.h \
	services/llq-watcher/watcher.c services/llq-watcher/watcher.h
services_llq_watcher_llq_watcher_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
services_llq_watcher_llq_watcher_LDADD = libllqwatcher-core.la libdnsclient.la libkeys.la libloop.la
