TRANSFER_TESTS = \
	tests/unit/transfer/test-follow \
	tests/unit/transfer/test-journal \
	tests/unit/transfer/test-notify \
	tests/unit/transfer/test-primary \
	tests/unit/transfer/test-transfer-key \
	tests/unit/transfer/test-transfer-wire \
	tests/unit/transfer/test-tsig-chain
UNIT_TESTS += $(TRANSFER_TESTS)

transfer_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
transfer_test_libs = libzoned-core.la $(CMOCKA_LIBS)

tests_unit_transfer_test_journal_SOURCES = tests/unit/transfer/test-journal.c tests/unit/zoned/unit.h
tests_unit_transfer_test_journal_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_journal_LDADD = $(transfer_test_libs)
tests_unit_transfer_test_notify_SOURCES = tests/unit/transfer/test-notify.c tests/unit/zoned/unit.h
tests_unit_transfer_test_notify_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_notify_LDADD = $(transfer_test_libs)
tests_unit_transfer_test_transfer_key_SOURCES = tests/unit/transfer/test-transfer-key.c tests/unit/zoned/unit.h
tests_unit_transfer_test_transfer_key_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_transfer_key_LDADD = $(transfer_test_libs)
tests_unit_transfer_test_tsig_chain_SOURCES = tests/unit/transfer/test-tsig-chain.c
tests_unit_transfer_test_tsig_chain_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_tsig_chain_LDADD = libdns.la $(CMOCKA_LIBS)
tests_unit_transfer_test_follow_SOURCES = tests/unit/transfer/test-follow.c $(zoned_fixture)
tests_unit_transfer_test_follow_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_follow_LDADD = $(transfer_test_libs)
tests_unit_transfer_test_primary_SOURCES = tests/unit/transfer/test-primary.c tests/unit/zoned/unit.h
tests_unit_transfer_test_primary_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_primary_LDADD = $(transfer_test_libs)
tests_unit_transfer_test_transfer_wire_SOURCES = tests/unit/transfer/test-transfer-wire.c tests/unit/zoned/unit.h
tests_unit_transfer_test_transfer_wire_CFLAGS = $(transfer_test_cflags)
tests_unit_transfer_test_transfer_wire_LDADD = $(transfer_test_libs)

FUZZ_TARGETS += tests/fuzz/fuzz-zoned-transfer
tests_fuzz_fuzz_zoned_transfer_SOURCES = tests/fuzz/fuzz-zoned-transfer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_zoned_transfer_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_zoned_transfer_LDADD = libzoned-core.la
tests_fuzz_fuzz_zoned_transfer_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
