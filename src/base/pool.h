/* SPDX-License-Identifier: MIT */
/*
 * Pages that hardware reads: IO page tables, entries, queues. One range of
 * address space, one region of the memory map, faulted in ahead in chunks, so
 * that pa <-> pointer is one addition and no map() pays a page fault.
 * Every page has a descriptor that its owner may use.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <uiommu/types.h>

struct alloc;
struct mem;
struct pool;

struct pool_page {
	_Atomic uint32_t live;		/* owner's: e.g. entries in use of a table */
	uint32_t level;			/* owner's */
	uiommu_pa_t next;		/* link of a list; owner's while it owns the page */
};

/* A list of pages linked through their descriptors. Zero-initialise. Not locked. */
struct pool_list {
	uiommu_pa_t head;		/* 0: empty */
	size_t n;
};

struct pool_map {			/* what pool_va() needs; first member of struct pool */
	char *host;
	uiommu_pa_t base;
	uint64_t size;
	struct pool_page *desc;
};

/*
 * A pool of at most max_bytes, a region of mem at base; both multiples of 4096 and not 0.
 * 0, -EINVAL, -EEXIST (another region is there), -ENOMEM.
 */
int pool_create(struct alloc *a, struct mem *mem, uiommu_pa_t base, size_t max_bytes, struct pool **pool);
/* All pages should have been put back; those of a quarantined domain go with the pool. NULL is ignored. */
void pool_destroy(struct pool *pool);

/* One zeroed page, or 0 (no PA is 0). Any thread. */
uiommu_pa_t pool_get(struct pool *pool);
/*
 * 2^lg2 contiguous zeroed pages aligned to their size, or 0. One allocation. Blocks are
 * split for smaller orders and not joined again, so large ones are best taken early.
 */
uiommu_pa_t pool_get_order(struct pool *pool, unsigned int lg2);
void pool_put(struct pool *pool, uiommu_pa_t pa);
void pool_put_order(struct pool *pool, uiommu_pa_t pa, unsigned int lg2);
/* Puts the pages of a list, each of order 0, and empties it. */
void pool_put_list(struct pool *pool, struct pool_list *list);

/* Pages not put back yet. */
size_t pool_live(const struct pool *pool);

static inline void *pool_va(const struct pool *pool, uiommu_pa_t pa)
{
	const struct pool_map *m = (const struct pool_map *)pool;

	return m->host + (pa - m->base);
}

static inline uiommu_pa_t pool_pa(const struct pool *pool, const void *va)
{
	const struct pool_map *m = (const struct pool_map *)pool;

	return m->base + (uint64_t)((const char *)va - m->host);
}

static inline struct pool_page *pool_desc(const struct pool *pool, uiommu_pa_t pa)
{
	const struct pool_map *m = (const struct pool_map *)pool;

	return &m->desc[(pa - m->base) / UIOMMU_PAGE_SIZE];
}

static inline void pool_list_add(struct pool *pool, struct pool_list *list, uiommu_pa_t pa)
{
	pool_desc(pool, pa)->next = list->head;
	list->head = pa;
	list->n++;
}

#endif
