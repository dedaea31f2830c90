/* SPDX-License-Identifier: MIT */
/*
 * Draining: wait until every batch that may have used what was replaced has ended.
 * The barrier that orders an agent's announcement against its loads is paid here,
 * by membarrier(2), and only while agents exist.
 */
#include "base/quiesce.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ctx.h"
#include "base/rcu.h"
#include "base/sanitize.h"

static long membarrier(int cmd)
{
	return syscall(SYS_membarrier, cmd, 0, 0);
}

/* TSan does not know membarrier; fibers of one thread need no barrier. */
static bool membarrier_usable(void)
{
	long cmds;

#ifdef UIOMMU_STEERED
	return false;
#endif
	if (BUILD_TSAN)
		return false;
	cmds = membarrier(MEMBARRIER_CMD_QUERY);
	if (cmds < 0 || !(cmds & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		return false;
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void quiesce_init(struct quiesce *q)
{
	lock_init(&q->lock);
	atomic_init(&q->agents, NULL);
	atomic_init(&q->online, 0);
	q->asymmetric = membarrier_usable();
}

void quiesce_add(struct quiesce *q, struct uiommu_agent *agent)
{
	agent->asymmetric = q->asymmetric;
	atomic_store_explicit(&agent->batch, 0, memory_order_relaxed);
#ifdef UIOMMU_STEERED
	atomic_init(&agent->pending, 0);
	atomic_init(&agent->landed, 0);
	atomic_init(&agent->holds, 0);
#endif
	lock_take(&q->lock);
	atomic_store_explicit(&agent->next, atomic_load_explicit(&q->agents, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&q->agents, agent, memory_order_release);
	lock_drop(&q->lock);
	/*
	 * After the list and before the first batch. A drain that missed the agent did
	 * its own read-modify-write of this counter earlier, so this one reads from it
	 * and the agent sees all stores before that drain (invariant 1).
	 */
	atomic_fetch_add_explicit(&q->online, 1, memory_order_acq_rel);
	/*
	 * Drains only load the counter where barriers are asymmetric. Every running thread
	 * passes a full barrier now: a drain that comes to it before its load finds the
	 * agent; one that comes to it after made its stores before, and the agent sees them.
	 */
	if (q->asymmetric)
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

void quiesce_del(struct quiesce *q, struct uiommu_agent *agent)
{
	struct uiommu_agent *_Atomic *link = &q->agents;
	struct uiommu_agent *a;

	lock_take(&q->lock);
	while ((a = atomic_load_explicit(link, memory_order_relaxed)) != agent)
		link = &a->next;
	/* A drain that stands on the agent still finds its way on: agent->next stays. */
	atomic_store_explicit(link, atomic_load_explicit(&agent->next, memory_order_relaxed),
			      memory_order_release);
	lock_drop(&q->lock);
	/* Release: a drain that finds no agent any more comes after all that this one did. */
	atomic_fetch_sub_explicit(&q->online, 1, memory_order_acq_rel);
	rcu_wait();
}

#define ALL_KINDS (QUIESCE_READS | QUIESCE_WRITES)

/* Whether a batch need not be waited for any more, though it has not ended. @landed: when the drain began. */
static bool excused(struct uiommu_agent *agent, unsigned int kinds, uint32_t landed)
{
#ifdef UIOMMU_STEERED
	uint32_t pending = atomic_load_explicit(&agent->pending, memory_order_acquire);

	if (kinds == ALL_KINDS || (atomic_load_explicit(&agent->holds, memory_order_acquire) & kinds))
		return false;
	return (pending && !(pending & kinds)) ||
	       atomic_load_explicit(&agent->landed, memory_order_acquire) != landed;
#else
	return false;
#endif
}

static uint32_t landed_so_far(struct uiommu_agent *agent)
{
#ifdef UIOMMU_STEERED
	return atomic_load_explicit(&agent->landed, memory_order_acquire);
#else
	return 0;
#endif
}

static void wait_for_batch(struct uiommu_agent *agent, unsigned int kinds)
{
	uint32_t landed = landed_so_far(agent);
	struct task_spin spin = { 0 };
	uint64_t batch;

	if (agent->asymmetric)
		batch = atomic_load_explicit(&agent->batch, memory_order_acquire);
	else	/* the counterpart of the exchange in agent_begin() */
		batch = atomic_fetch_add_explicit(&agent->batch, 0, memory_order_acq_rel);
	if (!(batch & 1))
		return;
	/* A batch that begins meanwhile is a later one and needs no waiting. */
	while (atomic_load_explicit(&agent->batch, memory_order_acquire) == batch &&
	       !excused(agent, kinds, landed))
		task_relax(&spin);
}

/* Whether no agent can be in a batch that does not see the caller's stores. */
static inline bool nobody(struct quiesce *q)
{
	if (q->asymmetric) {
		/* Not before the caller's stores in the program; the rest is quiesce_add()'s barrier. */
		atomic_signal_fence(memory_order_seq_cst);
		return !atomic_load_explicit(&q->online, memory_order_acquire);
	}
	/* A read-modify-write, not a load: see quiesce_add(). It also orders the caller's stores. */
	return !atomic_fetch_add_explicit(&q->online, 0, memory_order_seq_cst);
}

void quiesce_drain_kind(struct quiesce *q, unsigned int kinds)
{
	struct uiommu_agent *a;

	if (nobody(q))
		return;
	/*
	 * Every running thread passes a full barrier now. An agent that announced its
	 * batch before it is found below; one that announces later loads after it and
	 * sees the caller's stores. The registration in quiesce_init() rules failure out.
	 */
	if (q->asymmetric)
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	rcu_section_begin();
	for (a = atomic_load_explicit(&q->agents, memory_order_acquire); a;
	     a = atomic_load_explicit(&a->next, memory_order_acquire))
		wait_for_batch(a, kinds);
	rcu_section_end();
}

void quiesce_heavy(struct quiesce *q)
{
	if (q->asymmetric)
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	else
		atomic_fetch_add_explicit(&q->online, 0, memory_order_acq_rel);
}

void quiesce_drain(struct quiesce *q)
{
	quiesce_drain_kind(q, ALL_KINDS);
}

int uiommu_agent_create(struct uiommu_ctx *ctx, struct uiommu_agent **agent)
{
	struct uiommu_agent *a = alloc_aligned(&ctx->alloc, _Alignof(struct uiommu_agent), sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->own = alloc_aligned(&ctx->alloc, 64, AGENT_OWN_BYTES);
	if (!a->own) {
		alloc_free_aligned(&ctx->alloc, a);
		return -ENOMEM;
	}
	a->ctx = ctx;
	quiesce_add(&ctx->quiesce, a);
	*agent = a;
	return 0;
}

void uiommu_agent_destroy(struct uiommu_agent *agent)
{
	struct uiommu_ctx *ctx;

	if (!agent)
		return;
	ctx = agent->ctx;
	quiesce_del(&ctx->quiesce, agent);
	alloc_free_aligned(&ctx->alloc, agent->own);
	alloc_free_aligned(&ctx->alloc, agent);
}

void uiommu_agent_begin(struct uiommu_agent *agent)
{
	agent_begin(agent);
}

void uiommu_agent_end(struct uiommu_agent *agent)
{
	agent_end(agent);
}
