/* SPDX-License-Identifier: MIT */
/*
 * Ahead of the caches of 6.2, two short cuts, which answer only what those would:
 *
 * A *quick* line, one per port: what the configuration caches said last, for one PASID.
 * It counts only for transactions with the very stamp that it was filled with.
 *
 * *Front* lines, some per agent: finished translations of 4 KiB, direct mapped. Only the
 * agent's thread looks at them, so they are plain memory.
 *
 * Invariants:
 * 1. A quick line carries the stamp s of the transaction whose lookup it is. All that
 *    this lookup used was current for s. A transaction with the same stamp may use all
 *    that is current for s (cache.h, 2): no invalidation came between the two.
 * 2. A front line carries such a stamp, too. Each IOTLB invalidation stores its number
 *    to the front generation of its domain id, the global one to iotlb_gen, before the
 *    count is raised. A line that is not below both was covered by nothing since s.
 *    So front lines die with any invalidation of their domain id; the IOTLB, which is
 *    exact, keeps what was not named, and is asked next.
 * 3. A front line's tag holds all that decides about its answer: unit, domain id, PASID,
 *    type, width of input addresses. It allows what can be done without a fault and
 *    without an update of memory. No address of the interrupt range is in it, neither
 *    before nor after translation.
 * 4. Unit numbers are not used again as long as the context lives, so that no line of a
 *    unit that is gone is taken for one of its successor.
 */
#ifndef HW_VTD_FRONT_H
#define HW_VTD_FRONT_H

#include "base/choice.h"
#include "hw/vtd/vtd_model.h"

#define FRONT_R BIT64(0)
#define FRONT_W BIT64(1)
#define FRONT_ADDR FIELD(63, 12)

#define FRONT_WAY_ADDR FIELD(63, 21)

_Static_assert(sizeof(struct front_line) * (FRONT_LINES + FRONT_WAYS) == AGENT_OWN_BYTES, "agent's memory");

/* Words of a quick line: w0 is the table's address with, below it, the rest. */
#define QUICK0_LEVELS	FIELD(2, 0)
#define QUICK0_PGTT	FIELD(5, 3)
#define QUICK0_PWSNP	BIT64(6)
#define QUICK0_FPD	BIT64(7)
#define QUICK0_PTR	FIELD(63, 12)
#define QUICK1_DID	FIELD(15, 0)
#define QUICK1_PASID	FIELD(35, 16)	/* that translates */
#define QUICK1_WIDTH	FIELD(42, 36)
#define QUICK1_REQ	FIELD(63, 43)	/* PASID of the request; none: all ones */

/* Tag of a front line: w1 without REQ, then type and unit. */
#define FRONT_TAG_PGTT	FIELD(45, 43)
#define FRONT_TAG_UNIT	FIELD(63, 46)
#define FRONT_UNITS	(1u << 18)

struct quick {
	uint64_t w0, w1;
};

static inline uint64_t quick_request(uint32_t pasid)
{
	return field_put(QUICK1_REQ, pasid & 0x1FFFFF);
}

/* True: *q is what a lookup would give a transaction of @stamp and @live. No lock. */
static inline bool quick_read(struct vtd_port *port, uint32_t pasid, uint64_t stamp, uint64_t live,
			      struct quick *q)
{
	struct quick_line *line = &port->quick;
	uint32_t seq = atomic_load_explicit(&line->seq, memory_order_acquire);
	uint64_t since = atomic_load_explicit(&line->stamp, memory_order_acquire);
	uint64_t when = atomic_load_explicit(&line->live, memory_order_acquire);

	q->w0 = atomic_load_explicit(&line->w[0], memory_order_acquire);
	q->w1 = atomic_load_explicit(&line->w[1], memory_order_acquire);
	/* Each load is an acquire: whoever saw a later filler's word sees its sequence number. */
	if (((since ^ stamp) | (when ^ live) | ((q->w1 ^ quick_request(pasid)) & QUICK1_REQ) | (seq & 1)) ||
	    atomic_load_explicit(&line->seq, memory_order_relaxed) != seq)
		return false;
	return !choose(CHOICE_HIT, 2);
}

static inline uint64_t front_tag(const struct vtd_model *m, const struct quick *q)
{
	return (q->w1 & ~QUICK1_REQ) | field_put(FRONT_TAG_PGTT, field_get(QUICK0_PGTT, q->w0)) |
	       field_put(FRONT_TAG_UNIT, m->unit);
}

static inline _Atomic uint64_t *quick_gen(struct vtd_model *m, const struct quick *q)
{
	return front_gen(&m->cache, (uint16_t)field_get(QUICK1_DID, q->w1));
}

static inline uint64_t front_right(uint32_t access)
{
	return access == UIOMMU_WRITE ? FRONT_W : FRONT_R;
}

/* Neighbours lie side by side; equal pages of different domains or units mostly do not meet. */
static inline uint64_t front_spread(uint64_t tag)
{
	return (tag & QUICK1_DID) * 0x9E5 + (tag >> 46) * 0x5A7;
}

static inline struct front_line *front_line(struct uiommu_agent *agent, uint64_t iova, uint64_t tag)
{
	uint64_t h = (iova >> 12) + front_spread(tag);

	return (struct front_line *)(void *)agent->own + h % FRONT_LINES;
}

/* The way to the table that holds the entry of a 4 KiB page. */
static inline struct front_line *front_way(struct uiommu_agent *agent, uint64_t iova, uint64_t tag)
{
	uint64_t h = (iova >> 21) + front_spread(tag);

	return (struct front_line *)(void *)agent->own + FRONT_LINES + h % FRONT_WAYS;
}

/*
 * (2). @gen: of the domain id. Lines with lower stamps are dead. Holds for transactions with
 * a stamp that was taken before and is still the count: no invalidation ended since.
 */
static inline uint64_t front_floor(struct cache *c, _Atomic uint64_t *gen)
{
	uint64_t all = gen_read(&c->iotlb_gen), one = gen_read(gen);

	return all > one ? all : one;
}

static inline bool front_current(struct cache *c, const struct front_line *line, uint64_t tag,
				 _Atomic uint64_t *gen)
{
	return line->tag == tag && line->stamp >= front_floor(c, gen);
}

static inline bool front_matches(const struct front_line *line, uint64_t iova, uint64_t tag, uint64_t right)
{
	return !((line->page ^ iova) >> 12 | (line->tag ^ tag)) && (line->pa & right);
}

static inline bool front_hit(struct cache *c, const struct front_line *line, uint64_t iova, uint64_t tag,
			     uint64_t right, _Atomic uint64_t *gen)
{
	return front_matches(line, iova, tag, right) && line->stamp >= front_floor(c, gen);
}

static inline uint64_t front_pa(const struct front_line *line, uint64_t iova)
{
	return (line->pa & FRONT_ADDR) | (iova & ~FRONT_ADDR);
}

#endif
