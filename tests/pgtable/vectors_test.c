/* SPDX-License-Identifier: MIT */
/*
 * Entries as bytes, typed from the specification's figures (VT-d rev 4.1, 9.7 and 9.8)
 * for one address whose indices are 1, 2, 3, 4 from level 4 down; and what the calls
 * promise of tables, results and argument checks, one by one.
 */
#include "pt_test.h"

#include <errno.h>
#include <string.h>

#define IOVA UINT64_C(0x0000008080604000)	/* 1 << 39 | 2 << 30 | 3 << 21 | 4 << 12 */
#define IOVA5 UINT64_C(0x0005008080604000)	/* 5 << 48 besides */

static uint64_t entry(const struct pgtable *pt, uint64_t table, unsigned int i)
{
	uint64_t e;

	memcpy(&e, (const char *)pool_va(pt->pool, table) + 8 * i, 8);
	return e;
}

struct vector {
	enum pgtable_format format;
	unsigned int levels, features;
	uint64_t iova, pa, size;
	unsigned int prot;
	unsigned int path[5], depth;	/* indices from the root; the last is the leaf's */
	uint64_t table_bits, leaf;
};

static const struct vector vectors[] = {
	/* Second stage: R 0, W 1, PS 7, SNP 11. Non-leaf: R and W. */
	{ PGTABLE_VTDSS, 4, 7 - 4, IOVA, 0x12345000, K4, RW, { 1, 2, 3, 4 }, 4, 0x3, 0x12345003 },
	{ PGTABLE_VTDSS, 4, 0, IOVA, 0x12345000, K4, R, { 1, 2, 3, 4 }, 4, 0x3, 0x12345001 },
	{ PGTABLE_VTDSS, 4, 0, IOVA, 0x12345000, K4, W, { 1, 2, 3, 4 }, 4, 0x3, 0x12345002 },
	{ PGTABLE_VTDSS, 4, 4, IOVA, 0x12345000, K4, RW, { 1, 2, 3, 4 }, 4, 0x3, 0x12345803 },
	{ PGTABLE_VTDSS, 4, 1, IOVA - 0x4000, 0x2e00000, M2, RW, { 1, 2, 3 }, 3, 0x3, 0x2e00083 },
	{ PGTABLE_VTDSS, 4, 5, IOVA - 0x4000, 0x2e00000, M2, R, { 1, 2, 3 }, 3, 0x3, 0x2e00881 },
	{ PGTABLE_VTDSS, 4, 2, IOVA - 0x604000, 0x7c0000000, G1, RW, { 1, 2 }, 2, 0x3, 0x7c0000083 },
	{ PGTABLE_VTDSS, 4, 6, IOVA - 0x604000, 0x7c0000000, G1, W, { 1, 2 }, 2, 0x3, 0x7c0000882 },
	{ PGTABLE_VTDSS, 3, 0, 0x80604000, 0x3ffffffff000, K4, RW, { 2, 3, 4 }, 3, 0x3, 0x3ffffffff003 },
	{ PGTABLE_VTDSS, 3, 2, IOVA - (1ull << 39) - 0x604000, 0, G1, RW, { 2 }, 1, 0x3, 0x83 },
	{ PGTABLE_VTDSS, 5, 0, IOVA5, 0x1000, K4, RW, { 5, 1, 2, 3, 4 }, 5, 0x3, 0x1003 },
	{ PGTABLE_VTDSS, 5, 0, 0x1fffffffffff000, 0, K4, R, { 511, 511, 511, 511, 511 }, 5, 0x3, 0x1 },
	/* First stage: P 0, R/W 1, U/S 2, A 5, D 6, PS 7. Non-leaf: P, R/W, U/S, A. */
	{ PGTABLE_X86_64, 4, 0, IOVA, 0x12345000, K4, RW, { 1, 2, 3, 4 }, 4, 0x27, 0x12345067 },
	{ PGTABLE_X86_64, 4, 3, IOVA, 0x12345000, K4, R, { 1, 2, 3, 4 }, 4, 0x27, 0x12345065 },
	{ PGTABLE_X86_64, 4, 3, IOVA - 0x4000, 0x2e00000, M2, RW, { 1, 2, 3 }, 3, 0x27, 0x2e000e7 },
	{ PGTABLE_X86_64, 4, 3, IOVA - 0x604000, 0x7c0000000, G1, R, { 1, 2 }, 2, 0x27, 0x7c00000e5 },
	{ PGTABLE_X86_64, 4, 0, 0x7ffffffff000, 0x1000, K4, RW, { 255, 511, 511, 511 }, 4, 0x27, 0x1067 },
	{ PGTABLE_X86_64, 5, 3, IOVA5, 0x1000, K4, RW, { 5, 1, 2, 3, 4 }, 5, 0x27, 0x1067 },
	{ PGTABLE_X86_64, 5, 3, 0xfffffffffff000, 0, K4, R, { 255, 511, 511, 511, 511 }, 5, 0x27, 0x65 },
};

static void bytes(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t v = 0; v < sizeof(vectors) / sizeof(vectors[0]); v++) {
		const struct vector *x = &vectors[v];
		struct pgtable pt;
		uint64_t table, pa, e = 0;
		unsigned int i, used;

		assert_int_equal(pgtable_init(&pt, w.pool, x->format, x->levels, x->features, 46), 0);
		assert_int_equal(pt.ops->map(&pt, x->iova, x->pa, x->size, x->prot), 0);
		assert_int_equal(pgtable_count(&pt), x->depth);
		table = pt.root;
		for (i = 0; i < x->depth; i++) {
			e = entry(&pt, table, x->path[i]);
			for (unsigned int j = used = 0; j < 512; j++)
				used += entry(&pt, table, j) != 0;
			assert_int_equal(used, 1);
			if (i == x->depth - 1)
				break;
			assert_int_equal(e & 0xfff0000000000fff, x->table_bits);
			table = e & 0x000ffffffffff000;
		}
		assert_int_equal(e, x->leaf);
		assert_int_equal(pt.ops->iova_to_phys(&pt, x->iova + x->size - 1, &pa), 0);
		assert_int_equal(pa, x->pa + x->size - 1);
		assert_int_equal(pt.ops->iova_to_phys(&pt, x->iova - 1, &pa), -ENOENT);
		assert_int_equal(pt.ops->iova_to_phys(&pt, x->iova + x->size, &pa), -ENOENT);
		pt.ops->fini(&pt);
	}
	world_fini(&w);
}

static void init_refuses(void **state)
{
	struct world w;
	struct pgtable pt;

	(void)state;
	world_init(&w);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 2, 0, 46), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 6, 0, 46), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 4, 8, 46), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_X86_64, 3, 0, 46), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_X86_64, 6, 0, 46), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_X86_64, 4, PGTABLE_SNOOP, 46), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, (enum pgtable_format)7, 4, 0, 46), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 4, 0, 12), -EINVAL);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 4, 0, 53), -EINVAL);
	/* The pool is above 32 bits. */
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 4, 0, 32), -EINVAL);
	alloc_fail_nth(&w.alloc, 1);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 4, 0, 46), -ENOMEM);
	world_fini(&w);
}

static void write_only(void **state)
{
	struct world w;
	struct pgtable pt;

	(void)state;
	world_init(&w);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_X86_64, 4, 0, 46), 0);
	/* -EINVAL goes before it, -ERANGE after it. */
	assert_int_equal(pt.ops->map(&pt, 0x1800, 0, K4, W), -EINVAL);
	assert_int_equal(pt.ops->map(&pt, UINT64_C(1) << 47, 0, K4, W), -EOPNOTSUPP);
	assert_int_equal(pt.ops->map(&pt, UINT64_C(1) << 47, 0, K4, RW), -ERANGE);
	assert_int_equal(pt.ops->map(&pt, (UINT64_C(1) << 47) - K4, 0, 2 * K4, RW), -ERANGE);
	assert_int_equal(pgtable_count(&pt), 1);
	pt.ops->fini(&pt);
	world_fini(&w);
}

static uint64_t unmap(struct world *w, struct pgtable *pt, uint64_t iova, uint64_t size, size_t *freed)
{
	struct pgtable_gather gather = { 0 };
	struct pool_list pages = { 0 };

	assert_int_equal(pt->ops->unmap(pt, iova, size, &gather), 0);
	/* Nothing has gone back to the pool before the caller says so. */
	pgtable_reap(pt, &gather, &pages);
	*freed = pages.n;
	pool_put_list(w->pool, &pages);
	return gather.unmapped;
}

static void freed_by_a_covering_unmap_only(void **state)
{
	struct world w;
	struct pgtable pt;
	size_t freed;

	(void)state;
	world_init(&w);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 4, 0, 46), 0);
	assert_int_equal(pt.ops->map(&pt, 6 * M2, 0x1000, M2, RW), 0);
	assert_int_equal(pgtable_count(&pt), 4);
	/* In two halves: emptied, not covered. */
	assert_int_equal(unmap(&w, &pt, 6 * M2, M2 - K4, &freed), M2 - K4);
	assert_int_equal(freed, 0);
	assert_int_equal(unmap(&w, &pt, 6 * M2 + K4, M2, &freed), K4);
	assert_int_equal(freed, 0);
	assert_int_equal(pgtable_count(&pt), 4);
	/* Empty and covered. */
	assert_int_equal(unmap(&w, &pt, 6 * M2, M2, &freed), 0);
	assert_int_equal(freed, 1);
	assert_int_equal(pgtable_count(&pt), 3);
	assert_int_equal(pool_live(w.pool), 3);
	/* A page brings the table of level 1 back; 1 GiB covers levels 1 and 2, 512 GiB all but the root. */
	assert_int_equal(pt.ops->map(&pt, 6 * M2, 0x1000, K4, RW), 0);
	assert_int_equal(unmap(&w, &pt, 0, G1, &freed), K4);
	assert_int_equal(freed, 2);
	assert_int_equal(pt.ops->map(&pt, 6 * M2, 0x1000, K4, RW), 0);
	assert_int_equal(unmap(&w, &pt, K4, 512 * G1, &freed), K4);
	assert_int_equal(freed, 1);
	assert_int_equal(unmap(&w, &pt, 0, UINT64_C(1) << 48, &freed), 0);
	assert_int_equal(freed, 2);
	assert_int_equal(pgtable_count(&pt), 1);
	pt.ops->fini(&pt);
	world_fini(&w);
}

static void refused_inside_a_leaf(void **state)
{
	struct world w;
	struct pgtable pt;
	struct pgtable_gather gather = { 0 };
	uint64_t pa;

	(void)state;
	world_init(&w);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_VTDSS, 4, PGTABLE_2M | PGTABLE_1G, 46), 0);
	assert_int_equal(pt.ops->map(&pt, G1, 0, G1, RW), 0);
	assert_int_equal(pt.ops->map(&pt, 2 * G1, 0, M2 + K4, RW), 0);
	/* Begins inside, ends inside, lies inside; with pages around that would go. */
	assert_int_equal(pt.ops->unmap(&pt, 2 * G1 - M2, 2 * M2, &gather), -EINVAL);
	assert_int_equal(pt.ops->unmap(&pt, 2 * G1 + K4, M2, &gather), -EINVAL);
	assert_int_equal(pt.ops->unmap(&pt, G1, G1 + M2 - K4, &gather), -EINVAL);
	assert_int_equal(pt.ops->unmap(&pt, 0, G1 + K4, &gather), -EINVAL);
	assert_int_equal(pt.ops->unmap(&pt, G1 + 5 * K4, K4, &gather), -EINVAL);
	assert_int_equal(pt.ops->unmap(&pt, G1 + 5 * M2, M2, &gather), -EINVAL);
	assert_int_equal(gather.unmapped, 0);
	assert_int_equal(gather.taken.n, 0);
	assert_int_equal(pt.ops->iova_to_phys(&pt, 2 * G1 + M2 + 5, &pa), 0);
	assert_int_equal(pa, M2 + 5);
	assert_int_equal(pt.ops->unmap(&pt, G1, G1 + M2, &gather), 0);
	assert_int_equal(gather.unmapped, G1 + M2);
	pt.ops->fini(&pt);
	world_fini(&w);
}

/* A failing map leaves its predecessor's pages, of each size, and takes its own back. */
static void exists_in_the_middle(void **state)
{
	struct world w;
	struct pgtable pt;
	struct ref_scan before;

	(void)state;
	world_init(&w);
	assert_int_equal(pgtable_init(&pt, w.pool, PGTABLE_X86_64, 4, PGTABLE_2M | PGTABLE_1G, 46), 0);
	assert_int_equal(pt.ops->map(&pt, 3 * G1 + 7 * M2 + 9 * K4, 0x5000, K4, R), 0);
	assert_int_equal(pt.ops->map(&pt, 5 * G1, 0, G1, R), 0);
	before = ref_scan(&specs[1], &pt);
	assert_int_equal(pt.ops->map(&pt, G1 - M2 - K4, G1 - M2 - K4, 4 * G1, RW), -EEXIST);
	assert_int_equal(ref_scan(&specs[1], &pt).leaf_hash, before.leaf_hash);
	assert_int_equal(pt.ops->map(&pt, 4 * G1 - K4, 4 * G1 - K4, 2 * G1, RW), -EEXIST);
	assert_int_equal(ref_scan(&specs[1], &pt).leaf_hash, before.leaf_hash);
	assert_int_equal(pt.ops->map(&pt, 5 * G1 + K4, 0, K4, RW), -EEXIST);
	assert_int_equal(pt.ops->map(&pt, 5 * G1, 0, G1, RW), -EEXIST);
	assert_int_equal(ref_scan(&specs[1], &pt).leaf_hash, before.leaf_hash);
	pt.ops->fini(&pt);
	world_fini(&w);
}

static void each_allocation_fails(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 2; s++) {
		const struct spec *spec = &specs[s];
		struct pgtable pt;
		struct ref_scan before, after;
		size_t freed;
		long n;
		int r;

		assert_int_equal(pgtable_init(&pt, w.pool, spec->format, 5, PGTABLE_2M, 46), 0);
		assert_int_equal(pt.ops->map(&pt, 512 * G1 - 3 * K4, 0x9000, K4, R), 0);
		before = ref_scan(spec, &pt);
		for (n = 1;; n++) {
			alloc_fail_nth(&w.alloc, n);
			/* Pages, leaves of 2 MiB, pages again; three levels deep at both ends. */
			r = pt.ops->map(&pt, 512 * G1 - 2 * K4, 0x200000 - 2 * K4, 3 * M2, RW);
			alloc_fail_nth(&w.alloc, 0);
			if (!r)
				break;
			assert_int_equal(r, -ENOMEM);
			after = ref_scan(spec, &pt);
			assert_false(after.bad);
			assert_int_equal(after.leaf_hash, before.leaf_hash);
			assert_int_equal(after.leaves, 1);
			assert_int_equal(pool_live(w.pool), after.tables);
			/* Empty tables go with an unmap of what they span, here down to the same memory. */
			assert_int_equal(unmap(&w, &pt, 512 * G1, 512 * G1, &freed), 0);
			assert_int_equal(ref_scan(spec, &pt).hash, before.hash);
			assert_int_equal(pool_live(w.pool), before.tables);
		}
		/* Levels 3, 2 and 1 above 512 GiB; the leaf of 2 MiB needs no table of its own. */
		assert_int_equal(n, 4);
		assert_int_equal(unmap(&w, &pt, 0, UINT64_C(1) << 55, &freed), 3 * M2 + K4);
		assert_int_equal(pool_live(w.pool), 1);
		pt.ops->fini(&pt);
	}
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes),
		cmocka_unit_test(init_refuses),
		cmocka_unit_test(write_only),
		cmocka_unit_test(freed_by_a_covering_unmap_only),
		cmocka_unit_test(refused_inside_a_leaf),
		cmocka_unit_test(exists_in_the_middle),
		cmocka_unit_test(each_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
