noinst_PROGRAMS += tests/interop/tls-query
tests_interop_tls_query_SOURCES = tests/interop/tls-query.c
tests_interop_tls_query_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(SSL_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
tests_interop_tls_query_LDADD = libdnsclient.la

UNIT_TESTS += tests/unit/dns-client/test-dns-trust
tests_unit_dns_client_test_dns_trust_SOURCES = tests/unit/dns-client/test-dns-trust.c
tests_unit_dns_client_test_dns_trust_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SSL_CFLAGS)
tests_unit_dns_client_test_dns_trust_LDADD = libdnsclient.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/dns-client/test-server-list
tests_unit_dns_client_test_server_list_SOURCES = tests/unit/dns-client/test-server-list.c
tests_unit_dns_client_test_server_list_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS) $(SSL_CFLAGS)
tests_unit_dns_client_test_server_list_LDADD = libdnsclient.la $(CMOCKA_LIBS)

noinst_PROGRAMS += tests/interop/tls-channel
tests_interop_tls_channel_SOURCES = tests/interop/tls-channel.c
tests_interop_tls_channel_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(SSL_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
tests_interop_tls_channel_LDADD = libdnsclient.la
