# keyd: IKEv2 conversations
noinst_LTLIBRARIES += libkeyd-core.la

# The pure part: octets, cryptography and decisions; no loop, bus, clock or socket.
libkeyd_core_la_SOURCES = \
	services/keyd/ike-actions-state.c services/keyd/ike-actions-state.h \
	services/keyd/ike-auth-state.c \
	services/keyd/ike-auth.c services/keyd/ike-auth.h \
	services/keyd/ike-crypto.c services/keyd/ike-crypto.h \
	services/keyd/ike-informational-state.c \
	services/keyd/ike-init-state.c \
	services/keyd/ike-manager-state.c services/keyd/ike-manager-state.h \
	services/keyd/ike-message-wire.c services/keyd/ike-message-wire.h \
	services/keyd/ike-proposal-wire.c services/keyd/ike-proposal-wire.h \
	services/keyd/ike-sa-internal.h \
	services/keyd/ike-sa-state.c services/keyd/ike-sa-state.h
libkeyd_core_la_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
libkeyd_core_la_LIBADD = libbase.la $(CRYPTO_LIBS)
