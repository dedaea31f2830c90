/* SPDX-License-Identifier: MIT */
/*
 * Changing what devices are on: prepare, commit, finish, park.
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
 *    its tag, the domain id that the flush names, and with p_iotlb_inv RID_PASID as
 *    its PASID. So when the wait completes they have ended. The guidance for changed
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
	struct vtdd_device **dd; /* NULL: slots[i]->drv */
	struct core_slot **slots;
	unsigned int n;
	enum core_direction direction;
	bool park; /* leave all domains */
	bool timed;
	uint64_t drain_ticks;
	struct vtdd_inv config, flush;
};

static inline struct vtdd_device *device(const struct run *r, unsigned int i)
{
	return r->slots ? r->slots[i]->drv : r->dd[i];
}

/* The domain that the run takes a device away from, and the one that it brings it to. */
static inline struct vtdd_domain *source(const struct run *r, const struct vtdd_device *dd)
{
	return r->direction == CORE_FORWARD ? dd->dom : dd->next;
}

static inline struct vtdd_domain *destination(const struct run *r, const struct vtdd_device *dd)
{
	return r->direction == CORE_FORWARD ? dd->next : dd->dom;
}

/* Bits of them in dirty and flushing. Both the same where the device does not leave its domain. */
static inline unsigned int source_bit(const struct run *r, const struct vtdd_device *dd)
{
	return 1u << (r->direction == CORE_FORWARD || dd->next == dd->dom ? dd->cur : !dd->cur);
}

static inline unsigned int destination_bit(const struct run *r, const struct vtdd_device *dd)
{
	return 1u << (r->direction == CORE_FORWARD && dd->next != dd->dom ? !dd->cur : dd->cur);
}

/* ---- plans ---- */

static void plan_towards(struct vtdd_iommu *vi, struct vtdd_device *dd, const struct vtdd_domain *dom)
{
	plan_make(&vi->fmt, vi->plan_caps, dd->entry, &vi->used[vtdd_entry_kind(vi, dd->entry)], dom->entry,
		  &vi->used[dom->kind], &dd->plan);
}

/* After a failure: what memory really holds. */
static void read_back(struct vtdd_iommu *vi, struct vtdd_device *dd)
{
	for (unsigned int i = 0; i < vi->fmt.words; i++)
		dd->entry[i] = vi->ops->load64(vi->hw, dd->entry_pa + 8 * i);
}

static void begin_plan(struct vtdd_device *dd)
{
	dd->step = 0;
	dd->syncs_left = dd->plan.syncs;
	dd->synced = false;
	dd->planned = false;
	dd->flushing = 0;
}

/* ---- stores ---- */

static void add_stale(struct vtdd_device *dd, uint32_t tag)
{
	for (unsigned int i = 0; i < dd->n_stale; i++)
		if (dd->stale[i] == tag)
			return;
	assert(dd->n_stale < VTDD_STALE_MAX);
	dd->stale[dd->n_stale++] = tag;
}

static void store(struct vtdd_iommu *vi, struct vtdd_device *dd, const struct plan_step *s)
{
	uiommu_pa_t pa = dd->entry_pa + 8 * s->at;

	/* Until the next sync a copy of the entry as it is now may be kept, under the domain id it has now.
	 */
	if (dd->entry[vi->fmt.present_word] & vi->fmt.present_bit)
		add_stale(dd, vtdd_entry_tag(vi, dd->entry));
	dd->entry[s->at] = s->val[0];
	if (s->op == PLAN_STORE64) {
		vi->ops->store64(vi->hw, pa, s->val[0]);
		return;
	}
	dd->entry[s->at + 1] = s->val[1];
	if (mutant(MUTANT_TAG_BEFORE_POINTER)) {
		vi->ops->store64(vi->hw, pa + 8, s->val[1]);
		vi->ops->store64(vi->hw, pa, s->val[0]);
		return;
	}
	vi->ops->store128(vi->hw, pa, (struct u128){ .lo = s->val[0], .hi = s->val[1] });
}

/* 6.5.3.3: the configuration cache, by every domain id that a cached copy may carry. */
static void add_config(struct vtdd_iommu *vi, const struct vtdd_device *dd, struct vtdd_inv *inv)
{
	if (mutant(MUTANT_NO_CONFIG_INV))
		return;
	/*
	 * The entry was not present: nothing is cached, but a fetch under way may
	 * have seen half of the change (only with any-order fetches), under whatever
	 * id it will find. Every invalidation ends it; this one names all.
	 */
	if (!dd->n_stale && vi->scalable)
		vtdd_inv_pc_global(inv);
	else if (!dd->n_stale)
		vtdd_inv_cc_global(inv);
	for (unsigned int i = 0; i < dd->n_stale; i++) {
		if (vi->scalable)
			vtdd_inv_pc_pasid(inv, dd->stale[i], VTDD_RID_PASID);
		else
			vtdd_inv_cc_device(inv, dd->stale[i], dd->rid);
	}
}

/* The device's stores up to its next sync, which is added to the round; or all that are left. */
static void advance(struct run *r, struct vtdd_device *dd)
{
	while (dd->step < dd->plan.n) {
		const struct plan_step *s = &dd->plan.step[dd->step++];

		if (s->op == PLAN_SYNC) {
			add_config(r->vi, dd, &r->config);
			dd->syncs_left--;
			dd->synced = true;
			return;
		}
		store(r->vi, dd, s);
	}
}

/* ---- invalidations of a round ---- */

static void add_flush(struct run *r, struct vtdd_device *dd, struct vtdd_inv *inv)
{
	const struct vtdd_domain *from = source(r, dd), *to = destination(r, dd);

	if (r->park) {
		vtdd_domain_flush(r->vi, dd->dom, inv);
		if (dd->next)
			vtdd_domain_flush(r->vi, dd->next, inv);
		dd->flushing = dd->dirty;
	} else if (from != to && dd->plan.n) {
		vtdd_domain_flush(r->vi, from, inv);
		dd->flushing = source_bit(r, dd);
	}
}

/* The mistake: a tag that nobody will carry any more is free before its flush is submitted. */
static void reuse_early(struct run *r)
{
	for (unsigned int i = 0; i < r->n; i++) {
		struct vtdd_domain *from = source(r, device(r, i));
		unsigned int leaving = 0;

		for (unsigned int k = 0; k < r->n; k++)
			leaving += source(r, device(r, k)) == from;
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
		add_flush(r, device(r, i), &r->config);
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
		add_flush(r, device(r, i), &r->flush);
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

/* Runs the plans of all devices to their end, or up to the invalidation that failed. */
static int run_plans(struct run *r)
{
	bool flushed = false, more = true;

	while (more) {
		unsigned int syncs = 0;
		int err;

		more = false;
		vtdd_inv_init(&r->config);
		for (unsigned int i = 0; i < r->n; i++) {
			struct vtdd_device *dd = device(r, i);

			advance(r, dd);
			more |= dd->step < dd->plan.n;
			syncs += dd->syncs_left;
		}
		err = invalidate(r, !syncs && !flushed);
		if (err)
			return err;
		flushed |= !syncs;
		/* The copies that the round's syncs named are gone. */
		for (unsigned int i = 0; i < r->n; i++) {
			struct vtdd_device *dd = device(r, i);

			if (dd->synced)
				dd->n_stale = 0;
			dd->synced = false;
			dd->dirty &= ~dd->flushing;
			dd->flushing = 0;
		}
	}
	return 0;
}

/* ---- the core's operations ---- */

static void fill_report(struct vtdd_device *dd, struct uiommu_report *report)
{
	const struct plan *plan = &dd->plan;

	dd->gap = plan->gap;
	report->gap = plan->gap;
	report->strategy = plan->strategy;
	report->best_gap = plan->best_gap;
	report->stores = plan->stores;
	report->config_syncs = plan->syncs;
	report->tag_flushes = plan->n && dd->dom->kind != VTDD_KIND_BLOCKED;
	if (plan->gap > UIOMMU_GAP_NONE)
		snprintf(report->reason, sizeof(report->reason), "%s", plan->reason);
}

int vtdd_prepare(struct core_slot *slot, struct uiommu_report *report)
{
	struct vtdd_iommu *vi = to_vtdd(slot->dev->iommu);
	struct vtdd_device *dd = slot->dev->drv;
	struct vtdd_domain *to = to_vtdd_domain(slot->to);
	int err;

	if (slot->pasid != UIOMMU_NO_PASID)
		return -EOPNOTSUPP;
	if (dd->next)
		return -EBUSY; /* parking failed: hardware may be on either of two domains already */
	/* On the new list from now on: early does no harm, unmaps flush a tag that nobody fills. */
	err = vtdd_domain_join(vi, to, to == dd->dom || mutant(MUTANT_LIST_ADD_LATE) ? NULL :
										      &dd->node[!dd->cur]);
	if (err) {
		snprintf(report->reason, sizeof(report->reason), "all %u domain ids are in use",
			 vi->tags.ids.last);
		return err;
	}
	dd->next = to;
	dd->slot = slot;
	slot->drv = dd;
	plan_towards(vi, dd, to);
	dd->planned = true;
	fill_report(dd, report);
	return 0;
}

/* Whether a flush of what node[@i]'s domain may have left for the device completed; it is left now. */
static bool take_clean(struct vtdd_device *dd, unsigned int i)
{
	bool clean = !(dd->dirty >> i & 1);

	dd->dirty &= ~(1u << i);
	return clean;
}

/* The device stays where it is. */
static void drop_next(struct vtdd_iommu *vi, struct vtdd_device *dd)
{
	if (dd->next != dd->dom)
		vtdd_domain_leave(vi, dd->next, &dd->node[!dd->cur], take_clean(dd, !dd->cur));
	else
		vtdd_domain_leave(vi, dd->next, NULL, true);
	dd->next = NULL;
}

/* The device is on next. */
static void drop_current(struct vtdd_iommu *vi, struct vtdd_device *dd)
{
	if (dd->next != dd->dom) {
		if (mutant(MUTANT_LIST_ADD_LATE))
			vtdd_domain_list(vi, dd->next, &dd->node[!dd->cur]);
		vtdd_domain_leave(vi, dd->dom, &dd->node[dd->cur], take_clean(dd, dd->cur));
		dd->cur = !dd->cur;
	} else {
		vtdd_domain_leave(vi, dd->dom, NULL, true);
	}
	dd->dom = dd->next;
	dd->next = NULL;
}

/* The device is blocked, by parking. */
static void drop_all(struct vtdd_iommu *vi, struct vtdd_device *dd)
{
	if (dd->next)
		drop_next(vi, dd);
	vtdd_domain_leave(vi, dd->dom, &dd->node[dd->cur], take_clean(dd, dd->cur));
	dd->dom = to_vtdd_domain(vi->base.blocking);
}

void vtdd_abort(struct core_slot *slot)
{
	struct vtdd_device *dd = slot->drv;

	drop_next(to_vtdd(slot->dev->iommu), dd);
	dd->planned = false;
	dd->slot = NULL;
	slot->drv = NULL;
}

void vtdd_finish(struct core_slot *slot, struct uiommu_domain *where)
{
	struct vtdd_iommu *vi = to_vtdd(slot->dev->iommu);
	struct vtdd_device *dd = slot->drv;

	dd->planned = false;
	dd->slot = NULL;
	slot->drv = NULL;
	/* Hardware may be on either: lists and tags of both stay until a park succeeds. */
	if (!where)
		return;
	if (where == &dd->next->base)
		drop_current(vi, dd);
	else if (where == &dd->dom->base)
		drop_next(vi, dd);
	else
		drop_all(vi, dd);
}

/* Runs slots [first, first + n) in one direction. */
static int run_slots(struct run *r, struct core_slot **slots, unsigned int n, enum core_direction direction,
		     bool after_failure)
{
	r->slots = slots;
	r->n = n;
	r->direction = direction;
	for (unsigned int i = 0; i < n; i++) {
		struct vtdd_device *dd = slots[i]->drv;

		if (after_failure)
			read_back(r->vi, dd);
		if (after_failure || !dd->planned || direction == CORE_BACK)
			plan_towards(r->vi, dd, destination(r, dd));
		begin_plan(dd);
		if (destination(r, dd)->kind != VTDD_KIND_BLOCKED)
			dd->dirty |= destination_bit(r, dd);
		if (mutant(MUTANT_LIST_DEL_EARLY) && direction == CORE_FORWARD && dd->next != dd->dom)
			vtdd_domain_unlist(r->vi, dd->dom, &dd->node[dd->cur]);
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

/* Whether a device saw more of a gap on its way back than prepare promised. */
static bool worse_gap(struct core_slot **slots, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct vtdd_device *dd = slots[i]->drv;

		if (dd->plan.gap > dd->gap)
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
	struct vtdd_device *dd = att->dev->drv;
	struct run r = { .vi = vi, .dd = &dd, .n = 1, .park = true };
	int err;

	read_back(vi, dd);
	/* Whatever a change that was cut short may have left. */
	if (dd->dom->kind != VTDD_KIND_BLOCKED)
		add_stale(dd, dd->dom->tag);
	if (dd->next && dd->next->kind != VTDD_KIND_BLOCKED)
		add_stale(dd, dd->next->tag);
	plan_clear(&vi->fmt, vi->plan_caps, dd->entry, &dd->plan);
	begin_plan(dd);
	err = run_plans(&r);
	if (!err && !dd->slot)
		drop_all(vi, dd);
	return err;
}
