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
 * 3. quiesce_drain_kind() promises the same for the accesses of the kinds it names, and
 *    that every translation which was under way has ended. In the steered build, if it
 *    names one kind, it promises no more: an access that is translated and of the other
 *    kind may land later, and what an agent does next in the same batch is not waited
 *    for. In production it waits for whole batches, so that announcing costs nothing.
 * 4. An agent whose quiesce_del() returned is not touched any more by any drain.
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

/*
 * Memory of an agent in which units keep what only its thread looks at; zero at first. NULL
 * for an agent that was not made by uiommu_agent_create().
 */
#ifdef UIOMMU_STEERED
#define AGENT_OWN_BYTES 1280u
#else
#define AGENT_OWN_BYTES (144u << 10)
#endif

struct uiommu_agent {
	_Atomic uint64_t batch;			/* odd inside a batch */
	bool asymmetric;			/* copy of quiesce's */
	struct uiommu_agent *_Atomic next;	/* changed under quiesce.lock, walked in an RCU section */
	struct uiommu_ctx *ctx;
	void *own;				/* AGENT_OWN_BYTES; see below */
#ifdef UIOMMU_STEERED
	_Atomic uint32_t pending;		/* kind of the access that is translated and has not landed */
	_Atomic uint32_t landed;		/* accesses that have */
	_Atomic uint32_t holds;			/* kinds whose translations are used till the batch ends */
#endif
} __attribute__((aligned(64)));

/* Kinds of access. */
#define QUIESCE_READS 1u
#define QUIESCE_WRITES 2u

void quiesce_init(struct quiesce *q);
/* Any thread; the agent is not inside a batch. Takes quiesce.lock. */
void quiesce_add(struct quiesce *q, struct uiommu_agent *agent);
/* The same; waits for drains that may still look at the agent, so not inside an RCU section. */
void quiesce_del(struct quiesce *q, struct uiommu_agent *agent);
/* Waits as the invariants say. Not inside a batch of the calling thread. Yields in its loop. */
void quiesce_drain(struct quiesce *q);

/* The same for some kinds of access (3). */
void quiesce_drain_kind(struct quiesce *q, unsigned int kinds);

/* Around the way from translation to landing, inside a batch. @kind: one of the above. */
static inline void agent_translated(struct uiommu_agent *agent, unsigned int kind)
{
#ifdef UIOMMU_STEERED
	atomic_store_explicit(&agent->pending, kind, memory_order_release);
#else
	(void)agent;
	(void)kind;
#endif
}

static inline void agent_landed(struct uiommu_agent *agent)
{
#ifdef UIOMMU_STEERED
	atomic_fetch_add_explicit(&agent->landed, 1, memory_order_release);
	atomic_store_explicit(&agent->pending, 0, memory_order_release);
#else
	(void)agent;
#endif
}

/* From here to the batch's end it holds translations of that kind: a drain of the kind waits for the end. */
static inline void agent_holds(struct uiommu_agent *agent, unsigned int kind)
{
#ifdef UIOMMU_STEERED
	atomic_fetch_or_explicit(&agent->holds, kind, memory_order_seq_cst);
#else
	(void)agent;
	(void)kind;
#endif
}

/*
 * Two sides, one much cheaper than the other: of two threads that each store something, pass
 * their side and load what the other stored, at least one sees the other's store.
 */
void quiesce_heavy(struct quiesce *q);

static inline void quiesce_light(struct quiesce *q)
{
	if (q->asymmetric)
		atomic_signal_fence(memory_order_seq_cst);
	else	/* read-modify-writes of one counter are in one order, and each sees the one before it */
		atomic_fetch_add_explicit(&q->online, 0, memory_order_acq_rel);
}

/* By the agent's thread. */
static inline bool agent_in_batch(struct uiommu_agent *agent)
{
	return atomic_load_explicit(&agent->batch, memory_order_relaxed) & 1;
}

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

#ifdef UIOMMU_STEERED
	atomic_store_explicit(&agent->holds, 0, memory_order_release);
#endif
	atomic_store_explicit(&agent->batch, batch, memory_order_release);
}

#endif
