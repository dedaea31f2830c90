/* SPDX-License-Identifier: MIT */
/* IO page tables: what is the same for all formats. */
#include "pgtable/pgtable.h"

#include <errno.h>

#include "base/rcu.h"
#include "pgtable/format.h"

static const struct pgtable_limits *limits_of(enum pgtable_format format)
{
	switch (format) {
	case PGTABLE_VTDSS:
		return &vtdss_limits;
	case PGTABLE_X86_64:
		return &x86_64_limits;
	}
	return NULL;
}

int pgtable_init(struct pgtable *pt, struct pool *pool, enum pgtable_format format, unsigned int levels,
		 unsigned int features, unsigned int pa_bits)
{
	const struct pgtable_limits *limits = limits_of(format);
	const struct pool_map *map = (const struct pool_map *)pool;
	struct pool_page *desc;
	uiommu_pa_t root;

	if (!limits || levels < limits->min_levels || levels > limits->max_levels ||
	    (features & ~limits->features))
		return -EINVAL;
	if (pa_bits <= PGTABLE_LG2_PAGE || pa_bits > 52 || (map->base + map->size - 1) >> pa_bits)
		return -EINVAL;
	root = pool_get(pool);
	if (!root)
		return -ENOMEM;
	desc = pool_desc(pool, root);
	desc->level = levels;
	atomic_store_explicit(&desc->live, 0, memory_order_relaxed);
	*pt = (struct pgtable){
		.ops = limits->ops,
		.pool = pool,
		.root = root,
		.levels = levels,
		.features = features,
		.pa_bits = pa_bits,
	};
	return 0;
}

void pgtable_reap(struct pgtable *pt, struct pgtable_gather *gather, struct pool_list *pages)
{
	if (!gather->taken.n)
		return;
	/* Whoever came to these tables before they were taken out leaves them now. */
	rcu_wait();
	pt->ops->reap(pt, gather, pages);
}

uint64_t pgtable_count(struct pgtable *pt)
{
	return pt->ops->visit(pt, NULL, NULL);
}

void pgtable_stats(struct pgtable *pt, struct pgtable_stats *stats)
{
	*stats = (struct pgtable_stats){ .tables = { 0 } };
	pt->ops->stats(pt, stats);
}

void pgtable_for_each_leaf(struct pgtable *pt, pgtable_leaf_fn fn, void *opaque)
{
	pt->ops->visit(pt, fn, opaque);
}
