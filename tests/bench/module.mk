# Load generator of `./run bench zone`; built with the tests, not installed.
noinst_PROGRAMS += tests/bench/dns-load
tests_bench_dns_load_SOURCES = tests/bench/dns-load.c tests/bench/load.h \
	tests/bench/load-llq.c tests/bench/load-message.c tests/bench/load-push.c tests/bench/load-requests.c \
	tests/bench/load-stats.c tests/bench/load-subscribe.c
tests_bench_dns_load_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS) $(SSL_CFLAGS)
tests_bench_dns_load_LDADD = libdns.la $(CRYPTO_LIBS) $(SSL_LIBS)

# Load generator of `./run bench ike`.
noinst_PROGRAMS += tests/bench/ike-load
tests_bench_ike_load_SOURCES = tests/bench/ike-load.c
tests_bench_ike_load_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_bench_ike_load_LDADD = libkeyd-core.la $(CRYPTO_LIBS)

# The flow of `./run bench roam`.
noinst_PROGRAMS += tests/bench/flow
tests_bench_flow_SOURCES = tests/bench/flow.c
tests_bench_flow_CFLAGS = $(AM_CFLAGS)

# tunneld without cryptography, for `./run bench tunnel` alone, which makes it by name. Its own aead.h comes before
# that of the library, which therefore stays out.
EXTRA_PROGRAMS = tests/bench/tunneld-nocrypto
tests_bench_tunneld_nocrypto_SOURCES = tests/bench/aead-none.c $(services_tunneld_tunneld_SOURCES)
tests_bench_tunneld_nocrypto_CFLAGS = $(services_tunneld_tunneld_CFLAGS)
tests_bench_tunneld_nocrypto_LDADD = $(services_tunneld_tunneld_LDADD)
