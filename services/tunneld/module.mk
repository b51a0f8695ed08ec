noinst_LTLIBRARIES += libtunneld-core.la

libtunneld_core_la_SOURCES = \
	services/tunneld/datagram-wire.c services/tunneld/datagram-wire.h \
	services/tunneld/esp-wire.c services/tunneld/esp-wire.h \
	services/tunneld/hold-queue.c services/tunneld/hold-queue.h \
	services/tunneld/inner-wire.c services/tunneld/inner-wire.h \
	services/tunneld/replay-window.c services/tunneld/replay-window.h
libtunneld_core_la_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
libtunneld_core_la_LIBADD = libbase.la $(CRYPTO_LIBS)
