/* SPDX-License-Identifier: MIT */
/*
 * IO page tables. One format is one header (vtdss.h, x86_64.h) over the walker in
 * walk.h, compiled once per format; the operations below are the seam, called
 * once per range, never per entry.
 *
 * Terms: level 1 holds 4 KiB leaves; a table has 512 entries; end is exclusive.
 *
 * Invariants:
 * 1. Hardware may walk at any time: every entry is changed by one 8-byte store or
 *    compare-and-swap, a table is complete before an entry points to it.
 * 2. unmap never allocates. A range that ends inside a leaf is refused before
 *    anything is changed.
 * 3. A table is taken out only by an unmap that covers its whole span, and is
 *    given to the caller, who frees it after the invalidation that covers it.
 * 4. map, unmap and iova_to_phys run from many threads, on disjoint ranges
 *    without a lock in common. Overlapping calls at the same time are the caller's
 *    mistake: memory stays safe, which of them wins is not said.
 */
#ifndef PGTABLE_PGTABLE_H
#define PGTABLE_PGTABLE_H

#include "base/pool.h"

struct pgtable;

enum pgtable_format {
	PGTABLE_VTDSS,		/* VT-d second stage, 3 to 5 levels */
	PGTABLE_X86_64,		/* first stage, 4 or 5 levels */
};

enum pgtable_features {
	PGTABLE_2M = 1,		/* leaves at level 2 */
	PGTABLE_1G = 2,		/* leaves at level 3 */
	PGTABLE_SNOOP = 4,	/* second stage: set SNP in leaves */
};

/* What an unmap took out. Zero-initialise. */
struct pgtable_gather {
	struct pool_list tables;	/* to be freed after the invalidation */
	uint64_t unmapped;		/* bytes that were mapped */
};

struct pgtable_ops {
	const char *name;
	/*
	 * [iova, iova + size) to pa, all multiples of 4096, no overflow, size > 0.
	 * 0; -ERANGE outside of the table or of pa_bits; -EEXIST something is mapped there;
	 * -ENOMEM. On error, what this call mapped is unmapped again; empty tables may stay.
	 */
	int (*map)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size, unsigned int prot);
	/* 0 (holes allowed); -EINVAL: the range ends inside a leaf, or -ERANGE: outside; nothing changed. */
	int (*unmap)(struct pgtable *pt, uiommu_iova_t iova, uint64_t size, struct pgtable_gather *gather);
	int (*iova_to_phys)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t *pa);
	/* All tables, the root too, to the pool. Nobody walks any more. */
	void (*fini)(struct pgtable *pt);
};

struct pgtable {
	const struct pgtable_ops *ops;
	struct pool *pool;
	uiommu_pa_t root;
	unsigned int levels;
	unsigned int features;		/* enum pgtable_features */
	unsigned int pa_bits;
};

/* An empty table. 0, -EINVAL (levels or features that the format lacks), -ENOMEM. */
int pgtable_init(struct pgtable *pt, struct pool *pool, enum pgtable_format format, unsigned int levels,
		 unsigned int features, unsigned int pa_bits);

/* Number of tables reachable from the root, the root included; for tests and show. */
uint64_t pgtable_count(struct pgtable *pt);

#endif
