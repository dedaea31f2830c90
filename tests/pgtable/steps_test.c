/* SPDX-License-Identifier: MIT */
/*
 * After every single store of a call, hardware that walks now finds at each address
 * the translation from before or that from after the call (a map that fails: its own,
 * for a while), other addresses are as before, and what became new stays new. The
 * tables are well formed all the time. A second table, driven by the library as it
 * is, gets the same calls first and says what comes after.
 */
#include "pt_test.h"

#include <stdio.h>

#include "stepped.h"

#define POINTS 48

struct point {
	uint64_t iova;
	uint64_t before, after;		/* PA | prot; 0: not mapped */
	uint64_t now;
};

/* The hook has no argument of its own: one call runs at a time, in one thread. */
static struct {
	const struct spec *spec;
	struct pgtable pt, twin;
	struct point point[POINTS];
	uint64_t iova, end, pa;
	unsigned int prot;		/* 0: an unmap */
	int result;
	uint64_t seed, stores;
	unsigned int step;
} t;

#define check(cond)										\
	do {											\
		if (!(cond))									\
			fail_msg("%s: %s, levels %u, features %u, seed %llu, step %u", #cond,	\
				 t.spec->name, t.pt.levels, t.pt.features,			\
				 (unsigned long long)t.seed, t.step);				\
	} while (0)

static uint64_t translate(const struct pgtable *pt, uint64_t iova)
{
	struct ref_leaf leaf;
	int r = ref_walk(t.spec, pt, iova, &leaf);

	check(r >= 0);
	return r ? (leaf.pa + (iova - leaf.iova)) | leaf.prot : 0;
}

void stepped_stored(struct pgtable *pt)
{
	(void)pt;
	t.stores++;
	for (int i = 0; i < POINTS; i++) {
		struct point *p = &t.point[i];
		uint64_t now = translate(&t.pt, p->iova), passing = p->after;

		if (p->iova < t.iova || p->iova >= t.end) {
			check(now == p->before);
			continue;
		}
		/* A map that fails shows its own for a while, where nothing was. */
		if (t.result && t.prot && !p->before)
			passing = (t.pa + (p->iova - t.iova)) | t.prot;
		check(now == p->before || now == passing);
		if (!t.result && p->now != p->before)
			check(now == p->after);
		p->now = now;
	}
}

/* Where the call's range and its leaves begin and end, and anywhere. */
static void choose_points(uint64_t *rng)
{
	uint64_t limit = UINT64_C(1) << t.spec->iova_bits[t.pt.levels];

	for (int i = 0; i < POINTS; i++) {
		uint64_t size = t.end - t.iova, at;

		switch (i % 8) {
		case 0:
			at = t.iova - K4;
			break;
		case 1:
			at = t.end;
			break;
		case 2:
			at = t.end - K4;
			break;
		case 3:
			at = t.iova + below(rng, 4) * M2;
			break;
		case 4:
			at = below(rng, 2 * G1);
			break;
		default:
			at = t.iova + below(rng, size);
		}
		t.point[i].iova = at % limit & ~(K4 - 1);
	}
}

static void one_call(uint64_t *rng)
{
	struct pgtable_gather twin_gather = { 0 }, gather = { 0 };
	struct pool_list pages = { 0 };
	const uint64_t grain[] = { K4, K4, 64 * K4, M2, M2 };
	uint64_t g = grain[below(rng, 5)], size;
	bool map = below(rng, 5) < 3;
	int got;

	t.iova = (below(rng, 2) ? G1 - 2 * M2 : 0) + below(rng, 6 * M2 / g) * g;
	g = grain[below(rng, 5)];
	size = (1 + below(rng, g == K4 ? 60 : 3)) * g;
	if (!map && !below(rng, 8))
		t.iova = 0, size = 2 * G1;
	t.end = t.iova + size;
	t.pa = below(rng, 3) ? t.iova + 16 * M2 : t.iova + 5 * K4;
	t.prot = map ? (below(rng, 2) ? RW : R) : 0;
	choose_points(rng);

	for (int i = 0; i < POINTS; i++)
		t.point[i].before = t.point[i].now = translate(&t.pt, t.point[i].iova);
	if (map)
		t.result = t.twin.ops->map(&t.twin, t.iova, t.pa, size, t.prot);
	else
		t.result = t.twin.ops->unmap(&t.twin, t.iova, size, &twin_gather);
	for (int i = 0; i < POINTS; i++)
		t.point[i].after = translate(&t.twin, t.point[i].iova);

	if (map)
		got = t.pt.ops->map(&t.pt, t.iova, t.pa, size, t.prot);
	else
		got = t.pt.ops->unmap(&t.pt, t.iova, size, &gather);
	check(got == t.result);
	check(gather.unmapped == twin_gather.unmapped);
	check(ref_scan(t.spec, &t.pt).leaf_hash == ref_scan(t.spec, &t.twin).leaf_hash);
	pgtable_reap(&t.twin, &twin_gather, &pages);
	pgtable_reap(&t.pt, &gather, &pages);
	pool_put_list(t.pt.pool, &pages);
}

static void run(struct world *w, const struct spec *spec, unsigned int levels, unsigned int features)
{
	uint64_t rng = test_seed() * 1000 + levels * 16 + features;

	t.spec = spec;
	t.seed = test_seed();
	assert_int_equal(pgtable_init(&t.pt, w->pool, spec->format, levels, features, 46), 0);
	assert_int_equal(pgtable_init(&t.twin, w->pool, spec->format, levels, features, 46), 0);
	t.pt.ops = spec->format == PGTABLE_VTDSS ? stepped_vtdss : stepped_x86_64;
	for (t.step = 0; t.step < 150; t.step++)
		one_call(&rng);
	t.pt.ops->fini(&t.pt);
	t.twin.ops->fini(&t.twin);
}

static void old_or_new_at_every_store(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 2; s++)
		for (unsigned int levels = specs[s].min_levels; levels <= specs[s].max_levels; levels++)
			for (unsigned int features = 0; features < 4; features += 1 + (features == 1))
				run(&w, &specs[s], levels, features);
	assert_true(t.stores > 10000);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_or_new_at_every_store),
	};

	printf("# seed %llu\n", (unsigned long long)test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
