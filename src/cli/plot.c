/* SPDX-License-Identifier: MIT */
/*
 * The picture of `uiommu swap --plot`: each method at growing numbers of mappings,
 * median time of a switch, both axes logarithmic. gnuplot draws.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/file.h"
#include "cli/plot.h"

static const unsigned int counts[] = { 1000, 3000, 10000, 30000, 100000 };

#define N_COUNTS (sizeof(counts) / sizeof(counts[0]))
#define N_METHODS 3

struct plot {
	struct cli_term *term;
	unsigned int done;
	bool applies[N_METHODS];
	double ns[N_METHODS][N_COUNTS];
};

static void progress(void *opaque, double done, double total)
{
	struct plot *p = opaque;

	cli_progress(p->term, "measuring for the plot", p->done + done / total, N_METHODS * N_COUNTS);
}

static int measure(struct plot *p, const struct scenario_opts *base, unsigned int method, unsigned int count)
{
	struct scenario_opts opts = *base;
	struct scenario_result res;
	char error[512];
	int err;

	opts.method = (enum method)method;
	opts.mappings = counts[count];
	opts.seconds = 0.5;
	opts.switches = 0;
	opts.progress = progress;
	opts.opaque = p;
	err = scenario_run(&opts, &res, error, sizeof(error));
	if (err) {
		cli_progress_end(p->term);
		fprintf(stderr, "uiommu swap: %s at %u mappings: %s\n", method_names[method], counts[count],
			error);
	} else {
		p->ns[method][count] = (double)samples_quantile(&res.dir[0].total, 0.5);
	}
	scenario_result_fini(&res);
	p->done++;
	return err;
}

static void write_script(FILE *out, const struct plot *p, const struct scenario_opts *opts, const char *path)
{
	bool svg = strlen(path) > 4 && !strcmp(path + strlen(path) - 4, ".svg");
	unsigned int m, i;
	const char *sep = "";

	fprintf(out, "set terminal %s\nset output '%s'\n",
		svg ? "svg size 760,460 background 'white' font 'sans,14'"
		    : "pngcairo size 760,460 background 'white' font 'sans,12'",
		path);
	fprintf(out,
		"set logscale xy\nset grid lc rgb '#dddddd'\nset key left center\nset border 3\nset tics "
		"nomirror\n"
		"set title 'Time of one switch under DMA, VT-d %s mode, %s to %s stage'\n"
		"set xlabel '4 KiB mappings of the domain'\nset ylabel 'median of a switch'\n"
		"set format x '10^{%%T}'\nset xrange [700:150000]\nset ytics ('100 ns' 100, '1 us' 1e3, '10 "
		"us' 1e4, "
		"'100 us' 1e5, '1 ms' 1e6, '10 ms' 1e7, '100 ms' 1e8)\nset yrange [100:*]\n",
		opts->mode == UIOMMU_VTD_LEGACY ? "legacy" : "scalable", kind_names[opts->from],
		kind_names[opts->to]);
	for (m = 0; m < N_METHODS; m++) {
		if (!p->applies[m])
			continue;
		fprintf(out, "$m%u << E\n", m);
		for (i = 0; i < N_COUNTS; i++)
			fprintf(out, "%u %.0f\n", counts[i], p->ns[m][i]);
		fprintf(out, "E\n");
	}
	fprintf(out, "plot ");
	for (m = 0; m < N_METHODS; m++) {
		if (!p->applies[m])
			continue;
		fprintf(out, "%s$m%u with linespoints lw 2 pt 7 lc rgb '%s' title '%s'", sep, m,
			m == 0	 ? "#0a7d32"
			: m == 1 ? "#c77700"
				 : "#b3261e",
			method_names[m]);
		sep = ", ";
	}
	fprintf(out, "\n");
}

static int draw(const struct plot *p, const struct scenario_opts *opts, const char *path)
{
	FILE *gnuplot;

	if (strchr(path, '\'') || strchr(path, '\n')) {
		fprintf(stderr,
			"uiommu swap: --plot: the file name must not contain a quote or a line break\n");
		return CLI_USAGE;
	}
	gnuplot = popen("gnuplot >/dev/null", "w");
	if (!gnuplot) {
		fprintf(stderr, "uiommu swap: cannot start gnuplot: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	write_script(gnuplot, p, opts, path);
	if (pclose(gnuplot)) {
		fprintf(stderr,
			"uiommu swap: gnuplot could not draw %s (is the package gnuplot-nox installed?)\n",
			path);
		return CLI_FAILED;
	}
	return CLI_OK;
}

int plot_swap(const struct scenario_opts *opts, struct cli_term *term, const char *path)
{
	struct plot p = { .term = term };
	struct scenario_opts probe = *opts;
	unsigned int m, i;
	size_t n = strlen(path);
	int err;

	if (n < 5 || (strcmp(path + n - 4, ".svg") && strcmp(path + n - 4, ".png"))) {
		fprintf(stderr, "uiommu swap: --plot: '%s' must end in .svg or .png\n", path);
		return CLI_USAGE;
	}
	err = file_can_write(path);
	if (err) {
		fprintf(stderr, "uiommu swap: --plot: cannot write %s: %s\n", path, strerror(-err));
		return CLI_FAILED;
	}
	if (system("command -v gnuplot >/dev/null 2>&1")) {
		fprintf(stderr, "uiommu swap: --plot needs gnuplot (Debian's package gnuplot-nox)\n");
		return CLI_FAILED;
	}
	for (m = 0; m < N_METHODS; m++) {
		probe.method = (enum method)m;
		p.applies[m] = !scenario_check(&probe);
		for (i = 0; p.applies[m] && i < N_COUNTS; i++)
			if (measure(&p, opts, m, i))
				return CLI_FAILED;
	}
	cli_progress_end(term);
	return draw(&p, opts, path);
}
