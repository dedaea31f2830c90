/* SPDX-License-Identifier: MIT */
/*
 * Tags (domain ids and the like) and their life cycle:
 *   free -> live -> dying -> flushed -> free
 * A tag is live while an entry or a list may carry it, dying once the last
 * attachment left, flushed when the translation caches were invalidated for it.
 * The order is enforced: a tag that is put back without having been flushed is
 * quarantined (never given again) and -EBUSY says so.
 */
#ifndef UPDATE_TAG_H
#define UPDATE_TAG_H

#include <stdint.h>

#include "base/ids.h"

enum tag_state { TAG_FREE, TAG_LIVE, TAG_DYING, TAG_FLUSHED, TAG_QUARANTINED };

struct tag_space {
	struct ids ids;
	_Atomic uint8_t *state;		/* per tag - first */
};

int tag_space_init(struct tag_space *ts, struct alloc *a, uint32_t first, uint32_t last);
void tag_space_fini(struct tag_space *ts);
/* A live tag: 0 or -ENOSPC. */
int tag_get(struct tag_space *ts, uint32_t *tag);
void tag_retire(struct tag_space *ts, uint32_t tag);	/* live -> dying */
void tag_revive(struct tag_space *ts, uint32_t tag);	/* dying or flushed -> live: the way back */
void tag_flushed(struct tag_space *ts, uint32_t tag);	/* dying -> flushed: the flush completed */
/* flushed -> free. -EBUSY: it was not flushed; it is quarantined now. */
int tag_put(struct tag_space *ts, uint32_t tag);
void tag_quarantine(struct tag_space *ts, uint32_t tag);
enum tag_state tag_state(const struct tag_space *ts, uint32_t tag);

#endif
