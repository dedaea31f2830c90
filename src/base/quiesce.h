/* SPDX-License-Identifier: MIT */
/*
 * Who does DMA right now. An agent announces each batch with plain stores; a
 * drain pays for both with one asymmetric barrier (membarrier), and none when no
 * agent exists, since a new agent pays one. Where membarrier is missing, and under
 * TSan, agents pay a full barrier themselves.
 *
 * Invariants:
 * 1. Stores made before quiesce_drain() is called are seen by every batch that
 *    begins after it returns.
 * 2. When it returns, every batch that was running when it was called has ended,
 *    and what the batch did happened before the return.
 * 3. An agent whose quiesce_del() returned is not touched any more by any drain.
 */
#ifndef BASE_QUIESCE_H
#define BASE_QUIESCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uiommu/dma.h>

#include "base/lock.h"

struct quiesce {
	struct lock lock;			/* list of agents */
	struct uiommu_agent *_Atomic agents;	/* changed under lock */
	_Atomic unsigned int online;		/* agents in the list */
	bool asymmetric;			/* membarrier works; false only before the first agent */
};

struct uiommu_agent {
	_Atomic uint64_t batch;			/* odd inside a batch */
	bool asymmetric;			/* copy of quiesce's */
	struct uiommu_agent *_Atomic next;	/* changed under quiesce.lock, walked in an RCU section */
	struct uiommu_ctx *ctx;
} __attribute__((aligned(64)));

void quiesce_init(struct quiesce *q);
/* Any thread; the agent is not inside a batch. Takes quiesce.lock. */
void quiesce_add(struct quiesce *q, struct uiommu_agent *agent);
/* The same; waits for drains that may still look at the agent, so not inside an RCU section. */
void quiesce_del(struct quiesce *q, struct uiommu_agent *agent);
/* Waits as the invariants say. Not inside a batch of the calling thread. Yields in its loop. */
void quiesce_drain(struct quiesce *q);

/*
 * Begin and end of a batch, by the agent's thread. The batch's loads come after the
 * announcement, its accesses before the end. Not nested.
 */
static inline void agent_begin(struct uiommu_agent *agent)
{
	uint64_t batch = atomic_load_explicit(&agent->batch, memory_order_relaxed) + 1;

	if (agent->asymmetric) {
		atomic_store_explicit(&agent->batch, batch, memory_order_relaxed);
		/* The drain's membarrier orders this store before the batch's loads. */
		atomic_signal_fence(memory_order_seq_cst);
	} else {
		/*
		 * The drain does a read-modify-write on the same word: either it comes
		 * first and this one reads from it, and so sees all stores before the
		 * drain, or the drain finds the batch announced.
		 */
		atomic_exchange_explicit(&agent->batch, batch, memory_order_seq_cst);
	}
}

static inline void agent_end(struct uiommu_agent *agent)
{
	uint64_t batch = atomic_load_explicit(&agent->batch, memory_order_relaxed) + 1;

	atomic_store_explicit(&agent->batch, batch, memory_order_release);
}

#endif
