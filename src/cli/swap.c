/* SPDX-License-Identifier: MIT */
/*
 * `uiommu swap`: copies a file through the copy engine while the device's domain is
 * changed, and tells what its accesses saw and what a change cost.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/file.h"
#include "cli/plot.h"
#include "cli/rows.h"
#include "cli/serve.h"
#include "cli/world.h"
#include "update/mutant.h"

struct swap {
	struct scenario_opts opts;
	struct cli_term term;
	const char *file, *output, *plot;
	const char *mutant;
	bool json, steered, have_seconds, have_switches, have_method;
	char path[4096];
	void *data;
};

enum {
	OPT_MODE = 256,
	OPT_FROM,
	OPT_TO,
	OPT_MAPPINGS,
	OPT_METHOD,
	OPT_THREADS,
	OPT_PRESET,
	OPT_SEED,
	OPT_STEERED,
	OPT_SWITCHES,
	OPT_SECONDS,
	OPT_PLOT,
	OPT_JSON,
	OPT_OWN_THREAD,
	OPT_STORE64,
	OPT_ACCESSOR,
	OPT_OUTPUT,
	OPT_MUTANT,
};

enum { MAX_MAPPINGS = 16 << 20 };

#ifndef UIOMMU_STEERED
_Static_assert(MIN_MAPPINGS == 525, "the help and uiommu(1) say 525");
#endif

static const struct argp_option options[] = {
	{ "file", 'f', "FILE", 0,
	  "file to copy (default: the largest under /usr/lib of at most 64 MiB, with --steered of at most "
	  "64 KiB)",
	  0 },
	{ "output", OPT_OUTPUT, "FILE", 0, "where the copy goes (default: a temporary file)", 0 },
	{ "switches", OPT_SWITCHES, "N", 0, "stop after N switches", 1 },
	{ "seconds", OPT_SECONDS, "S", 0, "stop after S seconds (default 2; with --steered 100 switches)",
	  1 },
	{ "mode", OPT_MODE, "MODE", 0, "legacy or scalable (default)", 2 },
	{ "from", OPT_FROM, "KIND", 0, "blocked, identity, second (default) or first", 2 },
	{ "to", OPT_TO, "KIND", 0, "blocked, identity, second (default) or first", 2 },
	{ "method", OPT_METHOD, "METHOD", 0,
	  "replace (default), detach-attach, or remap: unmap all and map all in one "
	  "domain",
	  2 },
	{ "mappings", OPT_MAPPINGS, "N", 0,
	  "4 KiB mappings of each domain, 525 (what the devices use) to 16777216 (default 1024)",
	  2 },
	{ "threads", OPT_THREADS, "N", 0, "engine threads, 1 to 16 (default 1)", 3 },
	{ "own-thread", OPT_OWN_THREAD, NULL, 0, "the unit's invalidation queue runs on a thread of its own",
	  3 },
	{ "preset", OPT_PRESET, "NAME", 0, "weakest (default), any-order, in-order or qemu", 3 },
	{ "store64", OPT_STORE64, NULL, 0, "the driver has 64-bit stores only", 3 },
	{ "accessor", OPT_ACCESSOR, NULL, 0, "memory is reached through an accessor, not a pointer", 3 },
	{ "steered", OPT_STEERED, NULL, 0, "one thread; a seeded adversary decides what hardware does when",
	  4 },
	{ "seed", OPT_SEED, "N", 0,
	  "seed of everything random (default 1); to have the same run elsewhere name the same --file, too",
	  4 },
	{ "mutant", OPT_MUTANT, "NAME", 0,
	  "with --steered: let the driver make this mistake; '?' lists them", 4 },
	{ "plot", OPT_PLOT, "FILE", 0,
	  "draw switch time against mapping count for the three methods (.svg or .png)", 5 },
	{ "json", OPT_JSON, NULL, 0, "print JSON and nothing else", 5 },
	{ 0 },
};

static void parse_kind(struct argp_state *state, const char *arg, enum kind *kind)
{
	unsigned int i = 0;

	if (cli_parse_name(arg, kind_names, &i))
		argp_error(state, "'%s' is no kind of domain: blocked, identity, second or first", arg);
	*kind = (enum kind)i;
}

static void parse_number(struct argp_state *state, const char *name, const char *arg, uint64_t min,
			 uint64_t max, uint64_t *val)
{
	if (cli_parse_u64(arg, min, max, val))
		argp_error(state, "%s: '%s' is not a number from %llu to %llu", name, arg,
			   (unsigned long long)min, (unsigned long long)max);
}

static void parse_mappings(struct argp_state *state, struct swap *s, const char *arg)
{
	uint64_t n = 0;

	if (cli_parse_u64(arg, 0, UINT64_MAX, &n))
		argp_error(state, "--mappings: '%s' is not a number from %d to %d", arg, MIN_MAPPINGS,
			   MAX_MAPPINGS);
	if (n < MIN_MAPPINGS)
		argp_error(state, "--mappings: '%s' is too few: the devices themselves use %d", arg,
			   MIN_MAPPINGS);
	if (n > MAX_MAPPINGS)
		argp_error(state, "--mappings: '%s' is too many: at most %d (64 GiB)", arg, MAX_MAPPINGS);
	s->opts.mappings = (unsigned int)n;
}

static void parse_file(struct argp_state *state, struct swap *s, const char *arg)
{
	if (strlen(arg) >= sizeof(s->path))
		argp_error(state, "--file: the path is longer than %zu characters", sizeof(s->path) - 1);
	s->file = arg;
}

static void parse_mutant(struct argp_state *state, struct swap *s, const char *arg)
{
	char names[512] = "";
	size_t n = 0;
	int m;

	s->mutant = arg;
	if (mutant_by_name(arg) != MUTANT_NONE)
		return;
	for (m = MUTANT_NONE + 1; m < MUTANT_COUNT && n < sizeof(names); m++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, " %s", mutant_name((enum mutant)m));
	argp_error(state, "--mutant: no mistake is called '%s'; there are:%s", arg, names);
}

/* Options that make no sense together; a picture is of three methods at five sizes. */
static void check_together(struct argp_state *state, const struct swap *s)
{
	if (s->mutant && !s->steered)
		argp_error(state, "--mutant works with --steered only");
	if (s->plot &&
	    (s->json || s->output || s->have_method || s->have_seconds || s->have_switches || s->steered))
		argp_error(state, "--plot chooses methods, sizes and times itself: it goes without --json, "
				  "--output, --method, --seconds, --switches and --steered");
}

static void parse_names(struct swap *s, int key, const char *arg, struct argp_state *state)
{
	static const char *const modes[] = { "scalable", "legacy", NULL };
	unsigned int i = 0;

	switch (key) {
	case OPT_MODE:
		if (cli_parse_name(arg, modes, &i))
			argp_error(state, "--mode: '%s' is neither legacy nor scalable", arg);
		s->opts.mode = i ? UIOMMU_VTD_LEGACY : UIOMMU_VTD_SCALABLE;
		break;
	case OPT_METHOD:
		if (cli_parse_name(arg, method_names, &i))
			argp_error(state, "--method: '%s' is none of replace, detach-attach, remap", arg);
		s->opts.method = (enum method)i;
		s->have_method = true;
		break;
	default:
		if (cli_parse_name(arg, preset_names, &i))
			argp_error(state, "--preset: '%s' is none of weakest, any-order, in-order, qemu",
				   arg);
		s->opts.preset = (enum uiommu_preset)i;
		s->opts.any_order = s->opts.preset == UIOMMU_PRESET_ANY_ORDER;
	}
}

static void parse_numbers(struct swap *s, int key, const char *arg, struct argp_state *state)
{
	uint64_t n = 0;

	switch (key) {
	case OPT_SEED:
		parse_number(state, "--seed", arg, 0, UINT64_MAX, &s->opts.seed);
		break;
	case OPT_MAPPINGS:
		parse_mappings(state, s, arg);
		break;
	case OPT_THREADS:
		parse_number(state, "--threads", arg, 1, 16, &n);
		s->opts.threads = (unsigned int)n;
		break;
	case OPT_SWITCHES:
		parse_number(state, "--switches", arg, 1, UINT64_MAX, &s->opts.switches);
		s->have_switches = true;
		break;
	default:
		if (cli_parse_double(arg, 0.01, 1e6, &s->opts.seconds))
			argp_error(state, "--seconds: '%s' is not a number from 0.01 to 1000000", arg);
		s->have_seconds = true;
		break;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct swap *s = state->input;

	switch (key) {
	case 'f':
		parse_file(state, s, arg);
		break;
	case OPT_OUTPUT:
		s->output = arg;
		break;
	case OPT_PLOT:
		s->plot = arg;
		break;
	case OPT_JSON:
		s->json = true;
		break;
	case OPT_STEERED:
		s->steered = true;
		break;
	case OPT_OWN_THREAD:
		s->opts.own_thread = true;
		break;
	case OPT_STORE64:
		s->opts.no_store128 = true;
		break;
	case OPT_ACCESSOR:
		s->opts.accessor = true;
		break;
	case OPT_FROM:
		parse_kind(state, arg, &s->opts.from);
		break;
	case OPT_TO:
		parse_kind(state, arg, &s->opts.to);
		break;
	case OPT_MUTANT:
		parse_mutant(state, s, arg);
		break;
	case OPT_MODE:
	case OPT_METHOD:
	case OPT_PRESET:
		parse_names(s, key, arg, state);
		break;
	case OPT_SEED:
	case OPT_MAPPINGS:
	case OPT_THREADS:
	case OPT_SWITCHES:
	case OPT_SECONDS:
		parse_numbers(s, key, arg, state);
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': swap takes options only", arg);
		break;
	case ARGP_KEY_END:
		check_together(state, s);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp parser = {
	options,
	parse,
	NULL,
	"Copies a file through DMA from scattered 4 KiB pages into another file while the device's domain is "
	"changed "
	"as fast as possible, and judges every access of its probes.",
	NULL,
	NULL,
	NULL,
};

static void progress(void *opaque, double done, double total)
{
	struct swap *s = opaque;

	cli_progress(&s->term, "switching under DMA", done, total);
}

/* Wall-clock times; a steered run has none that mean anything. */
static void print_times(const struct swap *s, struct scenario_direction *d)
{
	char a[32], b[32];

	printf("  a switch   median %s, 99th percentile %s\n",
	       cli_duration(a, sizeof(a), (double)samples_quantile(&d->total, 0.5)),
	       cli_duration(b, sizeof(b), (double)samples_quantile(&d->total, 0.99)));
	if (s->opts.method == METHOD_REPLACE) {
		printf("    of it    CPU   median %s, 99th percentile %s\n",
		       cli_duration(a, sizeof(a), (double)samples_quantile(&d->cpu, 0.5)),
		       cli_duration(b, sizeof(b), (double)samples_quantile(&d->cpu, 0.99)));
		printf("             drain median %s, 99th percentile %s\n",
		       cli_duration(a, sizeof(a), (double)samples_quantile(&d->drain, 0.5)),
		       cli_duration(b, sizeof(b), (double)samples_quantile(&d->drain, 0.99)));
	}
}

static void print_direction(const struct swap *s, struct scenario_result *res, unsigned int dir)
{
	struct scenario_direction *d = &res->dir[dir];
	char a[32], c[32];

	printf("%s%s -> %s, %s mode, by %s%s\n", cli_bold(&s->term), kind_names[d->from], kind_names[d->to],
	       mode_name(s->opts.mode), method_names[s->opts.method], cli_reset(&s->term));
	if (s->opts.method == METHOD_REPLACE)
		printf("  gap        %s (%s; for the group's two devices %u entry stores, %u x sync)\n",
		       uiommu_gap_name(d->gap), uiommu_strategy_name(d->strategy), d->stores,
		       d->config_syncs);
	if (d->reason[0])
		printf("  because    %s\n", d->reason);
	printf("  switches   %s\n", cli_count(a, sizeof(a), d->switches));
	if (!s->steered)
		print_times(s, d);
	printf("  accesses   right %s, stale %llu, wrong %llu, blocked %s\n",
	       cli_count(a, sizeof(a), d->right), (unsigned long long)d->stale, (unsigned long long)d->wrong,
	       cli_count(c, sizeof(c), d->blocked));
	if (!(d->right + d->blocked))
		printf("             none was made between two switches: nothing is shown\n");
}

static void print_result(const struct swap *s, struct scenario_result *res, const char *in, const char *out)
{
	char a[32], b[32];
	const char *why;
	unsigned int i;

	for (i = 0; i < res->n_dirs; i++)
		print_direction(s, res, i);
	printf("bystanders   right %s, stale %llu, wrong %llu, blocked %llu\n",
	       cli_count(a, sizeof(a), res->bystander_right), (unsigned long long)res->bystander_stale,
	       (unsigned long long)res->bystander_wrong, (unsigned long long)res->bystander_blocked);
	if (!s->steered)
		printf("longest stall of an access: %s\n",
		       cli_duration(a, sizeof(a), (double)res->longest_stall_ns));
	printf("copied       %s bytes in %llu pass%s, engine accesses blocked and retried: %s\n",
	       cli_count(a, sizeof(a), res->bytes_copied), (unsigned long long)res->passes,
	       res->passes == 1 ? "" : "es", cli_count(b, sizeof(b), res->engine_blocked));
	printf("SHA-256      %s  %s\n             %s  the copy\n", in, s->path, out);
	for (i = 0; i < res->n_dirs; i++)
		if (!row_honest(&s->opts, res, i, &why))
			printf("%sWRONG: %s%s\n", cli_bad(&s->term), why, cli_reset(&s->term));
	if (res->bad[0])
		printf("  seed %llu: %s\n", (unsigned long long)s->opts.seed, res->bad);
}

static void print_json(const struct swap *s, struct scenario_result *res, const char *in, const char *out)
{
	json_t *rows = json_array(), *all, *row;
	unsigned int i;

	for (i = 0; i < res->n_dirs; i++) {
		struct scenario_direction *d = &res->dir[i];

		row = row_json(&s->opts, res, i);
		json_object_set_new(row, "cpu_ns_median",
				    json_integer((json_int_t)samples_quantile(&d->cpu, 0.5)));
		json_object_set_new(row, "drain_ns_median",
				    json_integer((json_int_t)samples_quantile(&d->drain, 0.5)));
		json_object_set_new(row, "config_syncs", json_integer(d->config_syncs));
		json_object_set_new(row, "stores", json_integer(d->stores));
		json_object_set_new(row, "tag_flushes", json_integer(d->tag_flushes));
		json_object_set_new(row, "reason", json_string(d->reason));
		json_array_append_new(rows, row);
	}
	all = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "rows", rows, "seed",
			(json_int_t)s->opts.seed, "bystander_right", (json_int_t)res->bystander_right,
			"bystander_stale", (json_int_t)res->bystander_stale, "bystander_wrong",
			(json_int_t)res->bystander_wrong, "bystander_blocked",
			(json_int_t)res->bystander_blocked, "longest_stall_ns",
			(json_int_t)res->longest_stall_ns, "sha256_file", in, "sha256_copy", out, "bad",
			res->bad);
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
}

static int run(struct swap *s)
{
	char in[SHA256_TEXT] = "", out[SHA256_TEXT] = "", error[512];
	struct scenario_result res;
	bool honest = true;
	const char *why;
	unsigned int i;
	int err;

	err = scenario_run(&s->opts, &res, error, sizeof(error));
	cli_progress_end(&s->term);
	if (err) {
		fprintf(stderr, "uiommu swap: %s\n", error);
		scenario_result_fini(&res);
		return CLI_FAILED;
	}
	file_sum(s->opts.data, s->opts.len, in);
	err = file_write_and_sum(s->output, s->opts.copy, s->opts.len, out);
	if (err)
		fprintf(stderr, "uiommu swap: cannot write the copy%s%s: %s\n", s->output ? " to " : "",
			s->output ? s->output : "", strerror(-err));
	else
		res.files_equal &= !strcmp(in, out);
	if (s->json)
		print_json(s, &res, in, out);
	else
		print_result(s, &res, in, out);
	for (i = 0; i < res.n_dirs; i++)
		honest &= row_honest(&s->opts, &res, i, &why);
	scenario_result_fini(&res);
	if (s->mutant && honest && !err)
		fprintf(stderr,
			"uiommu swap: mistake %s was made but not seen with seed %llu; try others "
			"(--seed), more --switches or another --method\n",
			s->mutant, (unsigned long long)s->opts.seed);
	return honest && !err ? CLI_OK : CLI_FAILED;
}

/* A steered run is a test of orders, not of amounts: 64 KiB suffice. */
static size_t file_limit(const struct swap *s)
{
	return s->steered ? (size_t)64 << 10 : (size_t)64 << 20;
}

static int load(struct swap *s)
{
	void *data = NULL;
	int err = 0;

	if (s->file)
		snprintf(s->path, sizeof(s->path), "%s", s->file);
	else if (file_largest("/usr/lib", file_limit(s), s->path, sizeof(s->path)))
		err = -ENOENT;
	if (!err)
		err = file_read(s->path, (size_t)1 << 30, &data, &s->opts.len);
	s->opts.data = s->data = data;
	if (!err) {
		s->opts.copy = calloc(1, s->opts.len);
		err = s->opts.copy ? 0 : -ENOMEM;
	}
	if (err)
		fprintf(stderr, "uiommu swap: cannot read %s: %s\n",
			s->path[0] ? s->path : "a file under /usr/lib", file_error(err));
	return err;
}

#ifdef UIOMMU_STEERED
/* A planted mistake lets devices write into page tables that the driver then trusts. */
static void on_crash(int signal)
{
	static const char text[] = "uiommu swap: the mistake was seen: the driver crashed (devices wrote "
				   "into memory that it took for its own)\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signal;
	(void)n;
	_exit(CLI_FAILED);
}

static void make_mistake(const char *name)
{
	struct sigaction action = { .sa_handler = on_crash };

	mutant_select(mutant_by_name(name));
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGABRT, &action, NULL);
}
#endif

int cli_swap(int argc, char **argv)
{
	struct swap s = {
		.opts = { .from = KIND_SECOND, .to = KIND_SECOND, .mappings = 1024, .threads = 1, .seed = 1 }
	};
	const char *nonsense, *why = NULL;
	struct serve *serve = NULL;
	int status, err;

	cli_term_init(&s.term);
	s.opts.progress = progress;
	s.opts.opaque = &s;
	if (argp_parse(&parser, argc, argv, 0, NULL, &s))
		return CLI_USAGE;
#ifndef UIOMMU_STEERED
	if (s.steered)
		return cli_exec_steered(argc, argv);
#endif
	s.term.progress &= !s.json;
#ifdef UIOMMU_STEERED
	s.steered = true;
	if (s.mutant)
		make_mistake(s.mutant);
	/* By count, not by time: the same seed gives the same run. */
	if (!s.have_seconds && !s.have_switches)
		s.opts.switches = 100;
#endif
	if (!s.have_seconds && !s.opts.switches)
		s.opts.seconds = 2;
	nonsense = scenario_check(&s.opts);
	if (nonsense) {
		fprintf(stderr, "uiommu swap: %s\n", nonsense);
		return CLI_USAGE;
	}
	if (s.output && (err = file_can_write(s.output))) {
		fprintf(stderr, "uiommu swap: cannot write to %s: %s\n", s.output, strerror(-err));
		return CLI_FAILED;
	}
#ifndef UIOMMU_STEERED
	/* A steered run is one thread: there is no moment at which another could look. */
	serve = serve_start("swap", &why);
	if (!serve)
		fprintf(stderr, "uiommu swap: `uiommu show` will not find this run: %s\n", why);
	s.opts.running = serve_iommu;
	s.opts.running_opaque = serve;
#else
	(void)why;
#endif
	status = load(&s) ? CLI_FAILED : s.plot ? plot_swap(&s.opts, &s.term, s.plot) : run(&s);
	serve_stop(serve);
	free(s.data);
	free(s.opts.copy);
	return status;
}
