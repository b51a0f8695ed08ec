include tests/unit/mapper/speakers.mk
if ENABLE_TESTS
UNIT_TESTS += \
	tests/unit/mapper/test-igd-state \
	tests/unit/mapper/test-stun \
	tests/unit/mapper/test-igd-wire \
	tests/unit/mapper/test-captive-wire \
	tests/unit/mapper/test-gateway-memory \
	tests/unit/mapper/test-mapper-chance \
	tests/unit/mapper/test-mapper-state \
	tests/unit/mapper/test-mapping-state \
	tests/unit/mapper/test-nat-kind \
	tests/unit/mapper/test-natpmp-wire \
	tests/unit/mapper/test-network-state \
	tests/unit/mapper/test-network-watch \
	tests/unit/mapper/test-resume-state \
	tests/unit/mapper/test-resume-watch \
	tests/unit/mapper/test-silence
FUZZ_TARGETS += tests/fuzz/fuzz-captive
FUZZ_TARGETS += tests/fuzz/fuzz-gena tests/fuzz/fuzz-igd-description tests/fuzz/fuzz-igd-soap tests/fuzz/fuzz-ssdp
endif

tests_unit_mapper_test_igd_state_SOURCES = tests/unit/mapper/test-igd-state.c
tests_unit_mapper_test_igd_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_igd_state_LDADD = libmapper-core.la libbase.la $(CMOCKA_LIBS)

tests_unit_mapper_test_igd_wire_SOURCES = tests/unit/mapper/test-igd-wire.c
tests_unit_mapper_test_igd_wire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_igd_wire_LDADD = libmapper-core.la libbase.la $(CMOCKA_LIBS)

tests_unit_mapper_test_gateway_memory_SOURCES = tests/unit/mapper/test-gateway-memory.c
tests_unit_mapper_test_gateway_memory_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_gateway_memory_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_mapper_chance_SOURCES = \
	tests/unit/mapper/test-mapper-chance.c tests/unit/mapper/script.c tests/unit/mapper/script.h
tests_unit_mapper_test_mapper_chance_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_mapper_chance_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_mapper_state_SOURCES = \
	tests/unit/mapper/test-mapper-state.c tests/unit/mapper/script.c tests/unit/mapper/script.h
tests_unit_mapper_test_mapper_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_mapper_state_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_mapping_state_SOURCES = \
	tests/unit/mapper/test-mapping-state.c tests/unit/mapper/script.c tests/unit/mapper/script.h
tests_unit_mapper_test_mapping_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_mapping_state_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_stun_SOURCES = tests/unit/mapper/test-stun.c \
	services/zoned/stun-responder-state.c services/zoned/stun-responder-state.h
tests_unit_mapper_test_stun_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_stun_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_silence_SOURCES = tests/unit/mapper/test-silence.c
tests_unit_mapper_test_silence_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_silence_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_nat_kind_SOURCES = tests/unit/mapper/test-nat-kind.c
tests_unit_mapper_test_nat_kind_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_nat_kind_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_natpmp_wire_SOURCES = tests/unit/mapper/test-natpmp-wire.c
tests_unit_mapper_test_natpmp_wire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_natpmp_wire_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_network_state_SOURCES = tests/unit/mapper/test-network-state.c
tests_unit_mapper_test_network_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_network_state_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_network_watch_SOURCES = \
	tests/unit/mapper/test-network-watch.c services/mapper/network-watch.c \
	services/mapper/gateway-neighbour.c
tests_unit_mapper_test_network_watch_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(UV_CFLAGS) $(MNL_CFLAGS)
tests_unit_mapper_test_network_watch_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mnl_socket_sendto
tests_unit_mapper_test_network_watch_LDADD = libmapper-core.la libloop.la libnet.la $(MNL_LIBS) $(CMOCKA_LIBS)

tests_unit_mapper_test_resume_state_SOURCES = tests/unit/mapper/test-resume-state.c
tests_unit_mapper_test_resume_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_resume_state_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_unit_mapper_test_resume_watch_SOURCES = \
	tests/unit/mapper/test-resume-watch.c services/mapper/resume-watch.c
tests_unit_mapper_test_resume_watch_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_mapper_test_resume_watch_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=clock_gettime -Wl,--wrap=timerfd_create -Wl,--wrap=timerfd_settime
tests_unit_mapper_test_resume_watch_LDADD = libmapper-core.la libloop.la $(CMOCKA_LIBS)

tests_unit_mapper_test_captive_wire_SOURCES = tests/unit/mapper/test-captive-wire.c
tests_unit_mapper_test_captive_wire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mapper_test_captive_wire_LDADD = libmapper-core.la $(CMOCKA_LIBS)

tests_fuzz_fuzz_captive_SOURCES = tests/fuzz/fuzz-captive.c $(FUZZ_MAIN)
tests_fuzz_fuzz_captive_LDADD = libmapper-core.la
tests_fuzz_fuzz_captive_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/corpus/fuzz-captive

tests_fuzz_fuzz_gena_SOURCES = tests/fuzz/fuzz-gena.c $(FUZZ_MAIN)
tests_fuzz_fuzz_gena_LDADD = libmapper-core.la libbase.la
tests_fuzz_fuzz_gena_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
tests_fuzz_fuzz_ssdp_SOURCES = tests/fuzz/fuzz-ssdp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ssdp_LDADD = libmapper-core.la libbase.la
tests_fuzz_fuzz_ssdp_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
# They have a function of their own for one of the library's, which wants to be seen by it.
tests_fuzz_fuzz_igd_description_SOURCES = \
	tests/fuzz/fuzz-igd-description.c tests/fuzz/played-http.c tests/fuzz/played-http.h $(FUZZ_MAIN)
tests_fuzz_fuzz_igd_description_LDADD = libigdworker.la libmapper-core.la libbase.la
tests_fuzz_fuzz_igd_description_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE) -Wl,--export-dynamic
tests_fuzz_fuzz_igd_soap_SOURCES = \
	tests/fuzz/fuzz-igd-soap.c tests/fuzz/played-http.c tests/fuzz/played-http.h $(FUZZ_MAIN)
tests_fuzz_fuzz_igd_soap_LDADD = libigdworker.la libmapper-core.la libbase.la
tests_fuzz_fuzz_igd_soap_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE) -Wl,--export-dynamic
EXTRA_DIST += tests/fuzz/corpus/fuzz-gena tests/fuzz/corpus/fuzz-igd-description \
	tests/fuzz/corpus/fuzz-igd-soap tests/fuzz/corpus/fuzz-ssdp
