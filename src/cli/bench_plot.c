/* SPDX-License-Identifier: MIT */
/* The charts of `uiommu bench --plot=DIR`, from the rows of the same run. gnuplot draws. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bench.h"

enum { SERIES_MAX = 2 };

/* Rows whose ids are a prefix, a dot and a number: the number is x. */
struct series {
	const char *prefix, *title, *color;
};

struct chart {
	const char *file, *title, *x;
	bool log_y;
	double goal; /* 0: none */
	struct series series[SERIES_MAX];
};

static const struct chart charts[] = {
	{ "bench-pages.svg",
	  "One translation in a batch, by working set",
	  "4 KiB pages in random order",
	  true,
	  0,
	  { { "translate.pages", "hit or walk", "#0a7d32" } } },
	{ "bench-devices.svg",
	  "One translation, by devices that take turns (1000 pages)",
	  "devices",
	  true,
	  8,
	  { { "translate.devices", "16 translations per turn", "#0a7d32" },
	    { "translate.devices.single", "one per turn", "#c77700" } } },
	{ "bench-invalidate.svg",
	  "One page-selective invalidation, by cached pages",
	  "cached 4 KiB pages",
	  false,
	  20,
	  { { "invalidate.page", "leaf only", "#0a7d32" },
	    { "invalidate.tables", "with tables", "#c77700" } } },
	{ "bench-group.svg",
	  "Replacement of the domain of a group, per device",
	  "devices of the group",
	  true,
	  50,
	  { { "replace.group", "per device", "#0a7d32" } } },
	{ "bench-replace.svg",
	  "Replacement of a domain, and unmapping and mapping all of it",
	  "4 KiB mappings of the domain",
	  true,
	  100,
	  { { "replace.cpu", "replace", "#0a7d32" }, { "remap", "remap", "#b3261e" } } },
};

/* True: *x is what stands behind the prefix. */
static bool point(const struct bench_row *row, const char *prefix, double *x)
{
	size_t n = strlen(prefix);
	char *end;

	if (strncmp(row->id, prefix, n) || row->id[n] != '.')
		return false;
	*x = strtod(row->id + n + 1, &end);
	return end != row->id + n + 1 && !*end && !isnan(row->ours);
}

static unsigned int write_points(FILE *out, const struct bench_table *t, const char *prefix,
				 unsigned int number)
{
	unsigned int i, n = 0;
	double x;

	fprintf(out, "$s%u << E\n", number);
	for (i = 0; i < t->n; i++)
		if (point(&t->row[i], prefix, &x)) {
			fprintf(out, "%.0f %.3f\n", x, t->row[i].ours);
			n++;
		}
	fprintf(out, "E\n");
	return n;
}

static bool any(const struct bench_table *t, const struct chart *c)
{
	unsigned int i;
	double x;

	for (i = 0; i < t->n; i++)
		if (point(&t->row[i], c->series[0].prefix, &x))
			return true;
	return false;
}

static void write_chart(FILE *out, const struct bench_table *t, const struct chart *c, const char *dir)
{
	unsigned int n[SERIES_MAX] = { 0 }, i;
	const char *sep = "";

	fprintf(out,
		"set terminal svg size 760,420 background 'white' font 'sans,14'\nset output '%s/%s'\n"
		"set title '%s'\nset xlabel '%s'\nset ylabel 'ns'\nset logscale x\n%s\nset grid lc rgb "
		"'#dddddd'\n"
		"set border 3\nset tics nomirror\nset key top left\nset xrange [*:*]\nset yrange [%s:*]\n",
		dir, c->file, c->title, c->x, c->log_y ? "set logscale y" : "unset logscale y",
		c->log_y ? "*" : "0");
	for (i = 0; i < SERIES_MAX && c->series[i].prefix; i++)
		n[i] = write_points(out, t, c->series[i].prefix, i);
	fprintf(out, "plot ");
	for (i = 0; i < SERIES_MAX && n[i]; i++, sep = ", ")
		fprintf(out, "%s$s%u with linespoints lw 2 pt 7 lc rgb '%s' title '%s'", sep, i,
			c->series[i].color, c->series[i].title);
	if (c->goal > 0)
		fprintf(out, "%s%g with lines dt 2 lc rgb '#666666' title 'goal'", sep, c->goal);
	fprintf(out, "\n");
}

int bench_plot_check(const char *dir)
{
	struct stat st;
	int err = 0;

	if (strchr(dir, '\'') || strchr(dir, '\n')) {
		fprintf(stderr, "uiommu bench: --plot: the name must not contain a quote or a line break\n");
		return CLI_USAGE;
	}
	if (stat(dir, &st) || access(dir, W_OK | X_OK))
		err = errno;
	else if (!S_ISDIR(st.st_mode))
		err = ENOTDIR;
	if (err) {
		fprintf(stderr, "uiommu bench: --plot: cannot write into %s: %s\n", dir, strerror(err));
		return CLI_FAILED;
	}
	if (system("command -v gnuplot >/dev/null 2>&1")) {
		fprintf(stderr, "uiommu bench: --plot needs gnuplot (Debian's package gnuplot-nox)\n");
		return CLI_FAILED;
	}
	return CLI_OK;
}

int bench_plot(const struct bench_table *t, const char *dir)
{
	FILE *gnuplot;
	unsigned int i;

	gnuplot = popen("gnuplot >/dev/null", "w");
	if (!gnuplot) {
		fprintf(stderr, "uiommu bench: cannot start gnuplot: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	for (i = 0; i < sizeof(charts) / sizeof(charts[0]); i++)
		if (any(t, &charts[i]))
			write_chart(gnuplot, t, &charts[i], dir);
	if (pclose(gnuplot)) {
		fprintf(stderr, "uiommu bench: gnuplot could not draw into %s\n", dir);
		return CLI_FAILED;
	}
	return CLI_OK;
}
