/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the page tables share: a pool; the formats described a second
 * time, from the specification and not from src/pgtable; and a naive map.
 *
 * The naive map is a heap of nodes, each a leaf or a table with its span. It knows
 * what a table is only as far as callers can tell: where one is, no larger leaf fits.
 */
#ifndef TESTS_PT_TEST_H
#define TESTS_PT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/quiesce.h"
#include "pgtable/pgtable.h"

#define K4 UINT64_C(0x1000)
#define M2 UINT64_C(0x200000)
#define G1 UINT64_C(0x40000000)
#define R UIOMMU_READ
#define W UIOMMU_WRITE
#define RW (UIOMMU_READ | UIOMMU_WRITE)

/* ---- numbers ---- */

static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t below(uint64_t *state, uint64_t n)
{
	return rnd(state) % n;
}

/* UIOMMU_TEST_SEED or a fixed one; a failing test prints what it used. */
uint64_t test_seed(void);

/* ---- memory ---- */

struct world {
	struct alloc alloc;
	struct quiesce quiesce;
	struct mem *mem;
	struct pool *pool;
};

void world_init(struct world *w);
/* Checks that nothing leaked. */
void world_fini(struct world *w);

/* ---- the formats, independently ---- */

struct spec {
	enum pgtable_format format;
	const char *name;
	unsigned int min_levels, max_levels;
	unsigned int features;			/* all that it has */
	unsigned int iova_bits[6];		/* by levels */
};

extern const struct spec specs[2];

struct ref_leaf {
	uint64_t iova, pa, size, entry;
	unsigned int prot;
};

/*
 * ref_walk - what hardware would find, by masks of this test's own
 * 1: mapped, *leaf is what maps it; 0: not mapped; -1: hardware would report a
 * reserved bit, or an entry is not as this library promises.
 */
int ref_walk(const struct spec *spec, const struct pgtable *pt, uint64_t iova, struct ref_leaf *leaf);

struct ref_scan {
	uint64_t leaves, tables;		/* the root included */
	uint64_t hash;				/* of all entries that are not 0, with their places */
	uint64_t leaf_hash;			/* of the leaves alone */
	bool bad;
};

/* Everything reachable. */
struct ref_scan ref_scan(const struct spec *spec, const struct pgtable *pt);

/* ---- the naive map ---- */

struct node {
	struct node *next;
	uint64_t iova, pa;
	unsigned int level, prot;		/* prot 0: a table of level - 1 that covers the same */
	uint64_t call;				/* number of the map that made it */
};

struct model {
	const struct spec *spec;
	unsigned int levels, features, pa_bits;
	struct node *bucket[4096];
	uint64_t leaves, tables;		/* the root not included */
	uint64_t calls;
};

void model_init(struct model *m, const struct spec *spec, unsigned int levels, unsigned int features,
		unsigned int pa_bits);
void model_fini(struct model *m);
int model_map(struct model *m, uint64_t iova, uint64_t pa, uint64_t size, unsigned int prot);

struct model_unmapped {
	uint64_t exact, coarse;
	uint64_t topmost, pages;		/* tables taken out */
};

int model_unmap(struct model *m, uint64_t iova, uint64_t size, struct model_unmapped *u);
/* The leaf that maps iova, or NULL. */
const struct node *model_find(const struct model *m, uint64_t iova);

static inline uint64_t span_of(unsigned int level)
{
	return K4 << (9 * (level - 1));
}

#endif
