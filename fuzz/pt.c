/* SPDX-License-Identifier: MIT */
/*
 * IO page tables against a naive map: a list of the ranges that are mapped. The input
 * is a program of map and unmap, with allocations that fail; after each operation all
 * leaves together must say what the list says. Only where leaves end, which decides
 * whether an unmap may cut, is taken from the leaves as they were before.
 */
#include <errno.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/quiesce.h"
#include "fuzz.h"
#include "heap.h"
#include "pgtable/pgtable.h"

#define PAGE UINT64_C(4096)
#define POOL_BASE UINT64_C(0x40000000)
#define POOL_SIZE ((size_t)8 << 20)
#define MAX_RANGES (2 * FUZZ_OPS + 2)
#define MAX_LEAVES 6000u /* more are not mapped on purpose: time */
#define MAX_LARGE 8192u

struct range {
	uint64_t iova, size, pa;
	unsigned int prot;
};

struct world {
	struct fuzz_heap heap;
	struct alloc alloc;
	struct quiesce quiesce;
	struct mem *mem;
	struct pool *pool;
	struct pgtable pt;
	enum pgtable_format format;
	uint64_t iova_end, pa_end; /* exclusive */
	struct range range[MAX_RANGES];
	unsigned int n;
	/* Of all leaves as they are now. */
	unsigned int n_leaves, n_large;
	uint64_t bytes, last;
	struct range large[MAX_LARGE]; /* those that an unmap can cut */
	const struct range *near;      /* in which the last leaf was */
	bool no_memory;
	unsigned int step;
};

/* ---- the list ---- */

static bool overlaps(const struct range *r, uint64_t iova, uint64_t size)
{
	return r->iova < iova + size && iova < r->iova + r->size;
}

static bool any_in(const struct world *w, uint64_t iova, uint64_t size)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (overlaps(&w->range[i], iova, size))
			return true;
	return false;
}

/* Takes [iova, iova + size) out of the list; the bytes that were mapped. */
static uint64_t take_out(struct world *w, uint64_t iova, uint64_t size)
{
	uint64_t bytes = 0, end = iova + size;

	for (unsigned int i = w->n; i--;) {
		struct range r = w->range[i];
		uint64_t from = r.iova > iova ? r.iova : iova;
		uint64_t to = r.iova + r.size < end ? r.iova + r.size : end;

		if (!overlaps(&r, iova, size))
			continue;
		bytes += to - from;
		w->range[i] = w->range[--w->n];
		if (r.iova < from)
			w->range[w->n++] = (struct range){ r.iova, from - r.iova, r.pa, r.prot };
		if (to < r.iova + r.size)
			w->range[w->n++] =
				(struct range){ to, r.iova + r.size - to, r.pa + (to - r.iova), r.prot };
	}
	return bytes;
}

static const struct range *find(const struct world *w, uint64_t iova)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (iova - w->range[i].iova < w->range[i].size)
			return &w->range[i];
	return NULL;
}

/* ---- what must hold ---- */

static void check_leaf(const struct world *w, const struct pgtable_leaf *l, const struct range *r)
{
	unsigned int features = w->pt.features;

	FUZZ_CHECK(l->size == PAGE || (l->size == PAGE << 9 && features & PGTABLE_2M) ||
			   (l->size == PAGE << 18 && features & PGTABLE_1G),
		   "operation %u: a leaf of 0x%llx bytes", w->step, (unsigned long long)l->size);
	FUZZ_CHECK(!(l->iova & (l->size - 1)) && !(l->pa & (l->size - 1)), "operation %u: a leaf at 0x%llx",
		   w->step, (unsigned long long)l->iova);
	FUZZ_CHECK(r && l->iova + l->size <= r->iova + r->size && l->pa - r->pa == l->iova - r->iova &&
			   l->prot == r->prot,
		   "operation %u: 0x%llx leads to 0x%llx with protection %u", w->step,
		   (unsigned long long)l->iova, (unsigned long long)l->pa, l->prot);
	FUZZ_CHECK(l->iova >= w->last, "operation %u: leaves out of order", w->step);
}

static void on_leaf(void *opaque, const struct pgtable_leaf *l)
{
	struct world *w = opaque;

	if (!w->near || l->iova - w->near->iova >= w->near->size)
		w->near = find(w, l->iova);
	check_leaf(w, l, w->near);
	w->n_leaves++;
	w->bytes += l->size;
	w->last = l->iova + l->size;
	if (l->size == PAGE)
		return;
	FUZZ_CHECK(w->n_large < MAX_LARGE, "operation %u: more leaves than were mapped", w->step);
	w->large[w->n_large++] = (struct range){ l->iova, l->size, l->pa, l->prot };
}

static void check_probe(struct world *w, uint64_t iova)
{
	const struct range *r = find(w, iova);
	uiommu_pa_t pa = 0;
	int err = w->pt.ops->iova_to_phys(&w->pt, iova, &pa);

	FUZZ_CHECK(err == (r ? 0 : -ENOENT) && (err || pa == r->pa + (iova - r->iova)),
		   "operation %u: 0x%llx leads to 0x%llx (%d)", w->step, (unsigned long long)iova,
		   (unsigned long long)pa, err);
}

static void check_all(struct world *w, uint64_t iova, uint64_t size)
{
	uint64_t mapped = 0;

	w->n_leaves = w->n_large = 0;
	w->bytes = w->last = 0;
	w->near = NULL;
	pgtable_for_each_leaf(&w->pt, on_leaf, w);
	for (unsigned int i = 0; i < w->n; i++) {
		mapped += w->range[i].size;
		check_probe(w, w->range[i].iova - 1);
		check_probe(w, w->range[i].iova + w->range[i].size - 1);
		check_probe(w, w->range[i].iova + w->range[i].size);
	}
	FUZZ_CHECK(w->bytes == mapped, "operation %u: leaves of 0x%llx bytes, 0x%llx are mapped", w->step,
		   (unsigned long long)w->bytes, (unsigned long long)mapped);
	check_probe(w, iova);
	check_probe(w, iova + size);
	FUZZ_CHECK(pgtable_count(&w->pt) == pool_live(w->pool), "operation %u: tables got lost", w->step);
}

/* ---- operations ---- */

/* a: where; b: how far from there; c: unit of the size. */
static void pick(const struct world *w, const struct fuzz_op *op, uint64_t *iova, uint64_t *pa,
		 uint64_t *size)
{
	static const uint64_t bases[] = { 0,
					  PAGE << 9,
					  PAGE << 18,
					  PAGE << 27,
					  (PAGE << 27) - (PAGE << 18),
					  (PAGE << 18) - (PAGE << 9),
					  PAGE << 36 };
	unsigned int unit = op->c % 3 * 9;
	uint64_t base = op->a % 8 < 7 ? bases[op->a % 8] : w->iova_end - (PAGE << (op->c % 4 * 9));

	*iova = base + (PAGE << unit) * (op->b & 31) - (op->b & 0x20 ? PAGE : 0);
	*size = (PAGE << unit) * (1 + op->off % 24) - (op->b & 0x40 && unit ? PAGE : 0);
	*pa = (op->val % w->pa_end) & ~((PAGE << (op->a & 0x80 ? 0 : unit)) - 1);
	if (op->c & 0x80) {
		*iova = op->val;
		*size = (uint64_t)op->d << 12 | (op->off & 1);
	}
}

/* Whether it would take too many leaves to look at. */
static bool too_many(const struct world *w, uint64_t iova, uint64_t pa, uint64_t size)
{
	unsigned int features = w->pt.features;
	uint64_t unit = PAGE, both = (iova ^ pa) & ((PAGE << 18) - 1);

	if (features & PGTABLE_2M && !(both & ((PAGE << 9) - 1)))
		unit = PAGE << 9;
	/* Without leaves of 2 MiB the ends of a range would be of 4 KiB. */
	if (features & PGTABLE_1G && !both &&
	    (features & PGTABLE_2M || !((iova | size) & ((PAGE << 18) - 1))))
		unit = PAGE << 18;
	return w->n_leaves + size / unit + 2 * 1024 > MAX_LEAVES;
}

static int map_wants(const struct world *w, uint64_t iova, uint64_t pa, uint64_t size, unsigned int prot)
{
	if ((iova | pa | size) & (PAGE - 1) || !size || !prot || prot > 3)
		return -EINVAL;
	if (prot == UIOMMU_WRITE && w->format == PGTABLE_X86_64)
		return -EOPNOTSUPP;
	if (iova >= w->iova_end || size > w->iova_end - iova || pa >= w->pa_end || size > w->pa_end - pa)
		return -ERANGE;
	return any_in(w, iova, size) ? -EEXIST : 0;
}

static void op_map(struct world *w, const struct fuzz_op *op)
{
	unsigned int prot = op->code & 0x40 ? op->code >> 4 : 1 + (op->code >> 4) % 3;
	uint64_t iova, pa, size;
	int err, want;

	pick(w, op, &iova, &pa, &size);
	if (too_many(w, iova, pa, size))
		return;
	want = map_wants(w, iova, pa, size, prot);
	err = w->pt.ops->map(&w->pt, iova, pa, size, prot);
	/* The pool may be used up. */
	FUZZ_CHECK(err == want || (err == -ENOMEM && (w->no_memory || pool_live(w->pool) > 1024)),
		   "operation %u: map of 0x%llx, 0x%llx bytes: %d instead of %d", w->step,
		   (unsigned long long)iova, (unsigned long long)size, err, want);
	if (!err)
		w->range[w->n++] = (struct range){ iova, size, pa, prot };
	check_all(w, iova, size);
}

/* The leaves as they were at the end of the operation before. */
static bool cuts(const struct world *w, uint64_t at)
{
	for (unsigned int i = 0; i < w->n_large; i++)
		if (at > w->large[i].iova && at - w->large[i].iova < w->large[i].size)
			return true;
	return false;
}

static int unmap_wants(const struct world *w, uint64_t iova, uint64_t size)
{
	if ((iova | size) & (PAGE - 1) || !size)
		return -EINVAL;
	if (iova >= w->iova_end || size > w->iova_end - iova)
		return -ERANGE;
	return cuts(w, iova) || cuts(w, iova + size) ? -EINVAL : 0;
}

static void unmap(struct world *w, uint64_t iova, uint64_t size, bool coarse)
{
	struct pgtable_gather gather = { .coarse = coarse };
	struct pool_list pages = { 0 };
	int want = unmap_wants(w, iova, size), err;
	uint64_t bytes = 0;

	err = w->pt.ops->unmap(&w->pt, iova, size, &gather);
	FUZZ_CHECK(err == want, "operation %u: unmap of 0x%llx, 0x%llx bytes: %d instead of %d", w->step,
		   (unsigned long long)iova, (unsigned long long)size, err, want);
	if (!err)
		bytes = take_out(w, iova, size);
	FUZZ_CHECK(coarse ? gather.unmapped >= bytes : gather.unmapped == bytes,
		   "operation %u: 0x%llx bytes unmapped instead of 0x%llx", w->step,
		   (unsigned long long)gather.unmapped, (unsigned long long)bytes);
	FUZZ_CHECK(!err || !gather.taken.n, "operation %u: a refused unmap took tables out", w->step);
	pgtable_reap(&w->pt, &gather, &pages);
	pool_put_list(w->pool, &pages);
	check_all(w, iova, size);
}

static void op_unmap(struct world *w, const struct fuzz_op *op)
{
	uint64_t iova, pa, size;

	pick(w, op, &iova, &pa, &size);
	if (op->code & 0x10 && w->n) { /* a range that is mapped */
		iova = w->range[op->d % w->n].iova;
		size = w->range[op->d % w->n].size;
	}
	if (op->code & 0x20) {
		iova &= ~((PAGE << 9) - 1);
		size = PAGE << (op->off % 6 * 9);
	}
	unmap(w, iova, size, op->code & 0x40);
}

/* ---- begin and end ---- */

static bool begin(struct world *w, const uint8_t *header)
{
	unsigned int levels = 3 + header[1] % 3, bits = 32 + header[2] % 21;
	bool first = header[0] & 1;
	int err;

	memset(w, 0, offsetof(struct world, range));
	w->n = w->n_leaves = w->n_large = w->step = 0;
	alloc_init(&w->alloc, &fuzz_heap_ops, &w->heap);
	quiesce_init(&w->quiesce);
	FUZZ_CHECK(!mem_create(&w->alloc, &w->quiesce, &w->mem), "memory");
	FUZZ_CHECK(!pool_create(&w->alloc, w->mem, POOL_BASE, POOL_SIZE, &w->pool), "pool");
	w->format = first ? PGTABLE_X86_64 : PGTABLE_VTDSS;
	err = pgtable_init(&w->pt, w->pool, w->format, levels, header[3] % 8, bits);
	FUZZ_CHECK(err == (first && (levels < 4 || header[3] & PGTABLE_SNOOP) ? -EINVAL : 0), "init: %d",
		   err);
	w->iova_end = UINT64_C(1) << (first ? 11 + 9 * levels : 12 + 9 * levels);
	w->pa_end = UINT64_C(1) << bits;
	return !err;
}

static void end(struct world *w, bool made)
{
	if (made) {
		unmap(w, 0, w->iova_end, false);
		FUZZ_CHECK(!w->n && pgtable_count(&w->pt) == 1, "tables are left");
		w->pt.ops->fini(&w->pt);
	}
	FUZZ_CHECK(!pool_live(w->pool), "%zu pages leaked", pool_live(w->pool));
	pool_destroy(w->pool);
	mem_destroy(w->mem);
	FUZZ_CHECK(!alloc_live(&w->alloc), "%ld blocks leaked", alloc_live(&w->alloc));
	fuzz_heap_check(&w->heap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w;
	struct fuzz_op op;
	bool made;

	if (size < FUZZ_HEADER)
		return 0;
	w = malloc(sizeof(*w));
	FUZZ_CHECK(w, "memory");
	made = begin(w, data);
	data += FUZZ_HEADER;
	size -= FUZZ_HEADER;
	for (; made && w->step < FUZZ_OPS && fuzz_next(&data, &size, &op); w->step++) {
		w->no_memory = op.code & 8 && op.d & 0xFF;
		if (w->no_memory)
			alloc_fail_nth(&w->alloc, op.d & 0xFF);
		if (op.code & 1)
			op_unmap(w, &op);
		else
			op_map(w, &op);
		alloc_fail_nth(&w->alloc, 0);
	}
	end(w, made);
	free(w);
	return 0;
}
