/* SPDX-License-Identifier: MIT */
/*
 * Random calls on every format, level count and set of features: each result, each
 * count of bytes and tables, and the whole translation are as the naive map predicts,
 * and a refused call changes nothing.
 */
#include "pt_test.h"

#include <errno.h>
#include <stdio.h>

struct run {
	struct world *w;
	struct model m;
	struct pgtable pt;
	uint64_t seed, rng;
	unsigned int step;
};

#define check(run, cond)									\
	do {											\
		if (!(cond))									\
			fail_msg("%s: %s, levels %u, features %u, seed %llu, step %u", #cond,	\
				 (run)->m.spec->name, (run)->m.levels, (run)->m.features,	\
				 (unsigned long long)(run)->seed, (run)->step);			\
	} while (0)

/* Addresses near each other and near the ends of tables of all levels. */
static uint64_t some_iova(struct run *r)
{
	uint64_t limit = UINT64_C(1) << r->m.spec->iova_bits[r->m.levels];
	const uint64_t near[] = { 0, 3 * M2, G1 - 4 * M2, 5 * G1, 512 * G1 - G1, 512 * G1 + 3 * G1,
				  limit / 2 - 2 * M2, limit - 3 * G1, limit - 2 * M2 };
	const uint64_t grain[] = { K4, K4, 16 * K4, M2, M2, G1 };
	uint64_t g = grain[below(&r->rng, 6)];
	uint64_t at = near[below(&r->rng, 9)];

	at = (at + below(&r->rng, below(&r->rng, 4) ? 8 : 600) * g) / g * g;
	return below(&r->rng, 50) ? at % limit : at;
}

static uint64_t some_size(struct run *r)
{
	switch (below(&r->rng, 10)) {
	case 0:
	case 1:
	case 2:
		return K4;
	case 3:
	case 4:
		return (1 + below(&r->rng, 40)) * K4;
	case 5:
		return (1 + below(&r->rng, 1200)) * K4;
	case 6:
		return M2;
	case 7:
		return (1 + below(&r->rng, 4)) * M2;
	case 8:
		return G1;
	default:
		return (1 + below(&r->rng, 3)) * G1 + below(&r->rng, 2) * 5 * M2;
	}
}

/* Arguments that the call must refuse, one time in 16. */
static void spoil(struct run *r, uint64_t *iova, uint64_t *pa, uint64_t *size, unsigned int *prot)
{
	uint64_t limit = UINT64_C(1) << r->m.spec->iova_bits[r->m.levels];

	switch (below(&r->rng, 128)) {
	case 0:
		*iova += 1 + below(&r->rng, 0xfff);
		break;
	case 1:
		*size = below(&r->rng, 2) ? 0 : *size + 0x800;
		break;
	case 2:
		*pa += 8;
		break;
	case 3:
		*prot = below(&r->rng, 2) ? 0 : 4 | RW;
		break;
	case 4:
		*iova = limit - below(&r->rng, 3) * K4;
		*size += 2 * K4;
		break;
	case 5:
		*iova = (UINT64_MAX - below(&r->rng, 0x4000)) & ~(K4 - 1);
		break;
	case 6:
		*pa = (UINT64_C(1) << r->m.pa_bits) - below(&r->rng, 3) * K4;
		*size += 2 * K4;
		break;
	case 7:
		*size = (UINT64_MAX - below(&r->rng, 0x4000)) & ~(K4 - 1);
		break;
	}
}

static void one_map(struct run *r)
{
	uint64_t iova = some_iova(r), size = some_size(r), pa = some_iova(r) % (G1 * 64);
	unsigned int prot = below(&r->rng, 6) ? RW : 1 + (unsigned int)below(&r->rng, 3);
	uint64_t smallest = r->m.features & PGTABLE_2M ? M2 : r->m.features & PGTABLE_1G ? G1 : K4;
	struct ref_scan before = ref_scan(r->m.spec, &r->pt), after;
	uint64_t leaves = r->m.leaves;
	int want, got;

	if (below(&r->rng, 2))
		pa = pa / G1 * G1 + iova % G1;
	/* Not more than some thousand leaves. */
	if ((iova ^ pa) % smallest && size > 3 * M2)
		size = M2 + K4;
	if (size > 3 * M2 && smallest != M2)
		size = smallest == K4 || iova % smallest ? 2 * M2 : G1;
	spoil(r, &iova, &pa, &size, &prot);

	want = model_map(&r->m, iova, pa, size, prot);
	got = r->pt.ops->map(&r->pt, iova, pa, size, prot);
	check(r, got == want);
	after = ref_scan(r->m.spec, &r->pt);
	check(r, !after.bad);
	if (got == -EEXIST) {
		/* Tables may stay; leaves may not. */
		check(r, after.leaf_hash == before.leaf_hash && r->m.leaves == leaves);
	} else if (got) {
		check(r, after.hash == before.hash);
	}
}

static void one_unmap(struct run *r)
{
	uint64_t limit = UINT64_C(1) << r->m.spec->iova_bits[r->m.levels];
	struct pgtable_gather gather = { .coarse = below(&r->rng, 2) };
	uint64_t iova = some_iova(r), size = some_size(r), pa = 0;
	struct ref_scan before = ref_scan(r->m.spec, &r->pt);
	const struct node *n = model_find(&r->m, iova);
	struct pool_list pages = { 0 };
	struct model_unmapped u;
	unsigned int prot = RW;
	int want, got;

	if (n && below(&r->rng, 3)) {
		iova = n->iova;
		size = below(&r->rng, 2) ? span_of(n->level) : size;
	}
	if (!below(&r->rng, 20)) {
		size = span_of(3 + (unsigned int)below(&r->rng, 3));
		iova -= iova % size;
	}
	if (!below(&r->rng, 30) || r->m.leaves > 12000) {
		iova = 0;
		size = limit;
	}
	spoil(r, &iova, &pa, &size, &prot);

	want = model_unmap(&r->m, iova, size, &u);
	got = r->pt.ops->unmap(&r->pt, iova, size, &gather);
	check(r, got == want);
	check(r, gather.unmapped == (gather.coarse ? u.coarse : u.exact));
	check(r, gather.taken.n == u.topmost);
	pgtable_reap(&r->pt, &gather, &pages);
	check(r, pages.n == u.pages && !gather.taken.n && !gather.taken.head);
	pool_put_list(r->w->pool, &pages);
	if (got)
		check(r, ref_scan(r->m.spec, &r->pt).hash == before.hash);
}

struct visit {
	struct run *r;
	uint64_t n, end, leaves[6];
};

static void same_leaf(void *opaque, const struct pgtable_leaf *leaf)
{
	struct visit *v = opaque;
	const struct node *n = model_find(&v->r->m, leaf->iova);
	struct ref_leaf ref;

	check(v->r, leaf->iova >= v->end && n && n->iova == leaf->iova && n->pa == leaf->pa);
	check(v->r, span_of(n->level) == leaf->size && n->prot == leaf->prot);
	check(v->r, ref_walk(v->r->m.spec, &v->r->pt, leaf->iova + leaf->size - 1, &ref) == 1);
	check(v->r, ref.iova == leaf->iova && ref.pa == leaf->pa && ref.size == leaf->size &&
		    ref.prot == leaf->prot && ref.entry == leaf->entry);
	v->end = leaf->iova + leaf->size;
	v->n++;
	v->leaves[n->level]++;
}

static void compare_all(struct run *r)
{
	struct ref_scan scan = ref_scan(r->m.spec, &r->pt);
	struct visit v = { .r = r };
	struct pgtable_stats stats;
	uint64_t tables = 0;

	check(r, !scan.bad && scan.leaves == r->m.leaves && scan.tables == r->m.tables + 1);
	check(r, pgtable_count(&r->pt) == scan.tables && pool_live(r->w->pool) == scan.tables);
	pgtable_for_each_leaf(&r->pt, same_leaf, &v);
	check(r, v.n == r->m.leaves);
	pgtable_stats(&r->pt, &stats);
	for (unsigned int level = 0; level <= 5; level++) {
		check(r, stats.leaves[level] == v.leaves[level]);
		tables += stats.tables[level];
	}
	check(r, tables == scan.tables && stats.tables[r->pt.levels] == 1 && !stats.tables[0]);
}

static void one_lookup(struct run *r)
{
	uint64_t iova = some_iova(r) + below(&r->rng, K4), pa = 1;
	const struct node *n;
	int want, got;

	if (!below(&r->rng, 50))
		iova |= UINT64_C(1) << (r->m.spec->iova_bits[r->m.levels] + below(&r->rng, 7));
	n = model_find(&r->m, iova);
	want = n ? 0 : -ENOENT;
	got = r->pt.ops->iova_to_phys(&r->pt, iova, &pa);
	check(r, got == want);
	check(r, pa == (n ? n->pa + (iova - n->iova) : 1));
}

static void run(struct world *w, const struct spec *spec, unsigned int levels, unsigned int features,
		unsigned int steps)
{
	struct run r = { .w = w, .seed = test_seed() };

	r.rng = r.seed * 1000 + levels * 16 + features;
	model_init(&r.m, spec, levels, features, 39 + levels);
	assert_int_equal(pgtable_init(&r.pt, w->pool, spec->format, levels, features, r.m.pa_bits), 0);
	for (r.step = 0; r.step < steps; r.step++) {
		if (below(&r.rng, 5) < 3)
			one_map(&r);
		else
			one_unmap(&r);
		for (int i = 0; i < 4; i++)
			one_lookup(&r);
		if (r.step % 8 == 0)
			compare_all(&r);
	}
	compare_all(&r);
	r.pt.ops->fini(&r.pt);
	model_fini(&r.m);
	assert_int_equal(pool_live(w->pool), 0);
}

static void random_calls(void **state)
{
	struct world w;

	world_init(&w);
	for (int s = 0; s < 2; s++)
		for (unsigned int levels = specs[s].min_levels; levels <= specs[s].max_levels; levels++)
			for (unsigned int features = 0; features <= specs[s].features; features++)
				run(&w, &specs[s], levels, features, 120);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_calls),
	};

	printf("# seed %llu\n", (unsigned long long)test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
