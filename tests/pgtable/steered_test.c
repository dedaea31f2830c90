/* SPDX-License-Identifier: MIT */
/*
 * Overlapping calls again, as tasks that an adversary switches after every store: a
 * page that was reaped is never written to again by a call that began before, and no
 * page is lost, for each of some thousand seeds.
 */
#include "pt_test.h"

#include <stdio.h>

#include "base/task.h"

struct shared {
	struct world w;
	struct pgtable pt;
	uint64_t seed;
	bool stop;
	bool bad;
};

struct worker {
	struct shared *s;
	uint64_t rng;
};

static void calls(void *arg)
{
	struct worker *t = arg;
	struct shared *s = t->s;

	for (int i = 0; i < 12; i++) {
		uint64_t iova = below(&t->rng, 2) * G1 + below(&t->rng, 2) * M2 + below(&t->rng, 3) * K4;
		uint64_t what = below(&t->rng, 5);
		struct pgtable_gather gather = { 0 };
		struct pool_list pages = { 0 };

		if (what < 3) {
			s->pt.ops->map(&s->pt, iova, iova, (1 + what) * 2 * K4, RW);
			continue;
		}
		if (what == 3)
			s->pt.ops->unmap(&s->pt, iova & ~(M2 - 1), M2, &gather);
		else
			s->pt.ops->unmap(&s->pt, 0, 2 * G1, &gather);
		pgtable_reap(&s->pt, &gather, &pages);
		pool_put_list(s->w.pool, &pages);
	}
}

static void use_pages(void *arg)
{
	struct worker *t = arg;
	struct shared *s = t->s;
	struct task_spin spin = { 0 };

	while (!s->stop) {
		uint64_t pa = pool_get(s->w.pool);
		uint64_t *word = pool_va(s->w.pool, pa);

		for (int turn = 0; turn < 4; turn++) {
			for (int i = 0; i < 512; i++)
				s->bad |= word[i] != 0;
			task_relax(&spin);
		}
		pool_put(s->w.pool, pa);
		task_relax(&spin);
	}
}

static void one_seed(struct shared *s)
{
	struct worker worker[4];
	struct task_set *set;
	struct task *task[4];

	s->stop = s->bad = false;
	assert_int_equal(pgtable_init(&s->pt, s->w.pool, PGTABLE_VTDSS, 3, 0, 46), 0);
	assert_int_equal(task_set_create(&s->w.alloc, s->seed, &set), 0);
	for (unsigned int i = 0; i < 4; i++) {
		worker[i] = (struct worker){ .s = s, .rng = s->seed * 16 + i };
		assert_int_equal(task_spawn(set, "worker", i == 3 ? use_pages : calls, &worker[i],
					    &task[i]), 0);
	}
	for (int i = 0; i < 3; i++)
		task_join(task[i]);
	s->stop = true;
	task_join(task[3]);
	task_set_destroy(set);
	if (s->bad || ref_scan(&specs[0], &s->pt).bad || pgtable_count(&s->pt) != pool_live(s->w.pool))
		fail_msg("seed %llu", (unsigned long long)s->seed);
	s->pt.ops->fini(&s->pt);
}

static void overlapping(void **state)
{
	static struct shared s;

	(void)state;
	world_init(&s.w);
	for (s.seed = test_seed(); s.seed < test_seed() + 2000; s.seed++)
		one_seed(&s);
	world_fini(&s.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlapping),
	};

	printf("# first seed %llu\n", (unsigned long long)test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
