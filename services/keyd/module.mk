# keyd: IKEv2 conversations
noinst_LTLIBRARIES += libkeyd-core.la

# The pure part: octets, cryptography and decisions; no loop, bus, clock or socket.
libkeyd_core_la_SOURCES = \
	services/keyd/ike-actions-state.c services/keyd/ike-actions-state.h \
	services/keyd/ike-auth-state.c \
	services/keyd/ike-auth.c services/keyd/ike-auth.h \
	services/keyd/ike-cookie.c services/keyd/ike-cookie.h \
	services/keyd/ike-child-state.c services/keyd/ike-child-state.h \
	services/keyd/ike-create-child-state.c services/keyd/ike-create-child.h \
	services/keyd/ike-crypto.c services/keyd/ike-crypto.h \
	services/keyd/ike-exchange-state.c \
	services/keyd/ike-fragment-state.c \
	services/keyd/ike-informational-state.c \
	services/keyd/ike-init-state.c services/keyd/ike-init.h \
	services/keyd/ike-intermediate-state.c services/keyd/ike-intermediate.h \
	services/keyd/ike-kem.c services/keyd/ike-kem.h \
	services/keyd/ike-key-exchange.c services/keyd/ike-key-exchange.h \
	services/keyd/ike-lifetimes-state.c services/keyd/ike-lifetimes-state.h \
	services/keyd/ike-local.c \
	services/keyd/ike-manager-internal.h \
	services/keyd/ike-manager-state.c services/keyd/ike-manager-state.h \
	services/keyd/ike-message-wire.c services/keyd/ike-message-wire.h \
	services/keyd/ike-mobike-state.c services/keyd/ike-mobike-state.h \
	services/keyd/ike-negotiation-state.c services/keyd/ike-negotiation-state.h \
	services/keyd/ike-peers-state.c \
	services/keyd/ike-preferences.c services/keyd/ike-preferences.h \
	services/keyd/ike-proposal-wire.c services/keyd/ike-proposal-wire.h \
	services/keyd/ike-proof-state.c services/keyd/ike-proof.h \
	services/keyd/ike-psk.c services/keyd/ike-psk.h \
	services/keyd/ike-reassembly.c services/keyd/ike-reassembly.h \
	services/keyd/ike-pursue-state.c \
	services/keyd/ike-rekey-child-state.c services/keyd/ike-revoked-state.c services/keyd/ike-revoked-state.h \
	services/keyd/ike-rekey-sa-state.c \
	services/keyd/ike-resume-state.c services/keyd/ike-resume.h \
	services/keyd/ike-session-wire.c services/keyd/ike-session-wire.h \
	services/keyd/ike-tickets-state.c services/keyd/ike-tickets-state.h \
	services/keyd/ike-round-trip-state.c services/keyd/ike-round-trip-state.h \
	services/keyd/ike-sa-internal.h \
	services/keyd/ike-sa-state.c services/keyd/ike-sa-state.h \
	services/keyd/ike-sas-state.c services/keyd/ike-sas-state.h \
	services/keyd/ike-spis-state.c services/keyd/ike-spis-state.h \
	services/keyd/ike-strangers-state.c \
	services/keyd/ike-verified.c services/keyd/ike-verified.h \
	services/keyd/ike-window-state.c services/keyd/ike-window-state.h
libkeyd_core_la_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
libkeyd_core_la_LIBADD = libkeys.la libbase.la $(CRYPTO_LIBS)

pkglibexec_PROGRAMS += services/keyd/keyd
services_keyd_keyd_SOURCES = \
	services/keyd/bus.c \
	services/keyd/identity-client.c services/keyd/identity-client.h \
	services/keyd/ike-channel.c services/keyd/ike-channel.h \
	services/keyd/keyd.c services/keyd/keyd.h \
	services/keyd/main.c \
	services/keyd/psk-file.c services/keyd/psk-file.h \
	services/keyd/ticket-store.c services/keyd/ticket-store.h \
	services/keyd/tunnel-client.c services/keyd/tunnel-client.h
services_keyd_keyd_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS) $(CRYPTO_CFLAGS)
services_keyd_keyd_LDADD = libkeyd-core.la libkeys.la libloop.la $(CRYPTO_LIBS)
