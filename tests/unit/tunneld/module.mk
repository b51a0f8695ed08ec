if ENABLE_TESTS
UNIT_TESTS += \
	tests/unit/tunneld/test-datagram \
	tests/unit/tunneld/test-esp \
	tests/unit/tunneld/test-hold-queue \
	tests/unit/tunneld/test-inner \
	tests/unit/tunneld/test-replay-window

tests_unit_tunneld_test_datagram_SOURCES = tests/unit/tunneld/test-datagram.c
tests_unit_tunneld_test_datagram_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_datagram_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_esp_SOURCES = tests/unit/tunneld/test-esp.c
tests_unit_tunneld_test_esp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_esp_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_hold_queue_SOURCES = tests/unit/tunneld/test-hold-queue.c
tests_unit_tunneld_test_hold_queue_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_hold_queue_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_inner_SOURCES = tests/unit/tunneld/test-inner.c
tests_unit_tunneld_test_inner_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_inner_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_replay_window_SOURCES = tests/unit/tunneld/test-replay-window.c
tests_unit_tunneld_test_replay_window_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_replay_window_LDADD = libtunneld-core.la $(CMOCKA_LIBS)
endif
