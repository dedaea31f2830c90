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

int ids_init(struct ids *ids, struct alloc *a, uint32_t first, uint32_t last);
void ids_fini(struct ids *ids);
/* 0 and *id, or -ENOSPC. Any thread. */
int ids_get(struct ids *ids, uint32_t *id);
void ids_put(struct ids *ids, uint32_t id);
bool ids_taken(struct ids *ids, uint32_t id);

#endif
