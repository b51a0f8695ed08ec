UNIT_TESTS += tests/unit/registrar/test-registrar-state tests/unit/registrar/test-registration \
	tests/unit/registrar/test-list-update tests/unit/registrar/test-published-records \
	tests/unit/registrar/test-service-offer tests/unit/registrar/test-service-state

tests_unit_registrar_test_registrar_state_SOURCES = tests/unit/registrar/test-registrar-state.c
tests_unit_registrar_test_registrar_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_registrar_test_registrar_state_LDADD = libregistrar-core.la $(CMOCKA_LIBS)
tests_unit_registrar_test_registration_SOURCES = tests/unit/registrar/test-registration.c
tests_unit_registrar_test_registration_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS)
tests_unit_registrar_test_registration_LDADD = libregistrar-core.la $(CMOCKA_LIBS)
tests_unit_registrar_test_list_update_SOURCES = tests/unit/registrar/test-list-update.c
tests_unit_registrar_test_list_update_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS)
tests_unit_registrar_test_list_update_LDADD = libregistrar-core.la $(CMOCKA_LIBS)
tests_unit_registrar_test_published_records_SOURCES = tests/unit/registrar/test-published-records.c
tests_unit_registrar_test_published_records_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS)
tests_unit_registrar_test_published_records_LDADD = libregistrar-core.la $(CMOCKA_LIBS)
tests_unit_registrar_test_service_offer_SOURCES = tests/unit/registrar/test-service-offer.c
tests_unit_registrar_test_service_offer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS)
tests_unit_registrar_test_service_offer_LDADD = libregistrar-core.la $(CMOCKA_LIBS)
tests_unit_registrar_test_service_state_SOURCES = tests/unit/registrar/test-service-state.c
tests_unit_registrar_test_service_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LDNS_CFLAGS)
tests_unit_registrar_test_service_state_LDADD = libregistrar-core.la $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-service-offer
tests_fuzz_fuzz_service_offer_SOURCES = tests/fuzz/fuzz-service-offer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_service_offer_CFLAGS = $(AM_CFLAGS) $(LDNS_CFLAGS)
tests_fuzz_fuzz_service_offer_LDADD = libregistrar-core.la
tests_fuzz_fuzz_service_offer_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/corpus/fuzz-service-offer
