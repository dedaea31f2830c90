/* SPDX-License-Identifier: MIT */
/*
 * Prepared transactions over several groups, possibly of several IOMMUs. A
 * transaction owns its parts, one per group; a group knows the part that pins
 * it. A detach takes its own group out and marks the transaction as cancelled;
 * the other groups stay pinned until commit or abort. (Invariants 5 and 6 of
 * core.h say why neither side can meet freed memory.)
 */
#include <errno.h>
#include <stdlib.h>

#include "base/choice.h"
#include "base/probe.h"
#include "core/core.h"

struct uiommu_txn {
	struct uiommu_ctx *ctx;
	struct txn_part *parts;			/* in the caller's order */
	struct txn_part **locking;		/* in ascending order of group address */
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
	alloc_free(alloc, txn->locking);
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
	txn->locking = alloc_zeroed(&ctx->alloc, n, sizeof(struct txn_part *));
	txn->runs = alloc_zeroed(&ctx->alloc, n, sizeof(*txn->runs));
	atomic_init(&txn->cancelled, false);
	if (!txn->parts || !txn->locking || !txn->runs) {
		txn_free(txn);
		return NULL;
	}
	return txn;
}

static int by_group(const void *a, const void *b)
{
	const struct txn_part *const *x = a, *const *y = b;
	uintptr_t g = (uintptr_t)(*x)->group, h = (uintptr_t)(*y)->group;

	return (g > h) - (g < h);
}

static void txn_lock(struct uiommu_txn *txn)
{
	for (unsigned int i = 0; i < txn->n; i++)
		lock_take(&txn->locking[i]->group->lock);
}

static void txn_unlock(struct uiommu_txn *txn)
{
	for (unsigned int i = txn->n; i--;)
		lock_drop(&txn->locking[i]->group->lock);
}

static int targets_check(struct uiommu_ctx *ctx, const struct uiommu_replace_target *targets, unsigned int n,
			 struct uiommu_report *report)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct uiommu_replace_target *t = &targets[i];

		if (!t->group || !t->domain)
			return report_refuse(report, NULL, -EINVAL, "target %u has no group or no domain", i);
		if (t->group->ctx != ctx)
			return report_refuse(report, NULL, -EINVAL, "group of target %u: another context", i);
		if (t->domain->iommu != t->group->iommu)
			return report_refuse(report, NULL, -EINVAL, "domain of target %u belongs to another "
					     "IOMMU", i);
		if (t->pasid != UIOMMU_NO_PASID)
			return report_refuse(report, NULL, -EOPNOTSUPP, "target %u names a PASID", i);
	}
	return 0;
}

/* Fills in the parts and their locking order; a group may occur once. */
static int txn_fill(struct uiommu_txn *txn, const struct uiommu_replace_target *targets)
{
	for (unsigned int i = 0; i < txn->n; i++) {
		txn->parts[i] = (struct txn_part){
			.txn = txn, .group = targets[i].group, .domain = targets[i].domain,
			.handle = targets[i].handle,
		};
		txn->locking[i] = &txn->parts[i];
	}
	qsort(txn->locking, txn->n, sizeof(struct txn_part *), by_group);
	for (unsigned int i = 1; i < txn->n; i++)
		if (txn->locking[i]->group == txn->locking[i - 1]->group)
			return -EINVAL;
	return 0;
}

/* Group locks held. Whether no group is pinned or has a device that is out of control. */
static int txn_check(struct uiommu_txn *txn, size_t *n_devices)
{
	*n_devices = 0;
	for (unsigned int i = 0; i < txn->n; i++) {
		struct uiommu_group *group = txn->parts[i].group;
		struct uiommu_device *dev = group_stuck(group);

		if (group->part)
			return report_refuse(&txn->plan, NULL, -EBUSY, "a replacement of the group of target "
					     "%u is prepared", i);
		if (dev)
			return report_refuse(&txn->plan, dev, -EIO, "device " RID_FMT " could not be blocked "
					     "earlier: detach first", RID_ARGS(dev->rid));
		*n_devices += group->n_devices;
	}
	return 0;
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
		for (j = i; j < txn->n; j++) {
			struct txn_part *part = &txn->parts[j];

			/* A group that is there already keeps its devices as they are. */
			if (part->group->iommu == iommu && part->group->domain != part->domain)
				run->n += group_collect(part->group, part->domain, run->slots + run->n);
		}
		slots += run->n;
		txn->n_runs++;
	}
}

/* Group locks held. */
static int txn_prepare(struct uiommu_txn *txn, const struct uiommu_replace_opts *opts)
{
	size_t n_devices;
	int err = txn_check(txn, &n_devices);

	if (err)
		return err;
	/* Also for groups without devices: a run's share of it is somewhere, if empty. */
	txn->slots = alloc_zeroed(&txn->ctx->alloc, n_devices ? n_devices : 1, sizeof(struct core_slot *));
	if (!txn->slots)
		return report_refuse(&txn->plan, NULL, -ENOMEM, "no memory");
	txn_collect(txn);
	err = engine_prepare(txn->runs, txn->n_runs, 0, opts, &txn->plan);
	if (err)
		return err;
	for (unsigned int i = 0; i < txn->n; i++) {
		domain_get(txn->parts[i].domain);
		group_ref(txn->parts[i].group);
		txn->parts[i].group->part = &txn->parts[i];
	}
	return 0;
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
	err = replace_opts_check(opts);
	if (err)
		return report_refuse(report, NULL, err, "options are not valid");
	err = targets_check(ctx, targets, n, report);
	if (err)
		return err;
	t = txn_alloc(ctx, n);
	if (!t)
		return report_refuse(report, NULL, -ENOMEM, "no memory");
	report_init(&t->plan);
	err = txn_fill(t, targets);
	if (err) {
		report_refuse(&t->plan, NULL, err, "a group occurs twice");
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

void txn_cancel(struct uiommu_group *group)
{
	struct txn_part *part = group->part;

	atomic_store_explicit(&part->txn->cancelled, true, memory_order_relaxed);
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next) {
		if (dev->att.slot.state != SLOT_PREPARED)
			continue;
		group->iommu->ops->abort(&dev->att.slot);
		dev->att.slot.state = SLOT_IDLE;
	}
	/* The part keeps its reference to the group: commit or abort drops it. */
	domain_put(part->domain);
	group->part = NULL;
}

/* Undoes what is still prepared. All group locks held. */
static void txn_drop(struct uiommu_txn *txn)
{
	for (unsigned int i = 0; i < txn->n; i++)
		if (txn->parts[i].group->part == &txn->parts[i])
			txn_cancel(txn->parts[i].group);
}

/* Group locks dropped. */
static void txn_end(struct uiommu_txn *txn)
{
	for (unsigned int i = 0; i < txn->n; i++)
		group_unref(txn->parts[i].group);
	txn_free(txn);
}

static int txn_commit(struct uiommu_txn *txn, bool times)
{
	int err;

	/* Relaxed: whoever set it held one of the locks that are held now. */
	if (atomic_load_explicit(&txn->cancelled, memory_order_relaxed)) {
		txn_drop(txn);
		return report_refuse(&txn->plan, NULL, -ECANCELED, "a group was detached or a device removed "
				     "after prepare");
	}
	err = engine_commit(txn->runs, txn->n_runs, 0, &txn->plan, times);
	for (unsigned int i = 0; i < txn->n; i++) {
		struct txn_part *part = &txn->parts[i];

		part->group->part = NULL;
		if (!err)
			group_settle(part->group, part->domain, part->handle, 0);
		else
			domain_put(part->domain);
		PROBE5(replace, part->group, part->domain, err, txn->plan.gap, txn->plan.strategy);
	}
	return err;
}

int uiommu_replace_commit(struct uiommu_txn *txn, struct uiommu_report *report)
{
	int err;

	if (!txn)
		return report_refuse(report, NULL, -EINVAL, "no transaction");
	txn_lock(txn);
	err = txn_commit(txn, report);
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
