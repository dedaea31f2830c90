/* SPDX-License-Identifier: MIT */
/*
 * `uiommu demo`: every replacement that the VT-d driver knows, with every method
 * that applies, as one table, ending with one sentence of what was shown.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/file.h"
#include "cli/rows.h"

static const struct demo_case {
	enum uiommu_vtd_mode mode;
	enum kind from, to;
	bool remap;
	enum uiommu_gap gap; /* what a replacement must promise, either way */
} cases[] = {
	{ UIOMMU_VTD_LEGACY, KIND_SECOND, KIND_SECOND, true },
	{ UIOMMU_VTD_LEGACY, KIND_IDENTITY, KIND_SECOND, false },
	{ UIOMMU_VTD_SCALABLE, KIND_SECOND, KIND_SECOND, true },
	{ UIOMMU_VTD_SCALABLE, KIND_IDENTITY, KIND_SECOND, false },
	{ UIOMMU_VTD_SCALABLE, KIND_IDENTITY, KIND_FIRST, false },
	{ UIOMMU_VTD_SCALABLE, KIND_SECOND, KIND_FIRST, false },
	{ UIOMMU_VTD_SCALABLE, KIND_FIRST, KIND_FIRST, true, UIOMMU_GAP_BLOCKED },
};

/* What a run of at least FULL_SECONDS per row must come to in all. */
enum { MIN_ACCESSES = 1000000, MIN_SWITCHES = 10000 };
#define FULL_SECONDS 1.0

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

struct demo {
	struct cli_term term;
	bool json;
	double seconds; /* per run */
	char path[4096];
	void *data, *copy;
	size_t len;
	json_t *rows;
	uint64_t accesses, switches, blocked_replace, bad, bystanders, dishonest;
	unsigned int runs, done;
};

static void progress(void *opaque, double done, double total)
{
	struct demo *d = opaque;

	cli_progress(&d->term, "replacing under DMA", d->done + done / total, d->runs);
}

static void head(const struct demo *d)
{
	char bytes[32];

	printf("A device copies %s\n(%s bytes) through VT-d while its group's domain is changed; "
	       "probes judge\n"
	       "each of their accesses.\n\n",
	       d->path, cli_count(bytes, sizeof(bytes), d->len));
	printf("%s%-9s%-20s%-15s%-14s%9s%12s%s\n", cli_bold(&d->term), "mode", "from -> to", "method",
	       "DMA blocked", "switch", "accesses", cli_reset(&d->term));
	printf("%-9s%-20s%-15s%-14s%9s%12s\n", "", "", "", "meanwhile?", "median", "blocked");
}

static void print_row(const struct demo *d, const struct scenario_opts *opts, struct scenario_result *res,
		      unsigned int dir, const char *why)
{
	struct scenario_direction *row = &res->dir[dir];
	char pair[32], ns[16], blocked[32];
	bool gap = row_gap(opts, row) != UIOMMU_GAP_NONE;

	snprintf(pair, sizeof(pair), "%s -> %s", kind_names[row->from], kind_names[row->to]);
	printf("%-9s%-20s%-15s%s%-14s%s%9s%12s\n", mode_name(opts->mode), pair, method_names[opts->method],
	       gap ? cli_bad(&d->term) : cli_good(&d->term), row_blocked(opts, row), cli_reset(&d->term),
	       cli_duration(ns, sizeof(ns), (double)samples_quantile(&row->total, 0.5)),
	       cli_count(blocked, sizeof(blocked), row->blocked));
	if (why)
		printf("  %sWRONG: %s%s\n", cli_bad(&d->term), why, cli_reset(&d->term));
	fflush(stdout);
}

/* What is wrong with a row, or NULL: against the promise, and against what this driver must promise. */
static const char *fault_of(const struct demo *d, const struct demo_case *c, const struct scenario_opts *opts,
			    const struct scenario_result *res, unsigned int dir)
{
	const struct scenario_direction *row = &res->dir[dir];
	const char *why;

	if (!row_honest(opts, res, dir, &why))
		return why;
	if (opts->method == METHOD_REPLACE && row->gap > c->gap)
		return "the report promises less than this driver can do here";
	if (opts->method == METHOD_DETACH_ATTACH && !row->blocked && d->seconds >= FULL_SECONDS)
		return "no access met the gap that detaching makes: nothing was in flight";
	return NULL;
}

static void account(struct demo *d, const struct demo_case *c, const struct scenario_opts *opts,
		    struct scenario_result *res)
{
	const struct scenario_direction *row;
	const char *why;
	unsigned int i;

	for (i = 0; i < res->n_dirs; i++) {
		row = &res->dir[i];
		d->accesses += row->right + row->stale + row->wrong + row->blocked;
		d->switches += row->switches;
		if (row_gap(opts, row) == UIOMMU_GAP_NONE)
			d->blocked_replace += row->blocked;
		why = fault_of(d, c, opts, res, i);
		d->dishonest += why != NULL;
		if (d->json)
			json_array_append_new(d->rows, row_json(opts, res, i));
		else
			print_row(d, opts, res, i, why);
	}
	d->bad += scenario_bad(res);
	d->bystanders += res->bystander_right;
	if (!d->json && res->bad[0])
		printf("  %s\n", res->bad);
}

static int run_one(struct demo *d, const struct demo_case *c, enum method method)
{
	struct scenario_opts opts = {
		.mode = c->mode,
		.from = c->from,
		.to = c->to,
		.method = method,
		.seconds = d->seconds,
		.mappings = 1024,
		.threads = 1,
		.seed = 1,
		.data = d->data,
		.len = d->len,
		.copy = d->copy,
		.progress = progress,
		.opaque = d,
	};
	struct scenario_result res;
	char error[512];
	int err = scenario_run(&opts, &res, error, sizeof(error));

	cli_progress_end(&d->term);
	if (err)
		fprintf(stderr, "uiommu demo: %s, %s to %s by %s: %s\n", mode_name(c->mode),
			kind_names[c->from], kind_names[c->to], method_names[method], error);
	else
		account(d, c, &opts, &res);
	scenario_result_fini(&res);
	d->done++;
	return err;
}

static int run_all(struct demo *d)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < N_CASES; i++)
		d->runs += 2 + cases[i].remap;
	for (i = 0; !err && i < N_CASES; i++) {
		err = run_one(d, &cases[i], METHOD_REPLACE);
		if (!err)
			err = run_one(d, &cases[i], METHOD_DETACH_ATTACH);
		if (!err && cases[i].remap)
			err = run_one(d, &cases[i], METHOD_REMAP);
	}
	return err;
}

static bool too_few(const struct demo *d)
{
	return d->seconds >= FULL_SECONDS && (d->accesses < MIN_ACCESSES || d->switches < MIN_SWITCHES);
}

static void closing(const struct demo *d)
{
	char a[32], s[32], b[32];

	cli_count(a, sizeof(a), d->accesses);
	cli_count(s, sizeof(s), d->switches);
	cli_count(b, sizeof(b), d->bystanders);
	if (d->dishonest || d->bad || too_few(d))
		printf("\n%sNOT shown: of %s accesses in %s switches, some were not what the\n"
		       "report promised (see the rows marked WRONG), or there were too few.%s\n",
		       cli_bad(&d->term), a, s, cli_reset(&d->term));
	else
		printf("\nShown: in %s switches under DMA, each of %s judged accesses\n"
		       "was translated wholly by the old or wholly by the new domain or, only where the\n"
		       "table says so, blocked; other devices on those domains (%s accesses)\n"
		       "noticed nothing, and every copy of the file is equal to the original.\n",
		       s, a, b);
	printf("%s\"in steps\": the entry was changed in several stores, each of them safe.%s\n",
	       cli_dim(&d->term), cli_reset(&d->term));
}

enum { OPT_JSON = 256 };

static const struct argp_option options[] = {
	{ "json", OPT_JSON, NULL, 0, "print rows as JSON and nothing else", 0 },
	{ "file", 'f', "FILE", 0, "file to copy (default: the largest under /usr/lib of at most 16 MiB)", 0 },
	{ "seconds", 's', "S", 0, "seconds per run (default 1.2)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct demo *d = state->input;

	switch (key) {
	case OPT_JSON:
		d->json = true;
		return 0;
	case 'f':
		if (strlen(arg) >= sizeof(d->path))
			argp_error(state, "--file: the path is longer than %zu characters",
				   sizeof(d->path) - 1);
		else
			strcpy(d->path, arg);
		return 0;
	case 's':
		if (cli_parse_double(arg, 0.05, 600, &d->seconds))
			argp_error(state, "--seconds: '%s' is not a number from 0.05 to 600", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': demo takes no arguments", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	options,
	parse,
	NULL,
	"Replaces the domain of a group of devices behind VT-d while their DMA runs, by every method, and "
	"shows what the devices saw.",
	NULL,
	NULL,
	NULL,
};

int cli_demo(int argc, char **argv)
{
	struct demo *d = calloc(1, sizeof(*d));
	int status = CLI_FAILED, err;

	if (!d)
		return CLI_FAILED;
	cli_term_init(&d->term);
	d->seconds = 1.2;
	if (argp_parse(&parser, argc, argv, 0, NULL, d)) {
		free(d);
		return CLI_USAGE;
	}
	d->term.progress &= !d->json;
	d->rows = json_array();
	if (!d->path[0] && file_largest("/usr/lib", (size_t)16 << 20, d->path, sizeof(d->path)))
		strcpy(d->path, "/proc/self/exe");
	err = file_read(d->path, (size_t)1 << 30, &d->data, &d->len);
	d->copy = err ? NULL : calloc(1, d->len);
	if (err || !d->copy || !d->rows) {
		fprintf(stderr, "uiommu demo: cannot read %s: %s\n", d->path,
			file_error(err ? err : -ENOMEM));
	} else {
		if (!d->json)
			head(d);
		err = run_all(d);
		if (d->json) {
			json_t *out = json_pack("{s:O}", "rows", d->rows);

			json_dumpf(out, stdout, JSON_INDENT(1));
			putchar('\n');
			json_decref(out);
		} else if (!err) {
			closing(d);
		}
		status = err || d->dishonest || d->bad || too_few(d) ? CLI_FAILED : CLI_OK;
	}
	json_decref(d->rows);
	free(d->data);
	free(d->copy);
	free(d);
	return status;
}
