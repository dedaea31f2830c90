/* SPDX-License-Identifier: MIT */
/*
 * `uiommu bench`: rows with goals. A missed goal is printed as missed; only a
 * measurement that could not be made is an error.
 */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "cli/bench.h"

static const char *const goal_names[] = { NULL, "max", "min", "max_ratio", "min_ratio" };

struct bench_row *bench_add(struct bench_table *t, const char *unit, const char *id, ...)
{
	struct bench_row *row = &t->row[t->n < BENCH_ROWS_MAX ? t->n++ : BENCH_ROWS_MAX - 1];
	va_list ap;

	va_start(ap, id);
	vsnprintf(row->id, sizeof(row->id), id, ap);
	va_end(ap);
	row->unit = unit;
	row->ours = row->peer = row->limit = row->goal = NAN;
	row->goal_is = GOAL_NONE;
	return row;
}

bool bench_met(const struct bench_row *row)
{
	switch (row->goal_is) {
	case GOAL_MAX:
		return row->ours <= row->goal;
	case GOAL_MIN:
		return row->ours >= row->goal;
	case GOAL_MAX_RATIO:
		return row->ours <= row->goal * row->peer;
	case GOAL_MIN_RATIO:
		return row->ours >= row->goal * row->peer;
	default:
		return true;
	}
}

static json_t *number(double val)
{
	return isnan(val) ? json_null() : json_real(round(val * 100) / 100);
}

static void print_json(const struct bench_table *t)
{
	json_t *rows = json_array(), *all;
	unsigned int i;

	for (i = 0; i < t->n; i++) {
		const struct bench_row *r = &t->row[i];
		bool has = r->goal_is != GOAL_NONE;

		json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", r->id,
						      "unit", r->unit, "ours", number(r->ours), "peer",
						      number(r->peer), "limit", number(r->limit), "goal",
						      number(r->goal), "goal_is",
						      has ? json_string(goal_names[r->goal_is]) : json_null(),
						      "met", has ? json_boolean(bench_met(r)) : json_null()));
	}
	all = json_pack("{s:o}", "rows", rows);
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
}

static const char *cell(char *buf, size_t len, double val)
{
	if (isnan(val))
		return "-";
	snprintf(buf, len, fabs(val) < 1000 ? "%.1f" : "%.0f", val);
	return buf;
}

static void print_table(const struct bench_table *t, const struct cli_term *term)
{
	char a[32], b[32], c[32], d[32];
	unsigned int i;

	printf("What each row measures, and what was tried where a goal is missed, stands in\n"
	       "docs/performance.md. Peer of replace.cpu: unmapping and mapping all of it (remap). Rows\n"
	       "of translate have none: the lookup structures of other programs are not built here.\n"
	       "Limits: what the machine can do, measured in the same run. Goals are the project's own.\n\n");
	printf("%s%-32s%-4s%11s%12s%10s%10s  %s%s\n", cli_bold(term), "id", "unit", "ours", "peer", "limit",
	       "goal", "met", cli_reset(term));
	for (i = 0; i < t->n; i++) {
		const struct bench_row *r = &t->row[i];
		bool has = r->goal_is != GOAL_NONE, met = bench_met(r);

		printf("%-32s%-4s%11s%12s%10s%10s  %s%s%s\n", r->id, r->unit, cell(a, sizeof(a), r->ours),
		       cell(b, sizeof(b), r->peer), cell(c, sizeof(c), r->limit), cell(d, sizeof(d), r->goal),
		       met ? cli_good(term) : cli_bad(term),
		       !has  ? ""
		       : met ? "yes"
			     : "MISSED",
		       cli_reset(term));
	}
}

void bench_print(const struct bench_table *t, bool json, const struct cli_term *term)
{
	if (json)
		print_json(t);
	else
		print_table(t, term);
}

struct bench {
	const char *what; /* NULL: all */
	const char *plot;
	uint64_t rounds;
	bool json;
};

enum { OPT_JSON = 256, OPT_PLOT, OPT_ROUNDS };

static const struct argp_option options[] = {
	{ "json", OPT_JSON, NULL, 0, "print JSON and nothing else", 0 },
	{ "plot", OPT_PLOT, "DIR", 0, "draw charts of the rows into this directory (SVG; needs gnuplot)", 0 },
	{ "rounds", OPT_ROUNDS, "N", 0, "interleaved rounds, 1 to 7; the default is 7", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench *b = state->input;

	switch (key) {
	case OPT_JSON:
		b->json = true;
		return 0;
	case OPT_PLOT:
		b->plot = arg;
		return 0;
	case OPT_ROUNDS:
		if (cli_parse_u64(arg, 1, BENCH_ROUNDS_MAX, &b->rounds))
			argp_error(state, "--rounds: '%s' is not a number from 1 to %d", arg,
				   BENCH_ROUNDS_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "'%s': one name at a time; without a name all are run", arg);
		if (strcmp(arg, "replace") && strcmp(arg, "translate"))
			argp_error(state, "'%s' is no benchmark; there are: replace, translate", arg);
		b->what = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	options,
	parse,
	"[replace|translate]",
	"Measures; without a name, everything. `replace`: replacing a domain of 1e2 to 1e6 mappings, beside "
	"unmapping and mapping all of it (remap, the peer). `translate`: translations by working set and "
	"number of devices, invalidations, replacement of groups, readers beside a writer. With the "
	"machine's limits from the same run; medians of interleaved rounds.",
	NULL,
	NULL,
	NULL,
};

int cli_bench(int argc, char **argv)
{
	struct bench b = { .rounds = BENCH_ROUNDS_MAX };
	struct bench_table table = { .n = 0 };
	struct cli_term term;
	int status;

	cli_term_init(&term);
	if (argp_parse(&parser, argc, argv, 0, NULL, &b))
		return CLI_USAGE;
	if (b.plot && (status = bench_plot_check(b.plot)))
		return status;
	term.progress &= !b.json;
	table.rounds = (unsigned int)b.rounds;
	if ((!b.what || !strcmp(b.what, "replace")) && bench_replace(&table, &term))
		return CLI_FAILED;
	if ((!b.what || !strcmp(b.what, "translate")) && bench_translate(&table, &term))
		return CLI_FAILED;
	bench_print(&table, b.json, &term);
	return b.plot ? bench_plot(&table, b.plot) : CLI_OK;
}
