/* SPDX-License-Identifier: MIT */
/*
 * Pages for hardware structures, from one range of address space. Fresh memory is
 * carved from the low end upwards and comes zeroed from the kernel; what is put back
 * goes to a list per order, last in, first out, so that hot pages are used again.
 *
 * Pages are zeroed when they are taken from a list, not when they are put: unmap
 * stays short, fresh pages are never zeroed twice, and the zeroed lines are in the
 * cache of the thread that fills the table next.
 *
 * Invariants:
 * 1. Every page below fresh is live or on exactly one list; none above was ever used.
 * 2. Memory below populated is backed; the descriptors of its pages too, where the
 *    kernel has MADV_POPULATE_WRITE.
 */
#include "base/pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "base/mem.h"

#define CHUNK ((uint64_t)2 << 20)	/* faulted in at once; a huge page where the kernel gives one */
#define ORDERS 20			/* 2^19 pages are 2 GiB */

struct pool {
	struct pool_map map;
	struct alloc *alloc;
	struct mem *mem;
	struct lock lock;
	uint64_t fresh;			/* offsets */
	uint64_t populated;
	uiommu_pa_t free[ORDERS];	/* linked through the descriptors; 0: empty */
	_Atomic size_t live;
	void *mapping;			/* what was mapped: host plus room for alignment */
	size_t mapping_size;
	size_t desc_size;
};

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		       0);

	return p == MAP_FAILED ? NULL : p;
}

int pool_create(struct alloc *a, struct mem *mem, uiommu_pa_t base, size_t max_bytes, struct pool **pool)
{
	struct pool *p;
	int err;

	if (!base || base % UIOMMU_PAGE_SIZE || !max_bytes || max_bytes % UIOMMU_PAGE_SIZE ||
	    max_bytes > SIZE_MAX - CHUNK || base + (max_bytes - 1) < base)
		return -EINVAL;
	p = alloc_struct(a, struct pool);
	if (!p)
		return -ENOMEM;
	p->alloc = a;
	p->mem = mem;
	lock_init(&p->lock);
	p->mapping_size = max_bytes + CHUNK;
	p->desc_size = max_bytes / UIOMMU_PAGE_SIZE * sizeof(struct pool_page);
	err = -ENOMEM;
	p->mapping = reserve(p->mapping_size);
	if (!p->mapping)
		goto out_free;
	p->map.desc = reserve(p->desc_size);
	if (!p->map.desc)
		goto out_unmap;
	p->map.host = (char *)(((uintptr_t)p->mapping + CHUNK - 1) & ~(uintptr_t)(CHUNK - 1));
	p->map.base = base;
	p->map.size = max_bytes;
	/* Only advice: without huge pages the pool is slower, not wrong. */
	madvise(p->map.host, max_bytes, MADV_HUGEPAGE);
	err = mem_add_pointer(mem, base, max_bytes, p->map.host);
	if (err)
		goto out_unmap_desc;
	*pool = p;
	return 0;

out_unmap_desc:
	munmap(p->map.desc, p->desc_size);
out_unmap:
	munmap(p->mapping, p->mapping_size);
out_free:
	alloc_free(a, p);
	return err;
}

void pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	/*
	 * Nobody does DMA any more. If the memory map cannot be changed for want of
	 * memory, the region stays in it until the map itself goes, right after.
	 */
	mem_remove(pool->mem, pool->map.base);
	munmap(pool->map.desc, pool->desc_size);
	munmap(pool->mapping, pool->mapping_size);
	alloc_free(pool->alloc, pool);
}

size_t pool_live(const struct pool *pool)
{
	return atomic_load_explicit(&pool->live, memory_order_relaxed);
}

static int back(char *p, size_t len)
{
#ifdef MADV_POPULATE_WRITE
	if (!madvise(p, len, MADV_POPULATE_WRITE))
		return 0;
	if (errno == ENOMEM)
		return -ENOMEM;
#endif
	/* Older kernels: one store per page. The pages are fresh, so zero changes nothing. */
	for (size_t off = 0; off < len; off += UIOMMU_PAGE_SIZE)
		*(volatile char *)(p + off) = 0;
	return 0;
}

/*
 * The descriptors of pages [first, end). The neighbours on the same host page are in
 * use, so nothing is touched here: older kernels back them when they are first used.
 */
static void back_desc(struct pool *pool, uint64_t first, uint64_t end)
{
#ifdef MADV_POPULATE_WRITE
	/* Down to a boundary that is one for every page size of the host. */
	size_t from = first * sizeof(struct pool_page) & ~(size_t)0xffff;

	madvise((char *)pool->map.desc + from, end * sizeof(struct pool_page) - from, MADV_POPULATE_WRITE);
#else
	(void)pool;
	(void)first;
	(void)end;
#endif
}

/* Backs everything below end. Lock held. */
static int populate(struct pool *pool, uint64_t end)
{
	uint64_t first = pool->populated, last;

	if (end <= first)
		return 0;
	last = (end + CHUNK - 1) & ~(CHUNK - 1);
	if (last > pool->map.size)
		last = pool->map.size;
	if (back(pool->map.host + first, last - first))
		return -ENOMEM;
	back_desc(pool, first / UIOMMU_PAGE_SIZE, last / UIOMMU_PAGE_SIZE);
	pool->populated = last;
	return 0;
}

static void list_push(struct pool *pool, unsigned int lg2, uiommu_pa_t pa)
{
	pool_desc(pool, pa)->next = pool->free[lg2];
	pool->free[lg2] = pa;
}

static uiommu_pa_t list_pop(struct pool *pool, unsigned int lg2)
{
	uiommu_pa_t pa = pool->free[lg2];

	pool->free[lg2] = pool_desc(pool, pa)->next;
	return pa;
}

/* From the lists; a larger block is split and its upper halves stay. Lock held. */
static uiommu_pa_t take_used(struct pool *pool, unsigned int lg2)
{
	unsigned int from = lg2;
	uiommu_pa_t pa;

	while (from < ORDERS && !pool->free[from])
		from++;
	if (from == ORDERS)
		return 0;
	pa = list_pop(pool, from);
	while (from-- > lg2)
		list_push(pool, from, pa + ((uint64_t)UIOMMU_PAGE_SIZE << from));
	return pa;
}

/* From the fresh end; what alignment skips goes to the lists as aligned blocks. Lock held. */
static uiommu_pa_t take_fresh(struct pool *pool, unsigned int lg2)
{
	uint64_t size = (uint64_t)UIOMMU_PAGE_SIZE << lg2;
	uiommu_pa_t at = pool->map.base + pool->fresh;
	uint64_t skip = (size - at % size) % size;
	uint64_t left = pool->map.size - pool->fresh;

	if (left < skip || left - skip < size || populate(pool, pool->fresh + skip + size))
		return 0;
	while (skip) {
		unsigned int block = (unsigned int)__builtin_ctzll(at / UIOMMU_PAGE_SIZE);

		list_push(pool, block, at);
		at += (uint64_t)UIOMMU_PAGE_SIZE << block;
		skip -= (uint64_t)UIOMMU_PAGE_SIZE << block;
	}
	pool->fresh = at + size - pool->map.base;
	return at;
}

uiommu_pa_t pool_get_order(struct pool *pool, unsigned int lg2)
{
	struct pool_page *desc;
	bool used = true;
	uiommu_pa_t pa;

	if (lg2 >= ORDERS || alloc_should_fail(pool->alloc))
		return 0;
	lock_take(&pool->lock);
	pa = take_used(pool, lg2);
	if (!pa) {
		used = false;
		pa = take_fresh(pool, lg2);
	}
	lock_drop(&pool->lock);
	if (!pa)
		return 0;
	if (used)
		memset(pool_va(pool, pa), 0, (size_t)UIOMMU_PAGE_SIZE << lg2);
	desc = pool_desc(pool, pa);
	for (size_t i = 0; i < (size_t)1 << lg2; i++) {
		atomic_store_explicit(&desc[i].live, 0, memory_order_relaxed);
		desc[i].level = 0;
		desc[i].next = 0;
	}
	atomic_fetch_add_explicit(&pool->live, (size_t)1 << lg2, memory_order_relaxed);
	alloc_count(pool->alloc, 1);
	return pa;
}

uiommu_pa_t pool_get(struct pool *pool)
{
	return pool_get_order(pool, 0);
}

void pool_put_order(struct pool *pool, uiommu_pa_t pa, unsigned int lg2)
{
	lock_take(&pool->lock);
	list_push(pool, lg2, pa);
	lock_drop(&pool->lock);
	atomic_fetch_sub_explicit(&pool->live, (size_t)1 << lg2, memory_order_relaxed);
	alloc_count(pool->alloc, -1);
}

void pool_put(struct pool *pool, uiommu_pa_t pa)
{
	pool_put_order(pool, pa, 0);
}

void pool_put_list(struct pool *pool, struct pool_list *list)
{
	uiommu_pa_t last = list->head;

	if (!last)
		return;
	while (pool_desc(pool, last)->next)
		last = pool_desc(pool, last)->next;
	lock_take(&pool->lock);
	pool_desc(pool, last)->next = pool->free[0];
	pool->free[0] = list->head;
	lock_drop(&pool->lock);
	atomic_fetch_sub_explicit(&pool->live, list->n, memory_order_relaxed);
	alloc_count(pool->alloc, -(long)list->n);
	*list = (struct pool_list) { 0 };
}
