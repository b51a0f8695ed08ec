noinst_LTLIBRARIES += libbase.la libdns.la libdnsclient.la libkeys.la libloop.la libnet.la libstun.la

libbase_la_SOURCES = \
	common/base/atomic-file.c common/base/atomic-file.h \
	common/base/cleanup.h \
	common/base/config.c common/base/config.h \
	common/base/counters.h \
	common/base/due-heap.c common/base/due-heap.h \
	common/base/hash.h \
	common/base/log.c common/base/log.h \
	common/base/terminal.c common/base/terminal.h \
	common/base/wall-clock.c common/base/wall-clock.h \
	common/wire/cursor.h \
	common/wire/http-text.c common/wire/http-text.h
libbase_la_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS)
libbase_la_LIBADD = $(INIH_LIBS)

libkeys_la_SOURCES = \
	common/keys/account-keys.c common/keys/account-keys.h \
	common/keys/issue-time.c common/keys/issue-time.h \
	common/keys/revocation-crl.c \
	common/keys/revocation-list.c common/keys/revocation-list.h \
	common/keys/secret.c common/keys/secret.h
libkeys_la_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
libkeys_la_LIBADD = libbase.la $(CRYPTO_LIBS)

libloop_la_SOURCES = \
	common/loop/bus.c \
	common/loop/bus-values.c common/loop/bus-values.h \
	common/loop/caller-check.c common/loop/caller-check.h \
	common/loop/daemon.c common/loop/daemon.h \
	common/loop/loop.c common/loop/loop.h common/loop/loop-internal.h \
	common/loop/neighbour.c common/loop/neighbour.h \
	common/loop/process.c \
	common/loop/sleep-watch.c common/loop/sleep-watch.h \
	common/loop/timeline.c common/loop/timeline.h
libloop_la_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
libloop_la_LIBADD = libbase.la $(UV_LIBS) $(SYSTEMD_LIBS)

libdns_la_SOURCES = \
	common/dns/dns-builder.c common/dns/dns-builder.h \
	common/dns/dns-dso.c common/dns/dns-dso.h \
	common/dns/dns-message.c common/dns/dns-message.h \
	common/dns/dns-name.c common/dns/dns-name.h \
	common/dns/dns-options.c common/dns/dns-options.h \
	common/dns/dns-push.c common/dns/dns-push.h \
	common/dns/dns-records.c common/dns/dns-records.h \
	common/dns/dns-tsig.c common/dns/dns-tsig.h \
	common/dns/dns-tsig-chain.c common/dns/dns-tsig-chain.h \
	common/dns/dns-update.c common/dns/dns-update.h \
	common/dns/host-names.h \
	common/dns/server-words.c common/dns/server-words.h
libdns_la_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
libdns_la_LIBADD = libbase.la $(LDNS_LIBS) $(CRYPTO_LIBS)

libdnsclient_la_SOURCES = \
	common/dns-client/dns-channel.c common/dns-client/dns-channel.h \
	common/dns-client/dns-exchange.c common/dns-client/dns-exchange.h \
	common/dns-client/dns-locator.c common/dns-client/dns-locator.h \
	common/dns-client/dns-server.h \
	common/dns-client/dns-stream.c common/dns-client/dns-stream.h \
	common/dns-client/dns-trust.c common/dns-client/dns-trust.h \
	common/dns-client/resolv-conf.c common/dns-client/resolv-conf.h \
	common/dns-client/server-config.h \
	common/dns-client/server-list.c common/dns-client/server-list.h \
	common/dns-client/signing-identity.c common/dns-client/signing-identity.h
libdnsclient_la_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(SSL_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
libdnsclient_la_LIBADD = libdns.la libkeys.la libloop.la libnet.la $(SSL_LIBS)

libnet_la_SOURCES = \
	common/net/detour.c common/net/detour.h \
	common/net/netlink.c common/net/netlink.h \
	common/net/network-route.c common/net/network-route.h \
	common/net/way.c common/net/way.h
libnet_la_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS)
libnet_la_LIBADD = $(MNL_LIBS)

libstun_la_SOURCES = common/net/stun-wire.c common/net/stun-wire.h common/wire/cursor.h

EXTRA_DIST += common/README
