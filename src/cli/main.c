/* SPDX-License-Identifier: MIT */
/*
 * The `uiommu` command: finds the verb and runs it.
 */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uiommu/types.h>

#include "cli/cli.h"

static const struct cli_verb verbs[] = {
	{ "demo", "show what replacing a live device's domain does, as one table", cli_demo },
	{ "swap", "copy a file through DMA while the device's domain is replaced", cli_swap },
	{ "show", "show what a running swap has: domains, devices, decoded entries", cli_show },
	{ "bench", "measure replacements and translations beside the machine's limits", cli_bench },
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void summary(FILE *out)
{
	unsigned int i;

	fprintf(out,
		"uiommu %s: an IOMMU in user space\n\n"
		"Usage: uiommu VERB [OPTION...]\n\n",
		uiommu_version());
	for (i = 0; i < N_VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(out, "\n`uiommu VERB --help` tells a verb's options. Start with `uiommu demo`.\n");
}

static int unknown_verb(const char *word)
{
	const char *names[N_VERBS + 1], *hint;
	unsigned int i;

	for (i = 0; i < N_VERBS; i++)
		names[i] = verbs[i].name;
	names[N_VERBS] = NULL;
	hint = cli_suggest(word, names);
	if (hint)
		fprintf(stderr, "uiommu: unknown verb '%s'; did you mean '%s'?\n", word, hint);
	else
		fprintf(stderr, "uiommu: unknown verb '%s'; `uiommu --help` lists them\n", word);
	return CLI_USAGE;
}

static int run_verb(const struct cli_verb *verb, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof(name), "uiommu %s", verb->name);
	argv[1] = name;
	return verb->run(argc - 1, argv + 1);
}

static const char *probes(void)
{
#ifdef UIOMMU_PROBES
	return "yes";
#else
	return "no (built without sys/sdt.h)";
#endif
}

/* A full disk or a closed pipe must not look like success. */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "uiommu: cannot write to standard output: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	return status;
}

int main(int argc, char **argv)
{
	unsigned int i;

	setlocale(LC_CTYPE, "");
	argp_err_exit_status = CLI_USAGE;
	if (argc < 2) {
		summary(stdout);
		return finish(CLI_OK);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "help")) {
		summary(stdout);
		return finish(CLI_OK);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("uiommu %s\nstatic probes: %s\n", uiommu_version(), probes());
		return finish(CLI_OK);
	}
	for (i = 0; i < N_VERBS; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return finish(run_verb(&verbs[i], argc, argv));
	if (argv[1][0] == '-') {
		fprintf(stderr, "uiommu: unknown option '%s'; a verb comes first, see `uiommu --help`\n",
			argv[1]);
		return CLI_USAGE;
	}
	return unknown_verb(argv[1]);
}
