/* SPDX-License-Identifier: MIT */
/*
 * Prepared transactions over several groups and PASIDs, possibly of several IOMMUs.
 * A transaction owns its parts, one per target; a group knows the transaction that pins
 * it. A detach takes its own group out, with all parts of it, and marks the transaction
 * as cancelled; the other groups stay pinned until commit or abort. (Invariants 5 and 6
 * of core.h say why neither side can meet freed memory.)
 */
#include <errno.h>
#include <stdlib.h>

#include "base/choice.h"
#include "base/probe.h"
#include "core/core.h"

struct txn_part {
	struct uiommu_group *group;
	uint32_t number;			/* PASID, or UIOMMU_NO_PASID */
	struct core_pasid *pasid;		/* NULL: the group itself */
	struct uiommu_domain *domain;
	struct uiommu_attach_handle *handle;
	unsigned int target;			/* its place in the caller's array */
};

struct uiommu_txn {
	struct uiommu_ctx *ctx;
	struct txn_part *parts;			/* in the caller's order */
	struct txn_part **sorted;		/* by group address, then PASID: the order of locking */
	unsigned int n;
	struct core_run *runs;
	unsigned int n_runs;
	struct core_slot **slots;		/* of all runs */
	struct uiommu_report plan;
	_Atomic bool cancelled;			/* set under any one group's lock, read under all */
};

static void txn_free(struct uiommu_txn *txn)
{
	struct alloc *alloc = &txn->ctx->alloc;

	alloc_free(alloc, txn->slots);
	alloc_free(alloc, txn->runs);
	alloc_free(alloc, txn->sorted);
	alloc_free(alloc, txn->parts);
	alloc_free(alloc, txn);
}

static struct uiommu_txn *txn_alloc(struct uiommu_ctx *ctx, unsigned int n)
{
	struct uiommu_txn *txn = alloc_struct(&ctx->alloc, struct uiommu_txn);

	if (!txn)
		return NULL;
	txn->ctx = ctx;
	txn->n = n;
	txn->parts = alloc_zeroed(&ctx->alloc, n, sizeof(*txn->parts));
	txn->sorted = alloc_zeroed(&ctx->alloc, n, sizeof(struct txn_part *));
	txn->runs = alloc_zeroed(&ctx->alloc, n, sizeof(*txn->runs));
	atomic_init(&txn->cancelled, false);
	if (!txn->parts || !txn->sorted || !txn->runs) {
		txn_free(txn);
		return NULL;
	}
	return txn;
}

static int by_group(const void *a, const void *b)
{
	const struct txn_part *const *x = a, *const *y = b;
	uintptr_t g = (uintptr_t)(*x)->group, h = (uintptr_t)(*y)->group;

	if (g != h)
		return g < h ? -1 : 1;
	return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

/* The group of sorted[@i], where its parts begin; NULL: elsewhere. */
static struct uiommu_group *group_at(const struct uiommu_txn *txn, unsigned int i)
{
	struct uiommu_group *group = txn->sorted[i]->group;

	return i && txn->sorted[i - 1]->group == group ? NULL : group;
}

static void txn_lock(struct uiommu_txn *txn)
{
	for (unsigned int i = 0; i < txn->n; i++)
		if (group_at(txn, i))
			lock_take(&group_at(txn, i)->lock);
}

static void txn_unlock(struct uiommu_txn *txn)
{
	for (unsigned int i = txn->n; i--;)
		if (group_at(txn, i))
			lock_drop(&group_at(txn, i)->lock);
}

static int target_check(struct uiommu_ctx *ctx, const struct uiommu_replace_target *t, unsigned int i,
			struct uiommu_report *report)
{
	if (!t->group || !t->domain)
		return report_refuse(report, NULL, -EINVAL, "target %u has no %s", i,
				     t->group ? "domain" : "group");
	if (t->group->ctx != ctx)
		return report_refuse(report, NULL, -EINVAL, "group of target %u: another context", i);
	if (t->domain->iommu != t->group->iommu)
		return report_refuse(report, NULL, -EINVAL, "domain of target %u: other IOMMU", i);
	if (t->pasid == UIOMMU_NO_PASID)
		return 0;
	if (!t->handle)
		return report_refuse(report, NULL, -EINVAL, "target %u names a PASID, but no handle", i);
	if (t->domain == t->group->iommu->blocking)
		return report_refuse(report, NULL, -EINVAL, "target %u: a PASID goes to blocking", i);
	return 0;
}

/* Fills in the parts and their order; a group or PASID may occur once. */
static int txn_fill(struct uiommu_txn *txn, const struct uiommu_replace_target *targets)
{
	for (unsigned int i = 0; i < txn->n; i++) {
		txn->parts[i] = (struct txn_part){
			.group = targets[i].group, .number = targets[i].pasid, .domain = targets[i].domain,
			.handle = targets[i].handle, .target = i,
		};
		txn->sorted[i] = &txn->parts[i];
	}
	qsort(txn->sorted, txn->n, sizeof(struct txn_part *), by_group);
	for (unsigned int i = 1; i < txn->n; i++)
		if (!by_group(&txn->sorted[i], &txn->sorted[i - 1]))
			return -EINVAL;
	return 0;
}

static struct uiommu_domain *current(const struct txn_part *part)
{
	return part->pasid ? part->pasid->domain : part->group->domain;
}

/* Group locks held. Whether a part may change, and how many slots it may need. */
static int part_check(struct uiommu_txn *txn, struct txn_part *part, size_t *n_slots)
{
	struct uiommu_group *group = part->group;
	struct uiommu_attach_handle *had;
	struct uiommu_device *dev;

	if (group_busy(group, NULL))
		return report_refuse(&txn->plan, NULL, -EBUSY, "a replacement of the group of target %u "
				     "is prepared, or a device of it is being reset", part->target);
	if (part->number != UIOMMU_NO_PASID) {
		part->pasid = pasid_find(group, part->number);
		if (!part->pasid)
			return report_refuse(&txn->plan, NULL, -EINVAL, "PASID %u of target %u is not "
					     "attached", part->number, part->target);
	}
	had = part->pasid ? part->pasid->handle : group->handle;
	if (had && had == part->handle)
		return report_refuse(&txn->plan, NULL, -EINVAL, "target %u has this attach handle already",
				     part->target);
	dev = part->pasid ? pasid_stuck(part->pasid) : group_stuck(group);
	if (dev && current(part) != part->domain)
		return report_refuse(&txn->plan, dev, -EIO, "device " RID_FMT " could not be blocked "
				     "earlier: detach first", RID_ARGS(dev->rid));
	if (part->domain == group->iommu->blocking && group->n_direct && current(part) != part->domain)
		return report_refuse(&txn->plan, NULL, -EINVAL, "the group of target %u has direct mappings "
				     "and must not be blocked", part->target);
	*n_slots += part->pasid ? part->pasid->n : group->n_devices;
	return 0;
}

static unsigned int part_collect(const struct txn_part *part, struct core_slot **slots)
{
	struct uiommu_device *stuck = NULL;	/* there is none, part_check() saw to that */

	/* What is there already keeps its devices as they are. */
	if (current(part) == part->domain)
		return 0;
	return part->pasid ? pasid_collect(part->pasid, part->domain, slots) :
			     group_collect(part->group, part->domain, 0, slots, &stuck);
}

/* One run per IOMMU, in the order in which the caller named them. */
static void txn_collect(struct uiommu_txn *txn)
{
	struct core_slot **slots = txn->slots;

	for (unsigned int i = 0; i < txn->n; i++) {
		struct uiommu_iommu *iommu = txn->parts[i].group->iommu;
		struct core_run *run = &txn->runs[txn->n_runs];
		unsigned int j;

		for (j = 0; j < txn->n_runs && txn->runs[j].iommu != iommu; j++)
			;
		if (j < txn->n_runs)
			continue;
		*run = (struct core_run){ .iommu = iommu, .slots = slots };
		for (j = i; j < txn->n; j++)
			if (txn->parts[j].group->iommu == iommu)
				run->n += part_collect(&txn->parts[j], run->slots + run->n);
		slots += run->n;
		txn->n_runs++;
	}
}

/* Group locks held. */
static int txn_prepare(struct uiommu_txn *txn, const struct uiommu_replace_opts *opts)
{
	size_t n_slots = 0;
	int err = 0;

	for (unsigned int i = 0; i < txn->n && !err; i++)
		err = part_check(txn, &txn->parts[i], &n_slots);
	if (err)
		return err;
	/* Also for groups without devices: a run's share of it is somewhere, if empty. */
	txn->slots = alloc_zeroed(&txn->ctx->alloc, n_slots ? n_slots : 1, sizeof(struct core_slot *));
	if (!txn->slots)
		return report_refuse(&txn->plan, NULL, -ENOMEM, "no memory");
	txn_collect(txn);
	err = engine_prepare(txn->runs, txn->n_runs, 0, opts, &txn->plan);
	if (err)
		return err;
	for (unsigned int i = 0; i < txn->n; i++) {
		domain_get(txn->parts[i].domain);
		if (!group_at(txn, i))
			continue;
		group_ref(group_at(txn, i));
		group_at(txn, i)->txn = txn;
	}
	return 0;
}

static int targets_check(struct uiommu_ctx *ctx, const struct uiommu_replace_target *targets, unsigned int n,
			 struct uiommu_report *report)
{
	int err = 0;

	for (unsigned int i = 0; i < n && !err; i++)
		err = target_check(ctx, &targets[i], i, report);
	return err;
}

int uiommu_replace_prepare(struct uiommu_ctx *ctx, const struct uiommu_replace_target *targets,
			   unsigned int n, const struct uiommu_replace_opts *opts, struct uiommu_txn **txn,
			   struct uiommu_report *report)
{
	struct uiommu_txn *t;
	int err;

	if (txn)
		*txn = NULL;
	if (!ctx || !targets || !n || !txn)
		return report_refuse(report, NULL, -EINVAL, "no context, target or txn");
	err = replace_opts_check(opts, report);
	if (err)
		return err;
	err = targets_check(ctx, targets, n, report);
	if (err)
		return err;
	t = txn_alloc(ctx, n);
	if (!t)
		return report_refuse(report, NULL, -ENOMEM, "no memory");
	report_init(&t->plan);
	err = txn_fill(t, targets);
	if (err) {
		report_refuse(&t->plan, NULL, err, "a group or PASID occurs twice");
		goto free_txn;
	}
	txn_lock(t);
	err = txn_prepare(t, opts);
	txn_unlock(t);
	if (err)
		goto free_txn;
	report_copy(report, &t->plan);
	*txn = t;
	choice_interleave(CHOICE_CORE);
	return 0;

free_txn:
	report_copy(report, &t->plan);
	txn_free(t);
	return err;
}

static void slot_cancel(struct core_slot *slot)
{
	if (slot->state != SLOT_PREPARED)
		return;
	slot->dev->iommu->ops->abort(slot);
	slot->state = SLOT_IDLE;
}

void txn_cancel(struct uiommu_group *group)
{
	struct uiommu_txn *txn = group->txn;

	atomic_store_explicit(&txn->cancelled, true, memory_order_relaxed);
	for (unsigned int i = 0; i < txn->n; i++) {
		struct txn_part *part = &txn->parts[i];

		if (part->group != group)
			continue;
		for (unsigned int k = 0; part->pasid && k < part->pasid->n; k++)
			slot_cancel(&part->pasid->atts[k]->slot);
		for (struct uiommu_device *dev = group->devices; !part->pasid && dev; dev = dev->next)
			slot_cancel(&dev->att.slot);
		domain_put(part->domain);
	}
	/* The transaction keeps its reference to the group: commit or abort drops it. */
	group->txn = NULL;
}

/* Undoes what is still prepared. All group locks held. */
static void txn_drop(struct uiommu_txn *txn)
{
	for (unsigned int i = 0; i < txn->n; i++) {
		struct uiommu_group *group = group_at(txn, i);

		if (group && group->txn == txn)
			txn_cancel(group);
	}
}

/* Group locks dropped. */
static void txn_end(struct uiommu_txn *txn)
{
	for (unsigned int i = 0; i < txn->n; i++)
		if (group_at(txn, i))
			group_unref(group_at(txn, i));
	txn_free(txn);
}

/* The part's devices were moved. Returns whether core_grace() is due. */
static bool part_settle(const struct txn_part *part)
{
	bool grace;

	if (part->pasid)
		return pasid_settle(part->pasid, part->domain, part->handle);
	grace = group_settle(part->group, part->domain, part->handle, 0);
	domain_put(part->domain);
	return grace;
}

static int txn_commit(struct uiommu_txn *txn, bool times, bool *grace)
{
	int err;

	/* Relaxed: whoever set it held one of the locks that are held now. */
	if (atomic_load_explicit(&txn->cancelled, memory_order_relaxed)) {
		txn_drop(txn);
		return report_refuse(&txn->plan, NULL, -ECANCELED, "a group or PASID was detached, or a "
				     "device reset or removed, after prepare");
	}
	err = engine_commit(txn->runs, txn->n_runs, 0, &txn->plan, times);
	for (unsigned int i = 0; i < txn->n; i++) {
		struct txn_part *part = &txn->parts[i];

		part->group->txn = NULL;
		if (!err)
			*grace |= part_settle(part);
		else
			domain_put(part->domain);
		PROBE6(replace, part->group, part->domain, err, txn->plan.gap, txn->plan.strategy,
		       part->number);
	}
	return err;
}

int uiommu_replace_commit(struct uiommu_txn *txn, struct uiommu_report *report)
{
	bool grace = false;
	int err;

	if (!txn)
		return report_refuse(report, NULL, -EINVAL, "no transaction");
	txn_lock(txn);
	err = txn_commit(txn, report, &grace);
	core_grace(grace);
	txn_unlock(txn);
	report_copy(report, &txn->plan);
	txn_end(txn);
	return err;
}

void uiommu_replace_abort(struct uiommu_txn *txn)
{
	if (!txn)
		return;
	txn_lock(txn);
	txn_drop(txn);
	txn_unlock(txn);
	txn_end(txn);
}
