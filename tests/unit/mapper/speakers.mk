if ENABLE_TESTS
UNIT_TESTS += \
	tests/unit/mapper/test-gateways \
	tests/unit/mapper/test-natpmp-state \
	tests/unit/mapper/test-pcp-state \
	tests/unit/mapper/test-pcp-wire
FUZZ_TARGETS += tests/fuzz/fuzz-announcement tests/fuzz/fuzz-natpmp tests/fuzz/fuzz-pcp
endif

tests_unit_mapper_test_natpmp_state_SOURCES = tests/unit/mapper/test-natpmp-state.c
tests_unit_mapper_test_natpmp_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_natpmp_state_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_pcp_state_SOURCES = tests/unit/mapper/test-pcp-state.c
tests_unit_mapper_test_pcp_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_pcp_state_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_pcp_wire_SOURCES = \
	tests/unit/mapper/test-pcp-wire.c tests/unit/mapper/pcp-server.c tests/unit/mapper/pcp-server.h
tests_unit_mapper_test_pcp_wire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_pcp_wire_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_gateways_SOURCES = \
	tests/unit/mapper/test-gateways.c tests/unit/mapper/pcp-server.c tests/unit/mapper/pcp-server.h \
	services/mapper/gateway-natpmp.c services/mapper/gateway-pcp.c services/mapper/gateway-socket.c
tests_unit_mapper_test_gateways_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_mapper_test_gateways_LDADD = libmapper-core.la libloop.la $(NATPMP_LIBS) $(CMOCKA_LIBS)

tests_fuzz_fuzz_announcement_SOURCES = tests/fuzz/fuzz-announcement.c $(FUZZ_MAIN)
tests_fuzz_fuzz_announcement_LDADD = libmapper-core.la
tests_fuzz_fuzz_announcement_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/corpus/fuzz-announcement

tests_fuzz_fuzz_natpmp_SOURCES = tests/fuzz/fuzz-natpmp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_natpmp_LDADD = libmapper-core.la
tests_fuzz_fuzz_natpmp_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/corpus/fuzz-natpmp

tests_fuzz_fuzz_pcp_SOURCES = tests/fuzz/fuzz-pcp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_pcp_LDADD = libmapper-core.la
tests_fuzz_fuzz_pcp_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/corpus/fuzz-pcp
