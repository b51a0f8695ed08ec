bin_PROGRAMS += clients/ctl/homewardctl
clients_ctl_homewardctl_SOURCES = \
	clients/ctl/arguments.c clients/ctl/arguments.h \
	clients/ctl/ctl.h \
	clients/ctl/forget.c \
	clients/ctl/hosts.c \
	clients/ctl/live.c clients/ctl/live.h \
	clients/ctl/main.c \
	clients/ctl/metrics.c \
	clients/ctl/netcheck.c \
	clients/ctl/output.c clients/ctl/output.h \
	clients/ctl/password.c clients/ctl/password.h \
	clients/ctl/services.c \
	clients/ctl/share.c \
	clients/ctl/shares.c clients/ctl/shares.h \
	clients/ctl/sign-in.c \
	clients/ctl/snapshot.c clients/ctl/snapshot.h \
	clients/ctl/status.c \
	clients/ctl/trace.c \
	clients/ctl/tunnels.c \
	clients/ctl/verdict.c clients/ctl/verdict.h \
	clients/ctl/watch.c \
	clients/ctl/why.c
clients_ctl_homewardctl_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS) $(SYSTEMD_CFLAGS)
clients_ctl_homewardctl_LDADD = libctl-core.la libbase.la $(JSONC_LIBS) $(SYSTEMD_LIBS)

# What needs no running bus: unit tests link it.
noinst_LTLIBRARIES += libctl-core.la
libctl_core_la_SOURCES = \
	clients/ctl/daemons.c clients/ctl/daemons.h \
	clients/ctl/netcheck-words.c clients/ctl/netcheck-words.h \
	clients/ctl/octets.c clients/ctl/octets.h \
	clients/ctl/peer-words.c clients/ctl/peer-words.h \
	clients/ctl/service-types.c clients/ctl/service-types.h \
	clients/ctl/text.c clients/ctl/text.h \
	clients/ctl/timelines.c clients/ctl/timelines.h \
	clients/ctl/values.c clients/ctl/values.h \
	clients/ctl/why-words.c clients/ctl/why-words.h
libctl_core_la_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS) $(SYSTEMD_CFLAGS)
libctl_core_la_LIBADD = $(JSONC_LIBS) $(SYSTEMD_LIBS)

bashcompletion_DATA = homewardctl
CLEANFILES += homewardctl
homewardctl: clients/ctl/homewardctl.bash
	$(AM_V_GEN)cp $< $@
EXTRA_DIST += clients/ctl/homewardctl.bash
