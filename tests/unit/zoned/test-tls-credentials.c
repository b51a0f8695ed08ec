/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/tls-credentials.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAME "ns.members.example.org"
#define NOW  1700000000

struct files {
	char folder[64], certificate[96], key[96];
};

static void make_folder(struct files *files)
{
	strcpy(files->folder, "/tmp/test-tls-XXXXXX");
	assert_non_null(mkdtemp(files->folder));
	snprintf(files->certificate, sizeof files->certificate, "%s/certificate", files->folder);
	snprintf(files->key, sizeof files->key, "%s/key", files->folder);
}

static void remove_folder(struct files *files)
{
	unlink(files->certificate);
	unlink(files->key);
	/* Nothing else was left. */
	assert_int_equal(rmdir(files->folder), 0);
}

static X509 *read_certificate(const struct files *files)
{
	FILE *file = fopen(files->certificate, "r");
	X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);

	fclose(file);
	assert_non_null(certificate);
	return certificate;
}

static void made_at_first(void **state)
{
	uint8_t pin[TLS_PIN_SIZE], again[TLS_PIN_SIZE];
	char text[TLS_PIN_TEXT_SIZE], *message;
	time_t end = NOW + 10 * 365 * 86400L;
	struct files files;
	struct stat status;
	X509 *certificate;

	make_folder(&files);
	assert_int_equal(tls_credentials_ensure(files.certificate, files.key, NAME, NOW, &message),
			 1);
	assert_int_equal(stat(files.key, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	certificate = read_certificate(&files);
	assert_int_equal(X509_check_host(certificate, NAME, 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(certificate, "members.example.org", 0, 0, NULL), 0);
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(certificate), &end), -1);
	end--;
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(certificate), &end), 1);
	assert_int_equal(X509_check_ca(certificate), 0);
	assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0), 1);
	assert_int_equal(X509_verify(certificate, X509_get0_pubkey(certificate)), 1);
	X509_free(certificate);

	assert_int_equal(tls_credentials_pin(files.certificate, pin, &message), 0);
	tls_pin_to_text(pin, text);
	assert_int_equal(strlen(text), TLS_PIN_TEXT_SIZE - 1);
	assert_int_equal(strncmp(text, "sha256/", 7), 0);
	/* Kept; and a lost certificate is made again for the same key. */
	assert_int_equal(tls_credentials_ensure(files.certificate, files.key, NAME, NOW, &message),
			 0);
	unlink(files.certificate);
	assert_int_equal(tls_credentials_ensure(files.certificate, files.key, NAME, NOW, &message),
			 1);
	assert_int_equal(tls_credentials_pin(files.certificate, again, &message), 0);
	assert_memory_equal(pin, again, sizeof pin);
	remove_folder(&files);
}

static void long_name(void **state)
{
	char name[200] = "", *message;
	struct files files;
	X509 *certificate;

	for (int i = 0; i < 15; i++)
		strcat(name, "label-twelve.");
	strcat(name, "org");
	make_folder(&files);
	assert_int_equal(tls_credentials_ensure(files.certificate, files.key, name, NOW, &message),
			 1);
	certificate = read_certificate(&files);
	assert_int_equal(X509_check_host(certificate, name, 0, 0, NULL), 1);
	X509_free(certificate);
	remove_folder(&files);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void what_is_wrong_is_said(void **state)
{
	uint8_t pin[TLS_PIN_SIZE];
	struct files files;
	char *message;

	make_folder(&files);
	assert_int_equal(tls_credentials_pin(files.certificate, pin, &message), -ENOENT);
	assert_non_null(strstr(message, files.certificate));
	free(message);
	put(files.certificate, "no certificate\n");
	assert_int_equal(tls_credentials_pin(files.certificate, pin, &message), -EBADMSG);
	free(message);
	assert_int_equal(tls_credentials_ensure(files.certificate, files.key, NAME, NOW, &message),
			 -ENOENT);
	assert_non_null(strstr(message, files.key));
	free(message);
	unlink(files.certificate);
	put(files.key, "no key\n");
	assert_int_equal(tls_credentials_ensure(files.certificate, files.key, NAME, NOW, &message),
			 -EBADMSG);
	free(message);
	remove_folder(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_at_first),
		cmocka_unit_test(long_name),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests_name("tls-credentials", tests, NULL, NULL);
}
