noinst_LTLIBRARIES += libregistrar-core.la
libregistrar_core_la_SOURCES = \
	services/registrar/list-update.c services/registrar/list-update.h \
	services/registrar/published-records.c services/registrar/published-records.h \
	services/registrar/registrar-state.c services/registrar/registrar-state.h \
	services/registrar/registrar-words.c services/registrar/registrar-words.h \
	services/registrar/registration.c services/registrar/registration.h \
	services/registrar/service-offer.c services/registrar/service-offer.h \
	services/registrar/service-records.c services/registrar/service-records.h \
	services/registrar/service-state.c services/registrar/service-state.h
libregistrar_core_la_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
libregistrar_core_la_LIBADD = libdns.la

pkglibexec_PROGRAMS += services/registrar/registrar
services_registrar_registrar_SOURCES = \
	services/registrar/avahi-browser.c services/registrar/avahi-browser.h \
	services/registrar/bus.c \
	services/registrar/device.c services/registrar/device.h \
	services/registrar/identity-client.c services/registrar/identity-client.h \
	services/registrar/list-submission.c services/registrar/list-submission.h \
	services/registrar/main.c \
	services/registrar/mapper-client.c services/registrar/mapper-client.h \
	services/registrar/registrar.c services/registrar/registrar.h \
	services/registrar/share-object.c services/registrar/share-object.h \
	services/registrar/shares-file.c services/registrar/shares-file.h \
	services/registrar/shares.c services/registrar/shares.h \
	services/registrar/sleep-lock.c services/registrar/sleep-lock.h
services_registrar_registrar_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
services_registrar_registrar_LDADD = libregistrar-core.la libdnsclient.la libkeys.la libloop.la
