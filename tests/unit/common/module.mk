if ENABLE_TESTS
UNIT_TESTS += \
	tests/unit/common/test-base \
	tests/unit/common/test-cursor \
	tests/unit/common/test-due-heap \
	tests/unit/common/test-keys \
	tests/unit/common/test-loop \
	tests/unit/common/test-neighbour \
	tests/unit/common/test-netlink \
	tests/unit/common/test-network-route \
	tests/unit/common/test-stun-wire \
	tests/unit/common/test-terminal
FUZZ_TARGETS += tests/fuzz/fuzz-stun
endif

tests_unit_common_test_loop_SOURCES = tests/unit/common/test-loop.c
tests_unit_common_test_loop_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(UV_CFLAGS)
tests_unit_common_test_loop_LDADD = libloop.la $(CMOCKA_LIBS)

tests_unit_common_test_neighbour_SOURCES = tests/unit/common/test-neighbour.c
tests_unit_common_test_neighbour_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(UV_CFLAGS)
tests_unit_common_test_neighbour_LDADD = libloop.la $(CMOCKA_LIBS)

tests_unit_common_test_netlink_SOURCES = tests/unit/common/test-netlink.c
tests_unit_common_test_netlink_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS)
tests_unit_common_test_netlink_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mnl_socket_sendto
tests_unit_common_test_netlink_LDADD = libnet.la $(MNL_LIBS) $(CMOCKA_LIBS)

tests_unit_common_test_network_route_SOURCES = tests/unit/common/test-network-route.c
tests_unit_common_test_network_route_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS)
tests_unit_common_test_network_route_LDADD = libnet.la $(MNL_LIBS) $(CMOCKA_LIBS)

tests_unit_common_test_base_SOURCES = tests/unit/common/test-base.c
tests_unit_common_test_base_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_common_test_base_LDADD = libbase.la $(CMOCKA_LIBS)

tests_unit_common_test_due_heap_SOURCES = tests/unit/common/test-due-heap.c
tests_unit_common_test_due_heap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_common_test_due_heap_LDADD = libbase.la $(CMOCKA_LIBS)

tests_unit_common_test_cursor_SOURCES = tests/unit/common/test-cursor.c
tests_unit_common_test_cursor_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_common_test_cursor_LDADD = $(CMOCKA_LIBS)

tests_unit_common_test_keys_SOURCES = tests/unit/common/test-keys.c
tests_unit_common_test_keys_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_common_test_keys_LDADD = libkeys.la $(CMOCKA_LIBS)

tests_unit_common_test_terminal_SOURCES = tests/unit/common/test-terminal.c
tests_unit_common_test_terminal_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_common_test_terminal_LDADD = libbase.la $(CMOCKA_LIBS)

tests_unit_common_test_stun_wire_SOURCES = tests/unit/common/test-stun-wire.c
tests_unit_common_test_stun_wire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_common_test_stun_wire_LDADD = libstun.la $(CMOCKA_LIBS)

tests_fuzz_fuzz_stun_SOURCES = tests/fuzz/fuzz-stun.c $(FUZZ_MAIN) \
	services/zoned/stun-responder-state.c services/zoned/stun-responder-state.h
tests_fuzz_fuzz_stun_LDADD = libmapper-core.la
tests_fuzz_fuzz_stun_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/corpus/fuzz-stun
