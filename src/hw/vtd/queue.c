/* SPDX-License-Identifier: MIT */
/*
 * The invalidation queue (6.5.2): fetching, checking, ordering and executing
 * descriptors, in the register write or in a task of the model's own.
 *
 * Invariants (under queue.lock):
 * 1. IQH is past a descriptor when it has been fetched. A bad one is not: IQH stays
 *    at it, IQE stops fetching, and what was fetched before still executes.
 * 2. Order among fetched descriptors: a wait after all ahead of it; nothing before a
 *    wait with FN ahead of it; PASID-cache after context-cache ones ahead; IOTLB after
 *    context- and PASID-cache ones ahead. All else is free (steered: any; production:
 *    as queued).
 * 3. A wait completes after the reads (DR) and writes (DW) that were running when the
 *    last IOTLB command with that bit executed have ended, and after all page walks; one
 *    drain serves all commands ahead. In production whole batches of DMA are waited for,
 *    whatever the kind; the steered build is exact (base/quiesce.h, 3).
 * 4. Each descriptor is read once into a local; only that is checked and used.
 */
#include <errno.h>
#include <string.h>

#include "base/choice.h"
#include "hw/vtd/access.h"
#include "hw/vtd/vtd_model.h"

static unsigned int type_of(uint64_t w0)
{
	return (unsigned int)(field_get(VTD_ID0_TYPE_HI, w0) << 4 | field_get(VTD_ID0_TYPE_LO, w0));
}

/* ---- checking: enum vtd_iqei, 0 if the descriptor is good ---- */

static enum vtd_iqei check_iotlb(struct vtd_model *m, const uint64_t d[2])
{
	uint64_t g = field_get(VTD_IOTLB0_G, d[0]);

	if ((d[0] & VTD_IOTLB0_RSVD) || (d[1] & VTD_IOTLB1_RSVD) || !g)
		return VTD_IQEI_RSVD;
	if (g == VTD_IOTLB_G_PAGE && field_get(VTD_IOTLB1_AM, d[1]) > field_get(VTD_CAP_MAMV, m->caps.cap))
		return VTD_IQEI_RSVD;
	return VTD_IQEI_NONE;
}

static enum vtd_iqei check_piotlb(const uint64_t d[2])
{
	uint64_t g = field_get(VTD_PIOTLB0_G, d[0]);

	if ((d[0] & VTD_PIOTLB0_RSVD) || (d[1] & VTD_PIOTLB1_RSVD))
		return VTD_IQEI_RSVD;
	return g == VTD_PIOTLB_G_PASID || g == VTD_PIOTLB_G_PAGE ? VTD_IQEI_NONE : VTD_IQEI_RSVD;
}

static inline enum vtd_iqei check(struct vtd_model *m, const uint64_t d[2], unsigned int type, bool scalable)
{
	switch (type) {
	case VTD_DESC_CC:
		return (d[0] & VTD_CC0_RSVD) || d[1] || !(d[0] & VTD_CC0_G) ? VTD_IQEI_RSVD : VTD_IQEI_NONE;
	case VTD_DESC_IOTLB:
		return check_iotlb(m, d);
	case VTD_DESC_WAIT:
		return (d[0] & (VTD_WAIT0_RSVD | VTD_WAIT0_PD)) || (d[1] & VTD_WAIT1_RSVD) ? VTD_IQEI_RSVD :
											      VTD_IQEI_NONE;
	case VTD_DESC_PIOTLB:
		return scalable ? check_piotlb(d) : VTD_IQEI_TYPE;
	case VTD_DESC_PC:
		if (!scalable)
			return VTD_IQEI_TYPE;
		return (d[0] & VTD_PC0_RSVD) || d[1] || field_get(VTD_PC0_G, d[0]) == 2 ? VTD_IQEI_RSVD :
											   VTD_IQEI_NONE;
	default:	/* device TLBs, interrupt remapping and page requests are not in the capabilities */
		return VTD_IQEI_TYPE;
	}
}

/*
 * What fetches need to know of the queue as a whole, up to a tail that was read. Each new
 * tail is checked anew: software that changes the mode writes the tail afterwards.
 */
struct source {
	uint64_t head, tail;	/* IQH; where to look at the registers again */
	uint64_t base, mask;	/* of the ring; mask of offsets in it */
	const vtd_word *ring;	/* the same in host memory, if all of it is in the pool */
	unsigned int step;	/* bytes of a descriptor: 16, or 32 (IQA.DW) */
	bool scalable;
};

/* Checks that concern the queue as a whole. */
static enum vtd_iqei check_queue(struct vtd_model *m, uint64_t tail, struct source *src)
{
	uint64_t iqa = atomic_load_explicit(&m->regs.iqa, memory_order_relaxed);
	uint64_t ttm = field_get(VTD_RTADDR_TTM, atomic_load_explicit(&m->live, memory_order_acquire));
	bool wide = iqa & VTD_IQA_DW;

	if (ttm > VTD_TTM_SCALABLE || (ttm == VTD_TTM_SCALABLE && !(m->caps.ecap & VTD_ECAP_SMTS)))
		return VTD_IQEI_TTM;
	if (wide != (ttm == VTD_TTM_SCALABLE) && (!wide || !(m->caps.ecap & VTD_ECAP_SMTS)))
		return VTD_IQEI_WIDTH;
	if (tail >= UINT64_C(4096) << field_get(VTD_IQA_QS, iqa))
		return VTD_IQEI_TAIL;
	/* The head too: IQA may have been written while another thread turned the queue on. */
	if (wide && ((tail | src->head) & 16))
		return VTD_IQEI_TAIL_ALIGN;
	src->base = iqa & VTD_IQA_IQA;
	src->mask = (UINT64_C(4096) << field_get(VTD_IQA_QS, iqa)) - 1;
	src->ring = vtd_pool_word(m->hw.ctx, src->base);
	if (src->ring && !vtd_pool_word(m->hw.ctx, src->base + src->mask - 7))
		src->ring = NULL;
	src->step = wide ? 32 : 16;
	src->scalable = ttm == VTD_TTM_SCALABLE;
	return VTD_IQEI_NONE;
}

/* ---- fetching ---- */

/* Test hook: whether this descriptor is the one that shall fail. */
static enum vtd_fail due_failure(struct vtd_model *m)
{
	uint32_t n = atomic_load_explicit(&m->queue.fail_in, memory_order_relaxed);
	uint32_t how;

	if (!n)
		return VTD_FAIL_NONE;
	how = atomic_load_explicit(&m->queue.fail_how, memory_order_relaxed);
	atomic_store_explicit(&m->queue.fail_in, n - 1, memory_order_relaxed);
	return n == 1 ? (enum vtd_fail)how : VTD_FAIL_NONE;
}

/* A queue outside of the pool. */
static enum vtd_iqei read_far_descriptor(struct vtd_model *m, uint64_t pa, bool wide, uint64_t d[2])
{
	uint64_t w[4] = { 0 };

	if (vtd_map_load_words(m->hw.ctx, pa, wide ? 4 : 2, w))
		return VTD_IQEI_FETCH;
	d[0] = w[0];
	d[1] = w[1];
	return w[2] | w[3] ? VTD_IQEI_RSVD : VTD_IQEI_NONE;
}

static inline enum vtd_iqei read_descriptor(struct vtd_model *m, const struct source *src, uint64_t d[2])
{
	const vtd_word *w;

	if (!src->ring)
		return read_far_descriptor(m, src->base + src->head, src->step == 32, d);
	w = src->ring + src->head / sizeof(*w);
	d[0] = vtd_word_load(w);
	d[1] = vtd_word_load(w + 1);
	if (src->step == 32 && (vtd_word_load(w + 2) | vtd_word_load(w + 3)))
		return VTD_IQEI_RSVD;
	return VTD_IQEI_NONE;
}

/* Looks at the registers: whether there is something to fetch. False: no, or an error (1). */
static bool look(struct vtd_model *m, struct source *src)
{
	uint64_t tail = atomic_load_explicit(&m->regs.iqt, memory_order_acquire);
	enum vtd_iqei error;

	if (src->head == tail || (atomic_load_explicit(&m->regs.fsts, memory_order_acquire) & VTD_FSTS_IQE))
		return false;
	error = check_queue(m, tail, src);
	if (error) {
		vtd_queue_error(m, error);
		return false;
	}
	src->tail = tail;
	return true;
}

/* Reads one descriptor, checks it and moves on. Its type, or -1: nothing to fetch, or an error (1). */
static inline int fetch(struct vtd_model *m, struct source *src, uint64_t d[2])
{
	enum vtd_iqei error;
	enum vtd_fail fail;
	unsigned int type;

	if (src->head == src->tail && !look(m, src))
		return -1;
	fail = due_failure(m);
	error = fail == VTD_FAIL_IQE ? VTD_IQEI_RSVD : read_descriptor(m, src, d);
	if (error)
		goto bad;
	type = type_of(d[0]);
	error = check(m, d, type, src->scalable);
	if (error)
		goto bad;
	if (fail == VTD_FAIL_HANG)
		m->queue.hung = true;
	src->head = (src->head + src->step) & src->mask;
	atomic_store_explicit(&m->regs.iqh, src->head, memory_order_release);
	return (int)type;

bad:
	vtd_queue_error(m, error);
	src->tail = src->head;
	return -1;
}

static inline void source_init(struct vtd_model *m, struct source *src)
{
	uint64_t head = atomic_load_explicit(&m->regs.iqh, memory_order_relaxed);

	*src = (struct source){ .head = head, .tail = head };
}

/* ---- executing ---- */

/*
 * Device-selective: the ports whose RID equals sid but for the bits that FM ignores, and
 * of legacy lines those with the domain id that the descriptor must name: hardware may do
 * it as domain-selective (6.5.2.1), and need not do more than both have in common.
 */
static void context_device(struct vtd_model *m, uint16_t did, uint16_t sid, unsigned int fm, bool by_did)
{
	static const uint8_t ignored[] = { 0, 4, 6, 7 };
	uint64_t n = cache_inv_begin(&m->cache);
	struct vtd_bus *bus;

	lock_take(&m->ports_lock);
	bus = m->bus[sid >> 8];
	for (unsigned int low = 0; bus && low < 8; low++) {
		struct vtd_port *port = bus->port[(sid & 0xF8) | low];

		if (!port || ((low ^ sid) & 7 & ~ignored[fm]))
			continue;
		if (by_did)
			cache_context_pair(&m->cache, did, port->port.rid, n);
		else
			gen_set(&port->context_gen, n);
	}
	lock_drop(&m->ports_lock);
	cache_inv_end(&m->cache, n);
}

static void execute_cc(struct vtd_model *m, uint64_t d)
{
	bool legacy = field_get(VTD_RTADDR_TTM, atomic_load_explicit(&m->live, memory_order_relaxed)) ==
		      VTD_TTM_LEGACY;

	switch (field_get(VTD_CC0_G, d)) {
	case VTD_CC_G_DEVICE:
		context_device(m, (uint16_t)field_get(VTD_CC0_DID, d), (uint16_t)field_get(VTD_CC0_SID, d),
			       (unsigned int)field_get(VTD_CC0_FM, d), legacy && m->context_by_did);
		break;
	case VTD_CC_G_DOMAIN:
		/* Scalable context entries have no domain id: all of them. */
		if (legacy) {
			cache_context_domain(&m->cache, (uint16_t)field_get(VTD_CC0_DID, d));
			break;
		}
		/* fall through */
	default:
		cache_context_all(&m->cache);
	}
}

static void execute_pc(struct vtd_model *m, uint64_t d)
{
	uint16_t did = (uint16_t)field_get(VTD_PC0_DID, d);

	switch (field_get(VTD_PC0_G, d)) {
	case VTD_PC_G_DOMAIN:
		cache_pasid_domain(&m->cache, did);
		break;
	case VTD_PC_G_PASID:
		cache_pasid_one(&m->cache, did, (uint32_t)field_get(VTD_PC0_PASID, d));
		break;
	default:
		cache_pasid_all(&m->cache);
	}
}

static void execute_iotlb(struct vtd_model *m, const uint64_t d[2])
{
	uint16_t did = (uint16_t)field_get(VTD_IOTLB0_DID, d[0]);

	switch (field_get(VTD_IOTLB0_G, d[0])) {
	case VTD_IOTLB_G_GLOBAL:
		iotlb_inv_all(&m->cache);
		break;
	case VTD_IOTLB_G_DOMAIN:
		iotlb_inv_domain(&m->cache, did);
		break;
	default:
		iotlb_inv_pages(&m->cache, did, d[1] & VTD_IOTLB1_ADDR,
				(unsigned int)field_get(VTD_IOTLB1_AM, d[1]), d[1] & VTD_IOTLB1_IH);
	}
	if (d[0] & VTD_IOTLB0_DR)
		m->queue.drain |= QUIESCE_READS;
	if (d[0] & VTD_IOTLB0_DW)
		m->queue.drain |= QUIESCE_WRITES;
}

static void execute_piotlb(struct vtd_model *m, const uint64_t d[2])
{
	uint16_t did = (uint16_t)field_get(VTD_PIOTLB0_DID, d[0]);
	uint32_t pasid = (uint32_t)field_get(VTD_PIOTLB0_PASID, d[0]);

	if (field_get(VTD_PIOTLB0_G, d[0]) == VTD_PIOTLB_G_PASID)
		iotlb_inv_pasid(&m->cache, did, pasid);
	else
		iotlb_inv_pasid_pages(&m->cache, did, pasid, d[1] & VTD_PIOTLB1_ADDR,
				      (unsigned int)field_get(VTD_PIOTLB1_AM, d[1]), d[1] & VTD_PIOTLB1_IH);
	m->queue.drain = QUIESCE_READS | QUIESCE_WRITES;	/* implied (6.5.2.4) */
}

static void execute_wait(struct vtd_model *m, const uint64_t d[2])
{
	if (m->queue.drain) {
		quiesce_drain_kind(&m->hw.ctx->quiesce,		/* (3) */
				   m->drain_by_kind ? m->queue.drain : QUIESCE_READS | QUIESCE_WRITES);
		m->queue.drain = 0;
	}
	if ((d[0] & VTD_WAIT0_SW) && vtd_own_store32(m->hw.ctx, d[1] & VTD_WAIT1_ADDR,
						     (uint32_t)field_get(VTD_WAIT0_DATA, d[0])))
		vtd_misuse(m, "wait status address 0x%llx is no memory", (unsigned long long)d[1]);
	if (d[0] & VTD_WAIT0_IF)
		vtd_queue_interrupt(m);
}

static inline void execute(struct vtd_model *m, const uint64_t d[2], unsigned int type)
{
	m->queue.last_was_wait = false;
	switch (type) {
	case VTD_DESC_CC:
		execute_cc(m, d[0]);
		break;
	case VTD_DESC_PC:
		execute_pc(m, d[0]);
		break;
	case VTD_DESC_IOTLB:
		execute_iotlb(m, d);
		break;
	case VTD_DESC_PIOTLB:
		execute_piotlb(m, d);
		break;
	default:
		execute_wait(m, d);
		m->queue.last_was_wait = true;
	}
}

/* ---- ordering (2) ---- */

/* Whether later may execute while earlier, ahead of it, has not; by their words 0. */
static bool may_pass(uint64_t earlier, uint64_t later)
{
	unsigned int e = type_of(earlier), l = type_of(later);

	if (l == VTD_DESC_WAIT || (e == VTD_DESC_WAIT && (earlier & VTD_WAIT0_FN)))
		return false;
	if (l == VTD_DESC_PC)
		return e != VTD_DESC_CC;
	if (l == VTD_DESC_IOTLB || l == VTD_DESC_PIOTLB)
		return e != VTD_DESC_CC && e != VTD_DESC_PC;
	return true;
}

static bool eligible(const struct vtd_queue *q, unsigned int i)
{
	/* A wait that never completes: nothing behind it begins either. */
	if (q->hung && type_of(q->window[i][0]) == VTD_DESC_WAIT)
		return false;
	for (unsigned int k = 0; k < i; k++) {
		if (!may_pass(q->window[k][0], q->window[i][0]))
			return false;
		if (q->hung && type_of(q->window[k][0]) == VTD_DESC_WAIT)
			return false;
	}
	return true;
}

/* Executes one of those that may go next. False if none may. */
static bool execute_one(struct vtd_model *m)
{
	struct vtd_queue *q = &m->queue;
	unsigned int may[VTD_QUEUE_WINDOW];
	unsigned int n = 0, i;
	uint64_t d[2];

	for (i = 0; i < VTD_QUEUE_WINDOW && i < q->n; i++)
		if (eligible(q, i))
			may[n++] = i;
	if (!n)
		return false;
	i = may[m->preset == UIOMMU_PRESET_WEAKEST || m->preset == UIOMMU_PRESET_ANY_ORDER ?
			choose(CHOICE_COMMAND, n) : 0];
	d[0] = q->window[i][0];
	d[1] = q->window[i][1];
	q->n--;
	if (i < q->n)
		memmove(q->window + i, q->window + i + 1, (q->n - i) * sizeof(q->window[0]));
	choice_interleave(CHOICE_COMMAND);
	execute(m, d, type_of(d[0]));
	choice_interleave(CHOICE_COMMAND);
	return true;
}

/* With a window of one: each is executed before the next is fetched; only a wait that hangs stays in it. */
static bool process_in_order(struct vtd_model *m)
{
	struct vtd_queue *q = &m->queue;
	struct source src;
	bool did = false;
	uint64_t d[2];
	int type;

	if (q->n) {
		if (!execute_one(m))
			return false;
		did = true;
	}
	source_init(m, &src);
	while ((type = fetch(m, &src, d)) >= 0) {
		did = true;
		if (q->hung && type == VTD_DESC_WAIT) {
			q->window[0][0] = d[0];
			q->window[0][1] = d[1];
			q->n = 1;
			break;
		}
		execute(m, d, (unsigned int)type);
	}
	return did;
}

static bool process(struct vtd_model *m)
{
	struct vtd_queue *q;
	struct source src;
	bool did = false, more;

	if (!(atomic_load_explicit(&m->regs.gsts, memory_order_acquire) & VTD_G_QIE))
		return false;
	if (VTD_QUEUE_WINDOW == 1)
		return process_in_order(m);
	q = &m->queue;
	source_init(m, &src);
	do {
		more = false;
		while (q->n < VTD_QUEUE_WINDOW && fetch(m, &src, q->window[q->n]) >= 0) {
			q->n++;
			more = true;
		}
		if (execute_one(m))
			more = true;
		did |= more;
	} while (more);
	return did;
}

bool vtd_queue_run(struct vtd_model *m)
{
	bool did;

	/* Who is at it sees the new tail or leaves it to the waiter's next turn. */
	if (!lock_try(&m->queue.lock))
		return false;
	did = process(m);
	atomic_store_explicit(&m->queue.held, m->queue.n, memory_order_relaxed);
	lock_drop(&m->queue.lock);
	return did;
}

void vtd_queue_enable(struct vtd_model *m, bool on)
{
	struct vtd_queue *q = &m->queue;
	uint64_t head, tail;

	lock_take(&q->lock);
	head = atomic_load_explicit(&m->regs.iqh, memory_order_relaxed);
	tail = atomic_load_explicit(&m->regs.iqt, memory_order_relaxed);
	if (on && tail)
		vtd_misuse(m, "queue enabled with IQT 0x%llx", (unsigned long long)tail);
	if (!on && (head != tail || q->n || (head && !q->last_was_wait)))
		vtd_misuse(m, "queue disabled with work in it or without a wait at its end");
	q->n = 0;
	q->drain = 0;
	q->hung = false;
	q->last_was_wait = false;
	atomic_store_explicit(&m->regs.iqh, 0, memory_order_release);
	lock_drop(&q->lock);
}

/* ---- a task of its own ---- */

/*
 * Whether there may be something to do, by loads alone: a lock that is tried in each turn
 * would keep its cache line from those who submit. A window that holds a hung wait is
 * looked at each time.
 */
static bool worth_a_look(struct vtd_model *m)
{
	return atomic_load_explicit(&m->regs.iqt, memory_order_relaxed) !=
		       atomic_load_explicit(&m->regs.iqh, memory_order_relaxed) ||
	       atomic_load_explicit(&m->queue.held, memory_order_relaxed);
}

static void serve(void *arg)
{
	struct vtd_model *m = arg;
	struct task_spin spin = { 0 };

	while (!atomic_load_explicit(&m->queue.stop, memory_order_acquire)) {
		if (worth_a_look(m) && vtd_queue_run(m))
			spin.turns = 0;
		else
			task_relax(&spin);
	}
}

int vtd_queue_init(struct vtd_model *m, bool own_thread)
{
	struct vtd_queue *q = &m->queue;
	int err;

	lock_init(&q->lock);
	if (!own_thread)
		return 0;
	err = task_set_create(&m->hw.ctx->alloc, 0, &q->set);
	if (err)
		return err;
	err = task_spawn(q->set, "vtd-queue", serve, m, &q->task);
	if (err)
		task_set_destroy(q->set);
	return err;
}

void vtd_queue_fini(struct vtd_model *m)
{
	struct vtd_queue *q = &m->queue;

	if (!q->task)
		return;
	atomic_store_explicit(&q->stop, true, memory_order_release);
	task_join(q->task);
	task_set_destroy(q->set);
}

void vtd_model_fail_descriptor(struct uiommu_hw *hw, unsigned int n, enum vtd_fail how)
{
	struct vtd_queue *q = &vtd_model(hw)->queue;

	lock_take(&q->lock);
	if (how == VTD_FAIL_NONE)
		q->hung = false;
	atomic_store_explicit(&q->fail_how, (uint32_t)how, memory_order_relaxed);
	atomic_store_explicit(&q->fail_in, how == VTD_FAIL_NONE ? 0 : n, memory_order_relaxed);
	lock_drop(&q->lock);
}
