if ENABLE_TESTS
UNIT_TESTS += \
	tests/unit/keyd/test-ike-auth \
	tests/unit/keyd/test-ike-captured \
	tests/unit/keyd/test-ike-conversation \
	tests/unit/keyd/test-ike-cookie \
	tests/unit/keyd/test-ike-crypto \
	tests/unit/keyd/test-ike-fragments \
	tests/unit/keyd/test-ike-intermediate \
	tests/unit/keyd/test-ike-kem \
	tests/unit/keyd/test-ike-key-exchange \
	tests/unit/keyd/test-ike-many \
	tests/unit/keyd/test-ike-message \
	tests/unit/keyd/test-ike-negotiation \
	tests/unit/keyd/test-ike-ppk \
	tests/unit/keyd/test-ike-preferences \
	tests/unit/keyd/test-ike-proposal \
	tests/unit/keyd/test-ike-psk \
	tests/unit/keyd/test-ike-mobike \
	tests/unit/keyd/test-ike-payloads \
	tests/unit/keyd/test-ike-rekey \
	tests/unit/keyd/test-ike-revoked \
	tests/unit/keyd/test-ike-resume \
	tests/unit/keyd/test-ike-verified \
	tests/unit/keyd/test-ike-schedules \
	tests/unit/keyd/test-ike-window
endif

keyd_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CRYPTO_CFLAGS)
keyd_test_libs = libkeyd-core.la $(CMOCKA_LIBS) $(CRYPTO_LIBS)
keyd_test_account = tests/unit/keyd/account.c tests/unit/keyd/account.h tests/unit/keyd/rsa-keys.h

tests_unit_keyd_test_ike_auth_SOURCES = tests/unit/keyd/test-ike-auth.c $(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_auth_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_auth_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_captured_SOURCES = \
	tests/unit/keyd/test-ike-captured.c \
	tests/unit/keyd/captured.h tests/unit/keyd/test.h
tests_unit_keyd_test_ike_captured_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_captured_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_conversation_SOURCES = \
	tests/unit/keyd/test-ike-conversation.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_conversation_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_conversation_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_cookie_SOURCES = tests/unit/keyd/test-ike-cookie.c tests/unit/keyd/test.h
tests_unit_keyd_test_ike_cookie_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_cookie_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_crypto_SOURCES = tests/unit/keyd/test-ike-crypto.c tests/unit/keyd/test.h
tests_unit_keyd_test_ike_crypto_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_crypto_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_fragments_SOURCES = \
	tests/unit/keyd/test-ike-fragments.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_fragments_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_fragments_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_intermediate_SOURCES = \
	tests/unit/keyd/test-ike-intermediate.c \
	tests/unit/keyd/played-kem.c tests/unit/keyd/played-kem.h \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_intermediate_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_intermediate_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_kem_SOURCES = \
	tests/unit/keyd/test-ike-kem.c \
	tests/unit/keyd/played-kem.c tests/unit/keyd/played-kem.h tests/unit/keyd/test.h
tests_unit_keyd_test_ike_kem_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_kem_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_key_exchange_SOURCES = tests/unit/keyd/test-ike-key-exchange.c tests/unit/keyd/test.h
tests_unit_keyd_test_ike_key_exchange_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_key_exchange_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_preferences_SOURCES = tests/unit/keyd/test-ike-preferences.c tests/unit/keyd/test.h
tests_unit_keyd_test_ike_preferences_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_preferences_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_message_SOURCES = tests/unit/keyd/test-ike-message.c tests/unit/keyd/test.h
tests_unit_keyd_test_ike_message_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_message_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_negotiation_SOURCES = \
	tests/unit/keyd/test-ike-negotiation.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_negotiation_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_negotiation_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_ppk_SOURCES = \
	tests/unit/keyd/test-ike-ppk.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_ppk_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_ppk_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_revoked_SOURCES = \
	tests/unit/keyd/test-ike-revoked.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_revoked_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_revoked_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_proposal_SOURCES = tests/unit/keyd/test-ike-proposal.c tests/unit/keyd/test.h
tests_unit_keyd_test_ike_proposal_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_proposal_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_psk_SOURCES = \
	tests/unit/keyd/test-ike-psk.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_psk_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_psk_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_resume_SOURCES = \
	tests/unit/keyd/test-ike-resume.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_resume_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_resume_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_payloads_SOURCES = \
	tests/unit/keyd/test-ike-payloads.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_payloads_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_payloads_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_mobike_SOURCES = \
	tests/unit/keyd/test-ike-mobike.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_mobike_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_mobike_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_rekey_SOURCES = \
	tests/unit/keyd/test-ike-rekey.c \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_rekey_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_rekey_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_schedules_SOURCES = \
	tests/unit/keyd/test-ike-schedules.c \
	tests/unit/keyd/watch.c tests/unit/keyd/watch.h \
	tests/unit/keyd/played-kem.c tests/unit/keyd/played-kem.h \
	tests/unit/keyd/world.c tests/unit/keyd/world.h \
	$(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_schedules_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_schedules_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_window_SOURCES = tests/unit/keyd/test-ike-window.c tests/unit/keyd/test.h
tests_unit_keyd_test_ike_window_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_window_LDADD = $(keyd_test_libs)

keyd_fuzz_fixture = tests/fuzz/ike-fixture.c tests/fuzz/ike-fixture.h \
	tests/unit/keyd/played-kem.c tests/unit/keyd/played-kem.h $(keyd_test_account)
FUZZ_TARGETS += tests/fuzz/fuzz-ike-auth tests/fuzz/fuzz-ike-message tests/fuzz/fuzz-ike-pieces \
	tests/fuzz/fuzz-ike-rekey \
	tests/fuzz/fuzz-ike-sealed

tests_fuzz_fuzz_ike_auth_SOURCES = tests/fuzz/fuzz-ike-auth.c $(keyd_fuzz_fixture) $(FUZZ_MAIN)
tests_fuzz_fuzz_ike_auth_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_ike_auth_LDADD = libkeyd-core.la $(CRYPTO_LIBS)
tests_fuzz_fuzz_ike_auth_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

tests_fuzz_fuzz_ike_message_SOURCES = tests/fuzz/fuzz-ike-message.c $(keyd_fuzz_fixture) $(FUZZ_MAIN)
tests_fuzz_fuzz_ike_message_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_ike_message_LDADD = libkeyd-core.la $(CRYPTO_LIBS)
tests_fuzz_fuzz_ike_message_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

tests_fuzz_fuzz_ike_rekey_SOURCES = tests/fuzz/fuzz-ike-rekey.c $(keyd_fuzz_fixture) $(FUZZ_MAIN)
tests_fuzz_fuzz_ike_rekey_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_ike_rekey_LDADD = libkeyd-core.la $(CRYPTO_LIBS)
tests_fuzz_fuzz_ike_rekey_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

tests_fuzz_fuzz_ike_sealed_SOURCES = tests/fuzz/fuzz-ike-sealed.c $(keyd_fuzz_fixture) $(FUZZ_MAIN)
tests_fuzz_fuzz_ike_sealed_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_ike_sealed_LDADD = libkeyd-core.la $(CRYPTO_LIBS)
tests_fuzz_fuzz_ike_sealed_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

tests_fuzz_fuzz_ike_pieces_SOURCES = tests/fuzz/fuzz-ike-pieces.c $(keyd_fuzz_fixture) $(FUZZ_MAIN)
tests_fuzz_fuzz_ike_pieces_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_ike_pieces_LDADD = libkeyd-core.la $(CRYPTO_LIBS)
tests_fuzz_fuzz_ike_pieces_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)

tests_unit_keyd_test_ike_verified_SOURCES = tests/unit/keyd/test-ike-verified.c $(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_verified_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_verified_LDADD = $(keyd_test_libs)

tests_unit_keyd_test_ike_many_SOURCES = tests/unit/keyd/test-ike-many.c $(keyd_test_account) tests/unit/keyd/test.h
tests_unit_keyd_test_ike_many_CFLAGS = $(keyd_test_cflags)
tests_unit_keyd_test_ike_many_LDADD = $(keyd_test_libs)

EXTRA_DIST += tests/unit/thorough.h
