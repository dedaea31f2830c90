/* SPDX-License-Identifier: MIT */
/*
 * The invalidation queue: submission, waiting, and repair after a queue error.
 * queue.h has the invariants.
 *
 * Errors (11.4.7.1, IQE): hardware stops with its head on the bad descriptor.
 * Whoever waits and finds the bit set overwrites the descriptor with a wait that
 * does nothing, tells the waiter whose batch it was, and clears the bit, so that
 * hardware fetches from there again and all others get their completions.
 */
#include "driver/vtd/queue.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "driver/vtd/vtd.h"

#define STATUS_DONE 1u
#define REPAIRS_MAX 3u /* of one descriptor, before it is given up */
#define ERROR_BITS ((uint32_t)(VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE))

#ifdef UIOMMU_STEERED
#define TURNS_MAX 200000u /* time does not pass here: turns of the wait loop */
#else
#define TIMEOUT_NS UINT64_C(5000000000)
#endif

static inline unsigned int position(uint64_t index)
{
	return (unsigned int)index & (VTDD_QUEUE_SIZE - 1);
}

int vtdd_queue_init(struct vtdd_iommu *vi, bool wide)
{
	struct vtdd_queue *q = &vi->queue;
	struct pool *pool = vi->base.ctx->pool;

	lock_init(&q->lock);
	q->words = wide ? 4 : 2;
	q->page_lg2 = wide ? 1 : 0;
	q->tail = 0;
	atomic_init(&q->done, 0);
#ifndef UIOMMU_STEERED
	q->timeout_ns = TIMEOUT_NS;
#endif
	q->ring_pa = pool_get_order(pool, q->page_lg2);
	if (!q->ring_pa)
		return -ENOMEM;
	q->status_pa = pool_get(pool);
	if (!q->status_pa) {
		pool_put_order(pool, q->ring_pa, q->page_lg2);
		q->ring_pa = 0;
		return -ENOMEM;
	}
	q->ring = pool_va(pool, q->ring_pa);
	q->status = pool_va(pool, q->status_pa);
	return 0;
}

void vtdd_queue_fini(struct vtdd_iommu *vi)
{
	struct vtdd_queue *q = &vi->queue;
	struct pool *pool = vi->base.ctx->pool;

	if (!q->ring_pa)
		return;
	pool_put(pool, q->status_pa);
	pool_put_order(pool, q->ring_pa, q->page_lg2);
	q->ring_pa = 0;
}

/* 2^(QS + 8) descriptors of 16 bytes, 2^(QS + 7) of 32: QS is the order of the pages either way. */
_Static_assert((1 << (0 + 8)) == VTDD_QUEUE_SIZE && (1 << (1 + 7)) == VTDD_QUEUE_SIZE, "QS");

uint64_t vtdd_queue_address(const struct vtdd_iommu *vi)
{
	const struct vtdd_queue *q = &vi->queue;

	return q->ring_pa | field_put(VTD_IQA_QS, q->page_lg2) | (q->words == 4 ? VTD_IQA_DW : 0);
}

/*
 * Positions between head and tail are hardware's, the others ours: relaxed stores,
 * ordered by the tail register's write, which hardware reads them after. Words 2
 * and 3 of wide descriptors are zero since the ring was allocated.
 */
static void put_descriptor(struct vtdd_queue *q, uint64_t index, uint64_t lo, uint64_t hi)
{
	_Atomic uint64_t *d = q->ring + (size_t)position(index) * q->words;

	atomic_store_explicit(&d[0], lo, memory_order_relaxed);
	atomic_store_explicit(&d[1], hi, memory_order_relaxed);
}

/* 6.5.2.8: status write to the position's own word. */
static void put_wait(struct vtdd_queue *q, uint64_t index)
{
	put_descriptor(q, index,
		       field_put(VTD_ID0_TYPE_LO, VTD_DESC_WAIT) | VTD_WAIT0_SW |
			       field_put(VTD_WAIT0_DATA, STATUS_DONE),
		       q->status_pa + 8 * position(index));
}

static inline bool completed(struct vtdd_iommu *vi, uint64_t index)
{
	struct vtdd_queue *q = &vi->queue;

	if (vi->ops->load32(vi->hw, q->status_pa + 8 * position(index)) == STATUS_DONE)
		return true;
	/*
	 * Reset by whoever uses the position again? Then done moved past us first;
	 * the load above is an acquire and the reset a release.
	 */
	return atomic_load_explicit(&q->done, memory_order_relaxed) > index;
}

static inline bool wait_done(struct vtdd_iommu *vi, uint64_t wait)
{
	return vi->ops->load32(vi->hw, vi->queue.status_pa + 8 * position(wait)) == STATUS_DONE;
}

/*
 * Moves done past the last wait that completed: mostly the newest one, which says
 * that all are (a batch ends with its wait). Under the lock.
 */
static void reclaim(struct vtdd_iommu *vi)
{
	struct vtdd_queue *q = &vi->queue;
	uint64_t done = atomic_load_explicit(&q->done, memory_order_relaxed);

	if (done != q->tail && wait_done(vi, q->tail - 1)) {
		done = q->tail;
	} else {
		for (uint64_t i = done; i < q->tail;) {
			uint64_t wait = q->at[position(i)].wait;

			i = wait + 1;
			if (wait_done(vi, wait))
				done = i;
		}
	}
	atomic_store_explicit(&q->done, done, memory_order_relaxed);
}

static void write_tail(struct vtdd_iommu *vi)
{
	struct vtdd_queue *q = &vi->queue;

	vi->ops->write64(vi->hw, VTD_REG_IQT, (uint64_t)position(q->tail) * q->words * sizeof(uint64_t));
}

/* Index of the descriptor at hardware's head, or tail if it stands there. Under the lock. */
static uint64_t head_index(struct vtdd_iommu *vi)
{
	struct vtdd_queue *q = &vi->queue;
	uint64_t head = (vi->ops->read64(vi->hw, VTD_REG_IQH) & VTD_IQ_PTR) / (q->words * sizeof(uint64_t));

	/* The ring is never full (one position stays free), so the head's distance from the tail is its own.
	 */
	return q->tail - position(q->tail - head);
}

/* The descriptor that hardware refused becomes harmless, its waiter learns of it. Under the lock. */
static void repair_descriptor(struct vtdd_iommu *vi, uint64_t index)
{
	struct vtdd_queue *q = &vi->queue;
	struct vtdd_position *at = &q->at[position(index)];
	uint64_t wait = at->wait;
	struct vtdd_waiter *waiter = q->at[position(wait)].waiter;
	bool again = index == wait && at->tries < REPAIRS_MAX;

	at->tries++;
	if (again) {
		/* A wait is known to be right: what hardware read was not what was written. */
		put_wait(q, index);
		return;
	}
	put_descriptor(q, index, field_put(VTD_ID0_TYPE_LO, VTD_DESC_WAIT) | VTD_WAIT0_FN, 0);
	if (!waiter)
		return;
	/* Read by the waiter after the completion, which comes after the bit is cleared. */
	atomic_store_explicit(&waiter->error, -EIO, memory_order_relaxed);
	if (index == wait || at->tries > REPAIRS_MAX) {
		q->at[position(wait)].waiter = NULL;
		atomic_store_explicit(&waiter->aborted, true, memory_order_release);
	}
}

static void report_error(struct vtdd_iommu *vi, uint32_t bits, unsigned int iqei, unsigned int where)
{
	static const char *const why[] = {
		[VTD_IQEI_NONE] = "no information",
		[VTD_IQEI_TAIL] = "tail beyond the queue",
		[VTD_IQEI_FETCH] = "descriptor not readable",
		[VTD_IQEI_TYPE] = "invalid descriptor type",
		[VTD_IQEI_RSVD] = "reserved field",
		[VTD_IQEI_WIDTH] = "wrong descriptor width",
		[VTD_IQEI_TAIL_ALIGN] = "tail misaligned",
		[VTD_IQEI_TTM] = "invalid translation table mode",
	};
	struct uiommu_event event = {
		.kind = UIOMMU_EVENT_QUEUE_ERROR,
		.pasid = UIOMMU_NO_PASID,
		.reason = iqei,
		.error = bits & VTD_FSTS_IQE ? -EIO : -ETIMEDOUT,
	};

	if (bits & VTD_FSTS_IQE)
		ctx_event(vi->base.ctx, &event,
			  "VT-d invalidation queue error %u (%s) at descriptor %u: it was skipped, the queue "
			  "runs on",
			  iqei, iqei < sizeof(why) / sizeof(why[0]) ? why[iqei] : "unknown", where);
	else
		ctx_event(vi->base.ctx, &event, "VT-d device-TLB invalidation error (FSTS 0x%x)", bits);
}

/* Looks for queue errors and lets the queue run on. Not under the lock. */
static void check_errors(struct vtdd_iommu *vi)
{
	struct vtdd_queue *q = &vi->queue;
	unsigned int iqei = 0, where = 0;
	uint64_t index;
	uint32_t bits;

	if (!(vi->ops->read32(vi->hw, VTD_REG_FSTS) & ERROR_BITS))
		return;
	lock_take(&q->lock);
	bits = vi->ops->read32(vi->hw, VTD_REG_FSTS) & ERROR_BITS;
	if (bits & VTD_FSTS_IQE) {
		iqei = (unsigned int)field_get(VTD_IQERCD_IQEI, vi->ops->read64(vi->hw, VTD_REG_IQERCD));
		index = head_index(vi);
		where = position(index);
		/* At the tail there is no descriptor: then the tail register itself was at fault. */
		if (index < q->tail)
			repair_descriptor(vi, index);
		else
			write_tail(vi);
	}
	if (bits)
		vi->ops->write32(vi->hw, VTD_REG_FSTS, bits);
	lock_drop(&q->lock);
	if (!bits)
		return;
	report_error(vi, bits, iqei, where);
	/* While an error bit stood no fault could raise its interrupt (1.5: not a new condition). */
	vtdd_fault_service(vi);
}

/* One loop of waiting: is it over? */
struct patience {
	unsigned int turns;
	uint64_t start;
};

static bool patience_ends(struct vtdd_iommu *vi, struct patience *p)
{
	p->turns++;
	if (p->turns % 8 == 0)
		check_errors(vi);
	vi->ops->relax(vi->hw);
#ifdef UIOMMU_STEERED
	return p->turns > TURNS_MAX;
#else
	if (!p->start)
		p->start = clock_ticks();
	return p->turns % 64 == 0 && clock_ns(clock_ticks() - p->start) > vi->queue.timeout_ns;
#endif
}

/* Takes the lock when @n descriptors have room. -ETIMEDOUT, without the lock. */
static int lock_with_room(struct vtdd_iommu *vi, unsigned int n)
{
	struct vtdd_queue *q = &vi->queue;
	struct patience p = { 0 };

	for (;;) {
		lock_take(&q->lock);
		if (q->tail + n - atomic_load_explicit(&q->done, memory_order_relaxed) < VTDD_QUEUE_SIZE)
			return 0;
		reclaim(vi);
		if (q->tail + n - atomic_load_explicit(&q->done, memory_order_relaxed) < VTDD_QUEUE_SIZE)
			return 0;
		lock_drop(&q->lock);
		if (patience_ends(vi, &p))
			return -ETIMEDOUT;
	}
}

/* Puts the batch and its wait in and rings the doorbell. Returns the wait's index. Under the lock. */
static uint64_t submit(struct vtdd_iommu *vi, const struct vtdd_inv *inv, struct vtdd_waiter *waiter)
{
	struct vtdd_queue *q = &vi->queue;
	uint64_t wait = q->tail + inv->n;

	for (unsigned int i = 0; i < inv->n; i++) {
		put_descriptor(q, q->tail + i, inv->d[i].lo, inv->d[i].hi);
		q->at[position(q->tail + i)] = (struct vtdd_position){ .wait = wait };
	}
	q->at[position(wait)] = (struct vtdd_position){ .wait = wait, .waiter = waiter };
	atomic_store_explicit(&q->status[position(wait)], 0, memory_order_release);
	put_wait(q, wait);
	q->tail = wait + 1;
	write_tail(vi);
	return wait;
}

static int wait_for(struct vtdd_iommu *vi, uint64_t wait, struct vtdd_waiter *waiter)
{
	struct vtdd_queue *q = &vi->queue;
	struct patience p = { 0 };
	int err = -ETIMEDOUT;

	while (!completed(vi, wait)) {
		if (atomic_load_explicit(&waiter->aborted, memory_order_acquire))
			return -EIO;
		if (patience_ends(vi, &p))
			goto gave_up;
	}
	return atomic_load_explicit(&waiter->error, memory_order_relaxed);

gave_up:
	/* Nobody may write to our stack any more. */
	lock_take(&q->lock);
	if (completed(vi, wait))
		err = atomic_load_explicit(&waiter->error, memory_order_relaxed);
	else if (q->at[position(wait)].wait == wait)
		q->at[position(wait)].waiter = NULL;
	lock_drop(&q->lock);
	return err;
}

int vtdd_queue_run(struct vtdd_iommu *vi, struct vtdd_inv *inv)
{
	struct vtdd_waiter waiter;
	uint64_t start = 0, wait;
	int err;

	if (!inv->n || vi->off)
		return 0;
	atomic_init(&waiter.error, 0);
	atomic_init(&waiter.aborted, false);
	err = lock_with_room(vi, inv->n + 1);
	if (err)
		return err;
	if (inv->timed)
		start = clock_ticks();
	wait = submit(vi, inv, &waiter);
	lock_drop(&vi->queue.lock);
	err = wait_for(vi, wait, &waiter);
	if (inv->timed)
		inv->drain_ticks += clock_ticks() - start;
	return err;
}
