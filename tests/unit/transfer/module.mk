TRANSFER_TESTS = \
	tests/unit/transfer/test-tsig-chain
UNIT_TESTS += $(TRANSFER_TESTS)

transfer_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
transfer_test_libs = libzoned-core.la $(CMOCKA_LIBS)

tests_unit_transfer_test_tsig_chain_SOURCES = tests/unit/transfer/test-tsig-chain.c
tests_unit_transfer_test_tsig_chain_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_tsig_chain_LDADD = libdns.la $(CMOCKA_LIBS)
