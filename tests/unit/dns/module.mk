DNS_TESTS = tests/unit/dns/test-name tests/unit/dns/test-tsig tests/unit/dns/test-options tests/unit/dns/test-message \
	tests/unit/dns/test-records tests/unit/dns/test-dso tests/unit/dns/test-resolv-conf tests/unit/dns/test-exchange
UNIT_TESTS += $(DNS_TESTS)

dns_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
dns_test_libs = libdns.la $(CMOCKA_LIBS)

tests_unit_dns_test_name_SOURCES = tests/unit/dns/test-name.c tests/unit/dns/hex.h
tests_unit_dns_test_name_CFLAGS = $(dns_test_cflags)
tests_unit_dns_test_name_LDADD = $(dns_test_libs)
tests_unit_dns_test_tsig_SOURCES = tests/unit/dns/test-tsig.c tests/unit/dns/golden.h tests/unit/dns/hex.h
tests_unit_dns_test_tsig_CFLAGS = $(dns_test_cflags)
tests_unit_dns_test_tsig_LDADD = $(dns_test_libs)
tests_unit_dns_test_options_SOURCES = tests/unit/dns/test-options.c tests/unit/dns/hex.h
tests_unit_dns_test_options_CFLAGS = $(dns_test_cflags)
tests_unit_dns_test_options_LDADD = $(dns_test_libs)
tests_unit_dns_test_message_SOURCES = tests/unit/dns/test-message.c tests/unit/dns/hex.h
tests_unit_dns_test_message_CFLAGS = $(dns_test_cflags)
tests_unit_dns_test_message_LDADD = $(dns_test_libs)
tests_unit_dns_test_records_SOURCES = tests/unit/dns/test-records.c tests/unit/dns/hex.h
tests_unit_dns_test_records_CFLAGS = $(dns_test_cflags)
tests_unit_dns_test_records_LDADD = $(dns_test_libs)
tests_unit_dns_test_dso_SOURCES = tests/unit/dns/test-dso.c tests/unit/dns/hex.h
tests_unit_dns_test_dso_CFLAGS = $(dns_test_cflags)
tests_unit_dns_test_dso_LDADD = $(dns_test_libs)
tests_unit_dns_test_resolv_conf_SOURCES = tests/unit/dns/test-resolv-conf.c tests/unit/dns/hex.h
tests_unit_dns_test_resolv_conf_CFLAGS = $(dns_test_cflags)
tests_unit_dns_test_resolv_conf_LDADD = libdnsclient.la $(dns_test_libs)
tests_unit_dns_test_exchange_SOURCES = tests/unit/dns/test-exchange.c
tests_unit_dns_test_exchange_CFLAGS = $(dns_test_cflags) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_dns_test_exchange_LDADD = libdnsclient.la $(dns_test_libs)

FUZZ_TARGETS += tests/fuzz/fuzz-dns-message tests/fuzz/fuzz-dns-tsig tests/fuzz/fuzz-dns-dso
tests_fuzz_fuzz_dns_message_SOURCES = tests/fuzz/fuzz-dns-message.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_message_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_dns_message_LDADD = libdns.la
tests_fuzz_fuzz_dns_message_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
tests_fuzz_fuzz_dns_tsig_SOURCES = tests/fuzz/fuzz-dns-tsig.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_tsig_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_dns_tsig_LDADD = libdns.la
tests_fuzz_fuzz_dns_tsig_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
tests_fuzz_fuzz_dns_dso_SOURCES = tests/fuzz/fuzz-dns-dso.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_dso_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_dns_dso_LDADD = libdns.la
tests_fuzz_fuzz_dns_dso_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
