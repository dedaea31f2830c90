/* SPDX-License-Identifier: MIT */
/* See pt_test.h. */
#include "pt_test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define POOL_BASE UINT64_C(0x1200000000)
#define POOL_SIZE ((size_t)256 << 20)

uint64_t test_seed(void)
{
	const char *s = getenv("UIOMMU_TEST_SEED");

	return s ? strtoull(s, NULL, 0) : 1;
}

void world_init(struct world *w)
{
	alloc_init(&w->alloc, NULL, NULL);
	quiesce_init(&w->quiesce);
	assert_int_equal(mem_create(&w->alloc, &w->quiesce, &w->mem), 0);
	assert_int_equal(pool_create(&w->alloc, w->mem, POOL_BASE, POOL_SIZE, &w->pool), 0);
}

void world_fini(struct world *w)
{
	assert_int_equal(pool_live(w->pool), 0);
	pool_destroy(w->pool);
	mem_destroy(w->mem);
	assert_int_equal(alloc_live(&w->alloc), 0);
}

/* ---- the formats, independently ---- */

const struct spec specs[2] = {
	{ PGTABLE_VTDSS, "vtdss", 3, 5, PGTABLE_2M | PGTABLE_1G | PGTABLE_SNOOP, { 0, 0, 0, 39, 48, 57 } },
	{ PGTABLE_X86_64, "x86_64", 4, 5, PGTABLE_2M | PGTABLE_1G, { 0, 0, 0, 0, 47, 56 } },
};

enum kind { EMPTY, TABLE, LEAF, BAD };

/*
 * Second stage, one entry: present if bit 0 or 1. Bit 7 is reserved at levels 5 and 4
 * and ignored at level 1, where the library leaves it 0. Bit 11 is reserved in
 * non-leaf entries and without snoop control. Bit 62 and the address bits from the
 * host address width on are reserved, below bit 21 or 30 those of a large leaf are.
 */
static enum kind vtdss_kind(uint64_t e, unsigned int level, unsigned int features, unsigned int pa_bits)
{
	bool leaf = level == 1 || (e & 0x80);

	if (!(e & 3))
		return e ? BAD : EMPTY;
	if (e & 0x4000000000000000u || ((e & 0x000fffffffffffffu) >> pa_bits))
		return BAD;
	/* Nothing that hardware ignores is set either. */
	if (e & 0xbff000000000077cu || (level == 1 && e & 0x80))
		return BAD;
	if (!leaf)
		return (e & 0x803) == 0x003 ? TABLE : BAD;
	if (level > 3 || (level == 3 && e & 0x3ffff000) || (level == 2 && e & 0x1ff000))
		return BAD;
	if (!!(e & 0x800) != !!(features & PGTABLE_SNOOP))
		return BAD;
	return LEAF;
}

/*
 * First stage: present if bit 0. U/S (bit 2) and A (bit 5) are 1 everywhere, D (bit 6)
 * in leaves. Bit 7 is reserved at levels 5 and 4 and part of the memory type at 1.
 */
static enum kind x86_64_kind(uint64_t e, unsigned int level, unsigned int pa_bits)
{
	bool leaf = level == 1 || (e & 0x80);

	if (!(e & 1))
		return e ? BAD : EMPTY;
	if ((e & 0x000fffffffffffffu) >> pa_bits || e & 0xfff0000000000000u)
		return BAD;
	if (!leaf)
		return (e & 0xfff) == 0x027 ? TABLE : BAD;
	if (level > 3 || (level == 3 && e & 0x3ffff000) || (level == 2 && e & 0x1ff000))
		return BAD;
	return (e & 0xffd) == (level == 1 ? 0x065 : 0x0e5) ? LEAF : BAD;
}

static enum kind kind_of(const struct spec *spec, const struct pgtable *pt, uint64_t e, unsigned int level)
{
	if (spec->format == PGTABLE_VTDSS)
		return vtdss_kind(e, level, pt->features, pt->pa_bits);
	return x86_64_kind(e, level, pt->pa_bits);
}

static unsigned int prot_of(const struct spec *spec, uint64_t e)
{
	if (spec->format == PGTABLE_VTDSS)
		return (e & 1 ? R : 0) | (e & 2 ? W : 0);
	return R | (e & 2 ? W : 0);
}

static uint64_t entry_at(const struct pgtable *pt, uint64_t table, uint64_t i)
{
	_Atomic uint64_t *slots = pool_va(pt->pool, table);

	return atomic_load_explicit(&slots[i], memory_order_acquire);
}

static bool in_pool(uint64_t pa)
{
	return pa >= POOL_BASE && pa < POOL_BASE + POOL_SIZE;
}

int ref_walk(const struct spec *spec, const struct pgtable *pt, uint64_t iova, struct ref_leaf *leaf)
{
	uint64_t table = pt->root;

	for (unsigned int level = pt->levels;; level--) {
		uint64_t span = span_of(level);
		uint64_t e = entry_at(pt, table, iova / span % 512);

		switch (kind_of(spec, pt, e, level)) {
		case EMPTY:
			return 0;
		case BAD:
			return -1;
		case LEAF:
			leaf->iova = iova - iova % span;
			leaf->pa = e & 0x000ffffffffff000u;
			leaf->size = span;
			leaf->prot = prot_of(spec, e);
			leaf->entry = e;
			return 1;
		case TABLE:
			table = e & 0x000ffffffffff000u;
			if (!in_pool(table))
				return -1;
		}
	}
}

static void mix(uint64_t *hash, uint64_t a, uint64_t b)
{
	uint64_t state = a * 31 + b;

	*hash += rnd(&state);		/* a sum: the order does not matter */
}

static void scan_table(const struct spec *spec, const struct pgtable *pt, uint64_t table, unsigned int level,
		       uint64_t iova, struct ref_scan *scan)
{
	scan->tables++;
	for (uint64_t i = 0; i < 512; i++, iova += span_of(level)) {
		uint64_t e = entry_at(pt, table, i);

		if (!e)
			continue;
		mix(&scan->hash, table + i, e);
		switch (kind_of(spec, pt, e, level)) {
		case LEAF:
			scan->leaves++;
			mix(&scan->leaf_hash, iova + level, e);
			break;
		case TABLE:
			if (in_pool(e & 0x000ffffffffff000u)) {
				scan_table(spec, pt, e & 0x000ffffffffff000u, level - 1, iova, scan);
				break;
			}
			/* fall through */
		default:
			scan->bad = true;
		}
	}
}

struct ref_scan ref_scan(const struct spec *spec, const struct pgtable *pt)
{
	struct ref_scan scan = { 0 };

	scan_table(spec, pt, pt->root, pt->levels, 0, &scan);
	return scan;
}

/* ---- the naive map ---- */

void model_init(struct model *m, const struct spec *spec, unsigned int levels, unsigned int features,
		unsigned int pa_bits)
{
	*m = (struct model){ .spec = spec, .levels = levels, .features = features, .pa_bits = pa_bits };
}

static unsigned int bucket_of(uint64_t iova, unsigned int level)
{
	uint64_t state = iova + level;

	return rnd(&state) % 4096;
}

static struct node *lookup(const struct model *m, uint64_t iova, unsigned int level)
{
	struct node *n = m->bucket[bucket_of(iova, level)];

	while (n && (n->iova != iova || n->level != level))
		n = n->next;
	return n;
}

static void add(struct model *m, uint64_t iova, unsigned int level, uint64_t pa, unsigned int prot)
{
	struct node **at = &m->bucket[bucket_of(iova, level)], *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	*n = (struct node){ .next = *at, .iova = iova, .level = level, .pa = pa, .prot = prot,
			    .call = m->calls };
	*at = n;
	if (prot)
		m->leaves++;
	else
		m->tables++;
}

/* Removes the nodes in [iova, end): all of them, or leaves alone. */
static void remove_range(struct model *m, uint64_t iova, uint64_t end, bool tables)
{
	for (unsigned int b = 0; b < 4096; b++) {
		struct node **at = &m->bucket[b], *n;

		while ((n = *at)) {
			if (n->iova < iova || n->iova + span_of(n->level) > end || (!n->prot && !tables)) {
				at = &n->next;
				continue;
			}
			if (n->prot)
				m->leaves--;
			else
				m->tables--;
			*at = n->next;
			free(n);
		}
	}
}

void model_fini(struct model *m)
{
	remove_range(m, 0, UINT64_MAX, true);
}

const struct node *model_find(const struct model *m, uint64_t iova)
{
	for (unsigned int level = 1; level <= 3; level++) {
		struct node *n = lookup(m, iova - iova % span_of(level), level);

		if (n && n->prot)
			return n;
	}
	return NULL;
}

static bool may_be_leaf(const struct model *m, unsigned int level)
{
	return level == 1 || (level == 2 && m->features & PGTABLE_2M) ||
	       (level == 3 && m->features & PGTABLE_1G);
}

/* The part of [iova, end) that the table at @base, whose entries are of @level, holds. */
static int map_in(struct model *m, uint64_t base, unsigned int level, uint64_t iova, uint64_t end,
		  uint64_t pa, unsigned int prot)
{
	uint64_t span = span_of(level), slot = iova - iova % span;

	for (; slot < end && slot - base < 512 * span; slot += span) {
		uint64_t from = slot < iova ? iova : slot, to = end - slot < span ? end : slot + span;
		struct node *n = lookup(m, slot, level);
		int r;

		if (n && n->prot)
			return -EEXIST;
		if (!n && to - from == span && may_be_leaf(m, level) && (pa + (from - iova)) % span == 0) {
			add(m, slot, level, pa + (from - iova), prot);
			continue;
		}
		if (!n)
			add(m, slot, level, 0, 0);
		r = map_in(m, slot, level - 1, from, to, pa + (from - iova), prot);
		if (r)
			return r;
	}
	return 0;
}

static int outside(const struct model *m, uint64_t iova, uint64_t size)
{
	uint64_t limit = UINT64_C(1) << m->spec->iova_bits[m->levels];

	return iova > limit || size > limit || iova + size > limit;
}

/* Removes the leaves that the running call made. */
static void forget(struct model *m)
{
	for (unsigned int b = 0; b < 4096; b++) {
		struct node **at = &m->bucket[b], *n;

		while ((n = *at)) {
			if (!n->prot || n->call != m->calls) {
				at = &n->next;
				continue;
			}
			*at = n->next;
			m->leaves--;
			free(n);
		}
	}
}

int model_map(struct model *m, uint64_t iova, uint64_t pa, uint64_t size, unsigned int prot)
{
	int r;

	if (!size || iova % K4 || pa % K4 || size % K4 || !prot || prot > 3)
		return -EINVAL;
	if (m->spec->format == PGTABLE_X86_64 && prot == W)
		return -EOPNOTSUPP;
	if (outside(m, iova, size) || pa >> m->pa_bits || (pa + size - 1) >> m->pa_bits || pa + size < pa)
		return -ERANGE;
	m->calls++;
	r = map_in(m, 0, m->levels, iova, iova + size, pa, prot);
	if (r)
		forget(m);
	return r;
}

static bool inside(const struct node *n, uint64_t iova, uint64_t end)
{
	return n->iova >= iova && n->iova + span_of(n->level) <= end;
}

/* Whether a table above the node goes too. */
static bool below_taken(const struct model *m, const struct node *n, uint64_t iova, uint64_t end)
{
	for (unsigned int level = n->level + 1; level <= m->levels; level++) {
		const struct node *up = lookup(m, n->iova - n->iova % span_of(level), level);

		if (up && inside(up, iova, end))
			return true;
	}
	return false;
}

int model_unmap(struct model *m, uint64_t iova, uint64_t size, struct model_unmapped *u)
{
	uint64_t end = iova + size;

	*u = (struct model_unmapped){ 0 };
	if (!size || iova % K4 || size % K4)
		return -EINVAL;
	if (outside(m, iova, size))
		return -ERANGE;
	for (unsigned int b = 0; b < 4096; b++)
		for (const struct node *n = m->bucket[b]; n; n = n->next)
			if (n->prot && n->iova < end && n->iova + span_of(n->level) > iova &&
			    !inside(n, iova, end))
				return -EINVAL;
	for (unsigned int b = 0; b < 4096; b++) {
		for (const struct node *n = m->bucket[b]; n; n = n->next) {
			if (!inside(n, iova, end))
				continue;
			if (n->prot)
				u->exact += span_of(n->level);
			else
				u->pages++;
			if (below_taken(m, n, iova, end))
				continue;
			u->coarse += span_of(n->level);
			u->topmost += !n->prot;
		}
	}
	remove_range(m, iova, end, true);
	return 0;
}
