/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* main() of a fuzz target without an engine: runs it on each file named, and on each file in each
 * folder named. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_LIMIT (1 << 20)

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "re");
	uint8_t *data, *exact;
	size_t size;

	if (!file) {
		perror(path);
		return -1;
	}
	data = malloc(INPUT_LIMIT);
	size = data ? fread(data, 1, INPUT_LIMIT, file) : 0;
	fclose(file);
	/* Memory of exactly this size, so that a sanitizer sees the first octet read beyond it. */
	exact = malloc(size ? size : 1);
	if (exact) {
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
	}
	free(exact);
	free(data);
	return exact ? 1 : -1;
}

static int replay(const char *path)
{
	struct dirent *entry;
	struct stat status;
	int n = 0;
	DIR *folder;

	if (stat(path, &status) < 0) {
		perror(path);
		return -1;
	}
	if (!S_ISDIR(status.st_mode))
		return replay_file(path);
	folder = opendir(path);
	if (!folder) {
		perror(path);
		return -1;
	}
	while ((entry = readdir(folder))) {
		char *inner;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0)
			abort();
		if (replay(inner) >= 0)
			n++;
		free(inner);
	}
	closedir(folder);
	return n;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n < 0)
			return 1;
		total += n;
	}
	printf("%d inputs replayed\n", total);
	return total ? 0 : 1;
}
