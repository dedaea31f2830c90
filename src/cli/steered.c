/* SPDX-License-Identifier: MIT */
/*
 * Finding the steered build of the command: beside this one (in a build tree), in
 * ../libexec from there (installed, also below a DESTDIR or moved), or in LIBEXECDIR.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#ifndef UIOMMU_LIBEXECDIR
#define UIOMMU_LIBEXECDIR "/usr/local/libexec"
#endif

int cli_exec_steered(int argc, char **argv)
{
	static const char *const places[] = { "", "/../libexec" };
	char self[4096], path[4096 + 32], *slash, **args;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	unsigned int k;
	int i;

	args = calloc((size_t)argc + 2, sizeof(*args));
	if (!args) {
		fprintf(stderr, "uiommu: out of memory\n");
		return CLI_FAILED;
	}
	/* argv[0] is "uiommu VERB": two words again. */
	args[0] = strdup("uiommu");
	args[1] = strrchr(argv[0], ' ') ? strrchr(argv[0], ' ') + 1 : argv[0];
	for (i = 1; i < argc; i++)
		args[i + 1] = argv[i];
	for (k = 0; n > 0 && k < sizeof(places) / sizeof(places[0]); k++) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		snprintf(path, sizeof(path), "%.*s%s/uiommu-steered", (int)(slash - self), self, places[k]);
		execv(path, args);
	}
	execv(UIOMMU_LIBEXECDIR "/uiommu-steered", args);
	fprintf(stderr,
		"uiommu: cannot run uiommu-steered (looked beside this command, in ../libexec from there "
		"and in " UIOMMU_LIBEXECDIR "): %s\n",
		strerror(errno));
	free(args[0]);
	free(args);
	return CLI_FAILED;
}
