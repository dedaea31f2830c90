/* SPDX-License-Identifier: MIT */
/*
 * The life cycle of tags. The states are one byte each, changed by
 * compare-and-swap; the ids below give the numbers. A number goes back to the
 * ids after its state says free, so that who gets it finds it free.
 */
#include "update/tag.h"

#include <errno.h>

#include "base/alloc.h"
#include "update/mutant.h"

static _Atomic uint8_t *state_of(const struct tag_space *ts, uint32_t tag)
{
	if (tag < ts->ids.first || tag > ts->ids.last)
		return NULL;
	return &ts->cell[tag - ts->ids.first].state;
}

/*
 * @from: bitmap of the states that allow it. Acquire and release: what was done
 * to the tag before one step (entries cleared, flush waited for) is seen by
 * whoever takes the next one.
 */
static bool move(const struct tag_space *ts, uint32_t tag, unsigned int from, enum tag_state to)
{
	_Atomic uint8_t *state = state_of(ts, tag);
	uint8_t was;

	if (!state)
		return false;
	was = atomic_load_explicit(state, memory_order_relaxed);
	do {
		if (!(from & 1u << was))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(state, &was, (uint8_t)to, memory_order_acq_rel,
							memory_order_relaxed));
	return true;
}

int tag_space_init(struct tag_space *ts, struct alloc *a, uint32_t first, uint32_t last)
{
	int err;

	if (last < first || last - first >= INT32_MAX)
		return -EINVAL;
	ts->alloc = a;
	ts->cell = alloc_zeroed(a, (size_t)last - first + 1, sizeof(*ts->cell));
	if (!ts->cell)
		return -ENOMEM;
	for (size_t i = 0; i <= last - first; i++)
		atomic_init(&ts->cell[i].state, TAG_FREE);
	err = ids_init(&ts->ids, a, first, last);
	if (err)
		goto free_cells;
	return 0;

free_cells:
	alloc_free(a, ts->cell);
	ts->cell = NULL;
	return err;
}

void tag_space_fini(struct tag_space *ts)
{
	ids_fini(&ts->ids);
	alloc_free(ts->alloc, ts->cell);
	ts->cell = NULL;
}

int tag_get(struct tag_space *ts, uint32_t *tag)
{
	int err = ids_get(&ts->ids, tag);

	if (err)
		return err;
	/* Numbers that the ids give are free: only tag_put() gives them back. */
	move(ts, *tag, 1u << TAG_FREE, TAG_LIVE);
	return 0;
}

bool tag_retire(struct tag_space *ts, uint32_t tag)
{
	return move(ts, tag, 1u << TAG_LIVE, TAG_DYING);
}

bool tag_revive(struct tag_space *ts, uint32_t tag)
{
	return move(ts, tag, 1u << TAG_DYING | 1u << TAG_FLUSHED, TAG_LIVE);
}

bool tag_flushed(struct tag_space *ts, uint32_t tag)
{
	return move(ts, tag, 1u << TAG_DYING, TAG_FLUSHED);
}

int tag_put(struct tag_space *ts, uint32_t tag)
{
	unsigned int from = 1u << TAG_FLUSHED;

	if (mutant(MUTANT_TAG_REUSE_EARLY))
		from |= 1u << TAG_DYING;
	if (move(ts, tag, from, TAG_FREE)) {
		ids_put(&ts->ids, tag);
		return 0;
	}
	/* Another thread's put may have come between: then it is free, and this one is a double put. */
	return tag_quarantine(ts, tag) ? -EBUSY : -EINVAL;
}

/* What move() does, by a thread that no other one races with for this tag. */
static bool owner_move(const struct tag_space *ts, uint32_t tag, unsigned int from, enum tag_state to)
{
	_Atomic uint8_t *state = state_of(ts, tag);

	if (!state || !(from & 1u << atomic_load_explicit(state, memory_order_acquire)))
		return false;
	atomic_store_explicit(state, (uint8_t)to, memory_order_release);
	return true;
}

bool tag_owner_revive(struct tag_space *ts, uint32_t tag)
{
	return owner_move(ts, tag, 1u << TAG_DYING | 1u << TAG_FLUSHED, TAG_LIVE);
}

bool tag_owner_clean(struct tag_space *ts, uint32_t tag)
{
	return owner_move(ts, tag, 1u << TAG_LIVE, TAG_FLUSHED);
}

bool tag_quarantine(struct tag_space *ts, uint32_t tag)
{
	return move(ts, tag, ~(1u << TAG_FREE), TAG_QUARANTINED);
}

enum tag_state tag_state(const struct tag_space *ts, uint32_t tag)
{
	_Atomic uint8_t *state = state_of(ts, tag);

	return state ? (enum tag_state)atomic_load_explicit(state, memory_order_acquire) : TAG_QUARANTINED;
}
