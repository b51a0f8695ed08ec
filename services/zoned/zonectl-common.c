/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all commands of zonectl share: errors, the database, and how things are shown. */
#include "services/zoned/zonectl.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int zonectl_fail(const char *format, ...)
{
	va_list arguments;

	fputs("zonectl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return ZONECTL_FAILED;
}

int zonectl_find_domain(const struct zoned_config *config, const char *account,
			char ret[static ACCOUNT_DOMAIN_SIZE])
{
	int r = zoned_config_account_domain(config, account, ret);

	if (r == -EADDRINUSE)
		return zonectl_fail("%s is the name of the server itself", config->server_name);
	if (r < 0)
		return zonectl_fail("\"%s\" cannot be an account of %s: one word of letters, "
				    "digits and hyphens",
				    account, config->zone);
	return ZONECTL_DONE;
}

int zonectl_open(const struct zonectl *ctl, enum storage_mode mode, struct storage **ret)
{
	const char *path = ctl->config.database;
	cleanup(freep) char *message = NULL;
	int r;

	/* Without a database there are no accounts: say that, and not what SQLite calls it. */
	if (mode == STORAGE_EXISTING && access(path, F_OK) < 0 && errno == ENOENT)
		return zonectl_fail("there is no database %s yet; `zonectl account add` makes it",
				    path);
	r = storage_open(path, mode, ret, &message);
	return r < 0 ? zonectl_fail("%s", message ?: strerror(-r)) : ZONECTL_DONE;
}

/* SQLite's words, unless they are about the undoing, which went well. */
static const char *words_for(struct storage *storage, int r)
{
	const char *words = storage_error(storage);

	return strcmp(words, "not an error") == 0 ? strerror(-r) : words;
}

int zonectl_check(const struct zonectl *ctl, struct storage *storage, int r)
{
	if (r >= 0)
		return ZONECTL_DONE;
	switch (-r) {
	case ENOENT:
		return zonectl_fail("there is no account %s; see `zonectl account list`",
				    ctl->domain);
	case EEXIST:
		return zonectl_fail("the account %s exists already", ctl->domain);
	case ENOMEM:
		return zonectl_fail("%s", strerror(ENOMEM));
	default:
		return zonectl_fail("cannot use %s: %s", ctl->config.database,
				    words_for(storage, r));
	}
}

int zonectl_print_json(json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return ZONECTL_DONE;
}

const char *zonectl_duration(int64_t seconds)
{
	static char text[32];

	if (seconds < 0)
		seconds = 0;
	if (seconds >= 3600)
		snprintf(text, sizeof text, "%lldh %02dm", (long long)seconds / 3600,
			 (int)(seconds % 3600 / 60));
	else
		snprintf(text, sizeof text, "%dm %02ds", (int)seconds / 60, (int)seconds % 60);
	return text;
}

const char *zonectl_date(int64_t seconds)
{
	static char text[32];
	time_t at = seconds;
	struct tm tm;

	text[0] = 0;
	if (localtime_r(&at, &tm))
		strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
	return text;
}

const char *zonectl_label(const char *domain)
{
	static char text[ACCOUNT_DOMAIN_SIZE];

	snprintf(text, sizeof text, "%.*s", (int)strcspn(domain, "."), domain);
	return text;
}

int zonectl_write_file(const char *path, const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = 0;

	if (fd < 0)
		return zonectl_fail("cannot make %s: %s", path, strerror(errno));
	for (size_t done = 0; done < size && n >= 0; done += n)
		n = write(fd, text + done, size - done);
	if (n < 0 || fsync(fd) < 0) {
		int error = errno;

		close_fd(fd);
		/* It would stand in the way of the next try. */
		unlink(path);
		return zonectl_fail("cannot write %s: %s", path, strerror(error));
	}
	close_fd(fd);
	return ZONECTL_DONE;
}
