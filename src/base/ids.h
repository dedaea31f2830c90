/* SPDX-License-Identifier: MIT */
/* Numbers in [first, last]: the lowest free one is given, so that reuse is quick and tests meet it. */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

struct alloc;

struct ids {
	struct lock lock;
	struct alloc *alloc;
	uint32_t first, last;
	uint64_t *used;		/* bit set: taken */
	uint32_t hint;		/* no free bit below this word */
};

/* 0, -EINVAL (last < first) or -ENOMEM. One bit of memory per number. */
int ids_init(struct ids *ids, struct alloc *a, uint32_t first, uint32_t last);
/* Frees the memory; numbers may be taken still. */
void ids_fini(struct ids *ids);
/* 0 and *id, or -ENOSPC. Any thread. */
int ids_get(struct ids *ids, uint32_t *id);
/* A number that ids_get() gave. Any thread. */
void ids_put(struct ids *ids, uint32_t id);
/* Any thread; false outside the range. */
bool ids_taken(struct ids *ids, uint32_t id);

#endif
