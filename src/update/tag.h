/* SPDX-License-Identifier: MIT */
/*
 * Tags (domain ids and the like) and their life cycle:
 *   free -> live -> dying -> flushed -> free
 * A tag is live while an entry or a list may carry it, dying once the last
 * attachment left, flushed when the translation caches were invalidated for it.
 *
 * 1. The order is enforced: a step that the state does not allow changes nothing
 *    and returns false, except that
 * 2. a tag that is put back without having been flushed is quarantined (never
 *    given again) and -EBUSY says so.
 *
 * Any thread; steps on one tag are ordered by the tag's state itself, so that of
 * two threads that take the same step one is refused (tag_owner_*() excepted).
 */
#ifndef UPDATE_TAG_H
#define UPDATE_TAG_H

#include <stdint.h>

#include "base/ids.h"

enum tag_state { TAG_FREE, TAG_LIVE, TAG_DYING, TAG_FLUSHED, TAG_QUARANTINED };

struct tag_cell {
	_Atomic uint8_t state; /* enum tag_state */
};

struct tag_space {
	struct ids ids;
	struct alloc *alloc;
	struct tag_cell *cell; /* per tag - first */
};

/*
 * tag_space_init - tags @first to @last, all free
 * 0, -EINVAL (@last below @first, or 2^31 tags and more), -ENOMEM.
 */
int tag_space_init(struct tag_space *ts, struct alloc *a, uint32_t first, uint32_t last);
/* Whatever state the tags are in. */
void tag_space_fini(struct tag_space *ts);
/* A live tag: 0 or -ENOSPC. */
int tag_get(struct tag_space *ts, uint32_t *tag);
bool tag_retire(struct tag_space *ts, uint32_t tag);  /* live -> dying */
bool tag_revive(struct tag_space *ts, uint32_t tag);  /* dying or flushed -> live: the way back */
bool tag_flushed(struct tag_space *ts, uint32_t tag); /* dying -> flushed: the flush completed */
/*
 * flushed -> free. -EBUSY: it was not flushed; it is quarantined now. -EINVAL: it
 * was free already, or is no tag of this space; nothing changed.
 */
int tag_put(struct tag_space *ts, uint32_t tag);

/*
 * For an owner who orders all steps on one tag by a lock of his own, until it is put back:
 * checked alike, but by a load and a store instead of a locked operation.
 */
bool tag_owner_revive(struct tag_space *ts, uint32_t tag); /* dying or flushed -> live */
/* live -> dying -> flushed: the last attachment left, and a flush completed after each of them. */
bool tag_owner_clean(struct tag_space *ts, uint32_t tag);

/* From any state but free: never given again, until the space ends. */
bool tag_quarantine(struct tag_space *ts, uint32_t tag);
/* A number outside of the space: TAG_QUARANTINED. */
enum tag_state tag_state(const struct tag_space *ts, uint32_t tag);

#endif
