/* SPDX-License-Identifier: MIT */
/*
 * The engine: prepares all slots, commits them, and knows what to do when
 * hardware fails in the middle.
 *
 * 1. Every slot is prepared before the first one is committed.
 * 2. One commit per IOMMU with all its slots, so that a driver needs one batch of
 *    invalidations.
 * 3. May fail: slots committed before the failing one go back, it stays where it
 *    is. Going back must succeed.
 * 4. Must succeed: the failing device is parked, the others go on.
 * 5. A device that can neither go on nor back is parked. If that fails too it is
 *    stuck, and both domains of its slot are quarantined: hardware failed twice,
 *    so what it still holds of either is not known, and the driver keeps list
 *    nodes and tags on both.
 */
#include <errno.h>
#include <stdio.h>

#include "base/choice.h"
#include "base/probe.h"
#include "core/core.h"

void direct_blocked_event(struct uiommu_device *dev)
{
	struct uiommu_event event = {
		.kind = UIOMMU_EVENT_DIRECT_BLOCKED, .rid = dev->rid, .pasid = UIOMMU_NO_PASID,
	};

	ctx_event(dev->iommu->ctx, &event, "device " RID_FMT " has direct mappings that firmware asks for, "
		  "and was blocked", RID_ARGS(dev->rid));
}

static void slot_event(struct core_slot *slot, enum uiommu_event_kind kind, int error, const char *what)
{
	struct uiommu_event event = {
		.kind = kind, .rid = slot->dev->rid, .pasid = slot->pasid, .error = error,
	};

	if (slot->pasid == UIOMMU_NO_PASID)
		ctx_event(slot->dev->iommu->ctx, &event, "device " RID_FMT " %s (error %d)",
			  RID_ARGS(slot->dev->rid), what, error);
	else
		ctx_event(slot->dev->iommu->ctx, &event, "device " RID_FMT " PASID %u %s (error %d)",
			  RID_ARGS(slot->dev->rid), slot->pasid, what, error);
}

/* Where a slot that failed stands, for certain; NULL: not known. */
static struct uiommu_domain *slot_stands(const struct core_slot *slot)
{
	return slot->lost ? NULL : slot->where;
}

/*
 * Blocks a device that failed with @why. @at: where it stands for certain, or NULL
 * if the driver lost it: one that stands on blocking needs nothing more.
 */
static void slot_park(struct core_slot *slot, struct uiommu_domain *at, int why)
{
	struct uiommu_device *dev = slot->dev;
	struct uiommu_iommu *iommu = dev->iommu;
	int err = 0;

	if (at != iommu->blocking)
		err = iommu->ops->park(slot->att);
	if (!err) {
		slot->where = iommu->blocking;
		slot_event(slot, UIOMMU_EVENT_PARKED, why, "was parked on the blocking domain");
		if (dev->require_direct && slot->pasid == UIOMMU_NO_PASID && slot->to != iommu->blocking)
			direct_blocked_event(dev);
		return;
	}
	slot->where = NULL;
	slot->att->stuck = true;
	domain_quarantine(slot->from, slot->att, err);
	/* What was never prepared hardware never saw. */
	if (slot->state == SLOT_PREPARED)
		domain_quarantine(slot->to, slot->att, err);
}

int engine_unstick(struct core_att *att)
{
	int err = att->dev->iommu->ops->park(att);

	if (err)
		return err;
	att->stuck = false;
	slot_init(att, att->domain);
	slot_event(&att->slot, UIOMMU_EVENT_PARKED, 0, "was parked at last");
	return 0;
}

/* Without a commit, the slot never rests: att->domain is set here, as far as parking moved it. */
static void slot_park_unprepared(struct core_slot *slot, int why)
{
	slot_park(slot, slot_stands(slot), why);
	slot->att->domain = slot->dev->iommu->blocking;
	if (slot->pasid == UIOMMU_NO_PASID)
		slot->dev->deferred = false;
	PROBE4(attach_device_to_domain, slot->dev->rid, slot->pasid, slot->where, slot->from);
}

/*
 * @first: @plan is as report_init() left it, and the driver may fill it in itself; what
 * later slots say is merged into it.
 */
static int slot_prepare(struct core_slot *slot, const struct uiommu_replace_opts *opts,
			struct uiommu_report *plan, bool first)
{
	/* cppcheck-suppress uninitvar ; no value is read here, only an address taken */
	struct uiommu_report other, *one = first ? plan : &other;
	char why[UIOMMU_REASON_LEN];
	int err;

	if (!first)
		report_init(one);
	slot->opts = opts;
	err = slot->dev->iommu->ops->prepare(slot, one);
	slot->opts = NULL;
	if (err) {
		/* The text goes where it may come from. */
		snprintf(why, sizeof(why), "%.128s", one->reason);
		return report_refuse(plan, slot->dev, err, "device " RID_FMT " cannot be prepared "
				     "(error %d)%s%s", RID_ARGS(slot->dev->rid), err, why[0] ? ": " : "",
				     why);
	}
	slot->state = SLOT_PREPARED;
	if (one->gap > UIOMMU_GAP_NONE && !one->reason[0])
		snprintf(one->reason, sizeof(one->reason), "%s: no reason given",
			 slot->dev->iommu->ops->name);
	if (opts && one->gap > opts->worst_gap && !plan->refused)
		plan->refused = slot->dev;
	if (!first)
		report_merge(plan, one);
	return 0;
}

static void slot_abort(struct core_slot *slot)
{
	slot->dev->iommu->ops->abort(slot);
	slot->state = SLOT_IDLE;
}

/* Returns 0, or the first error; then the slots before it are still prepared. */
static int run_prepare(struct core_run *run, unsigned int flags, const struct uiommu_replace_opts *opts,
		       struct uiommu_report *plan, bool first)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < run->n; i++) {
		struct core_slot *slot = run->slots[i];
		int err = slot_prepare(slot, opts, plan, first && !i);

		choice_interleave(CHOICE_CORE);
		if (!err) {
			run->slots[n++] = slot;
			continue;
		}
		if (!(flags & CORE_MUST_SUCCEED)) {
			run->n = n;
			return err;
		}
		slot_park_unprepared(slot, err);
	}
	run->n = n;
	return 0;
}

void engine_abort(struct core_run *runs, unsigned int n)
{
	for (unsigned int r = 0; r < n; r++)
		for (unsigned int i = 0; i < runs[r].n; i++)
			slot_abort(runs[r].slots[i]);
}

int engine_prepare(struct core_run *runs, unsigned int n, unsigned int flags,
		   const struct uiommu_replace_opts *opts, struct uiommu_report *plan)
{
	int err;

	for (unsigned int r = 0; r < n; r++) {
		err = run_prepare(&runs[r], flags, opts, plan, !r);
		if (err) {
			engine_abort(runs, r + 1);
			return err;
		}
	}
	if (opts && plan->refused) {
		/* Counts and gap stay: they are what it would have cost. */
		engine_abort(runs, n);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* One commit. On success all slots, on error [0, *done) are where @direction leads. */
static int commit_batch(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
			enum core_direction direction, unsigned int *done, struct uiommu_report *times)
{
	int err;

	*done = 0;
	err = iommu->ops->commit(iommu, slots, n, direction, done, times);
	if (!err)
		*done = n;
	else if (*done >= n)
		*done = n - 1;
	for (unsigned int i = 0; i < *done; i++)
		slots[i]->where = direction == CORE_FORWARD ? slots[i]->to : slots[i]->from;
	return err;
}

/*
 * Commits and cannot fail: a device that fails, or that the driver lost, is
 * parked, and the others go on. Returns the first error and who met it. Reorders
 * slots: those dealt with come to the front.
 */
static int commit_all(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
		      enum core_direction direction, struct uiommu_report *times, struct uiommu_device **who)
{
	int first = 0;

	while (n) {
		unsigned int done, next;
		int err = commit_batch(iommu, slots, n, direction, &done, times);

		if (!err)
			break;
		if (!first) {
			first = err;
			*who = slots[done]->dev;
		}
		next = done;
		for (unsigned int i = done; i < n; i++) {
			struct core_slot *slot = slots[i];

			if (i > done && !slot->lost)
				continue;
			if (direction == CORE_BACK)
				slot_event(slot, UIOMMU_EVENT_UNWIND_FAILED, err,
					   "could not go back to its old domain");
			slot_park(slot, slot_stands(slot), err);
			slots[i] = slots[next];
			slots[next++] = slot;
		}
		slots += next;
		n -= next;
		choice_interleave(CHOICE_CORE);
	}
	return first;
}

/* Run @failed stopped with @done slots moved: takes these and the earlier runs back. */
static void go_back(struct core_run *runs, unsigned int failed, unsigned int done, int err,
		    struct uiommu_report *times)
{
	struct core_run *run = &runs[failed];
	struct uiommu_device *who;

	for (unsigned int i = done; i < run->n; i++)
		if (run->slots[i]->lost || (i == done && !run->slots[i]->where))
			slot_park(run->slots[i], NULL, err);
	commit_all(run->iommu, run->slots, done, CORE_BACK, times, &who);
	while (failed--) {
		choice_interleave(CHOICE_CORE);
		commit_all(runs[failed].iommu, runs[failed].slots, runs[failed].n, CORE_BACK, times, &who);
	}
}

/* Every slot rests where its device is now. Returns whether one did not reach a domain of its own. */
static bool run_finish(struct core_run *run)
{
	bool parked = false;

	for (unsigned int i = 0; i < run->n; i++) {
		struct core_slot *slot = run->slots[i];

		if (slot->dev->deferred && slot->pasid == UIOMMU_NO_PASID) {
			/* It stays deferred if the commit failed before its turn. */
			slot->dev->deferred = !slot->where && !slot->att->stuck;
			if (slot->dev->deferred)
				slot->where = slot->from;
		}
		slot->att->domain = slot->where ? slot->where : run->iommu->blocking;
		parked |= slot->where != slot->from && slot->where != slot->to;
		slot->state = SLOT_IDLE;
		if (slot->where != slot->from)
			PROBE4(attach_device_to_domain, slot->dev->rid, slot->pasid, slot->where, slot->from);
		run->iommu->ops->finish(slot, slot->where);
	}
	return parked;
}

int engine_commit(struct core_run *runs, unsigned int n, unsigned int flags, struct uiommu_report *plan,
		  bool times)
{
	struct uiommu_report *measure = times ? plan : NULL;
	struct uiommu_device *who = NULL;
	unsigned int r, done;
	int err = 0;

	for (r = 0; r < n && !err; r++) {
		struct core_run *run = &runs[r];

		choice_interleave(CHOICE_CORE);
		if (!run->n)
			continue;
		if (flags & CORE_MUST_SUCCEED) {
			commit_all(run->iommu, run->slots, run->n, CORE_FORWARD, measure, &who);
			continue;
		}
		err = commit_batch(run->iommu, run->slots, run->n, CORE_FORWARD, &done, measure);
		if (err) {
			who = run->slots[done]->dev;
			choice_interleave(CHOICE_CORE);
			go_back(runs, r, done, err, measure);
		}
	}
	/* The runs behind a failing one were never given to commit. */
	if (r < n)
		engine_abort(runs + r, n - r);
	for (unsigned int i = 0; i < r; i++)
		if (run_finish(&runs[i]) && plan->gap < UIOMMU_GAP_BLOCKED)
			plan->gap = UIOMMU_GAP_BLOCKED;
	if (err) {
		plan->refused = NULL;
		report_blame(plan, who, "hardware failed for device " RID_FMT " (error %d)",
			     RID_ARGS(who->rid), err);
	}
	return err;
}

void att_move(struct core_att *att, struct uiommu_domain *to)
{
	struct core_slot *slot = &att->slot;
	struct core_run run = { .iommu = att->dev->iommu, .slots = &slot, .n = 1 };
	struct uiommu_report plan;

	if (att->stuck) {
		if (to == run.iommu->blocking)
			engine_unstick(att);
		return;
	}
	if (att->domain == to)
		return;
	report_init(&plan);
	slot_init(att, to);
	engine_prepare(&run, 1, CORE_MUST_SUCCEED, NULL, &plan);
	engine_commit(&run, 1, CORE_MUST_SUCCEED, &plan, false);
}
