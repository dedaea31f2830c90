/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzzer on files and folders of files, without libFuzzer: TAP, one case per
 * argument. The name of each file is said before it runs, so that a crash names its input.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>

#include "fuzz.h"

static bool run_file(const char *path)
{
	static uint8_t data[64 * 1024];
	FILE *f = fopen(path, "rb");
	uint8_t *copy;
	size_t n;

	if (!f)
		return false;
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	/* Of the exact size, so that AddressSanitizer sees a read beyond it. */
	copy = malloc(n ? n : 1);
	if (!copy)
		return false;
	memcpy(copy, data, n);
	fprintf(stderr, "# %s\n", path);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	return true;
}

/* The number of files that ran, -1 if one could not be read. */
static long run_path(const char *path)
{
	struct dirent *e;
	char name[4096];
	long n = 0;
	DIR *dir = opendir(path);

	if (!dir)
		return errno == ENOTDIR && run_file(path) ? 1 : -1;
	for (e = readdir(dir); e && n >= 0; e = readdir(dir)) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		n = run_file(name) ? n + 1 : -1;
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	bool good = true;

	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		long n = run_path(argv[i]);

		printf("%sok %d - %s: %ld inputs\n", n > 0 ? "" : "not ", i, argv[i], n);
		good &= n > 0;
	}
	return good ? 0 : 1;
}
