/* SPDX-License-Identifier: MIT */
/*
 * Changing what attachments are on: prepare, commit, finish, park.
 *
 * A commit runs the plans of all its slots in rounds. A round does every slot's
 * stores up to its next sync, then invalidates the configuration caches for all of
 * them and waits. The last sync's submission also carries the flush of the tags
 * that the slots leave, behind all configuration invalidations.
 *
 * Why one wait is enough for both (two_waits makes it two, for comparison):
 *  - 6.5.2: iotlb_inv and p_iotlb_inv run after all cc_inv and pc_inv that are ahead
 *    of them in the queue. When the flush executes, no cached copy of an old entry
 *    is left, so a request that begins afterwards reads the new entry and fills
 *    under the new tag.
 *  - A request that began before may still hold the old entry. Either it filled the
 *    IOTLB before the flush, which takes the line out, or it tries to afterwards,
 *    and hardware that invalidated since the request began must not keep the
 *    result (else no invalidation would mean anything while DMA runs).
 *  - cc_inv and pc_inv do not wait for such requests, but the flush does: it drains
 *    (DR and DW; p_iotlb_inv always). Nothing more is used of that than what holds
 *    for the requests which the flush names: one that holds the old entry carries
 *    its tag, the domain id that the flush names, and with p_iotlb_inv the entry's
 *    PASID (RID_PASID for the RID's). So when the wait completes they have ended. The guidance for changed
 *    entries (6.5.3.3) names the same flushes per kind: p_iotlb_inv by PASID for
 *    first stage and pass-through, iotlb_inv by domain for second stage and for all
 *    of legacy mode. A request that met a not-present entry carries no tag; there is
 *    nothing of it to wait for, it is refused. In any intermediate state of a plan an
 *    entry is the old one, the new one or not present, so there is no third tag.
 * A sync between two stores of a plan always has a wait of its own.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "driver/vtd/vtd.h"
#include "update/mutant.h"

struct run {
	struct vtdd_iommu *vi;
	struct vtdd_att **va; /* NULL: slots[i]->drv */
	struct core_slot **slots;
	unsigned int n;
	enum core_direction direction;
	bool park; /* leave all domains */
	bool timed;
	uint64_t drain_ticks;
	struct vtdd_inv config, flush;
};

static inline struct vtdd_att *attachment(const struct run *r, unsigned int i)
{
	return r->slots ? r->slots[i]->drv : r->va[i];
}

/* The domain that the run takes an attachment away from, and the one that it brings it to. */
static inline struct vtdd_domain *source(const struct run *r, const struct vtdd_att *va)
{
	return r->direction == CORE_FORWARD ? va->dom : va->next;
}

static inline struct vtdd_domain *destination(const struct run *r, const struct vtdd_att *va)
{
	return r->direction == CORE_FORWARD ? va->next : va->dom;
}

/* Bits of them in dirty and flushing. Both the same where the attachment does not leave its domain. */
static inline unsigned int source_bit(const struct run *r, const struct vtdd_att *va)
{
	return 1u << (r->direction == CORE_FORWARD || va->next == va->dom ? va->cur : !va->cur);
}

static inline unsigned int destination_bit(const struct run *r, const struct vtdd_att *va)
{
	return 1u << (r->direction == CORE_FORWARD && va->next != va->dom ? !va->cur : va->cur);
}

/* ---- plans ---- */

static void plan_towards(struct vtdd_iommu *vi, struct vtdd_att *va, const struct vtdd_domain *dom)
{
	plan_make(&vi->fmt, vi->plan_caps, va->entry, &vi->used[vtdd_entry_kind(vi, va->entry)], dom->entry,
		  &vi->used[dom->kind], &va->plan);
}

/* After a failure: what memory really holds. */
static void read_back(struct vtdd_iommu *vi, struct vtdd_att *va)
{
	for (unsigned int i = 0; i < vi->fmt.words; i++)
		va->entry[i] = vi->ops->load64(vi->hw, va->entry_pa + 8 * i);
}

static void begin_plan(struct vtdd_att *va)
{
	va->step = 0;
	va->syncs_left = va->plan.syncs;
	va->synced = false;
	va->planned = false;
	va->flushing = 0;
}

/* ---- stores ---- */

static void add_stale(struct vtdd_att *va, uint32_t tag)
{
	for (unsigned int i = 0; i < va->n_stale; i++)
		if (va->stale[i] == tag)
			return;
	assert(va->n_stale < VTDD_STALE_MAX);
	va->stale[va->n_stale++] = tag;
}

static void store(struct vtdd_iommu *vi, struct vtdd_att *va, const struct plan_step *s)
{
	uiommu_pa_t pa = va->entry_pa + 8 * s->at;

	/* Until the next sync a copy of the entry as it is now may be kept, under the domain id it has now.
	 */
	if (va->entry[vi->fmt.present_word] & vi->fmt.present_bit)
		add_stale(va, vtdd_entry_tag(vi, va->entry));
	va->entry[s->at] = s->val[0];
	if (s->op == PLAN_STORE64) {
		vi->ops->store64(vi->hw, pa, s->val[0]);
		return;
	}
	va->entry[s->at + 1] = s->val[1];
	if (mutant(MUTANT_TAG_BEFORE_POINTER)) {
		vi->ops->store64(vi->hw, pa + 8, s->val[1]);
		vi->ops->store64(vi->hw, pa, s->val[0]);
		return;
	}
	vi->ops->store128(vi->hw, pa, (struct u128){ .lo = s->val[0], .hi = s->val[1] });
}

/* 6.5.3.3: the configuration cache, by every domain id that a cached copy may carry. */
static void add_config(struct vtdd_iommu *vi, const struct vtdd_att *va, struct vtdd_inv *inv)
{
	if (mutant(MUTANT_NO_CONFIG_INV))
		return;
	/*
	 * The entry was not present: nothing is cached, but a fetch under way may
	 * have seen half of the change (only with any-order fetches), under whatever
	 * id it will find. Every invalidation ends it; this one names all.
	 */
	if (!va->n_stale && vi->scalable)
		vtdd_inv_pc_global(inv);
	else if (!va->n_stale)
		vtdd_inv_cc_global(inv);
	for (unsigned int i = 0; i < va->n_stale; i++) {
		if (vi->scalable)
			vtdd_inv_pc_pasid(inv, va->stale[i], va->pasid);
		else
			vtdd_inv_cc_device(inv, va->stale[i], va->rid);
	}
}

/* The attachment's stores up to its next sync, which is added to the round; or all that are left. */
static void advance(struct run *r, struct vtdd_att *va)
{
	while (va->step < va->plan.n) {
		const struct plan_step *s = &va->plan.step[va->step++];

		if (s->op == PLAN_SYNC) {
			add_config(r->vi, va, &r->config);
			va->syncs_left--;
			va->synced = true;
			return;
		}
		store(r->vi, va, s);
	}
}

/* ---- invalidations of a round ---- */

static void add_flush(struct run *r, struct vtdd_att *va, struct vtdd_inv *inv)
{
	const struct vtdd_domain *from = source(r, va), *to = destination(r, va);

	if (r->park) {
		vtdd_domain_flush(r->vi, va->dom, va->pasid, inv);
		if (va->next)
			vtdd_domain_flush(r->vi, va->next, va->pasid, inv);
		va->flushing = va->dirty;
	} else if (from != to && va->plan.n) {
		vtdd_domain_flush(r->vi, from, va->pasid, inv);
		va->flushing = source_bit(r, va);
	}
}

/* The mistake: a tag that nobody will carry any more is free before its flush is submitted. */
static void reuse_early(struct run *r)
{
	for (unsigned int i = 0; i < r->n; i++) {
		struct vtdd_domain *from = source(r, attachment(r, i));
		unsigned int leaving = 0;

		for (unsigned int k = 0; k < r->n; k++)
			leaving += source(r, attachment(r, k)) == from;
		if (r->park || from->kind == VTDD_KIND_BLOCKED || from->tag == VTDD_NO_TAG)
			continue;
		lock_take(&from->list.lock);
		if (from->attached == leaving) {
			tag_retire(&r->vi->tags, from->tag);
			tag_put(&r->vi->tags, from->tag);
			r->vi->ops->note(r->vi->hw, HW_NOTE_TAG_FREE, from->tag, 0);
			from->tag = VTDD_NO_TAG;
		}
		lock_drop(&from->list.lock);
	}
}

static int submit(struct run *r, struct vtdd_inv *inv)
{
	int err;

	inv->timed = r->timed;
	inv->drain_ticks = 0;
	err = vtdd_queue_run(r->vi, inv);
	r->drain_ticks += inv->drain_ticks;
	return err;
}

/* Configuration and flushes in one batch, in this order. False: they do not fit, nothing was added. */
static bool merge(struct run *r)
{
	unsigned int n = r->config.n;

	r->config.full = false;
	for (unsigned int i = 0; i < r->n; i++)
		add_flush(r, attachment(r, i), &r->config);
	if (!r->config.full)
		return true;
	r->config.n = n;
	return false;
}

/* More entries than a batch can name: all. */
static void widen_config(struct run *r)
{
	r->config.n = 0;
	if (r->vi->scalable)
		vtdd_inv_pc_global(&r->config);
	else
		vtdd_inv_cc_global(&r->config);
}

/* Two batches: configuration, and when that completed, flushes. */
static int invalidate_apart(struct run *r)
{
	bool swap = mutant(MUTANT_SWAP_INV);
	int err;

	vtdd_inv_init(&r->flush);
	for (unsigned int i = 0; i < r->n; i++)
		add_flush(r, attachment(r, i), &r->flush);
	if (r->flush.full) {
		r->flush.n = 0;
		vtdd_inv_iotlb_global(&r->flush);
	}
	err = submit(r, swap ? &r->flush : &r->config);
	return err ? err : submit(r, swap ? &r->config : &r->flush);
}

/* @flush: this is the last sync of all slots, the tags that they leave go too. */
static int invalidate(struct run *r, bool flush)
{
	if (r->config.full)
		widen_config(r);
	if (!flush)
		return submit(r, &r->config);
	if (r->vi->two_waits || mutant(MUTANT_SWAP_INV) || !merge(r))
		return invalidate_apart(r);
	if (mutant(MUTANT_TAG_REUSE_EARLY))
		reuse_early(r);
	return submit(r, &r->config);
}

/* Runs the plans of all attachments to their end, or up to the invalidation that failed. */
static int run_plans(struct run *r)
{
	bool flushed = false, more = true;

	while (more) {
		unsigned int syncs = 0;
		int err;

		more = false;
		vtdd_inv_init(&r->config);
		for (unsigned int i = 0; i < r->n; i++) {
			struct vtdd_att *va = attachment(r, i);

			advance(r, va);
			more |= va->step < va->plan.n;
			syncs += va->syncs_left;
		}
		err = invalidate(r, !syncs && !flushed);
		if (err)
			return err;
		flushed |= !syncs;
		/* The copies that the round's syncs named are gone. */
		for (unsigned int i = 0; i < r->n; i++) {
			struct vtdd_att *va = attachment(r, i);

			if (va->synced)
				va->n_stale = 0;
			va->synced = false;
			va->dirty &= ~va->flushing;
			va->flushing = 0;
		}
	}
	return 0;
}

/* ---- the core's operations ---- */

static void fill_report(struct vtdd_att *va, struct uiommu_report *report)
{
	const struct plan *plan = &va->plan;

	va->gap = plan->gap;
	report->gap = plan->gap;
	report->strategy = plan->strategy;
	report->best_gap = plan->best_gap;
	report->stores = plan->stores;
	report->config_syncs = plan->syncs;
	report->tag_flushes = plan->n && va->dom->kind != VTDD_KIND_BLOCKED;
	if (plan->gap > UIOMMU_GAP_NONE)
		snprintf(report->reason, sizeof(report->reason), "%s", plan->reason);
}

int vtdd_prepare(struct core_slot *slot, struct uiommu_report *report)
{
	struct vtdd_iommu *vi = to_vtdd(slot->dev->iommu);
	struct vtdd_att *va = vtdd_att_of(slot->att);
	struct vtdd_domain *to = to_vtdd_domain(slot->to);
	int err;

	if (va->next)
		return -EBUSY; /* parking failed: hardware may be on either of two domains already */
	/* On the new list from now on: early does no harm, unmaps flush a tag that nobody fills. */
	err = vtdd_domain_join(vi, to,
			       to == va->dom || mutant(MUTANT_LIST_ADD_LATE) ? NULL : &va->node[!va->cur],
			       va->pasid);
	if (err) {
		snprintf(report->reason, sizeof(report->reason), "all %u domain ids are in use",
			 vi->tags.ids.last);
		return err;
	}
	va->next = to;
	va->slot = slot;
	slot->drv = va;
	plan_towards(vi, va, to);
	va->planned = true;
	fill_report(va, report);
	return 0;
}

/* Whether a flush of what node[@i]'s domain may have left for the device completed; it is left now. */
static bool take_clean(struct vtdd_att *va, unsigned int i)
{
	bool clean = !(va->dirty >> i & 1);

	va->dirty &= ~(1u << i);
	return clean;
}

/* The attachment stays where it is. */
static void drop_next(struct vtdd_iommu *vi, struct vtdd_att *va)
{
	if (va->next != va->dom)
		vtdd_domain_leave(vi, va->next, &va->node[!va->cur], take_clean(va, !va->cur));
	else
		vtdd_domain_leave(vi, va->next, NULL, true);
	va->next = NULL;
}

/* The attachment is on next. */
static void drop_current(struct vtdd_iommu *vi, struct vtdd_att *va)
{
	if (va->next != va->dom) {
		if (mutant(MUTANT_LIST_ADD_LATE))
			vtdd_domain_list(vi, va->next, &va->node[!va->cur], va->pasid);
		vtdd_domain_leave(vi, va->dom, &va->node[va->cur], take_clean(va, va->cur));
		va->cur = !va->cur;
	} else {
		vtdd_domain_leave(vi, va->dom, NULL, true);
	}
	va->dom = va->next;
	va->next = NULL;
}

/* The attachment is blocked, by parking. */
static void drop_all(struct vtdd_iommu *vi, struct vtdd_att *va)
{
	if (va->next)
		drop_next(vi, va);
	vtdd_domain_leave(vi, va->dom, &va->node[va->cur], take_clean(va, va->cur));
	va->dom = to_vtdd_domain(vi->base.blocking);
}

void vtdd_abort(struct core_slot *slot)
{
	struct vtdd_att *va = slot->drv;

	drop_next(to_vtdd(slot->dev->iommu), va);
	va->planned = false;
	va->slot = NULL;
	slot->drv = NULL;
}

void vtdd_finish(struct core_slot *slot, struct uiommu_domain *where)
{
	struct vtdd_iommu *vi = to_vtdd(slot->dev->iommu);
	struct vtdd_att *va = slot->drv;

	va->planned = false;
	va->slot = NULL;
	slot->drv = NULL;
	/* Hardware may be on either: lists and tags of both stay until a park succeeds. */
	if (!where)
		return;
	if (where == &va->next->base)
		drop_current(vi, va);
	else if (where == &va->dom->base)
		drop_next(vi, va);
	else
		drop_all(vi, va);
}

/* Runs slots [first, first + n) in one direction. */
static int run_slots(struct run *r, struct core_slot **slots, unsigned int n, enum core_direction direction,
		     bool after_failure)
{
	r->slots = slots;
	r->n = n;
	r->direction = direction;
	for (unsigned int i = 0; i < n; i++) {
		struct vtdd_att *va = slots[i]->drv;

		if (after_failure)
			read_back(r->vi, va);
		if (after_failure || !va->planned || direction == CORE_BACK)
			plan_towards(r->vi, va, destination(r, va));
		begin_plan(va);
		if (destination(r, va)->kind != VTDD_KIND_BLOCKED)
			va->dirty |= destination_bit(r, va);
		if (mutant(MUTANT_LIST_DEL_EARLY) && direction == CORE_FORWARD && va->next != va->dom)
			vtdd_domain_unlist(r->vi, va->dom, &va->node[va->cur]);
	}
	return run_plans(r);
}

static enum core_direction opposite(enum core_direction direction)
{
	return direction == CORE_FORWARD ? CORE_BACK : CORE_FORWARD;
}

static void lose(struct core_slot **slots, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		slots[i]->lost = true;
}

/* Whether an attachment saw more of a gap on its way back than prepare promised. */
static bool worse_gap(struct core_slot **slots, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct vtdd_att *va = slots[i]->drv;

		if (va->plan.gap > va->gap)
			return true;
	}
	return false;
}

/*
 * A batch failed with @err. One descriptor may have served several slots, so none
 * of them is known to have arrived: all go back, by plans made from what memory
 * holds now. Then each of them tries once more, alone: what failed once and not
 * again was no failure of the device, and else the slot that really fails is named,
 * with those before it arrived. Only slots that cannot even go back are lost.
 */
static int recover(struct run *r, struct core_slot **slots, unsigned int n, enum core_direction direction,
		   int err, unsigned int *done)
{
	*done = 0;
	if (run_slots(r, slots, n, opposite(direction), true)) {
		lose(slots, n);
		return err;
	}
	/* Success would then promise too much. */
	if (worse_gap(slots, n))
		return err;
	for (; *done < n; ++*done) {
		err = run_slots(r, slots + *done, 1, direction, true);
		if (!err)
			continue;
		if (run_slots(r, slots + *done, 1, opposite(direction), true))
			lose(slots + *done, 1);
		return err;
	}
	return 0;
}

int vtdd_commit(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
		enum core_direction direction, unsigned int *done, struct uiommu_report *report)
{
	uint64_t start = 0, total;
	struct run r;
	int err;

	r.vi = to_vtdd(iommu);
	r.park = false;
	r.timed = report;
	r.drain_ticks = 0;
	if (report)
		start = clock_ticks();
	err = run_slots(&r, slots, n, direction, false);
	if (err)
		err = recover(&r, slots, n, direction, err, done);
	else
		*done = n;
	if (report) {
		total = clock_ticks() - start;
		report->drain_ns += clock_ns(r.drain_ticks);
		report->cpu_ns += clock_ns(total > r.drain_ticks ? total - r.drain_ticks : 0);
	}
	return err;
}

int vtdd_park(struct core_att *att)
{
	struct vtdd_iommu *vi = to_vtdd(att->dev->iommu);
	struct vtdd_att *va = vtdd_att_of(att);
	struct run r = { .vi = vi, .va = &va, .n = 1, .park = true };
	int err;

	read_back(vi, va);
	/* Whatever a change that was cut short may have left. */
	if (va->dom->kind != VTDD_KIND_BLOCKED)
		add_stale(va, va->dom->tag);
	if (va->next && va->next->kind != VTDD_KIND_BLOCKED)
		add_stale(va, va->next->tag);
	plan_clear(&vi->fmt, vi->plan_caps, va->entry, &va->plan);
	begin_plan(va);
	err = run_plans(&r);
	if (!err && !va->slot)
		drop_all(vi, va);
	return err;
}
