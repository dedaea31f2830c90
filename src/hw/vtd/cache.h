/* SPDX-License-Identifier: MIT */
/*
 * The caches of a remapping unit (specification chapter 6): context cache, PASID
 * cache and IOTLB, with the tags of 6.2 and the invalidation granularities of
 * 6.5.2, exactly: what a granularity does not name stays. Lookups take no lock.
 *
 * A transaction calls cache_begin() before it looks at anything else. Invalidations
 * come from one thread at a time (the invalidation queue's lock).
 *
 * Invariants:
 * 1. Each invalidation raises its epoch first, then the generations that it names,
 *    then takes out single lines under their set's lock, then (configuration only)
 *    raises the epoch again. All with release order.
 * 2. A line carries the sum of the generations that it depends on. They only grow,
 *    so the sum is current if and only if each of them is; a line whose sum is not
 *    current does not exist. A filler reads the generations after its transaction
 *    began and before it compares the epochs.
 * 3. A line is published only if no epoch that it depends on moved since its
 *    transaction began. If the filler had read a raised generation, the epoch that
 *    was raised before it (1) would be seen too and the line dropped: so a line that
 *    is published carries generations from before every invalidation that began
 *    after its transaction, and by (2) disappears with it.
 * 4. Lines that are taken out singly: the comparison of (3) is made under the set's
 *    lock. Either the filler had the lock first, then the invalidation finds the
 *    line; or the invalidation had it first, then the filler sees its epoch.
 * 5. Thus nothing that was read before an invalidation began is found in a cache
 *    after it completed. What a transaction has read already it may still use,
 *    once: it is not cached any more, and whoever must know that it has ended
 *    drains (an IOTLB invalidation with drain bits, 6.5.2.3).
 * 6. A transaction that begins inside a configuration invalidation may hit a line
 *    whose generation is about to be raised. The second raise of the epoch (1) ends
 *    its later fills; a fill before it is a fill before the invalidation completed.
 * 7. IOTLB lines depend on both epochs: a configuration invalidation ends also the
 *    fills of translations that were derived from older entries.
 * 8. Not-present and faulting entries are never cached (CAP.CM=0, 6.1).
 */
#ifndef HW_VTD_CACHE_H
#define HW_VTD_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

struct alloc;

/* Generations per domain id. iotlb_first: first-stage lines, which a page-selective type 2 drops all. */
struct did_gens {
	_Atomic uint64_t context, pasid, iotlb, iotlb_first;
};

/* Generations per (domain id, PASID). Two pairs may share one; an invalidation then drops more. */
struct pasid_gens {
	_Atomic uint64_t pasid, iotlb;
};

#define CACHE_DIDS 65536u
#define CACHE_PASIDS 65536u

/*
 * Of a line, not of a lookup: the tags of 6.2 do not contain the translation type. A
 * lookup hits a second-stage line of its domain id and any line of its domain id and
 * PASID. An entry that changes its type and keeps its tag without a flush shows here.
 */
enum iotlb_type {
	IOTLB_SECOND,		/* tag: domain id */
	IOTLB_FIRST,		/* tag: domain id and PASID */
	IOTLB_PASS,		/* tag: domain id and PASID */
};

#define IOTLB_WAYS 4u
#define IOTLB_SETS 1024u
#define IOTLB_SIZES 3u		/* 4 KiB, 2 MiB, 1 GiB */

struct iotlb_set {
	_Atomic uint32_t seq;			/* odd while it changes */
	struct lock lock;			/* who changes it */
	uint32_t hand;				/* lock: next victim */
	_Atomic uint64_t key[IOTLB_WAYS];	/* address, size; 0: no line */
	_Atomic uint64_t tag[IOTLB_WAYS];	/* type, domain id and PASID of the filler */
	_Atomic uint64_t val[IOTLB_WAYS];	/* address and permissions */
	_Atomic uint64_t gen[IOTLB_WAYS];
} __attribute__((aligned(64)));

/* A translation as it is cached: a whole mapping. */
struct iotlb_line {
	uint64_t iova;		/* any address in it */
	uint64_t pa;		/* of the mapping's start */
	uint32_t pasid;
	uint16_t did;
	uint8_t type;		/* enum iotlb_type */
	uint8_t size;		/* 0: 4 KiB, 1: 2 MiB, 2: 1 GiB */
	bool r, w;
	bool dirty;		/* a write needs no update of D any more */
};

/* A configuration line: what a context or PASID entry decodes to. */
#define CONFIG_WORDS 4u

struct config_line {
	_Atomic uint32_t seq;		/* odd while it changes; made odd by the one who changes it */
	_Atomic uint64_t key;		/* 0: no line */
	_Atomic uint64_t gen;
	_Atomic uint64_t word[CONFIG_WORDS];
};

struct cache {
	_Atomic uint64_t config_epoch, iotlb_epoch;
	_Atomic uint64_t context_gen, pasid_gen, iotlb_gen;	/* global */
	_Atomic uint32_t sizes;			/* page sizes ever cached; a hint for lookups */
	struct did_gens *did;
	struct pasid_gens *pasid;
	struct iotlb_set *sets;
	void *sets_memory;
};

/* What a transaction saw when it began. */
struct cache_txn {
	uint64_t config_epoch, iotlb_epoch;
};

/* 0 or -ENOMEM. */
int cache_init(struct cache *c, struct alloc *a);
void cache_fini(struct cache *c, struct alloc *a);

static inline void cache_begin(struct cache *c, struct cache_txn *txn)
{
	txn->config_epoch = atomic_load_explicit(&c->config_epoch, memory_order_acquire);
	txn->iotlb_epoch = atomic_load_explicit(&c->iotlb_epoch, memory_order_acquire);
}

/* For fetches of several granules: an invalidation in between ends them. */
static inline uint64_t cache_config_epoch(struct cache *c)
{
	return atomic_load_explicit(&c->config_epoch, memory_order_acquire);
}

/* Generation sums of configuration lines. @own: the port's generation. */
uint64_t cache_context_gen(struct cache *c, _Atomic uint64_t *own, bool legacy, uint16_t did);
uint64_t cache_pasid_gen(struct cache *c, uint16_t did, uint32_t pasid);

/*
 * config_read - copy a line if it is there and consistent
 * True: @words and *@gen are those of @key; the caller compares the generation. No lock.
 */
bool config_read(struct config_line *line, uint64_t key, uint64_t words[CONFIG_WORDS], uint64_t *gen);
/* Publishes unless a configuration invalidation began since @txn, or another filler is at it. */
void config_fill(struct cache *c, const struct cache_txn *txn, struct config_line *line, uint64_t key,
		 const uint64_t words[CONFIG_WORDS], uint64_t gen);
void config_drop(struct config_line *line);

/* Fills in the rest of *@line from iova, did, pasid; false if nothing current is cached. No lock. */
bool iotlb_lookup(struct cache *c, struct iotlb_line *line);
/* Publishes unless an invalidation began since @txn, or another filler is at that set. */
void iotlb_fill(struct cache *c, const struct cache_txn *txn, const struct iotlb_line *line);
/* Takes out the line that iotlb_lookup() would find, as any eviction may. */
void iotlb_evict(struct cache *c, const struct iotlb_line *line);

/* ---- invalidations; one thread at a time ---- */

/* One more; the counter has one writer at a time. */
static inline void gen_raise(_Atomic uint64_t *gen)
{
	atomic_store_explicit(gen, atomic_load_explicit(gen, memory_order_relaxed) + 1, memory_order_release);
}

static inline uint64_t gen_read(_Atomic uint64_t *gen)
{
	return atomic_load_explicit(gen, memory_order_acquire);
}

/* No two of the first 256 domain ids and 255 PASIDs share a generation. */
static inline struct pasid_gens *pasid_gens(struct cache *c, uint16_t did, uint32_t pasid)
{
	return &c->pasid[(did + pasid * 257u) % CACHE_PASIDS];
}

/* 6.5.2.1 context-cache; device-selective is the port's own generation, raised by the caller in between. */
static inline void cache_config_begin(struct cache *c)
{
	gen_raise(&c->config_epoch);
}

static inline void cache_config_end(struct cache *c)
{
	gen_raise(&c->config_epoch);
}

static inline void cache_context_all(struct cache *c)
{
	gen_raise(&c->context_gen);
}

static inline void cache_context_domain(struct cache *c, uint16_t did)
{
	gen_raise(&c->did[did].context);
}

/* 6.5.2.2 PASID-cache; between cache_config_begin() and cache_config_end() too. */
static inline void cache_pasid_all(struct cache *c)
{
	gen_raise(&c->pasid_gen);
}

static inline void cache_pasid_domain(struct cache *c, uint16_t did)
{
	gen_raise(&c->did[did].pasid);
}

static inline void cache_pasid_one(struct cache *c, uint16_t did, uint32_t pasid)
{
	gen_raise(&pasid_gens(c, did, pasid)->pasid);
}

/* 6.5.2.3 IOTLB */
static inline void iotlb_inv_all(struct cache *c)
{
	gen_raise(&c->iotlb_epoch);
	gen_raise(&c->iotlb_gen);
}

static inline void iotlb_inv_domain(struct cache *c, uint16_t did)
{
	gen_raise(&c->iotlb_epoch);
	gen_raise(&c->did[did].iotlb);
}

/* 2^am pages around addr: second-stage and pass-through lines there, and the domain's first-stage lines. */
void iotlb_inv_pages(struct cache *c, uint16_t did, uint64_t addr, unsigned int am);

/* 6.5.2.4 PASID-based IOTLB: all lines of (did, pasid); of them, first-stage lines in the range. */
static inline void iotlb_inv_pasid(struct cache *c, uint16_t did, uint32_t pasid)
{
	gen_raise(&c->iotlb_epoch);
	gen_raise(&pasid_gens(c, did, pasid)->iotlb);
}

void iotlb_inv_pasid_pages(struct cache *c, uint16_t did, uint32_t pasid, uint64_t addr, unsigned int am);

#endif
