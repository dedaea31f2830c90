/* SPDX-License-Identifier: MIT */
/*
 * A doorbell: threads without work spin a little and then sleep until it rings.
 * In the steered build nobody sleeps; a waiter lets other tasks run.
 *
 * Invariant: a ring that happens after bell_look() ends the bell_wait() that was
 * given its result, so "look; search for work; wait" misses nothing.
 */
#ifndef PCI_COPY_BELL_H
#define PCI_COPY_BELL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct bell {
	_Atomic uint32_t rings;
	_Atomic unsigned int sleepers;	/* threads that sleep or are about to */
	pthread_mutex_t mutex;		/* for the sleep alone; protects nothing else */
	pthread_cond_t cond;
};

void bell_init(struct bell *bell);
/* Nobody may wait any more. */
void bell_fini(struct bell *bell);

/* Wakes all waiters. Any thread; takes a mutex only when somebody sleeps. */
void bell_ring(struct bell *bell);
/* What bell_wait() needs; acquire: sees what was stored before the rings it counts. */
uint32_t bell_look(struct bell *bell);
/* Returns after a ring that @seen does not count. Steered: after other tasks ran, perhaps without one. */
void bell_wait(struct bell *bell, uint32_t seen);

#endif
