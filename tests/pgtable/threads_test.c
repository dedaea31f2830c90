/* SPDX-License-Identifier: MIT */
/*
 * Many threads. On disjoint ranges that share tables at every level each call succeeds
 * and a walker sees, for each page, nothing or what its owner maps there. On ranges
 * that overlap, which is the callers' mistake, the results are anything, but a page
 * that went back to the pool is not written to again, and nothing is lost.
 */
#include "pt_test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/rcu.h"

struct shared {
	struct world w;
	struct pgtable pt;
	const struct spec *spec;
	_Atomic bool stop;
	_Atomic unsigned int arrived;
	_Atomic int bad;		/* line of a failed check; cmocka's work in its own thread only */
};

#define ensure(s, cond)						\
	do {							\
		if (!(cond))					\
			atomic_store(&(s)->bad, __LINE__);	\
	} while (0)

struct worker {
	struct shared *s;
	pthread_t thread;
	unsigned int id;
	uint64_t rng;
	bool mapped[64], spanned[64];
	uint64_t done;
};

/* Loops of a thread; fewer where each access is instrumented. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TURNS 3000
#else
#define TURNS 20000
#endif

#define OFFSET (64 * G1)	/* PA of a page, less its IOVA */

static void shared_init(struct shared *s, enum pgtable_format format, unsigned int features)
{
	memset(s, 0, sizeof(*s));
	world_init(&s->w);
	s->spec = &specs[format];
	assert_int_equal(pgtable_init(&s->pt, s->w.pool, format, 4, features, 46), 0);
}

/* 0, or the result of the unmap. */
static int unmap(struct shared *s, uint64_t iova, uint64_t size, uint64_t *unmapped)
{
	struct pgtable_gather gather = { 0 };
	struct pool_list pages = { 0 };
	int r = s->pt.ops->unmap(&s->pt, iova, size, &gather);

	pgtable_reap(&s->pt, &gather, &pages);
	pool_put_list(s->w.pool, &pages);
	*unmapped = gather.unmapped;
	return r;
}

/* ---- disjoint ---- */

/* Pieces of 4 pages, owned by turns: tables of level 1 are shared. */
static uint64_t piece(const struct worker *t, unsigned int i)
{
	return G1 - M2 + (2 * i + t->id) * 4 * K4;
}

/* Spans of tables of level 1, and every eighth of level 2, owned by turns: their parents are shared. */
static uint64_t span_at(const struct worker *t, unsigned int i, uint64_t *size)
{
	*size = i % 8 ? M2 : G1;
	return i % 8 ? 4 * G1 + (2 * i + t->id) * M2 : 512 * G1 - 8 * G1 + (2 * i / 8 + t->id) * G1;
}

static void turn(struct worker *t)
{
	struct shared *s = t->s;
	unsigned int i = (unsigned int)below(&t->rng, 64);
	uint64_t iova = piece(t, i), size = 4 * K4, pa, unmapped;
	bool *mapped = &t->mapped[i];

	if (below(&t->rng, 2)) {
		iova = span_at(t, i, &size);
		mapped = &t->spanned[i];
	}
	if (*mapped) {
		ensure(s, s->pt.ops->iova_to_phys(&s->pt, iova + 4 * K4 - 1, &pa) == 0);
		ensure(s, pa == iova + 4 * K4 - 1 + OFFSET);
		ensure(s, s->pt.ops->map(&s->pt, iova, 0, K4, RW) == -EEXIST);
		ensure(s, unmap(s, iova, size, &unmapped) == 0);
		ensure(s, unmapped == 4 * K4);
	} else {
		ensure(s, s->pt.ops->iova_to_phys(&s->pt, iova, &pa) == -ENOENT);
		ensure(s, s->pt.ops->map(&s->pt, iova, iova + OFFSET, 4 * K4, RW) == 0);
	}
	*mapped = !*mapped;
}

static void *map_disjoint(void *arg)
{
	struct worker *t = arg;

	for (unsigned int i = 0; i < TURNS; i++)
		turn(t);
	return NULL;
}

/* Hardware: its section stands for the invalidation that waits for it. */
static void *walk(void *arg)
{
	struct worker *t = arg;
	struct shared *s = t->s;

	/* At least once, however busy the machine is. */
	do {
		struct worker any = { .id = (unsigned int)below(&t->rng, 2) };
		unsigned int i = (unsigned int)below(&t->rng, 64);
		uint64_t size, iova = below(&t->rng, 2) ? piece(&any, i) : span_at(&any, i, &size);
		struct ref_leaf leaf;
		int r;

		rcu_section_begin();
		r = ref_walk(s->spec, &s->pt, iova, &leaf);
		rcu_section_end();
		ensure(s, r >= 0);
		if (r)
			ensure(s, leaf.pa == iova + OFFSET && leaf.size == K4 && leaf.prot == RW);
		t->done++;
	} while (!atomic_load(&s->stop));
	return NULL;
}

static void start(struct worker *t, struct shared *s, unsigned int id, void *(*fn)(void *))
{
	*t = (struct worker){ .s = s, .id = id, .rng = test_seed() * 100 + id };
	assert_int_equal(pthread_create(&t->thread, NULL, fn, t), 0);
}

static void disjoint(void **state)
{
	static struct shared s;
	struct worker t[3];
	uint64_t size, pa;

	(void)state;
	for (int f = 0; f < 2; f++) {
		shared_init(&s, specs[f].format, PGTABLE_2M | PGTABLE_1G);
		start(&t[2], &s, 2, walk);
		for (unsigned int i = 0; i < 2; i++)
			start(&t[i], &s, i, map_disjoint);
		for (int i = 0; i < 2; i++)
			pthread_join(t[i].thread, NULL);
		atomic_store(&s.stop, true);
		pthread_join(t[2].thread, NULL);
		assert_int_equal(s.bad, 0);
		assert_true(t[2].done > 0);
		for (unsigned int i = 0; i < 128; i++) {
			struct worker *x = &t[i / 64];

			assert_int_equal(s.pt.ops->iova_to_phys(&s.pt, piece(x, i % 64), &pa) == 0,
					 x->mapped[i % 64]);
			assert_int_equal(s.pt.ops->iova_to_phys(&s.pt, span_at(x, i % 64, &size), &pa) == 0,
					 x->spanned[i % 64]);
		}
		assert_false(ref_scan(s.spec, &s.pt).bad);
		assert_int_equal(pgtable_count(&s.pt), pool_live(s.w.pool));
		s.pt.ops->fini(&s.pt);
		world_fini(&s.w);
	}
}

/* ---- at the same instant ---- */

#define ROUNDS 1500

/* Waits for the other one. */
static void meet(struct shared *s, unsigned int round)
{
	atomic_fetch_add(&s->arrived, 1);
	while (atomic_load(&s->arrived) < 2 * (round + 1))
		sched_yield();
}

/* A page each in a fresh region, so that both need the same new tables at up to 4 levels. */
static void *make_tables(void *arg)
{
	struct worker *t = arg;
	struct shared *s = t->s;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t iova = i % 500 * (512 * G1 + G1) + i * M2 + t->id * K4;

		meet(s, i);
		ensure(s, s->pt.ops->map(&s->pt, iova, OFFSET, K4, RW) == 0);
	}
	return NULL;
}

static void racing_makers(void **state)
{
	static struct shared s;
	struct worker t[2];
	struct ref_scan scan;

	(void)state;
	shared_init(&s, PGTABLE_VTDSS, 0);
	for (unsigned int i = 0; i < 2; i++)
		start(&t[i], &s, i, make_tables);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i].thread, NULL);
	assert_int_equal(s.bad, 0);
	scan = ref_scan(s.spec, &s.pt);
	assert_int_equal(scan.leaves, 2 * ROUNDS);
	/* Who came second gave its table back. */
	assert_int_equal(scan.tables, pool_live(s.w.pool));
	s.pt.ops->fini(&s.pt);
	world_fini(&s.w);
}

/* Both unmap the same table, by mistake: one gets it. */
static void *take_tables(void *arg)
{
	struct worker *t = arg;
	struct shared *s = t->s;
	uint64_t unmapped;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (!t->id)
			ensure(s, s->pt.ops->map(&s->pt, i % 4 * G1, OFFSET, K4, RW) == 0);
		meet(s, 2 * i);
		ensure(s, unmap(s, 0, 512 * G1, &unmapped) == 0);
		ensure(s, unmapped == K4 || unmapped == 0);
		t->done += unmapped;
		meet(s, 2 * i + 1);
	}
	return NULL;
}

static void racing_takers(void **state)
{
	static struct shared s;
	struct worker t[2];

	(void)state;
	shared_init(&s, PGTABLE_VTDSS, 0);
	for (unsigned int i = 0; i < 2; i++)
		start(&t[i], &s, i, take_tables);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i].thread, NULL);
	assert_int_equal(s.bad, 0);
	assert_int_equal(t[0].done + t[1].done, ROUNDS * K4);
	assert_int_equal(pgtable_count(&s.pt), 1);
	assert_int_equal(pool_live(s.w.pool), 1);
	s.pt.ops->fini(&s.pt);
	world_fini(&s.w);
}

/* ---- overlapping ---- */

static void *map_anywhere(void *arg)
{
	struct worker *t = arg;
	struct shared *s = t->s;
	uint64_t unmapped;

	for (unsigned int i = 0; i < TURNS; i++) {
		uint64_t iova = below(&t->rng, 4) * G1 + below(&t->rng, 3) * M2 + below(&t->rng, 8) * K4;
		unsigned int what = (unsigned int)below(&t->rng, 16);

		if (what < 10)
			s->pt.ops->map(&s->pt, iova, iova + OFFSET, (1 + what % 4) * K4, RW);
		else if (what < 12)
			unmap(s, iova, 4 * K4, &unmapped);
		else if (what < 14)
			unmap(s, iova & ~(M2 - 1), M2, &unmapped);
		else
			unmap(s, iova & ~(G1 - 1), G1 << (what - 14), &unmapped);
		if (i % 64 == 0)
			ensure(s, pgtable_count(&s->pt) >= 1);
	}
	return NULL;
}

/* Somebody else who uses pages of the pool, in the plainest way: TSan sees it all. */
static void *use_pages(void *arg)
{
	struct worker *t = arg;
	struct shared *s = t->s;
	struct pool *pool = s->w.pool;

	/* At least once, however busy the machine is. */
	do {
		uint64_t pa[4], *word[4], mark = rnd(&t->rng);

		for (int i = 0; i < 4; i++) {
			pa[i] = pool_get(pool);
			ensure(s, pa[i] != 0);
			word[i] = pool_va(pool, pa[i]);
			for (int j = 0; j < 512; j++) {
				ensure(s, word[i][j] == 0);
				word[i][j] = mark + (uint64_t)j;
			}
		}
		sched_yield();
		for (int i = 0; i < 4; i++) {
			for (int j = 0; j < 512; j++)
				ensure(s, word[i][j] == mark + (uint64_t)j);
			pool_put(pool, pa[i]);
		}
		t->done++;
	} while (!atomic_load(&s->stop));
	return NULL;
}

static void overlapping(void **state)
{
	static struct shared s;
	struct worker t[4];

	(void)state;
	shared_init(&s, PGTABLE_VTDSS, 0);
	start(&t[3], &s, 3, use_pages);
	for (unsigned int i = 0; i < 3; i++)
		start(&t[i], &s, i, map_anywhere);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i].thread, NULL);
	atomic_store(&s.stop, true);
	pthread_join(t[3].thread, NULL);
	assert_int_equal(s.bad, 0);
	assert_true(t[3].done > 0);
	assert_false(ref_scan(s.spec, &s.pt).bad);
	assert_int_equal(pgtable_count(&s.pt), pool_live(s.w.pool));
	s.pt.ops->fini(&s.pt);
	world_fini(&s.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disjoint),
		cmocka_unit_test(racing_makers),
		cmocka_unit_test(racing_takers),
		cmocka_unit_test(overlapping),
	};

	printf("# seed %llu\n", (unsigned long long)test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
