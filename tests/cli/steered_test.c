/* SPDX-License-Identifier: MIT */
/*
 * The scenario under the seeded adversary: no seed may show an access that went
 * through neither domain, or one that was blocked where the report promised none;
 * and each of the driver's planted mistakes must be found.
 *
 * UIOMMU_TEST_SEEDS in the environment sets the number of seeds (default 1000),
 * UIOMMU_TEST_SEED the first one (default 1); with UIOMMU_TEST_SPREAD=N each seed runs one
 * in N of the variants, in turn (default 1: all of them). An argument K/N takes every N-th
 * test only, from the K-th on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/scenario.h"
#include "update/mutant.h"

enum { DATA = 8 * 4096, SWITCHES = 12 };

static struct variant {
	const char *name;
	enum uiommu_vtd_mode mode;
	enum kind from, to;
	enum method method;
	enum uiommu_preset preset;
	bool store64, accessor;
	enum uiommu_gap gap; /* what the report must say, both ways */
} variants[] = {
#define L UIOMMU_VTD_LEGACY
#define S UIOMMU_VTD_SCALABLE
#define NONE UIOMMU_GAP_NONE
#define GAP UIOMMU_GAP_BLOCKED
#define REPLACE METHOD_REPLACE, UIOMMU_PRESET_WEAKEST
#define DETACH METHOD_DETACH_ATTACH, UIOMMU_PRESET_WEAKEST
#define REMAP METHOD_REMAP, UIOMMU_PRESET_WEAKEST
#define ANY METHOD_REPLACE, UIOMMU_PRESET_ANY_ORDER
	{ "legacy second-second", L, KIND_SECOND, KIND_SECOND, REPLACE, false, false, NONE },
	{ "legacy identity-second", L, KIND_IDENTITY, KIND_SECOND, REPLACE, false, true, NONE },
	{ "legacy blocked-second", L, KIND_BLOCKED, KIND_SECOND, REPLACE, false, false, NONE },
	{ "legacy second-second, 64-bit stores", L, KIND_SECOND, KIND_SECOND, REPLACE, true, false, GAP },
	{ "legacy second-second, detach-attach", L, KIND_SECOND, KIND_SECOND, DETACH, false, false, GAP },
	{ "legacy second-second, remap", L, KIND_SECOND, KIND_SECOND, REMAP, false, false, GAP },
	{ "second-second", S, KIND_SECOND, KIND_SECOND, REPLACE, false, false, NONE },
	{ "second-second, accessor memory", S, KIND_SECOND, KIND_SECOND, REPLACE, false, true, NONE },
	{ "identity-second", S, KIND_IDENTITY, KIND_SECOND, REPLACE, false, false, NONE },
	{ "identity-first", S, KIND_IDENTITY, KIND_FIRST, REPLACE, false, false, NONE },
	{ "second-first", S, KIND_SECOND, KIND_FIRST, REPLACE, false, false, NONE },
	{ "first-first", S, KIND_FIRST, KIND_FIRST, REPLACE, false, false, GAP },
	{ "blocked-second", S, KIND_BLOCKED, KIND_SECOND, REPLACE, false, false, NONE },
	{ "blocked-first", S, KIND_BLOCKED, KIND_FIRST, REPLACE, false, false, NONE },
	{ "second-first, any order", S, KIND_SECOND, KIND_FIRST, ANY, false, false, NONE },
	{ "first-first, any order", S, KIND_FIRST, KIND_FIRST, ANY, false, false, GAP },
	{ "second-second, 64-bit stores", S, KIND_SECOND, KIND_SECOND, REPLACE, true, false, GAP },
	{ "second-first, 64-bit stores", S, KIND_SECOND, KIND_FIRST, REPLACE, true, false, GAP },
	{ "first-first, detach-attach", S, KIND_FIRST, KIND_FIRST, DETACH, false, false, GAP },
	{ "first-first, remap", S, KIND_FIRST, KIND_FIRST, REMAP, false, false, GAP },
};

#define N_VARIANTS (sizeof(variants) / sizeof(variants[0]))

static unsigned char data[DATA], copy[DATA];

static unsigned int from_env(const char *name, unsigned int otherwise)
{
	const char *env = getenv(name);
	unsigned int n = env ? (unsigned int)strtoul(env, NULL, 0) : 0;

	return n ? n : otherwise;
}

static unsigned int first_seed(void)
{
	return from_env("UIOMMU_TEST_SEED", 1);
}

static unsigned int seeds(void)
{
	return from_env("UIOMMU_TEST_SEEDS", 1000);
}

/* What a run showed. */
enum verdict {
	FINE,
	CAUGHT, /* an access, or the file, shows a mistake */
	BROKEN, /* the scenario itself failed */
};

static bool blocked_side(const struct variant *v)
{
	return v->from == KIND_BLOCKED || v->to == KIND_BLOCKED;
}

static enum verdict run(const struct variant *v, uint64_t seed, char *text, size_t len)
{
	struct scenario_opts opts = {
		.mode = v->mode,
		.from = v->from,
		.to = v->to,
		.method = v->method,
		.preset = v->preset,
		.switches = SWITCHES,
		.threads = 1 + (unsigned int)(seed % 3 == 0),
		.seed = seed,
		.own_thread = seed % 2,
		.no_store128 = v->store64,
		.any_order = v->preset == UIOMMU_PRESET_ANY_ORDER,
		.accessor = v->accessor ^ (seed >> 1 & 1),
		.data = data,
		.len = sizeof(data),
		.copy = copy,
	};
	struct scenario_result res;
	char error[256];
	unsigned int i;
	int err = scenario_run(&opts, &res, error, sizeof(error));

	text[0] = '\0';
	if (err) {
		snprintf(text, len, "%s", error[0] ? error : strerror(-err));
		scenario_result_fini(&res);
		return BROKEN;
	}
	if (scenario_bad(&res))
		snprintf(text, len, "%s", res.bad);
	else if (!res.files_equal)
		snprintf(text, len, "the copy differs");
	else if (res.bystander_blocked)
		snprintf(text, len, "a bystander was blocked");
	for (i = 0; !text[0] && i < res.n_dirs && v->method == METHOD_REPLACE; i++) {
		if (res.dir[i].gap != v->gap)
			snprintf(text, len, "gap is %s: %s", uiommu_gap_name(res.dir[i].gap),
				 res.dir[i].reason);
		else if (v->gap == NONE && res.dir[i].blocked && !blocked_side(v))
			snprintf(text, len, "%llu accesses were blocked",
				 (unsigned long long)res.dir[i].blocked);
	}
	scenario_result_fini(&res);
	return text[0] ? CAUGHT : FINE;
}

static void test_seeds(void **state)
{
	const struct variant *v = *state;
	unsigned int n = seeds(), spread = from_env("UIOMMU_TEST_SPREAD", 1), first = first_seed(), seed;
	char text[512];

	for (seed = first; seed - first < n; seed++)
		if ((seed + (unsigned int)(v - variants)) % spread == 0 &&
		    run(v, seed, text, sizeof(text)) != FINE)
			fail_msg("%s, UIOMMU_TEST_SEED=%u: %s", v->name, seed, text);
}

/* Every mistake is found within the seeds, in some variant; and its seed finds it again. */
static void test_mutant(void **state)
{
	enum mutant m = (enum mutant)(uintptr_t)*state;
	unsigned int n = seeds(), first = first_seed(), seed, i;
	char text[512], again[512];

	mutant_select(m);
	for (seed = first; seed - first < n; seed++) {
		for (i = 0; i < N_VARIANTS; i++) {
			if (run(&variants[i], seed, text, sizeof(text)) != CAUGHT)
				continue;
			run(&variants[i], seed, again, sizeof(again));
			mutant_select(MUTANT_NONE);
			print_message("# %s: found by seed %u in \"%s\": %s\n", mutant_name(m), seed,
				      variants[i].name, text);
			assert_string_equal(text, again);
			return;
		}
	}
	mutant_select(MUTANT_NONE);
	fail_msg("%s: not found with %u seeds", mutant_name(m), n);
}

/* Every step-th of them, from first on, to the front. Returns how many. */
static size_t take_part(struct CMUnitTest *tests, size_t n, const char *part)
{
	unsigned int first = 0, step = 1;
	size_t i, taken = 0;

	if (part && (sscanf(part, "%u/%u", &first, &step) != 2 || !step)) {
		fprintf(stderr, "'%s' is not K/N\n", part);
		exit(2);
	}
	for (i = first; i < n; i += step)
		tests[taken++] = tests[i];
	return taken;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[N_VARIANTS + MUTANT_SCENARIO_COUNT];
	size_t n = 0, i;

	memset(tests, 0, sizeof(tests));
	for (i = 0; i < DATA; i++)
		data[i] = (unsigned char)(i * 31 + (i >> 8));
	for (i = 0; i < N_VARIANTS; i++)
		tests[n++] = (struct CMUnitTest){ variants[i].name, test_seeds, NULL, NULL, &variants[i] };
	for (i = MUTANT_NONE + 1; i < MUTANT_SCENARIO_COUNT; i++)
		tests[n++] = (struct CMUnitTest){ mutant_name((enum mutant)i), test_mutant, NULL, NULL,
						  (void *)i };
	n = take_part(tests, n, argc > 1 ? argv[1] : NULL);
	return _cmocka_run_group_tests("steered", tests, n, NULL, NULL);
}
