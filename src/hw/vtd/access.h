/* SPDX-License-Identifier: MIT */
/*
 * How the model reaches tables, queues and status words. Pages of the context's pool
 * are always there and always host memory: they are accessed directly, without a
 * search of the memory map and without an RCU section. All else goes through the map.
 * Same atomicity, order and errors as base/mem.h, whose words are little endian too.
 */
#ifndef HW_VTD_ACCESS_H
#define HW_VTD_ACCESS_H

#include <endian.h>
#include <errno.h>

#include "base/ctx.h"
#include "base/rcu.h"

typedef uint64_t __attribute__((may_alias)) vtd_word;

/* The host's address of a naturally aligned word in the pool, or NULL. */
static inline vtd_word *vtd_pool_word(struct uiommu_ctx *ctx, uiommu_pa_t pa)
{
	const struct pool_map *map = (const struct pool_map *)(const void *)ctx->pool;
	uint64_t off = pa - map->base;

	/* The pool is whole pages, so that an aligned word is in it wholly or not at all. */
	return off < map->size ? (vtd_word *)(void *)(map->host + off) : NULL;
}

static inline uint64_t vtd_word_load(const vtd_word *word)
{
	return le64toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}

/* Inside a DMA batch. */
static inline int vtd_table_load64(struct uiommu_ctx *ctx, uiommu_pa_t pa, uint64_t *val)
{
	const vtd_word *word = vtd_pool_word(ctx, pa);

	if (!word || pa % sizeof(*word))
		return mem_load64(ctx->mem, pa, val);
	*val = vtd_word_load(word);
	return 0;
}

/* Outside: the driver's side and the invalidation queue. */
static inline int vtd_own_load64(struct uiommu_ctx *ctx, uiommu_pa_t pa, uint64_t *val)
{
	const vtd_word *word = vtd_pool_word(ctx, pa);
	int err;

	if (word && pa % sizeof(*word) == 0) {
		*val = vtd_word_load(word);
		return 0;
	}
	rcu_section_begin();
	err = mem_load64(ctx->mem, pa, val);
	rcu_section_end();
	return err;
}

/* Two words at a 16-byte boundary, each for itself. */
static inline int vtd_own_load_pair(struct uiommu_ctx *ctx, uiommu_pa_t pa, uint64_t val[2])
{
	const vtd_word *word = vtd_pool_word(ctx, pa);
	int err;

	if (word && pa % (2 * sizeof(*word)) == 0) {
		val[0] = le64toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
		val[1] = le64toh(__atomic_load_n(word + 1, __ATOMIC_ACQUIRE));
		return 0;
	}
	err = vtd_own_load64(ctx, pa, &val[0]);
	return err ? err : vtd_own_load64(ctx, pa + sizeof(*word), &val[1]);
}

/* @n words, each loaded once; for what is not in the pool. */
static inline int vtd_map_load_words(struct uiommu_ctx *ctx, uiommu_pa_t pa, unsigned int n, uint64_t *val)
{
	int err = 0;

	rcu_section_begin();
	for (unsigned int i = 0; !err && i < n; i++)
		err = mem_load64(ctx->mem, pa + sizeof(*val) * i, &val[i]);
	rcu_section_end();
	return err;
}

static inline int vtd_own_load32(struct uiommu_ctx *ctx, uiommu_pa_t pa, uint32_t *val)
{
	typedef const uint32_t __attribute__((may_alias)) half;
	const vtd_word *word = vtd_pool_word(ctx, pa);
	uint64_t whole = 0;
	int err;

	if (word && pa % sizeof(half) == 0) {
		*val = le32toh(__atomic_load_n((half *)(const void *)word, __ATOMIC_ACQUIRE));
		return 0;
	}
	if (pa % sizeof(half))
		return -EINVAL;
	/* The map has no smaller loads; regions are whole pages. */
	rcu_section_begin();
	err = mem_load64(ctx->mem, pa & ~UINT64_C(7), &whole);
	rcu_section_end();
	if (!err)
		*val = (uint32_t)(pa & 4 ? whole >> 32 : whole);
	return err;
}

static inline int vtd_own_store32(struct uiommu_ctx *ctx, uiommu_pa_t pa, uint32_t val)
{
	typedef uint32_t __attribute__((may_alias)) half;
	vtd_word *word = vtd_pool_word(ctx, pa);
	int err;

	if (word && pa % sizeof(half) == 0) {
		__atomic_store_n((half *)(void *)word, htole32(val), __ATOMIC_RELEASE);
		return 0;
	}
	rcu_section_begin();
	err = mem_store32(ctx->mem, pa, val);
	rcu_section_end();
	return err;
}

static inline int vtd_own_store64(struct uiommu_ctx *ctx, uiommu_pa_t pa, uint64_t val)
{
	vtd_word *word = vtd_pool_word(ctx, pa);
	int err;

	if (word && pa % sizeof(*word) == 0) {
		__atomic_store_n(word, htole64(val), __ATOMIC_RELEASE);
		return 0;
	}
	rcu_section_begin();
	err = mem_store64(ctx->mem, pa, val);
	rcu_section_end();
	return err;
}

static inline int vtd_own_store128(struct uiommu_ctx *ctx, uiommu_pa_t pa, struct u128 val)
{
	vtd_word *word = vtd_pool_word(ctx, pa);
	int err;

	if (word && pa % sizeof(val) == 0) {
		val = (struct u128) { .lo = htole64(val.lo), .hi = htole64(val.hi) };
		a128_store((struct u128 *)(void *)word, val);
		return 0;
	}
	rcu_section_begin();
	err = mem_store128(ctx->mem, pa, val);
	rcu_section_end();
	return err;
}

#endif
