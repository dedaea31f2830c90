/* SPDX-License-Identifier: MIT */
/*
 * A small lock: one exchange when free, spins, then yields. In the steered build
 * a contended lock hands control to another task, so that it works there too.
 * Rank order is in docs/locking.md.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/task.h"

struct lock {
	atomic_bool held;
};

static inline void lock_init(struct lock *l)
{
	atomic_init(&l->held, false);
}

static inline bool lock_try(struct lock *l)
{
	return !atomic_exchange_explicit(&l->held, true, memory_order_acquire);
}

static inline void lock_take(struct lock *l)
{
	struct task_spin spin = { 0 };

	while (!lock_try(l))
		do
			task_relax(&spin);
		while (atomic_load_explicit(&l->held, memory_order_relaxed));
}

static inline void lock_drop(struct lock *l)
{
	atomic_store_explicit(&l->held, false, memory_order_release);
}

/* For assertions at the entry of functions that need the lock. */
static inline bool lock_held(struct lock *l)
{
	return atomic_load_explicit(&l->held, memory_order_relaxed);
}

#endif
