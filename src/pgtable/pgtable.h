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
 *    compare-and-swap, a table is complete before an entry points to it. An entry
 *    is 0 or present; a present leaf is only ever changed to 0, 0 to anything.
 * 2. unmap never allocates. A range that begins or ends inside a leaf is refused
 *    before anything is changed.
 * 3. A table is taken out only by an unmap that covers its whole span, and is
 *    given to the caller, who frees it after the invalidation that covers it. The
 *    root is never taken out.
 * 4. map, unmap and iova_to_phys run from many threads, on disjoint ranges
 *    without a lock in common. Overlapping calls at the same time are the caller's
 *    mistake: memory stays safe, which of them wins is not said.
 *
 * Why memory stays safe in (4). On disjoint ranges nobody but the unmap itself is
 * below a table that it takes out. Overlapping, a map or unmap may still be inside
 * and store there, after the page has become somebody else's. Therefore:
 *  - map and unmap are RCU read sections, and pgtable_reap(), which makes free
 *    pages of what was taken out, waits for a grace period first. The call that
 *    takes tables out pays for it, and no other. What a late store left in the dead
 *    tables, new tables too, is found by reap(), as it looks into them only then.
 *  - iova_to_phys is no section, for it only reads: it follows an entry only to
 *    pages of the pool, which stay mapped. Its answer is then anything.
 *  - An entry that points to a table is cleared with an exchange, so that of two
 *    unmaps one gets the table. Leaves are checked, then stored: where a map of a
 *    large leaf meets the making of a table in the same slot at the same time, the
 *    table may be lost. It is then in use by nobody until the pool is destroyed,
 *    which is safe; excluding it would cost a locked operation per leaf.
 */
#ifndef PGTABLE_PGTABLE_H
#define PGTABLE_PGTABLE_H

#include "base/pool.h"

struct pgtable;

enum pgtable_format {
	PGTABLE_VTDSS,		/* VT-d second stage, 3 to 5 levels, IOVA of 12 + 9 * levels bits */
	/*
	 * First stage, 4 or 5 levels: the lower half of the canonical addresses,
	 * 11 + 9 * levels bits. No write-only mappings. A and D are preset, so that
	 * hardware has nothing to update.
	 */
	PGTABLE_X86_64,
};

enum pgtable_features {
	PGTABLE_2M = 1,		/* leaves at level 2 */
	PGTABLE_1G = 2,		/* leaves at level 3 */
	PGTABLE_SNOOP = 4,	/* second stage: set SNP in leaves */
};

/* What an unmap took out. Zero-initialise; several unmaps may add to one. */
struct pgtable_gather {
	/*
	 * Set by the caller: a table taken out counts as unmapped with its whole
	 * span, so that unmap need not look into it. 0 bytes still means: nothing
	 * was there, neither leaf nor table.
	 */
	bool coarse;
	uint64_t unmapped;		/* bytes that were mapped */
	/*
	 * Topmost tables taken out, with what is below them. Hardware may still walk
	 * them and cache them until the invalidation; then pgtable_reap().
	 */
	struct pool_list taken;
};

/* A present leaf, for dumps and tests. */
struct pgtable_leaf {
	uiommu_iova_t iova;
	uiommu_pa_t pa;
	uint64_t size;
	unsigned int prot;		/* enum uiommu_prot */
	uint64_t entry;			/* as it is in memory */
};

typedef void (*pgtable_leaf_fn)(void *opaque, const struct pgtable_leaf *leaf);

/* Tables, and leaves in them, by level; index 0 is not used. */
struct pgtable_stats {
	uint64_t tables[6], leaves[6];
};

struct pgtable_ops {
	const char *name;
	/*
	 * Maps [iova, iova + size) to pa with the largest leaves that iova, pa, size
	 * and the features allow; where a table is already in the way, the leaves go
	 * into it. 0, or, in this order of precedence:
	 * -EINVAL: not multiples of 4096, size 0, no or unknown bits in prot;
	 * -EOPNOTSUPP: prot is UIOMMU_WRITE alone and the format cannot say so;
	 * -ERANGE: outside of the table or of pa_bits;
	 * -EEXIST: something is mapped there; -ENOMEM.
	 * After the first three nothing was stored. After the last two, what this
	 * call mapped is unmapped again and empty tables may stay; hardware may have
	 * cached what was there meanwhile, so the caller invalidates the range as after
	 * an unmap before it may call it unmapped. Nothing of an earlier map was changed.
	 */
	int (*map)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size, unsigned int prot);
	/*
	 * Removes all leaves in [iova, iova + size), takes out the tables that it
	 * covers, adds to @gather. 0 (holes allowed), or with nothing changed
	 * -EINVAL: not multiples of 4096, size 0, the range begins or ends inside a
	 * leaf; -ERANGE: outside of the table. Never allocates.
	 */
	int (*unmap)(struct pgtable *pt, uiommu_iova_t iova, uint64_t size, struct pgtable_gather *gather);
	/* 0 and *pa for any byte that is mapped; -ENOENT otherwise, also outside of the table. */
	int (*iova_to_phys)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t *pa);
	/* All tables, the root too, to the pool. Nobody walks or maps any more. */
	void (*fini)(struct pgtable *pt);
	/* Behind the functions below. */
	void (*reap)(struct pgtable *pt, struct pgtable_gather *gather, struct pool_list *pages);
	uint64_t (*visit)(struct pgtable *pt, pgtable_leaf_fn fn, void *opaque);
	void (*stats)(struct pgtable *pt, struct pgtable_stats *stats);
};

struct pgtable {
	const struct pgtable_ops *ops;
	struct pool *pool;
	uiommu_pa_t root;
	unsigned int levels;
	unsigned int features;		/* enum pgtable_features */
	unsigned int pa_bits;
};

/*
 * An empty table; pt->root is what an entry of the hardware points to. The caller
 * ends it with ops->fini(). 0; -EINVAL (levels or features that the format lacks,
 * pa_bits not in 13..52, a pool that lies beyond pa_bits); -ENOMEM.
 */
int pgtable_init(struct pgtable *pt, struct pool *pool, enum pgtable_format format, unsigned int levels,
		 unsigned int features, unsigned int pa_bits);

/*
 * pgtable_reap - the second half of an unmap, after its invalidation
 * @gather: nothing is taken in it any more afterwards
 * @pages: gets every page of what was taken out; they are the caller's now, who
 *	gives them back with pool_put_list()
 * Waits for an RCU grace period if anything was taken: not inside a read section.
 * Cannot fail, allocates nothing.
 */
void pgtable_reap(struct pgtable *pt, struct pgtable_gather *gather, struct pool_list *pages);

/* Number of tables reachable from the root, the root included; for tests and show. Any thread. */
uint64_t pgtable_count(struct pgtable *pt);

/*
 * How many tables and leaves there are. Any thread, also while others map and unmap: each
 * one counted was there at some time during the call, which is one RCU read section.
 */
void pgtable_stats(struct pgtable *pt, struct pgtable_stats *stats);

/*
 * Calls fn for every leaf, by ascending IOVA. Any thread, also while others map and
 * unmap: each leaf is then one that was there at some time during the call. fn runs
 * in an RCU read section: it must not block nor map or unmap.
 */
void pgtable_for_each_leaf(struct pgtable *pt, pgtable_leaf_fn fn, void *opaque);

#endif
