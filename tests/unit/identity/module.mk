if ENABLE_TESTS
UNIT_TESTS += \
	tests/unit/identity/test-certificate \
	tests/unit/identity/test-host-id \
	tests/unit/identity/test-names \
	tests/unit/identity/test-revocation \
	tests/unit/identity/test-sealed
FUZZ_TARGETS += tests/fuzz/fuzz-revocation-list
endif

tests_unit_identity_test_revocation_SOURCES = tests/unit/identity/test-revocation.c
tests_unit_identity_test_revocation_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_identity_test_revocation_LDADD = libidentity-core.la $(CMOCKA_LIBS) $(CRYPTO_LIBS)

tests_fuzz_fuzz_revocation_list_SOURCES = tests/fuzz/fuzz-revocation-list.c $(FUZZ_MAIN)
tests_fuzz_fuzz_revocation_list_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_revocation_list_LDADD = libidentity-core.la
tests_fuzz_fuzz_revocation_list_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/corpus/fuzz-revocation-list

tests_unit_identity_test_certificate_SOURCES = tests/unit/identity/test-certificate.c
tests_unit_identity_test_certificate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_identity_test_certificate_LDADD = libidentity-core.la $(CMOCKA_LIBS)

tests_unit_identity_test_host_id_SOURCES = tests/unit/identity/test-host-id.c
tests_unit_identity_test_host_id_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_identity_test_host_id_LDADD = libidentity-core.la $(CMOCKA_LIBS)

tests_unit_identity_test_names_SOURCES = tests/unit/identity/test-names.c
tests_unit_identity_test_names_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_identity_test_names_LDADD = libidentity-core.la $(CMOCKA_LIBS)

tests_unit_identity_test_sealed_SOURCES = tests/unit/identity/test-sealed.c
tests_unit_identity_test_sealed_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_identity_test_sealed_LDADD = libidentity-core.la $(CMOCKA_LIBS)
