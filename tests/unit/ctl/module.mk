if ENABLE_TESTS
UNIT_TESTS += \
	tests/unit/ctl/test-netcheck-words \
	tests/unit/ctl/test-octets \
	tests/unit/ctl/test-peer-words \
	tests/unit/ctl/test-text \
	tests/unit/ctl/test-timelines
endif

tests_unit_ctl_test_octets_SOURCES = tests/unit/ctl/test-octets.c
tests_unit_ctl_test_octets_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSONC_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_ctl_test_octets_LDADD = libctl-core.la $(CMOCKA_LIBS)

tests_unit_ctl_test_text_SOURCES = tests/unit/ctl/test-text.c
tests_unit_ctl_test_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSONC_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_ctl_test_text_LDADD = libctl-core.la $(CMOCKA_LIBS)

tests_unit_ctl_test_timelines_SOURCES = tests/unit/ctl/test-timelines.c
tests_unit_ctl_test_timelines_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSONC_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_ctl_test_timelines_LDADD = libctl-core.la $(CMOCKA_LIBS)

tests_unit_ctl_test_netcheck_words_SOURCES = tests/unit/ctl/test-netcheck-words.c
tests_unit_ctl_test_netcheck_words_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSONC_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_ctl_test_netcheck_words_LDADD = libctl-core.la $(JSONC_LIBS) $(CMOCKA_LIBS)

tests_unit_ctl_test_peer_words_SOURCES = tests/unit/ctl/test-peer-words.c
tests_unit_ctl_test_peer_words_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSONC_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_ctl_test_peer_words_LDADD = libctl-core.la $(JSONC_LIBS) $(CMOCKA_LIBS)
