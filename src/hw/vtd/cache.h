/* SPDX-License-Identifier: MIT */
/*
 * The caches of a remapping unit (specification chapter 6): context cache, PASID
 * cache and IOTLB, with the tags of 6.2 and the invalidation granularities of
 * 6.5.2, exactly: what a granularity does not name stays. Lookups take no lock.
 *
 * A transaction takes its stamp with cache_begin() before it looks at anything else.
 * Invalidations come from one thread at a time (the invalidation queue's lock).
 *
 * Invariants:
 * 1. Invalidations are numbered. Each stores its number to the generations that it
 *    names, takes out single lines under their set's lock and leaves its number in each
 *    set that it looked at; last it raises the count to its number. All with release
 *    order.
 * 2. A stamp is the count when a transaction began. Whoever has a stamp of n or more
 *    has seen all that invalidation n did and all that was stored before it, in memory
 *    too; whoever has a lower one may have read older things.
 * 3. A line carries its transaction's stamp and exists only while no generation that it
 *    depends on is above it. So a line whose transaction began before an invalidation
 *    that covers it ended is dead when that completes, also if it is filled afterwards;
 *    and one that does not cover it neither ends the line nor refuses its fill.
 * 4. Lines that are taken out singly: a fill compares its stamp with the set's number
 *    under the set's lock. Either the filler had the lock first, then the invalidation
 *    finds the line; or the invalidation had it first, then the filler sees its number.
 * 5. Thus nothing that was read before an invalidation that covers it began is found in
 *    that cache after it completed. What was read counts from the transaction's begin:
 *    the entries that led to a translation are covered with it. What a transaction has
 *    read already it may still use, once; whoever must know that it has ended drains.
 * 6. A transaction with a stamp of n or more hits no line that n covers (2): what it
 *    derives from a cached table or entry is not older than n. This is why the count
 *    comes last in (1).
 * 7. A context-cache invalidation does nothing to PASID lines, nor either to IOTLB lines.
 * 8. Not-present and faulting entries are never cached (CAP.CM=0, 6.1). The tables that
 *    led to one may be.
 *
 * Where this is kinder than hardware may be: generations of (domain id, PASID) and of
 * (domain id, RID) may be shared by several pairs, whose lines then go together; and a
 * page-selective invalidation refuses fills that began before it in all sets of its
 * range, of its domain id (if other ids came to the set meanwhile, of those too).
 */
#ifndef HW_VTD_CACHE_H
#define HW_VTD_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/choice.h"
#include "base/lock.h"

struct alloc;

/*
 * Generations: numbers of the last invalidation that named something. Per domain id;
 * iotlb_first: first-stage lines, which a page-selective type 2 drops all.
 */
struct did_gens {
	_Atomic uint64_t context, pasid, iotlb, iotlb_first;
};

/* Per (domain id, PASID), and context lines of legacy mode per (domain id, RID). Pairs may share one. */
struct pasid_gens {
	_Atomic uint64_t context, pasid, iotlb;
};

/*
 * Number of the last IOTLB invalidation of any kind that named a domain id: for those who
 * keep a copy of a line elsewhere (front.h). Domain ids share one, a cache line each.
 */
#define CACHE_FRONTS 512u

struct front_gen {
	_Atomic uint64_t last;
} __attribute__((aligned(64)));

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
	IOTLB_SECOND_TABLE,	/* tag: domain id; a paging-structure cache's line (6.2.4) */
	IOTLB_FIRST_TABLE,	/* tag: domain id and PASID */
	IOTLB_TYPES,
};

#define IOTLB_WAYS 4u
#define IOTLB_SETS 1024u
#define IOTLB_SIZES 3u		/* 4 KiB, 2 MiB, 1 GiB */
#define IOTLB_TABLE_SIZES 5u	/* what an entry that names a table spans: 2 MiB to 256 TiB, 1 to 4 */

/* Page-selective invalidations that looked at a set. */
struct removals {
	uint64_t last;		/* of did */
	uint64_t others;	/* of any other domain id; never too low */
	uint16_t did;
};

struct iotlb_set {
	_Atomic uint32_t seq;			/* odd while it changes */
	struct lock lock;			/* who changes it */
	uint32_t hand;				/* lock: next victim */
	_Atomic uint64_t key[IOTLB_WAYS];	/* address, size; 0: no line. A miss reads no further */
	_Atomic uint64_t tag[IOTLB_WAYS];	/* type, domain id and PASID of the filler */
	_Atomic uint64_t val[IOTLB_WAYS];	/* address and permissions */
	_Atomic uint64_t stamp[IOTLB_WAYS];
	struct removals removals[2];		/* lock: of translations, of tables */
} __attribute__((aligned(64)));

/* A translation as it is cached: a whole mapping. Or the way to a table, with the permissions so far. */
struct iotlb_line {
	uint64_t iova;		/* any address in it */
	uint64_t pa;		/* of the mapping's start; of the table */
	uint32_t pasid;
	uint16_t did;
	uint8_t type;		/* enum iotlb_type */
	uint8_t size;		/* 0: 4 KiB, 1: 2 MiB, 2: 1 GiB; tables: their level */
	bool r, w;
	bool dirty;		/* a write needs no update of D any more */
};

/* A configuration line: what a context or PASID entry decodes to. */
#define CONFIG_WORDS 4u

struct config_line {
	_Atomic uint32_t seq;		/* odd while it changes; made odd by the one who changes it */
	_Atomic uint64_t key;		/* 0: no line */
	_Atomic uint64_t stamp;
	_Atomic uint64_t word[CONFIG_WORDS];
};

struct cache {
	_Atomic uint64_t count;			/* invalidations so far */
	_Atomic uint64_t context_gen, pasid_gen, iotlb_gen;	/* global */
	_Atomic uint64_t pasid_any;		/* any PASID-cache invalidation */
	_Atomic uint32_t sizes;			/* page sizes ever cached; a hint for lookups */
	/* What the specification leaves open; set by the owner before the first use. */
	bool tables;				/* tables are cached too (6.2.4) */
	bool second_by_did;			/* PASID-selective type 6 keeps second-stage lines */
	struct did_gens *did;
	struct pasid_gens *pasid;
	struct front_gen *front;
	struct iotlb_set *sets;
	void *sets_memory;
};

/* 0 or -ENOMEM. */
int cache_init(struct cache *c, struct alloc *a);
void cache_fini(struct cache *c, struct alloc *a);

/* The stamp of what begins now (2). */
static inline uint64_t cache_begin(struct cache *c)
{
	return atomic_load_explicit(&c->count, memory_order_acquire);
}

static inline uint64_t gen_read(_Atomic uint64_t *gen)
{
	return atomic_load_explicit(gen, memory_order_acquire);
}

/* (did + 257 pasid): no two of the first 256 domain ids and 255 PASIDs share one. */
static inline struct pasid_gens *pasid_gens(struct cache *c, uint16_t did, uint32_t pasid)
{
	return &c->pasid[(did + pasid * 257u) % CACHE_PASIDS];
}

static inline _Atomic uint64_t *front_gen(struct cache *c, uint16_t did)
{
	return &c->front[did % CACHE_FRONTS].last;
}

/* Spread so that on one bus the first two hundred domain ids share none. */
static inline _Atomic uint64_t *pair_gen(struct cache *c, uint16_t did, uint16_t rid)
{
	return &c->pasid[(rid + did * 0x9E37u) % CACHE_PASIDS].context;
}

/*
 * The last invalidation that covers a line, which is dead if that is above its stamp.
 * @own: the port's generation.
 */
static inline uint64_t cache_context_gen(struct cache *c, _Atomic uint64_t *own)
{
	uint64_t all = gen_read(&c->context_gen), one = gen_read(own);

	return all > one ? all : one;
}

static inline uint64_t cache_legacy_gen(struct cache *c, _Atomic uint64_t *own, uint16_t rid, uint16_t did)
{
	uint64_t gen = cache_context_gen(c, own), domain = gen_read(&c->did[did].context);
	uint64_t pair = gen_read(pair_gen(c, did, rid));

	gen = domain > gen ? domain : gen;
	return pair > gen ? pair : gen;
}

static inline uint64_t cache_pasid_gen(struct cache *c, uint16_t did, uint32_t pasid)
{
	uint64_t gen = gen_read(&c->pasid_gen), domain = gen_read(&c->did[did].pasid);
	uint64_t pair = gen_read(&pasid_gens(c, did, pasid)->pasid);

	gen = domain > gen ? domain : gen;
	return pair > gen ? pair : gen;
}

/*
 * config_read - copy a line if it is there and consistent
 * True: @words and *@stamp are those of @key; the caller asks whether it is current. No lock.
 */
bool config_read(struct config_line *line, uint64_t key, uint64_t words[CONFIG_WORDS], uint64_t *stamp);
/* Publishes unless another filler is at it. */
void config_fill(struct config_line *line, uint64_t key, const uint64_t words[CONFIG_WORDS], uint64_t stamp);
void config_drop(struct config_line *line);

/* Fills in the rest of *@line from iova, did, pasid; false if nothing current is cached. No lock. */
bool iotlb_lookup(struct cache *c, struct iotlb_line *line);
/* Brings near where a 4 KiB line would be. */
void iotlb_prefetch(struct cache *c, uint64_t iova, uint16_t did);
/* The same for the way to a table of level line->size, with line->type. */
bool iotlb_lookup_table(struct cache *c, struct iotlb_line *line);
/* Publishes unless an invalidation after @stamp covers it, or another filler is at that set. */
void iotlb_fill(struct cache *c, uint64_t stamp, const struct iotlb_line *line);
/* Takes out the line that iotlb_lookup() would find, as any eviction may. */
void iotlb_evict(struct cache *c, const struct iotlb_line *line);

/* ---- invalidations; one thread at a time ---- */

/* The number of the one that begins (1). */
static inline uint64_t cache_inv_begin(struct cache *c)
{
	return atomic_load_explicit(&c->count, memory_order_relaxed) + 1;
}

static inline void cache_inv_end(struct cache *c, uint64_t n)
{
	/* Transactions may begin in the middle of an invalidation. */
	choice_interleave(CHOICE_COMMAND);
	atomic_store_explicit(&c->count, n, memory_order_release);
}

static inline void gen_set(_Atomic uint64_t *gen, uint64_t n)
{
	atomic_store_explicit(gen, n, memory_order_release);
}

/* An invalidation that is just one generation. */
static inline void gen_inv(struct cache *c, _Atomic uint64_t *gen)
{
	uint64_t n = cache_inv_begin(c);

	gen_set(gen, n);
	cache_inv_end(c, n);
}

/* 6.5.2.1 context-cache; device-selective is up to the caller, between cache_inv_begin() and _end(). */
static inline void cache_context_all(struct cache *c)
{
	gen_inv(c, &c->context_gen);
}

static inline void cache_context_domain(struct cache *c, uint16_t did)
{
	gen_inv(c, &c->did[did].context);
}

/* Legacy mode, device-selective, one requester. Lines with another domain id stay. */
static inline void cache_context_pair(struct cache *c, uint16_t did, uint16_t rid, uint64_t n)
{
	gen_set(pair_gen(c, did, rid), n);
}

/* 6.5.2.2 PASID-cache */
static inline void gen_inv_pasid(struct cache *c, _Atomic uint64_t *gen)
{
	uint64_t n = cache_inv_begin(c);

	gen_set(&c->pasid_any, n);
	gen_set(gen, n);
	cache_inv_end(c, n);
}

static inline void cache_pasid_all(struct cache *c)
{
	gen_inv_pasid(c, &c->pasid_gen);
}

static inline void cache_pasid_domain(struct cache *c, uint16_t did)
{
	gen_inv_pasid(c, &c->did[did].pasid);
}

static inline void cache_pasid_one(struct cache *c, uint16_t did, uint32_t pasid)
{
	gen_inv_pasid(c, &pasid_gens(c, did, pasid)->pasid);
}

/* 6.5.2.3 IOTLB */
static inline void gen_inv_iotlb(struct cache *c, uint16_t did, _Atomic uint64_t *gen)
{
	uint64_t n = cache_inv_begin(c);

	gen_set(front_gen(c, did), n);
	gen_set(gen, n);
	cache_inv_end(c, n);
}

static inline void iotlb_inv_all(struct cache *c)
{
	gen_inv(c, &c->iotlb_gen);
}

static inline void iotlb_inv_domain(struct cache *c, uint16_t did)
{
	gen_inv_iotlb(c, did, &c->did[did].iotlb);
}

/*
 * 2^am pages around addr: second-stage and pass-through lines there, and the domain's
 * first-stage lines. Without @leaf (IH=0) also the second-stage tables on the way there.
 */
void iotlb_inv_pages(struct cache *c, uint16_t did, uint64_t addr, unsigned int am, bool leaf);

/*
 * 6.5.2.4 PASID-based IOTLB: the lines of (did, pasid), second stage unless second_by_did;
 * of them, first-stage lines in the range, and without @leaf the tables on the way there.
 */
static inline void iotlb_inv_pasid(struct cache *c, uint16_t did, uint32_t pasid)
{
	gen_inv_iotlb(c, did, &pasid_gens(c, did, pasid)->iotlb);
}

void iotlb_inv_pasid_pages(struct cache *c, uint16_t did, uint32_t pasid, uint64_t addr, unsigned int am,
			   bool leaf);

#endif
