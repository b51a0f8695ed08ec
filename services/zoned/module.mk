noinst_LTLIBRARIES += libzoned-core.la
sbin_PROGRAMS += services/zoned/zoned services/zoned/zonectl

libzoned_core_la_SOURCES = \
	services/zoned/account.c services/zoned/account.h \
	services/zoned/authority.c services/zoned/authority.h services/zoned/authority-internal.h \
	services/zoned/authority-account.c \
	services/zoned/authority-batch.c \
	services/zoned/authority-clock.c \
	services/zoned/authority-llq.c \
	services/zoned/authority-llq-batch.c \
	services/zoned/authority-llq-events.c \
	services/zoned/authority-llq-removals.c \
	services/zoned/authority-llq-restore.c \
	services/zoned/authority-receive.c \
	services/zoned/authority-push.c \
	services/zoned/authority-reply.c \
	services/zoned/authority-revoked.c \
	services/zoned/authority-session.c services/zoned/authority-session.h \
	services/zoned/authority-follow.c services/zoned/authority-follow.h \
	services/zoned/authority-publish.c \
	services/zoned/authority-transfer.c services/zoned/authority-transfer.h \
	services/zoned/change-list.c services/zoned/change-list.h \
	services/zoned/dso-session-state.c services/zoned/dso-session-state.h \
	services/zoned/endpoint.h \
	services/zoned/keyring.c services/zoned/keyring.h \
	services/zoned/lease-state.c services/zoned/lease-state.h \
	services/zoned/llq-wire.c services/zoned/llq-wire.h \
	services/zoned/llq-state.c services/zoned/llq-state.h \
	services/zoned/llq-table.c services/zoned/llq-table.h \
	services/zoned/metrics-http.c services/zoned/metrics-http.h \
	services/zoned/metrics-text.c services/zoned/metrics-text.h \
	services/zoned/policy-service-state.c services/zoned/policy-service-state.h \
	services/zoned/notify-state.c services/zoned/notify-state.h \
	services/zoned/policy-state.c services/zoned/policy-state.h \
	services/zoned/query-state.c services/zoned/query-state.h \
	services/zoned/record-set.c services/zoned/record-set.h \
	services/zoned/replay-state.c services/zoned/replay-state.h \
	services/zoned/primary-state.c services/zoned/primary-state.h \
	services/zoned/replication.c services/zoned/replication.h \
	services/zoned/transfer-key.c services/zoned/transfer-key.h \
	services/zoned/revoked-state.c services/zoned/revoked-state.h \
	services/zoned/session.c services/zoned/session.h \
	services/zoned/stun-responder-state.c services/zoned/stun-responder-state.h \
	services/zoned/transfer-wire.c services/zoned/transfer-wire.h \
	services/zoned/update-state.c services/zoned/update-state.h \
	services/zoned/zone-journal.c services/zoned/zone-journal.h \
	services/zoned/zone-record.c services/zoned/zone-record.h \
	services/zoned/zone-state.c services/zoned/zone-state.h
libzoned_core_la_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
libzoned_core_la_LIBADD = libstun.la libdns.la libkeys.la libbase.la $(LDNS_LIBS) $(CRYPTO_LIBS)

services_zoned_zoned_SOURCES = \
	services/zoned/account-loader.c services/zoned/account-loader.h \
	services/zoned/config-check.c services/zoned/config-check.h \
	services/zoned/main.c \
	services/zoned/backend-dns.c services/zoned/backend-dns.h \
	services/zoned/checkpointer.c services/zoned/checkpointer.h \
	services/zoned/server-stream.c services/zoned/server-stream.h \
	services/zoned/metrics-server.c services/zoned/metrics-server.h \
	services/zoned/server-udp.c services/zoned/server-udp.h \
	services/zoned/socket-address.c services/zoned/socket-address.h \
	services/zoned/storage.c services/zoned/storage.h services/zoned/storage-internal.h \
	services/zoned/storage-account.c services/zoned/storage-account.h \
	services/zoned/transfer-settings.c services/zoned/transfer-settings.h \
	services/zoned/storage-schema.c services/zoned/storage-schema.h \
	services/zoned/stun-server.c services/zoned/stun-server.h \
	services/zoned/stream-address.c services/zoned/stream-address.h \
	services/zoned/stream-connection.c services/zoned/stream-connection.h \
	services/zoned/stream-list.c services/zoned/stream-list.h \
	services/zoned/stream-places.c services/zoned/stream-places.h \
	services/zoned/tls-context.c services/zoned/tls-context.h \
	services/zoned/tls-credentials.c services/zoned/tls-credentials.h \
	services/zoned/zoned.c services/zoned/zoned.h services/zoned/zoned-internal.h \
	services/zoned/zoned-listen.c \
	services/zoned/zoned-stun.c \
	services/zoned/zoned-work.c \
	services/zoned/zoned-config.c services/zoned/zoned-config.h \
	services/zoned/zoned-metrics.c services/zoned/zoned-metrics.h
services_zoned_zoned_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS) $(LDNS_CFLAGS) $(SQLITE_CFLAGS) $(SSL_CFLAGS)
services_zoned_zoned_LDADD = libzoned-core.la libloop.la $(SQLITE_LIBS) $(SSL_LIBS)

services_zoned_zonectl_SOURCES = \
	services/zoned/storage.c services/zoned/storage.h services/zoned/storage-internal.h \
	services/zoned/storage-account.c services/zoned/storage-account.h \
	services/zoned/transfer-settings.c services/zoned/transfer-settings.h \
	services/zoned/storage-schema.c services/zoned/storage-schema.h \
	services/zoned/terminal-password.c services/zoned/terminal-password.h \
	services/zoned/tls-credentials.c services/zoned/tls-credentials.h \
	services/zoned/zonectl.c services/zoned/zonectl.h \
	services/zoned/zonectl-account.c \
	services/zoned/zonectl-commands.c services/zoned/zonectl-commands.h \
	services/zoned/zonectl-common.c \
	services/zoned/zonectl-export.c \
	services/zoned/zonectl-status.c \
	services/zoned/zonectl-tls.c \
	services/zoned/zonectl-zone.c \
	services/zoned/zoned-config.c services/zoned/zoned-config.h
services_zoned_zonectl_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(SQLITE_CFLAGS) $(CRYPTO_CFLAGS) $(JSONC_CFLAGS)
services_zoned_zonectl_LDADD = libzoned-core.la $(SQLITE_LIBS) $(CRYPTO_LIBS) $(JSONC_LIBS)
