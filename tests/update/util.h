/* SPDX-License-Identifier: MIT */
/* Seeded random numbers, and running and printing plans, for the tests of this folder. */
#ifndef TESTS_UPDATE_UTIL_H
#define TESTS_UPDATE_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "update/plan.h"

/* UIOMMU_TEST_SEED repeats a run. */
static inline uint64_t test_seed(void)
{
	const char *s = getenv("UIOMMU_TEST_SEED");

	return s ? strtoull(s, NULL, 0) : UINT64_C(0x5eed0001);
}

/* splitmix64 */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline void plan_apply(const struct plan *plan, uint64_t *entry)
{
	for (unsigned int i = 0; i < plan->n; i++) {
		const struct plan_step *s = &plan->step[i];

		if (s->op == PLAN_SYNC)
			continue;
		entry[s->at] = s->val[0];
		if (s->op == PLAN_STORE128_OP)
			entry[s->at + 1] = s->val[1];
	}
}

static inline void plan_print(const struct plan *plan)
{
	print_error("strategy %d gap %d best %d stores %u syncs %u: %s\n", (int)plan->strategy,
		    (int)plan->gap, (int)plan->best_gap, plan->stores, plan->syncs,
		    plan->reason ? plan->reason : "-");
	for (unsigned int i = 0; i < plan->n; i++) {
		const struct plan_step *s = &plan->step[i];

		print_error("  %u: %s @%u %016llx %016llx  %s\n", i,
			    s->op == PLAN_SYNC	    ? "sync"
			    : s->op == PLAN_STORE64 ? "s64"
						    : "s128",
			    s->at, (unsigned long long)s->val[0], (unsigned long long)s->val[1], s->why);
	}
}

static inline void entry_print(const char *name, const uint64_t *entry, unsigned int words)
{
	print_error("%s:", name);
	for (unsigned int i = 0; i < words; i++)
		print_error(" %016llx", (unsigned long long)entry[i]);
	print_error("\n");
}

/* The plan must be proven and lead to @target bit for bit. @what: printed when it is not. */
static inline void plan_must_hold(const struct entry_format *fmt, unsigned int caps, const uint64_t *cur,
				  const uint64_t *target, const struct plan *plan, const char *what)
{
	struct plan_violation bad = { 0 };
	uint64_t e[ENTRY_WORDS_MAX];
	int err = plan_verify(fmt, caps, cur, target, plan, &bad);

	memcpy(e, cur, fmt->words * sizeof(e[0]));
	plan_apply(plan, e);
	if (!err && !memcmp(e, target, fmt->words * sizeof(e[0])))
		return;
	print_error("%s: %s, caps %u, UIOMMU_TEST_SEED=0x%llx\n", fmt->name, what, caps,
		    (unsigned long long)test_seed());
	entry_print("cur", cur, fmt->words);
	entry_print("target", target, fmt->words);
	plan_print(plan);
	if (err)
		entry_print(bad.what, bad.entry, fmt->words);
	fail_msg("plan refused after step %u", bad.step);
}

#endif
