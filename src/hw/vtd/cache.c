/* SPDX-License-Identifier: MIT */
/*
 * Lines, sets and generations. The reasoning is in cache.h; numbers in brackets
 * are its invariants. All shared words are atomics, so that a reader that races
 * with a filler reads a mixture, notices by the sequence number, and misses.
 */
#include "hw/vtd/cache.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"

#define KEY_VALID	BIT64(0)
#define KEY_SIZE	FIELD(3, 1)
#define KEY_TABLE	BIT64(4)
#define KEY_ADDR	FIELD(63, 12)
#define TAG_DID		FIELD(15, 0)
#define TAG_PASID	FIELD(35, 16)
#define TAG_TYPE	FIELD(42, 40)
#define VAL_R		BIT64(0)
#define VAL_W		BIT64(1)
#define VAL_DIRTY	BIT64(2)
#define VAL_ADDR	FIELD(63, 12)
#define TABLE_HINT	(1u << 8)	/* cache.sizes: tables, from here on */

static unsigned int size_shift(unsigned int size)
{
	return 12 + 9 * size;
}

int cache_init(struct cache *c, struct alloc *a)
{
	memset(c, 0, sizeof(*c));
	c->did = alloc_zeroed(a, CACHE_DIDS, sizeof(*c->did));
	if (!c->did)
		return -ENOMEM;
	c->pasid = alloc_zeroed(a, CACHE_PASIDS, sizeof(*c->pasid));
	if (!c->pasid)
		goto err_did;
	c->sets_memory = alloc_zeroed(a, IOTLB_SETS + 1, sizeof(*c->sets));
	if (!c->sets_memory)
		goto err_pasid;
	c->sets = (struct iotlb_set *)(((uintptr_t)c->sets_memory + 63) & ~(uintptr_t)63);
	c->front = alloc_aligned(a, _Alignof(struct front_gen), CACHE_FRONTS * sizeof(*c->front));
	if (!c->front)
		goto err_sets;
	return 0;

err_sets:
	alloc_free(a, c->sets_memory);
err_pasid:
	alloc_free(a, c->pasid);
err_did:
	alloc_free(a, c->did);
	return -ENOMEM;
}

void cache_fini(struct cache *c, struct alloc *a)
{
	alloc_free_aligned(a, c->front);
	alloc_free(a, c->sets_memory);
	alloc_free(a, c->pasid);
	alloc_free(a, c->did);
}

static bool is_second(unsigned int type)
{
	return type == IOTLB_SECOND || type == IOTLB_SECOND_TABLE;
}

static bool is_table(unsigned int type)
{
	return type == IOTLB_SECOND_TABLE || type == IOTLB_FIRST_TABLE;
}

/* (3). @pasid: the filler's. */
static inline bool iotlb_current(struct cache *c, unsigned int type, uint16_t did, uint32_t pasid,
				 uint64_t stamp)
{
	if (gen_read(&c->iotlb_gen) > stamp || gen_read(&c->did[did].iotlb) > stamp)
		return false;
	if (type == IOTLB_FIRST && gen_read(&c->did[did].iotlb_first) > stamp)
		return false;
	return (is_second(type) && c->second_by_did) || gen_read(&pasid_gens(c, did, pasid)->iotlb) <= stamp;
}

/* ---- configuration lines ---- */

bool config_read(struct config_line *line, uint64_t key, uint64_t words[CONFIG_WORDS], uint64_t *stamp)
{
	uint32_t seq = atomic_load_explicit(&line->seq, memory_order_acquire);

	if ((seq & 1) || atomic_load_explicit(&line->key, memory_order_acquire) != key)
		return false;
	*stamp = atomic_load_explicit(&line->stamp, memory_order_acquire);
	for (unsigned int i = 0; i < CONFIG_WORDS; i++)
		words[i] = atomic_load_explicit(&line->word[i], memory_order_acquire);
	/* Each load above is an acquire: whoever saw a later filler's word sees its sequence number. */
	return atomic_load_explicit(&line->seq, memory_order_relaxed) == seq;
}

/* Makes the line ours to change; false if another one has it. */
static bool config_take(struct config_line *line, uint32_t *seq)
{
	*seq = atomic_load_explicit(&line->seq, memory_order_relaxed);
	if (*seq & 1)
		return false;
	return atomic_compare_exchange_strong_explicit(&line->seq, seq, *seq + 1, memory_order_acquire,
						       memory_order_relaxed);
}

void config_fill(struct config_line *line, uint64_t key, const uint64_t words[CONFIG_WORDS], uint64_t stamp)
{
	uint32_t seq;

	if (!config_take(line, &seq))
		return;
	atomic_store_explicit(&line->key, key, memory_order_release);
	atomic_store_explicit(&line->stamp, stamp, memory_order_release);
	for (unsigned int i = 0; i < CONFIG_WORDS; i++)
		atomic_store_explicit(&line->word[i], words[i], memory_order_release);
	atomic_store_explicit(&line->seq, seq + 2, memory_order_release);
}

void config_drop(struct config_line *line)
{
	uint32_t seq;

	if (!config_take(line, &seq))
		return;
	atomic_store_explicit(&line->key, 0, memory_order_release);
	atomic_store_explicit(&line->seq, seq + 2, memory_order_release);
}

/* ---- IOTLB ---- */

static uint64_t line_key(const struct iotlb_line *line, unsigned int size)
{
	return (line->iova & (~UINT64_C(0) << size_shift(size))) | KEY_VALID | field_put(KEY_SIZE, size);
}

static struct iotlb_set *find_set(struct cache *c, uint64_t iova, uint16_t did, unsigned int size)
{
	uint64_t h = (iova >> size_shift(size)) + did * UINT64_C(0x9E5) + size * UINT64_C(0x155);

	return &c->sets[(h ^ h >> 10) % IOTLB_SETS];
}

static unsigned int tag_type(uint64_t tag)
{
	return (unsigned int)field_get(TAG_TYPE, tag);
}

/* The parts of a line's tag that a lookup compares. */
static uint64_t tag_mask(uint64_t tag)
{
	return is_second(tag_type(tag)) ? TAG_DID : TAG_DID | TAG_PASID;
}

static bool way_read(struct cache *c, struct iotlb_set *set, unsigned int way, uint64_t key,
		     struct iotlb_line *line, unsigned int size)
{
	uint32_t seq = atomic_load_explicit(&set->seq, memory_order_acquire);
	uint64_t want = line->did | field_put(TAG_PASID, line->pasid);
	uint64_t tag, val, stamp;

	if ((seq & 1) || atomic_load_explicit(&set->key[way], memory_order_acquire) != key)
		return false;
	tag = atomic_load_explicit(&set->tag[way], memory_order_acquire);
	val = atomic_load_explicit(&set->val[way], memory_order_acquire);
	stamp = atomic_load_explicit(&set->stamp[way], memory_order_acquire);
	if (atomic_load_explicit(&set->seq, memory_order_relaxed) != seq)
		return false;
	if ((tag ^ want) & tag_mask(tag))
		return false;
	/* The filler's PASID counts, also for second stage, where lookups do not compare it (6.5.2.4). */
	if (!iotlb_current(c, tag_type(tag), line->did, (uint32_t)field_get(TAG_PASID, tag), stamp))
		return false;
	line->type = (uint8_t)tag_type(tag);
	line->size = (uint8_t)size;
	line->pa = val & VAL_ADDR;
	line->r = val & VAL_R;
	line->w = val & VAL_W;
	line->dirty = val & VAL_DIRTY;
	return true;
}

static void set_prefetch(const struct iotlb_set *set)
{
	for (size_t i = 0; i < sizeof(*set); i += 64)
		__builtin_prefetch((const char *)set + i, 1);
}

void iotlb_prefetch(struct cache *c, uint64_t iova, uint16_t did)
{
	set_prefetch(find_set(c, iova, did, 0));
}

bool iotlb_lookup(struct cache *c, struct iotlb_line *line)
{
	uint32_t sizes = atomic_load_explicit(&c->sizes, memory_order_relaxed);

	for (unsigned int size = 0; size < IOTLB_SIZES; size++) {
		uint64_t key = line_key(line, size);
		struct iotlb_set *set;

		/* Whoever sees an old value misses a line that another thread has just filled: allowed. */
		if (!(sizes & 1u << size))
			continue;
		set = find_set(c, line->iova, line->did, size);
		for (unsigned int way = 0; way < IOTLB_WAYS; way++)
			if (atomic_load_explicit(&set->key[way], memory_order_relaxed) == key &&
			    way_read(c, set, way, key, line, size))
				return true;
	}
	return false;
}

bool iotlb_lookup_table(struct cache *c, struct iotlb_line *line)
{
	uint64_t key = line_key(line, line->size) | KEY_TABLE;
	unsigned int type = line->type;
	struct iotlb_set *set;

	if (!(atomic_load_explicit(&c->sizes, memory_order_relaxed) & TABLE_HINT << line->size))
		return false;
	set = find_set(c, line->iova, line->did, line->size);
	for (unsigned int way = 0; way < IOTLB_WAYS; way++)
		if (atomic_load_explicit(&set->key[way], memory_order_relaxed) == key &&
		    tag_type(atomic_load_explicit(&set->tag[way], memory_order_relaxed)) == type &&
		    way_read(c, set, way, key, line, line->size) && line->type == type)
			return true;
	line->type = (uint8_t)type;
	return false;
}

static void set_begin(struct iotlb_set *set)
{
	uint32_t seq = atomic_load_explicit(&set->seq, memory_order_relaxed);

	/* The stores that follow are releases: whoever sees one of them sees this too. */
	atomic_store_explicit(&set->seq, seq + 1, memory_order_relaxed);
}

static void set_end(struct iotlb_set *set)
{
	uint32_t seq = atomic_load_explicit(&set->seq, memory_order_relaxed);

	atomic_store_explicit(&set->seq, seq + 1, memory_order_release);
}

/* The way that holds the same mapping, or the next victim. */
static unsigned int choose_way(struct iotlb_set *set, uint64_t key, uint64_t tag)
{
	unsigned int empty = IOTLB_WAYS;

	for (unsigned int way = 0; way < IOTLB_WAYS; way++) {
		uint64_t k = atomic_load_explicit(&set->key[way], memory_order_relaxed);

		if (!k)
			empty = way;
		else if (k == key && !((atomic_load_explicit(&set->tag[way], memory_order_relaxed) ^ tag) &
				       (tag_mask(tag) | TAG_TYPE)))
			return way;
	}
	return empty < IOTLB_WAYS ? empty : set->hand++ % IOTLB_WAYS;
}

/* (4). Under the set's lock. */
static bool removed_since(const struct iotlb_set *set, const struct iotlb_line *line, uint64_t stamp)
{
	const struct removals *r = &set->removals[is_table(line->type)];

	return (r->did == line->did ? r->last : r->others) > stamp;
}

static void note_removal(struct removals *r, uint16_t did, uint64_t n)
{
	if (r->did != did) {
		r->others = r->last;	/* numbers grow: none of another id is later */
		r->did = did;
	}
	r->last = n;
}

void iotlb_fill(struct cache *c, uint64_t stamp, const struct iotlb_line *line)
{
	bool table = is_table(line->type);
	uint64_t key = line_key(line, line->size) | (table ? KEY_TABLE : 0);
	uint64_t tag = line->did | field_put(TAG_PASID, line->pasid) | field_put(TAG_TYPE, line->type);
	uint64_t val = line->pa | (line->r ? VAL_R : 0) | (line->w ? VAL_W : 0) |
		       (line->dirty ? VAL_DIRTY : 0);
	struct iotlb_set *set = find_set(c, line->iova, line->did, line->size);
	uint32_t hint = (table ? TABLE_HINT : 1u) << line->size;
	unsigned int way;

	/* A dead line would do no harm, but take the place of a living one. */
	if (!iotlb_current(c, line->type, line->did, line->pasid, stamp) || !lock_try(&set->lock))
		return;
	if (removed_since(set, line, stamp))
		goto out;
	way = choose_way(set, key, tag);
	set_begin(set);
	atomic_store_explicit(&set->key[way], key, memory_order_release);
	atomic_store_explicit(&set->tag[way], tag, memory_order_release);
	atomic_store_explicit(&set->val[way], val, memory_order_release);
	atomic_store_explicit(&set->stamp[way], stamp, memory_order_release);
	set_end(set);
	if (!(atomic_load_explicit(&c->sizes, memory_order_relaxed) & hint))
		atomic_fetch_or_explicit(&c->sizes, hint, memory_order_relaxed);
out:
	lock_drop(&set->lock);
}

/* What a removal names. */
struct range {
	uint64_t addr, mask;	/* mask: the bits below the range's size */
	uint64_t tag;
	/* By type: the parts of the tag that must be equal; 0: not this type. */
	uint64_t compare[IOTLB_TYPES];
	uint64_t number;	/* of the invalidation; 0: an eviction */
	bool tables;		/* whether it names tables, too */
};

static bool range_hits(const struct range *r, uint64_t key, uint64_t tag)
{
	uint64_t page = (UINT64_C(1) << size_shift((unsigned int)field_get(KEY_SIZE, key))) - 1;
	uint64_t compare = r->compare[tag_type(tag)];

	/* Both are naturally aligned: they overlap if one contains the other. */
	return (key & KEY_VALID) && compare && !((tag ^ r->tag) & compare) &&
	       !((key ^ r->addr) & KEY_ADDR & ~(page | r->mask));
}

static void set_remove(struct iotlb_set *set, const struct range *r)
{
	lock_take(&set->lock);
	if (r->number)
		note_removal(&set->removals[0], (uint16_t)(r->tag & TAG_DID), r->number);
	if (r->number && r->tables)
		note_removal(&set->removals[1], (uint16_t)(r->tag & TAG_DID), r->number);
	for (unsigned int way = 0; way < IOTLB_WAYS; way++) {
		uint64_t k = atomic_load_explicit(&set->key[way], memory_order_relaxed);

		if (!k || !range_hits(r, k, atomic_load_explicit(&set->tag[way], memory_order_relaxed)))
			continue;
		set_begin(set);
		atomic_store_explicit(&set->key[way], 0, memory_order_release);
		set_end(set);
	}
	lock_drop(&set->lock);
}

static void range_remove(struct cache *c, const struct range *r)
{
	unsigned int sizes = r->tables ? IOTLB_TABLE_SIZES : IOTLB_SIZES;
	uint16_t did = (uint16_t)(r->tag & TAG_DID);

	if (r->mask >> 12 >= IOTLB_SETS / 4) {
		for (unsigned int i = 0; i < IOTLB_SETS; i++)
			set_remove(&c->sets[i], r);
		return;
	}
	for (unsigned int size = 0; size < sizes; size++)
		set_prefetch(find_set(c, r->addr & ~r->mask, did, size));
	for (unsigned int size = 0; size < sizes; size++) {
		uint64_t start = (r->addr & ~r->mask) >> size_shift(size);
		uint64_t last = (r->addr | r->mask) >> size_shift(size);

		for (uint64_t page = start; page <= last; page++)
			set_remove(find_set(c, page << size_shift(size), did, size), r);
	}
}

void iotlb_evict(struct cache *c, const struct iotlb_line *line)
{
	struct range r = {
		.addr = line->iova,
		.mask = 4095,
		.tag = line->did | field_put(TAG_PASID, line->pasid),
		.compare = { [IOTLB_SECOND] = TAG_DID,
			     [IOTLB_FIRST] = TAG_DID | TAG_PASID,
			     [IOTLB_PASS] = TAG_DID | TAG_PASID },
	};

	range_remove(c, &r);
}

/* ---- invalidations; one thread at a time ---- */

static uint64_t am_mask(unsigned int am)
{
	return am >= 52 ? ~UINT64_C(0) : (UINT64_C(4096) << am) - 1;
}

void iotlb_inv_pages(struct cache *c, uint16_t did, uint64_t addr, unsigned int am, bool leaf)
{
	struct range r = {
		.addr = addr,
		.mask = am_mask(am),
		.tag = did,
		.compare = { [IOTLB_SECOND] = TAG_DID,
			     [IOTLB_PASS] = TAG_DID,
			     [IOTLB_SECOND_TABLE] = leaf ? 0 : TAG_DID },
		.number = cache_inv_begin(c),
		.tables = c->tables && !leaf,
	};

	gen_set(front_gen(c, did), r.number);
	gen_set(&c->did[did].iotlb_first, r.number);
	range_remove(c, &r);
	cache_inv_end(c, r.number);
}

void iotlb_inv_pasid_pages(struct cache *c, uint16_t did, uint32_t pasid, uint64_t addr, unsigned int am,
			   bool leaf)
{
	struct range r = {
		.addr = addr,
		.mask = am_mask(am),
		.tag = did | field_put(TAG_PASID, pasid),
		.compare = { [IOTLB_FIRST] = TAG_DID | TAG_PASID,
			     [IOTLB_FIRST_TABLE] = leaf ? 0 : TAG_DID | TAG_PASID },
		.number = cache_inv_begin(c),
		.tables = c->tables && !leaf,
	};

	gen_set(front_gen(c, did), r.number);
	range_remove(c, &r);
	cache_inv_end(c, r.number);
}
