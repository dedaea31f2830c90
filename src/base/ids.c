/* SPDX-License-Identifier: MIT */
/*
 * A bitmap of taken numbers. Invariant: no word below hint has a free bit, and the
 * bits of the last word beyond the range are set for ever.
 */
#include "base/ids.h"

#include <errno.h>

#include "base/alloc.h"

#define WORD_BITS 64u

static uint64_t count(const struct ids *ids)
{
	return (uint64_t)ids->last - ids->first + 1;
}

static uint32_t words(const struct ids *ids)
{
	return (uint32_t)((count(ids) + WORD_BITS - 1) / WORD_BITS);
}

int ids_init(struct ids *ids, struct alloc *a, uint32_t first, uint32_t last)
{
	uint32_t tail;

	if (last < first)
		return -EINVAL;
	*ids = (struct ids) { .alloc = a, .first = first, .last = last };
	lock_init(&ids->lock);
	ids->used = alloc_zeroed(a, words(ids), sizeof(*ids->used));
	if (!ids->used)
		return -ENOMEM;
	tail = (uint32_t)(count(ids) % WORD_BITS);
	if (tail)
		ids->used[words(ids) - 1] = ~UINT64_C(0) << tail;
	return 0;
}

void ids_fini(struct ids *ids)
{
	alloc_free(ids->alloc, ids->used);
	ids->used = NULL;
}

int ids_get(struct ids *ids, uint32_t *id)
{
	int err = -ENOSPC;
	unsigned int bit;
	uint32_t w;

	lock_take(&ids->lock);
	for (w = ids->hint; w < words(ids) && !~ids->used[w]; w++)
		;
	ids->hint = w;
	if (w < words(ids)) {
		bit = (unsigned int)__builtin_ctzll(~ids->used[w]);
		ids->used[w] |= UINT64_C(1) << bit;
		*id = ids->first + w * WORD_BITS + bit;
		err = 0;
	}
	lock_drop(&ids->lock);
	return err;
}

void ids_put(struct ids *ids, uint32_t id)
{
	uint32_t n = id - ids->first;

	lock_take(&ids->lock);
	ids->used[n / WORD_BITS] &= ~(UINT64_C(1) << (n % WORD_BITS));
	if (n / WORD_BITS < ids->hint)
		ids->hint = n / WORD_BITS;
	lock_drop(&ids->lock);
}

bool ids_taken(struct ids *ids, uint32_t id)
{
	uint32_t n = id - ids->first;
	bool taken;

	lock_take(&ids->lock);
	taken = id >= ids->first && id <= ids->last && ids->used[n / WORD_BITS] >> (n % WORD_BITS) & 1;
	lock_drop(&ids->lock);
	return taken;
}
