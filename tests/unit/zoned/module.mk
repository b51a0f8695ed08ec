ZONED_TESTS = \
	tests/unit/zoned/test-account \
	tests/unit/zoned/test-llq \
	tests/unit/zoned/test-llq-link \
	tests/unit/zoned/test-metrics \
	tests/unit/zoned/test-policy \
	tests/unit/zoned/test-dso-session \
	tests/unit/zoned/test-push \
	tests/unit/zoned/test-query \
	tests/unit/zoned/test-revoked \
	tests/unit/zoned/test-storage \
	tests/unit/zoned/test-stun-responder \
	tests/unit/zoned/test-tls-credentials \
	tests/unit/zoned/test-update \
	tests/unit/zoned/test-zone
UNIT_TESTS += $(ZONED_TESTS)

zoned_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
zoned_test_libs = libzoned-core.la $(CMOCKA_LIBS)
zoned_fixture = \
	tests/unit/zoned/memory-storage.c tests/unit/zoned/memory-storage.h \
	tests/unit/zoned/server-fixture.c tests/unit/zoned/server-fixture.h \
	tests/unit/zoned/unit.h

tests_unit_zoned_test_stun_responder_SOURCES = tests/unit/zoned/test-stun-responder.c
tests_unit_zoned_test_stun_responder_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_stun_responder_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_update_SOURCES = tests/unit/zoned/test-update.c $(zoned_fixture)
tests_unit_zoned_test_update_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_update_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_revoked_SOURCES = tests/unit/zoned/test-revoked.c $(zoned_fixture)
tests_unit_zoned_test_revoked_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_revoked_LDADD = libidentity-core.la $(zoned_test_libs) $(CRYPTO_LIBS)
tests_unit_zoned_test_llq_SOURCES = tests/unit/zoned/test-llq.c $(zoned_fixture)
tests_unit_zoned_test_llq_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_llq_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_metrics_SOURCES = tests/unit/zoned/test-metrics.c tests/unit/zoned/unit.h
tests_unit_zoned_test_metrics_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_metrics_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_account_SOURCES = tests/unit/zoned/test-account.c $(zoned_fixture)
tests_unit_zoned_test_account_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_account_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_policy_SOURCES = tests/unit/zoned/test-policy.c $(zoned_fixture)
tests_unit_zoned_test_policy_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_policy_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_dso_session_SOURCES = tests/unit/zoned/test-dso-session.c tests/unit/zoned/unit.h
tests_unit_zoned_test_dso_session_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_dso_session_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_push_SOURCES = tests/unit/zoned/test-push.c $(zoned_fixture)
tests_unit_zoned_test_push_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_push_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_llq_link_SOURCES = tests/unit/zoned/test-llq-link.c $(zoned_fixture)
tests_unit_zoned_test_llq_link_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_llq_link_LDADD = libllqwatcher-core.la $(zoned_test_libs)
tests_unit_zoned_test_query_SOURCES = tests/unit/zoned/test-query.c $(zoned_fixture)
tests_unit_zoned_test_query_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_query_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_zone_SOURCES = tests/unit/zoned/test-zone.c tests/unit/zoned/unit.h
tests_unit_zoned_test_zone_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_zone_LDADD = $(zoned_test_libs)
tests_unit_zoned_test_storage_SOURCES = \
	tests/unit/zoned/test-storage.c tests/unit/zoned/unit.h \
	services/zoned/storage.c services/zoned/storage.h services/zoned/storage-internal.h \
	services/zoned/storage-account.c services/zoned/storage-account.h \
	services/zoned/storage-schema.c services/zoned/storage-schema.h
tests_unit_zoned_test_storage_CFLAGS = $(zoned_test_cflags) $(SQLITE_CFLAGS)
tests_unit_zoned_test_storage_LDADD = $(zoned_test_libs) $(SQLITE_LIBS)

tests_unit_zoned_test_tls_credentials_SOURCES = \
	tests/unit/zoned/test-tls-credentials.c tests/unit/zoned/unit.h \
	services/zoned/tls-credentials.c services/zoned/tls-credentials.h
tests_unit_zoned_test_tls_credentials_CFLAGS = $(zoned_test_cflags)
tests_unit_zoned_test_tls_credentials_LDADD = $(zoned_test_libs) $(CRYPTO_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-zoned-request
tests_fuzz_fuzz_zoned_request_SOURCES = \
	tests/fuzz/fuzz-zoned-request.c \
	tests/unit/zoned/memory-storage.c tests/unit/zoned/memory-storage.h $(FUZZ_MAIN)
tests_fuzz_fuzz_zoned_request_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_zoned_request_LDADD = libzoned-core.la
tests_fuzz_fuzz_zoned_request_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

FUZZ_TARGETS += tests/fuzz/fuzz-zoned-http
tests_fuzz_fuzz_zoned_http_SOURCES = tests/fuzz/fuzz-zoned-http.c $(FUZZ_MAIN)
tests_fuzz_fuzz_zoned_http_LDADD = libzoned-core.la
tests_fuzz_fuzz_zoned_http_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
