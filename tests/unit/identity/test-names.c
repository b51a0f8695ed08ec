/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/identity/account-state.h"
#include "services/identity/names.h"

#include <errno.h>
#include <stdio.h>

static void test_labels(void **unused)
{
	static const char *const bad[] = { "",    "-a",       "a-",  "a.b",           "a_b",
					   "a b", "\xc3\xa4", "a\n", "AutoTunnel-00", "*" };
	char label[LABEL_SIZE], longest[LABEL_SIZE + 1];

	assert_int_equal(names_parse_label("Desktop", label), 0);
	assert_string_equal(label, "desktop");
	assert_int_equal(names_parse_label("7-a-9", label), 0);
	assert_int_equal(names_parse_label("autotunnel", label), 0);
	memset(longest, 'x', sizeof longest);
	longest[LABEL_SIZE] = 0;
	assert_int_equal(names_parse_label(longest, label), -EINVAL);
	longest[LABEL_SIZE - 1] = 0;
	assert_int_equal(names_parse_label(longest, label), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(names_parse_label(bad[i], label), -EINVAL);
}

static void test_host_names(void **unused)
{
	static const struct {
		const char *text, *label;
	} cases[] = {
		{ "desktop", "desktop" },
		{ "Desktop.example.org", "desktop" },
		{ "my_machine", "my-machine" },
		{ "--a__b--", "a-b" },
		{ "M\xc3\xbcller's PC", "m-ller-s-pc" },
		{ "", NULL },
		{ "___", NULL },
		{ ".example.org", NULL },
		{ "localhost.localdomain", NULL },
		{ "(none)", "none" },
	};
	char label[LABEL_SIZE], longest[300];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int r = names_from_host_name(cases[i].text, label);

		assert_int_equal(r, cases[i].label ? 0 : -EINVAL);
		if (cases[i].label)
			assert_string_equal(label, cases[i].label);
	}
	memset(longest, 'x', sizeof longest);
	longest[62] = '-';
	longest[sizeof longest - 1] = 0;
	assert_int_equal(names_from_host_name(longest, label), 0);
	assert_int_equal(strlen(label), 62);
}

static void test_accounts(void **unused)
{
	static const char *const good[] = { "alice@members.example.org",
					    "alice.members.example.org",
					    "ALICE@Members.Example.ORG.",
					    "alice.members.example.org." };
	static const char *const bad[] = {
		"",
		"alice",
		"alice@",
		"@a.b",
		"alice@members",
		"alice.members",
		"a@b@c.d",
		"a..b.c",
		"a@.b.c",
		"a@b..c",
		"a@b.c..",
		"al ice@b.c",
		"alice@-b.c",
		"alice@b.c-",
		".alice.b.c",
		"alice@b.c\n",
		"alice@members/x.org",
		"ali,ce@b.c",
	};
	struct account_name name;
	char text[512], domain[NAME_SIZE];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(names_parse_account(good[i], &name), 0);
		assert_string_equal(name.account, "alice");
		assert_string_equal(name.domain, "members.example.org");
		names_account_domain(&name, domain);
		assert_string_equal(domain, "alice.members.example.org");
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(names_parse_account(bad[i], &name), -EINVAL);
	/* Domains of every length around the limit of a name. */
	for (size_t size = 3; size < 300; size++) {
		size_t at = 2;

		strcpy(text, "a@");
		while (at < 2 + size)
			text[at] = (at - 1) % 2 ? 'x' : '.', at++;
		text[at] = 0;
		if (size % 2 == 0)
			text[at - 1] = 0;
		if (names_parse_account(text, &name) < 0)
			assert_true(size > NAME_SIZE - 4);
		else
			assert_true(strlen(name.domain) + 2 < NAME_SIZE);
	}
}

static void test_composed_names(void **unused)
{
	struct account_name name;
	char text[NAME_SIZE];

	assert_int_equal(names_parse_account("alice@members.example.org", &name), 0);
	names_tsig_key(&name, "desktop", "1a2b3c4d", text);
	assert_string_equal(text, "1a2b3c4d.desktop.alice.members.example.org");
	names_below_account(&name, "desktop", text);
	assert_string_equal(text, "desktop.alice.members.example.org");
}

/* What fits by names_check_fit() fits everywhere, at every length. */
static void test_fit(void **unused)
{
	struct account_name name = { .account = "alice" };
	char host[LABEL_SIZE], text[NAME_SIZE];
	int n_fitting = 0;

	memset(host, 'h', sizeof host - 1);
	host[sizeof host - 1] = 0;
	for (size_t size = 1; size < NAME_SIZE - 7; size++) {
		memset(name.domain, 'd', size);
		name.domain[size] = 0;
		if (names_check_fit(&name, host) < 0)
			continue;
		n_fitting++;
		assert_true(strlen("_autotunnel._udp.") + strlen(host) + 7 + size < NAME_SIZE);
		names_tsig_key(&name, host, "1a2b3c4d", text);
		assert_int_equal(strlen(text), 9 + strlen(host) + 7 + size);
		names_below_account(&name, "AutoTunnel-00-22-69-FF-FE-8E-34-2A", text);
		assert_int_equal(strlen(text), 34 + 7 + size);
	}
	assert_true(n_fitting > 100);
}

static void test_tags(void **unused)
{
	assert_int_equal(names_check_tag("1a2b3c4d"), 0);
	assert_int_equal(names_check_tag("1A2B3C4D"), -EINVAL);
	assert_int_equal(names_check_tag("1a2b3c4"), -EINVAL);
	assert_int_equal(names_check_tag("1a2b3c4d5"), -EINVAL);
	assert_int_equal(names_check_tag("1a2b3c4g"), -EINVAL);
}

static void test_account_state(void **unused)
{
	static const int wanted[4][4] = {
		/* sign in, sign out, set host name, use key */
		[ACCOUNT_STARTING] = { -EBUSY, -ENOKEY, 0, -ENOKEY },
		[ACCOUNT_SIGNED_OUT] = { 0, -ENOKEY, 0, -ENOKEY },
		[ACCOUNT_SIGNING_IN] = { -EBUSY, -EBUSY, -EBUSY, -ENOKEY },
		[ACCOUNT_SIGNED_IN] = { -EALREADY, 0, -EALREADY, 0 },
	};

	for (int state = 0; state < 4; state++)
		for (int request = 0; request < 4; request++)
			assert_int_equal(account_state_check(state, request),
					 wanted[state][request]);
	assert_string_equal(account_state_name(ACCOUNT_STARTING), "starting");
	assert_string_equal(account_state_name(ACCOUNT_SIGNED_OUT), "signed-out");
	assert_string_equal(account_state_name(ACCOUNT_SIGNING_IN), "signing-in");
	assert_string_equal(account_state_name(ACCOUNT_SIGNED_IN), "signed-in");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),        cmocka_unit_test(test_host_names),
		cmocka_unit_test(test_accounts),      cmocka_unit_test(test_composed_names),
		cmocka_unit_test(test_fit),           cmocka_unit_test(test_tags),
		cmocka_unit_test(test_account_state),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
