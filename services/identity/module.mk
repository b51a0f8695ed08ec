noinst_LTLIBRARIES += libidentity-core.la
libidentity_core_la_SOURCES = \
	services/identity/account-state.c services/identity/account-state.h \
	services/identity/certificate.c services/identity/certificate.h \
	services/identity/credentials-wire.c services/identity/credentials-wire.h \
	services/identity/host-id-state.c services/identity/host-id-state.h \
	services/identity/host-key.c services/identity/host-key.h \
	services/identity/names.c services/identity/names.h \
	services/identity/revocations-wire.c services/identity/revocations-wire.h \
	services/identity/sealed-wire.c services/identity/sealed-wire.h
libidentity_core_la_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
libidentity_core_la_LIBADD = libkeys.la libbase.la $(CRYPTO_LIBS)

pkglibexec_PROGRAMS += services/identity/identity
services_identity_identity_SOURCES = \
	services/identity/bus-revoking.c services/identity/bus-revoking.h \
	services/identity/bus.c \
	services/identity/forget.c services/identity/forget.h \
	services/identity/identity.c services/identity/identity.h \
	services/identity/interface-watch.c services/identity/interface-watch.h \
	services/identity/main.c \
	services/identity/password-reader.c services/identity/password-reader.h \
	services/identity/revoking.c services/identity/revoking.h \
	services/identity/sign-in.c services/identity/sign-in.h \
	services/identity/store.c services/identity/store.h
services_identity_identity_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS) $(MNL_CFLAGS)
services_identity_identity_LDADD = libidentity-core.la libloop.la libnet.la $(CRYPTO_LIBS) $(MNL_LIBS)
