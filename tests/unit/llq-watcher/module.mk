UNIT_TESTS += \
	tests/unit/llq-watcher/test-host-view-state \
	tests/unit/llq-watcher/test-llq-watch-state \
	tests/unit/llq-watcher/test-watcher-state

llq_watcher_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS)
llq_watcher_test_libs = libllqwatcher-core.la $(CMOCKA_LIBS)

tests_unit_llq_watcher_test_host_view_state_SOURCES = \
	tests/unit/llq-watcher/test-host-view-state.c tests/unit/llq-watcher/played-server.h
tests_unit_llq_watcher_test_host_view_state_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_host_view_state_LDADD = $(llq_watcher_test_libs)
tests_unit_llq_watcher_test_llq_watch_state_SOURCES = \
	tests/unit/llq-watcher/test-llq-watch-state.c tests/unit/llq-watcher/played-server.h
tests_unit_llq_watcher_test_llq_watch_state_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_llq_watch_state_LDADD = $(llq_watcher_test_libs)
tests_unit_llq_watcher_test_watcher_state_SOURCES = tests/unit/llq-watcher/test-watcher-state.c
tests_unit_llq_watcher_test_watcher_state_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_watcher_state_LDADD = $(llq_watcher_test_libs)

FUZZ_TARGETS += tests/fuzz/fuzz-dns-llq
tests_fuzz_fuzz_dns_llq_SOURCES = tests/fuzz/fuzz-dns-llq.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_llq_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_dns_llq_LDADD = libllqwatcher-core.la
tests_fuzz_fuzz_dns_llq_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

UNIT_TESTS += \
	tests/unit/llq-watcher/test-names-state \
	tests/unit/llq-watcher/test-stub
tests_unit_llq_watcher_test_names_state_SOURCES = tests/unit/llq-watcher/test-names-state.c
tests_unit_llq_watcher_test_names_state_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_names_state_LDADD = $(llq_watcher_test_libs)
tests_unit_llq_watcher_test_stub_SOURCES = \
	tests/unit/llq-watcher/test-stub.c tests/unit/llq-watcher/played-server.h
tests_unit_llq_watcher_test_stub_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_stub_LDADD = $(llq_watcher_test_libs)

FUZZ_TARGETS += tests/fuzz/fuzz-stub
tests_fuzz_fuzz_stub_SOURCES = tests/fuzz/fuzz-stub.c $(FUZZ_MAIN)
tests_fuzz_fuzz_stub_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_stub_LDADD = libllqwatcher-core.la
tests_fuzz_fuzz_stub_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

UNIT_TESTS += tests/unit/llq-watcher/test-service-view-state
tests_unit_llq_watcher_test_service_view_state_SOURCES = \
	tests/unit/llq-watcher/test-service-view-state.c tests/unit/llq-watcher/played-server.h
tests_unit_llq_watcher_test_service_view_state_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_service_view_state_LDADD = $(llq_watcher_test_libs)

UNIT_TESTS += tests/unit/llq-watcher/test-push-watch-state tests/unit/llq-watcher/test-ways-state
tests_unit_llq_watcher_test_push_watch_state_SOURCES = tests/unit/llq-watcher/test-push-watch-state.c
tests_unit_llq_watcher_test_push_watch_state_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_push_watch_state_LDADD = $(llq_watcher_test_libs)
tests_unit_llq_watcher_test_ways_state_SOURCES = tests/unit/llq-watcher/test-ways-state.c
tests_unit_llq_watcher_test_ways_state_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_ways_state_LDADD = $(llq_watcher_test_libs)

FUZZ_TARGETS += tests/fuzz/fuzz-dns-push-client
tests_fuzz_fuzz_dns_push_client_SOURCES = tests/fuzz/fuzz-dns-push-client.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_push_client_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_dns_push_client_LDADD = libllqwatcher-core.la
tests_fuzz_fuzz_dns_push_client_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

FUZZ_TARGETS += tests/fuzz/fuzz-service-view
tests_fuzz_fuzz_service_view_SOURCES = tests/fuzz/fuzz-service-view.c $(FUZZ_MAIN)
tests_fuzz_fuzz_service_view_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_service_view_LDADD = libllqwatcher-core.la
tests_fuzz_fuzz_service_view_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

UNIT_TESTS += tests/unit/llq-watcher/test-record-list
tests_unit_llq_watcher_test_record_list_SOURCES = tests/unit/llq-watcher/test-record-list.c
tests_unit_llq_watcher_test_record_list_CFLAGS = $(llq_watcher_test_cflags)
tests_unit_llq_watcher_test_record_list_LDADD = $(llq_watcher_test_libs)
