UNIT_TESTS += \
	tests/unit/tunneld/test-aead \
	tests/unit/tunneld/test-datagram \
	tests/unit/tunneld/test-echo \
	tests/unit/tunneld/test-error-limit \
	tests/unit/tunneld/test-esp \
	tests/unit/tunneld/test-hold-queue \
	tests/unit/tunneld/test-inner \
	tests/unit/tunneld/test-keepalive \
	tests/unit/tunneld/test-linger \
	tests/unit/tunneld/test-outer \
	tests/unit/tunneld/test-internet-sum \
	tests/unit/tunneld/test-path-mtu \
	tests/unit/tunneld/test-peer-state \
	tests/unit/tunneld/test-replay-window \
	tests/unit/tunneld/test-reverse-path \
	tests/unit/tunneld/test-roaming \
	tests/unit/tunneld/test-super-packets \
	tests/unit/tunneld/test-xfrm

tests_unit_tunneld_test_aead_SOURCES = tests/unit/tunneld/test-aead.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_aead_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_aead_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_datagram_SOURCES = tests/unit/tunneld/test-datagram.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_datagram_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_datagram_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_echo_SOURCES = tests/unit/tunneld/test-echo.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_echo_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_echo_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_error_limit_SOURCES = tests/unit/tunneld/test-error-limit.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_error_limit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_error_limit_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_esp_SOURCES = tests/unit/tunneld/test-esp.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_esp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_esp_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_hold_queue_SOURCES = tests/unit/tunneld/test-hold-queue.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_hold_queue_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_hold_queue_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_inner_SOURCES = tests/unit/tunneld/test-inner.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_inner_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_inner_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_keepalive_SOURCES = tests/unit/tunneld/test-keepalive.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_keepalive_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_keepalive_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

# The clock, and what tells that something came, are the test's own; so are the port and the device.
tests_unit_tunneld_test_linger_SOURCES = tests/unit/tunneld/test-linger.c services/tunneld/datapath-linger.c \
	tests/unit/tunneld/unit.h
tests_unit_tunneld_test_linger_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(UV_CFLAGS) $(SYSTEMD_CFLAGS) $(MNL_CFLAGS)
tests_unit_tunneld_test_linger_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime,--wrap=poll,--wrap=sched_yield
tests_unit_tunneld_test_linger_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_outer_SOURCES = tests/unit/tunneld/test-outer.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_outer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_outer_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_internet_sum_SOURCES = tests/unit/tunneld/test-internet-sum.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_internet_sum_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_internet_sum_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_path_mtu_SOURCES = tests/unit/tunneld/test-path-mtu.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_path_mtu_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_path_mtu_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_peer_state_SOURCES = tests/unit/tunneld/test-peer-state.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_peer_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_peer_state_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_reverse_path_SOURCES = tests/unit/tunneld/test-reverse-path.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_reverse_path_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_reverse_path_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_replay_window_SOURCES = tests/unit/tunneld/test-replay-window.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_replay_window_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_replay_window_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_roaming_SOURCES = tests/unit/tunneld/test-roaming.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_roaming_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_roaming_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_super_packets_SOURCES = tests/unit/tunneld/test-super-packets.c \
	tests/unit/tunneld/traffic.c tests/unit/tunneld/traffic.h tests/unit/tunneld/unit.h
tests_unit_tunneld_test_super_packets_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tunneld_test_super_packets_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

tests_unit_tunneld_test_xfrm_SOURCES = tests/unit/tunneld/test-xfrm.c tests/unit/tunneld/unit.h
tests_unit_tunneld_test_xfrm_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS)
tests_unit_tunneld_test_xfrm_LDADD = libtunneld-core.la $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-coalesce tests/fuzz/fuzz-esp tests/fuzz/fuzz-tun-device tests/fuzz/fuzz-tunnel-inner
tests_fuzz_fuzz_esp_SOURCES = tests/fuzz/fuzz-esp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_esp_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_esp_LDADD = libtunneld-core.la
tests_fuzz_fuzz_esp_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
tests_fuzz_fuzz_tunnel_inner_SOURCES = tests/fuzz/fuzz-tunnel-inner.c $(FUZZ_MAIN)
tests_fuzz_fuzz_tunnel_inner_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_tunnel_inner_LDADD = libtunneld-core.la
tests_fuzz_fuzz_tunnel_inner_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
tests_fuzz_fuzz_coalesce_SOURCES = tests/fuzz/fuzz-coalesce.c tests/unit/tunneld/traffic.c tests/unit/tunneld/traffic.h $(FUZZ_MAIN)
tests_fuzz_fuzz_coalesce_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_coalesce_LDADD = libtunneld-core.la
tests_fuzz_fuzz_coalesce_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
tests_fuzz_fuzz_tun_device_SOURCES = tests/fuzz/fuzz-tun-device.c $(FUZZ_MAIN)
tests_fuzz_fuzz_tun_device_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_tun_device_LDADD = libtunneld-core.la
tests_fuzz_fuzz_tun_device_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
