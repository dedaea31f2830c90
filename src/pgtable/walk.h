/* SPDX-License-Identifier: MIT */
/*
 * The walker of all formats. An instantiation includes a format's header, defines
 * PGTABLE_PREFIX as the prefix of its names and includes this file, which defines
 * <prefix>_ops. Everything is static: the compiler sees format and walk as one.
 *
 * Each call goes from the root to one table, handles a run of entries there, and
 * begins at the root again for the next run: at most 512 entries share a descent,
 * and a walk needs no state but its address.
 *
 * After every store that hardware can see stands PGTABLE_STORED(pt, slot): nothing in
 * production, a choice point in the steered build, whatever a test defines otherwise.
 */
#include <errno.h>

#include "base/choice.h"
#include "base/rcu.h"
#include "pgtable/format.h"

#ifndef PGTABLE_STORED
#define PGTABLE_STORED(pt, slot) choice_interleave(CHOICE_STORE)
#endif

/* gcc measures a function before constants made it small. */
#define PT_INLINE inline __attribute__((always_inline))
#define PT_NOINLINE __attribute__((noinline))	/* what is rare stays out of the registers of what is not */
#define PGTABLE_PASTE_(a, b) a##_##b
#define PGTABLE_PASTE(a, b) PGTABLE_PASTE_(a, b)
#define PT(name) PGTABLE_PASTE(PGTABLE_PREFIX, name)

enum {
	/*
	 * pool_page.live of a table above level 1: bit g is set before the first time
	 * that an entry of group g points to a table, and stays. It spares reap() and
	 * fini() the entries of the other groups.
	 */
	PT(GROUP) = PGTABLE_ENTRIES / 32,
	/* What a table of level 1 spans. */
	PT(SMALL) = PGTABLE_ENTRIES << PGTABLE_LG2_PAGE,
};

/*
 * What to add to a PA of the pool to have its pointer. A number, which the compiler
 * adds to the index ahead of the load that the address comes from.
 */
static PT_INLINE uintptr_t PT(bias)(const struct pgtable *pt)
{
	const struct pool_map *map = (const struct pool_map *)pt->pool;

	return (uintptr_t)map->host - map->base;
}

/* The entry for @iova in the table at @pa. */
static PT_INLINE pgtable_slot *PT(slot)(uintptr_t bias, uiommu_pa_t pa, uiommu_iova_t iova,
					unsigned int level)
{
	uintptr_t indexed = bias + pgtable_index(iova, level) * sizeof(pgtable_slot);

	/* gcc would add the index to pa first, which comes last. */
	__asm__("" : "+r"(indexed));
	return (pgtable_slot *)(indexed + pa);
}

static PT_INLINE pgtable_slot *PT(table)(const struct pgtable *pt, uiommu_pa_t pa)
{
	return (pgtable_slot *)(PT(bias)(pt) + pa);
}

/* Acquire: what the entry points to, if it is a table, was complete before it. */
static PT_INLINE uint64_t PT(load)(pgtable_slot *slot)
{
	return atomic_load_explicit(slot, memory_order_acquire);
}

/* Release: who finds a leaf sees what the caller wrote to the page before mapping it. */
static PT_INLINE void PT(store)(struct pgtable *pt, pgtable_slot *slot, uint64_t entry)
{
	atomic_store_explicit(slot, entry, memory_order_release);
	PGTABLE_STORED(pt, slot);
}

/* Whether [iova, iova + size) leaves the table. */
static PT_INLINE bool PT(outside)(const struct pgtable *pt, uiommu_iova_t iova, uint64_t size)
{
	uint64_t span = UINT64_C(1) << PT(iova_bits)(pt->levels);

	return iova >= span || size > span - iova;
}

/* One step of leaf_slot(): the table below, or 0, which is no PA. */
static PT_INLINE uiommu_pa_t PT(down)(uintptr_t bias, uiommu_pa_t pa, uiommu_iova_t iova, unsigned int level)
{
	uint64_t entry = PT(load)(PT(slot)(bias, pa, iova, level));

	return PT(is_table)(entry) ? PT(address)(entry) : 0;
}

/* The entry of level 1 for @iova, or NULL if there is no such table. Constant levels: four loads. */
static PT_INLINE pgtable_slot *PT(leaf_slot)(const struct pgtable *pt, uiommu_iova_t iova)
{
	uintptr_t bias = PT(bias)(pt);
	uiommu_pa_t pa = pt->root;

	switch (pt->levels) {
	case 5:
		pa = PT(down)(bias, pa, iova, 5);
		if (!pa)
			return NULL;
		/* fall through */
	case 4:
		pa = PT(down)(bias, pa, iova, 4);
		if (!pa)
			return NULL;
		/* fall through */
	default:
		pa = PT(down)(bias, pa, iova, 3);
		if (!pa)
			return NULL;
		pa = PT(down)(bias, pa, iova, 2);
		if (!pa)
			return NULL;
	}
	return PT(slot)(bias, pa, iova, 1);
}

/* Whether the range is in one table of level 1 and is not all of it: what drivers of devices do most. */
static PT_INLINE bool PT(is_small)(uiommu_iova_t iova, uint64_t size)
{
	return ((iova & (PT(SMALL) - 1)) + size <= PT(SMALL)) & (size < PT(SMALL));
}

/* Whether the format has leaves at this level under these features. */
static inline bool PT(has_leaves)(unsigned int features, unsigned int level)
{
	return level == 1 || (level == 2 && (features & PGTABLE_2M)) ||
	       (level == 3 && (features & PGTABLE_1G));
}

/* The largest leaf, by its level, that the addresses' alignment allows. */
static inline unsigned int PT(leaf_level)(unsigned int features, uint64_t addresses)
{
	unsigned int level;

	for (level = 3; level > 1; level--)
		if (PT(has_leaves)(features, level) &&
		    !(addresses & ((UINT64_C(1) << pgtable_shift(level)) - 1)))
			break;
	return level;
}

/*
 * Makes an empty table of @level and has *slot, an entry of @parent, point to it.
 * Returns what is in the slot then: another thread may have been first, with a table
 * on a disjoint range, and its entry counts. 0: out of memory.
 */
static PT_NOINLINE uint64_t PT(add_table)(struct pgtable *pt, pgtable_slot *parent, pgtable_slot *slot,
					  unsigned int level)
{
	struct pool_page *above = pool_desc(pt->pool, pool_pa(pt->pool, parent));
	uint32_t group = UINT32_C(1) << ((slot - parent) / PT(GROUP));
	uiommu_pa_t pa = pool_get(pt->pool);
	struct pool_page *desc;
	uint64_t found = 0, entry;

	if (!pa)
		return 0;
	desc = pool_desc(pt->pool, pa);
	desc->level = level;
	atomic_store_explicit(&desc->live, 0, memory_order_relaxed);
	/* Before the entry: whoever frees the parent, a grace period later, sees both. */
	if (!(atomic_load_explicit(&above->live, memory_order_relaxed) & group))
		atomic_fetch_or_explicit(&above->live, group, memory_order_relaxed);

	/* Hardware sees no entry before, an empty table after: not present either way. */
	entry = PT(make_table)(pa);
	if (!atomic_compare_exchange_strong_explicit(slot, &found, entry, memory_order_acq_rel,
						     memory_order_acquire)) {
		pool_put(pt->pool, pa);
		return found;
	}
	PGTABLE_STORED(pt, slot);
	return entry;
}

/* How many entries from here on are 0; at most n. */
static inline unsigned int PT(free_slots)(pgtable_slot *slot, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (atomic_load_explicit(&slot[i], memory_order_relaxed))
			break;
	return i;
}

/* Stores n leaves side by side, the first of which is @leaf. Each: not present before, the leaf after. */
static PT_INLINE void PT(fill)(struct pgtable *pt, pgtable_slot *slot, unsigned int n, uint64_t leaf,
			       uint64_t step)
{
	pgtable_slot *end = slot + n;

	for (; slot != end; slot++, leaf += step)
		PT(store)(pt, slot, leaf);
}

/* Maps n pages in a table of level 1: 0 or -EEXIST. */
static PT_INLINE int PT(map_pages)(struct pgtable *pt, pgtable_slot *slot, unsigned int n, uiommu_pa_t pa,
				uint64_t bits)
{
	uint64_t used = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		used |= atomic_load_explicit(&slot[i], memory_order_relaxed);
	if (used)
		return -EEXIST;
	PT(fill)(pt, slot, n, PT(make_leaf)(bits, pa, 1), UIOMMU_PAGE_SIZE);
	return 0;
}

/*
 * Maps what one table takes of [iova, iova + size). Returns the number of bytes from
 * iova that are mapped now, -EEXIST or -ENOMEM with no leaf stored.
 */
static inline int64_t PT(map_run)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
				  uint64_t bits)
{
	unsigned int leaf_level = PT(leaf_level)(pt->features, iova | pa);
	pgtable_slot *table = PT(table)(pt, pt->root);
	unsigned int level, n;

	for (level = pt->levels;; level--) {
		unsigned int shift = pgtable_shift(level);
		unsigned int index = pgtable_index(iova, level);
		pgtable_slot *slot = &table[index];
		uint64_t entry;

		if (level <= leaf_level && PT(has_leaves)(pt->features, level)) {
			n = PGTABLE_ENTRIES - index;
			if (size >> shift < n)
				n = size >> shift;
			if (level == 1)
				return PT(map_pages)(pt, slot, n, pa, bits) ?: (int64_t)n << shift;
			n = PT(free_slots)(slot, n);
			PT(fill)(pt, slot, n, PT(make_leaf)(bits, pa, level), UINT64_C(1) << shift);
			if (n)
				return (int64_t)n << shift;
		}
		entry = PT(load)(slot);
		if (!entry)
			entry = PT(add_table)(pt, table, slot, level - 1);
		if (!entry)
			return -ENOMEM;
		if (PT(is_leaf)(entry, level))
			return -EEXIST;
		table = PT(table)(pt, PT(address)(entry));
	}
}

/* Bytes that the leaves in and below a table map. */
static uint64_t PT(count_below)(const struct pgtable *pt, uiommu_pa_t pa, unsigned int level)
{
	pgtable_slot *table = PT(table)(pt, pa);
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < PGTABLE_ENTRIES; i++) {
		uint64_t entry = PT(load)(&table[i]);

		if (!entry)
			continue;
		if (PT(is_leaf)(entry, level))
			bytes += UINT64_C(1) << pgtable_shift(level);
		else
			bytes += PT(count_below)(pt, PT(address)(entry), level - 1);
	}
	return bytes;
}

/* Takes a table out. An exchange: of two unmaps that overlap by mistake one gets it. */
static PT_NOINLINE void PT(take_table)(struct pgtable *pt, pgtable_slot *slot, unsigned int level,
				       struct pgtable_gather *gather)
{
	uint64_t entry = atomic_exchange_explicit(slot, 0, memory_order_acq_rel);
	uiommu_pa_t pa = PT(address)(entry);

	PGTABLE_STORED(pt, slot);
	if (!entry)
		return;
	if (PT(is_leaf)(entry, level) || gather->coarse)
		gather->unmapped += UINT64_C(1) << pgtable_shift(level);
	else
		gather->unmapped += PT(count_below)(pt, pa, level - 1);
	if (!PT(is_leaf)(entry, level))
		pool_list_add(pt->pool, &gather->taken, pa);
}

/*
 * Clears n entries of a table above level 1, up to the first that points to a table
 * when there is no gather to take it. Returns how many were handled.
 */
static inline unsigned int PT(clear_slots)(struct pgtable *pt, pgtable_slot *slot, unsigned int n,
					   unsigned int level, struct pgtable_gather *gather)
{
	uint64_t leaves = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint64_t entry = PT(load)(&slot[i]);

		if (!entry)
			continue;
		if (PT(is_leaf)(entry, level)) {
			PT(store)(pt, &slot[i], 0);
			leaves++;
		} else if (gather) {
			PT(take_table)(pt, &slot[i], level, gather);
		} else {
			break;
		}
	}
	if (gather)
		gather->unmapped += leaves << pgtable_shift(level);
	return i;
}

/* Clears n entries of a table of level 1 and returns how many of them were leaves. */
static PT_INLINE unsigned int PT(clear_pages)(struct pgtable *pt, pgtable_slot *slot, unsigned int n)
{
	unsigned int i, leaves = 0;

	for (i = 0; i < n; i++) {
		/* No branch on what is there: a hole is stored to as well, with what it holds. */
		leaves += atomic_load_explicit(&slot[i], memory_order_relaxed) != 0;
		PT(store)(pt, &slot[i], 0);
	}
	return leaves;
}

/*
 * Clears what one table takes of [iova, end), and takes out tables if there is a
 * gather. Returns where to go on. A leaf that is covered in part stays: it can only
 * have come there since the caller looked.
 */
static inline uiommu_iova_t PT(clear_run)(struct pgtable *pt, uiommu_iova_t iova, uiommu_iova_t end,
					  struct pgtable_gather *gather)
{
	pgtable_slot *table = PT(table)(pt, pt->root);
	unsigned int level;

	for (level = pt->levels;; level--) {
		unsigned int shift = pgtable_shift(level);
		uint64_t span = UINT64_C(1) << shift;
		unsigned int index = pgtable_index(iova, level);
		pgtable_slot *slot = &table[index];
		unsigned int n = 0, leaves;
		uint64_t entry;

		if (!(iova & (span - 1))) {
			n = PGTABLE_ENTRIES - index;
			if ((end - iova) >> shift < n)
				n = (end - iova) >> shift;
		}
		if (level == 1) {
			leaves = PT(clear_pages)(pt, slot, n);
			if (gather)
				gather->unmapped += (uint64_t)leaves << shift;
			return iova + ((uint64_t)n << shift);
		}
		if (n)
			n = PT(clear_slots)(pt, slot, n, level, gather);
		if (n)
			return iova + ((uint64_t)n << shift);
		entry = PT(load)(slot);
		if (!entry || PT(is_leaf)(entry, level))
			return (iova | (span - 1)) < end ? (iova | (span - 1)) + 1 : end;
		table = PT(table)(pt, PT(address)(entry));
	}
}

/* Any range. On error all of [iova, at) is this call's; tables stay (pgtable.h, 3). */
static PT_NOINLINE int PT(map_range)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
				     uint64_t bits)
{
	uiommu_iova_t at = iova, end = iova + size;
	int64_t done;

	for (; at != end; at += done, pa += done) {
		done = PT(map_run)(pt, at, pa, end - at, bits);
		if (done < 0)
			goto out_clear;
	}
	return 0;

out_clear:
	while (iova != at)
		iova = PT(clear_run)(pt, iova, at, NULL);
	return (int)done;
}

static int PT(map)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size, unsigned int prot)
{
	uint64_t bits, limit = UINT64_C(1) << pt->pa_bits;
	pgtable_slot *slot = NULL;
	int r;

	if (!size || ((iova | pa | size) & (UIOMMU_PAGE_SIZE - 1)) || !prot ||
	    (prot & ~(UIOMMU_READ | UIOMMU_WRITE)))
		return -EINVAL;
	r = PT(leaf_bits)(prot, pt->features, &bits);
	if (r < 0)
		return r;
	if (PT(outside)(pt, iova, size) || pa >= limit || size > limit - pa)
		return -ERANGE;

	rcu_section_begin();
	if (PT(is_small)(iova, size))
		slot = PT(leaf_slot)(pt, iova);
	if (slot)
		r = PT(map_pages)(pt, slot, size >> PGTABLE_LG2_PAGE, pa, bits);
	else
		r = PT(map_range)(pt, iova, pa, size, bits);
	rcu_section_end();
	return r;
}

/* Whether there is a leaf that maps both the byte before and the byte at @iova. */
static inline bool PT(inside_leaf)(struct pgtable *pt, uiommu_iova_t iova)
{
	pgtable_slot *table = PT(table)(pt, pt->root);
	unsigned int level;

	for (level = pt->levels; iova & ((UINT64_C(1) << pgtable_shift(level)) - 1); level--) {
		uint64_t entry = PT(load)(&table[pgtable_index(iova, level)]);

		if (!entry)
			return false;
		if (PT(is_leaf)(entry, level))
			return true;
		table = PT(table)(pt, PT(address)(entry));
	}
	return false;
}

/* Any range. */
static PT_NOINLINE int PT(unmap_range)(struct pgtable *pt, uiommu_iova_t iova, uiommu_iova_t end,
				       struct pgtable_gather *gather)
{
	if (PT(inside_leaf)(pt, iova) || PT(inside_leaf)(pt, end))
		return -EINVAL;
	while (iova != end)
		iova = PT(clear_run)(pt, iova, end, gather);
	return 0;
}

static int PT(unmap)(struct pgtable *pt, uiommu_iova_t iova, uint64_t size, struct pgtable_gather *gather)
{
	pgtable_slot *slot = NULL;
	unsigned int n;
	int r = 0;

	if (!size || ((iova | size) & (UIOMMU_PAGE_SIZE - 1)))
		return -EINVAL;
	if (PT(outside)(pt, iova, size))
		return -ERANGE;

	rcu_section_begin();
	if (PT(is_small)(iova, size))
		slot = PT(leaf_slot)(pt, iova);
	if (slot) {
		n = PT(clear_pages)(pt, slot, size >> PGTABLE_LG2_PAGE);
		gather->unmapped += (uint64_t)n << PGTABLE_LG2_PAGE;
	} else {
		r = PT(unmap_range)(pt, iova, iova + size, gather);
	}
	rcu_section_end();
	return r;
}

/*
 * One level of iova_to_phys: true if *pa is the next table. The address is checked,
 * as nothing keeps the tables here (pgtable.h, 4).
 */
static PT_INLINE bool PT(look)(const struct pool_map *map, uintptr_t bias, uiommu_pa_t *pa, uint64_t *entry,
			    uiommu_iova_t iova, unsigned int level)
{
	*entry = PT(load)(PT(slot)(bias, *pa, iova, level));
	*pa = PT(address)(*entry);
	return PT(is_table)(*entry) && *pa - map->base < map->size;
}

static int PT(iova_to_phys)(struct pgtable *pt, uiommu_iova_t iova, uiommu_pa_t *out)
{
	const struct pool_map *map = (const struct pool_map *)pt->pool;
	uintptr_t bias = PT(bias)(pt);
	uiommu_pa_t pa = pt->root;
	unsigned int level = pt->levels;
	uint64_t entry;

	if (iova >> PT(iova_bits)(level))
		return -ENOENT;
	switch (level) {
	case 5:
		if (!PT(look)(map, bias, &pa, &entry, iova, 5))
			return -ENOENT;
		/* fall through */
	case 4:
		if (!PT(look)(map, bias, &pa, &entry, iova, 4))
			return -ENOENT;
		/* fall through */
	default:
		level = 3;
		if (!PT(look)(map, bias, &pa, &entry, iova, 3))
			break;
		level = 2;
		if (!PT(look)(map, bias, &pa, &entry, iova, 2))
			break;
		level = 1;
		entry = PT(load)(PT(slot)(bias, pa, iova, 1));
	}
	if (!PT(is_present)(entry) || !PT(is_leaf)(entry, level))
		return -ENOENT;
	*out = PT(address)(entry) | (iova & ((UINT64_C(1) << pgtable_shift(level)) - 1));
	return 0;
}

/* Lists the pages of dead tables: nobody else looks at them, so they are changed freely. */
static void PT(reap)(struct pgtable *pt, struct pgtable_gather *gather, struct pool_list *pages)
{
	struct pool_list *taken = &gather->taken;

	while (taken->n) {
		uiommu_pa_t pa = taken->head;
		struct pool_page *desc = pool_desc(pt->pool, pa);
		uint32_t groups = atomic_load_explicit(&desc->live, memory_order_relaxed);
		pgtable_slot *table = PT(table)(pt, pa);
		unsigned int i, level = desc->level;

		taken->head = desc->next;
		taken->n--;
		pool_list_add(pt->pool, pages, pa);
		for (; groups; groups &= groups - 1) {
			pgtable_slot *slot = &table[(unsigned int)__builtin_ctz(groups) * PT(GROUP)];

			for (i = 0; i < PT(GROUP); i++) {
				uint64_t entry = PT(load)(&slot[i]);

				if (entry && !PT(is_leaf)(entry, level))
					pool_list_add(pt->pool, taken, PT(address)(entry));
			}
		}
	}
}

static void PT(fini)(struct pgtable *pt)
{
	struct pgtable_gather gather = { 0 };
	struct pool_list pages = { 0 };

	pool_list_add(pt->pool, &gather.taken, pt->root);
	PT(reap)(pt, &gather, &pages);
	pool_put_list(pt->pool, &pages);
	pt->root = 0;
}

static uint64_t PT(visit_table)(struct pgtable *pt, uiommu_pa_t pa, unsigned int level, uiommu_iova_t iova,
				pgtable_leaf_fn fn, void *opaque)
{
	pgtable_slot *table = PT(table)(pt, pa);
	uint64_t span = UINT64_C(1) << pgtable_shift(level), tables = 1;
	unsigned int i;

	for (i = 0; i < PGTABLE_ENTRIES; i++, iova += span) {
		uint64_t entry = PT(load)(&table[i]);

		if (!entry)
			continue;
		if (!PT(is_leaf)(entry, level)) {
			tables += PT(visit_table)(pt, PT(address)(entry), level - 1, iova, fn, opaque);
		} else if (fn) {
			struct pgtable_leaf leaf = {
				.iova = iova,
				.pa = PT(address)(entry),
				.size = span,
				.prot = PT(permissions)(entry),
				.entry = entry,
			};

			fn(opaque, &leaf);
		}
	}
	return tables;
}

/* Calls fn, if any, for each leaf and returns the number of tables. */
static uint64_t PT(visit)(struct pgtable *pt, pgtable_leaf_fn fn, void *opaque)
{
	uint64_t tables;

	rcu_section_begin();
	tables = PT(visit_table)(pt, pt->root, pt->levels, 0, fn, opaque);
	rcu_section_end();
	return tables;
}

static void PT(stats_table)(struct pgtable *pt, uiommu_pa_t pa, unsigned int level,
			    struct pgtable_stats *stats)
{
	pgtable_slot *table = PT(table)(pt, pa);
	unsigned int i;

	stats->tables[level]++;
	for (i = 0; i < PGTABLE_ENTRIES; i++) {
		uint64_t entry = PT(load)(&table[i]);

		if (!entry)
			continue;
		if (PT(is_leaf)(entry, level))
			stats->leaves[level]++;
		else
			PT(stats_table)(pt, PT(address)(entry), level - 1, stats);
	}
}

/* Adds to what is in @stats. */
static void PT(stats)(struct pgtable *pt, struct pgtable_stats *stats)
{
	rcu_section_begin();
	PT(stats_table)(pt, pt->root, pt->levels, stats);
	rcu_section_end();
}

#define PGTABLE_STRING_(s) #s
#define PGTABLE_STRING(s) PGTABLE_STRING_(s)

static const struct pgtable_ops PT(ops) = {
	.name = PGTABLE_STRING(PGTABLE_PREFIX),
	.map = PT(map),
	.unmap = PT(unmap),
	.iova_to_phys = PT(iova_to_phys),
	.fini = PT(fini),
	.reap = PT(reap),
	.visit = PT(visit),
	.stats = PT(stats),
};
