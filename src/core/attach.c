/* SPDX-License-Identifier: MIT */
/*
 * Changes of one group: attach, detach, block, replace. They differ in their flags
 * and in where the target comes from; the change itself is group_set_domain(). It
 * allocates nothing: slots live in the devices, the array of pointers to them in the
 * group.
 */
#include <errno.h>

#include "base/choice.h"
#include "base/probe.h"
#include "core/core.h"

static bool on_core_domain(const struct uiommu_group *group)
{
	return group->domain == group->default_domain || group->domain == group->iommu->blocking;
}

int group_busy(const struct uiommu_group *group, struct uiommu_report *plan)
{
	if (group->txn)
		return report_refuse(plan, NULL, -EBUSY, "a replacement of the group is prepared");
	if (group->resetting)
		return report_refuse(plan, NULL, -EBUSY, "a device of the group is being reset");
	return 0;
}

void group_unpin(struct uiommu_group *group)
{
	if (group->txn)
		txn_cancel(group);
}

/* Whether the change may begin. Cancels a prepared transaction and frees stuck devices if it must. */
static int change_begin(struct uiommu_group *group, const struct core_change *change,
			struct uiommu_report *plan)
{
	const struct uiommu_attach_handle *had = atomic_load_explicit(&group->handle, memory_order_relaxed);
	struct uiommu_device *dev;

	if (change->flags & CORE_MUST_SUCCEED) {
		group_unpin(group);
		for (dev = group->devices; dev; dev = dev->next)
			if (dev->att.stuck)
				engine_unstick(&dev->att);
		return 0;
	}
	if (group->txn || group->resetting)
		return group_busy(group, plan);
	if ((change->flags & CORE_NEEDS_CORE_DOMAIN) && !on_core_domain(group))
		return report_refuse(plan, NULL, -EBUSY, "the group is on a domain that is neither its "
				     "default nor blocking: use uiommu_group_replace_domain(), or detach "
				     "it first");
	if (!had)
		return 0;
	if (change->flags & CORE_NEEDS_NO_HANDLE)
		return report_refuse(plan, NULL, -EBUSY, "the group has an attach handle");
	if (had == change->handle)
		return report_refuse(plan, NULL, -EINVAL, "the group has this attach handle already");
	return 0;
}

/* Whether the devices let a change that may fail go to @to. */
static int change_check(struct uiommu_group *group, struct uiommu_domain *to, struct uiommu_device *stuck,
			struct uiommu_report *plan)
{
	struct uiommu_device *dev = group->devices;

	if (stuck)
		return report_refuse(plan, stuck, -EIO, "device " RID_FMT " could not be blocked earlier: "
				     "detach first", RID_ARGS(stuck->rid));
	if (to != group->iommu->blocking || !group->n_direct)
		return 0;
	while (!dev->require_direct)
		dev = dev->next;
	return report_refuse(plan, dev, -EINVAL, "device " RID_FMT " has direct mappings and must not be "
			     "blocked", RID_ARGS(dev->rid));
}

/* A change that must succeed blocks devices that must not be blocked. */
static void tell_direct(struct uiommu_group *group)
{
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next)
		if (dev->require_direct && !dev->att.stuck)
			direct_blocked_event(dev);
}

int group_set_domain(struct uiommu_group *group, struct core_change *change, struct uiommu_report *plan)
{
	struct core_run run = { .iommu = group->iommu, .slots = group->slots };
	struct uiommu_domain *to = change->to;
	struct uiommu_device *stuck = NULL;
	int err;

	report_init(plan);
	err = change_begin(group, change, plan);
	if (err)
		return err;
	if (to == group->domain) {
		core_grace(group_settle(group, to, change->handle, change->flags));
		return 0;
	}
	run.n = group_collect(group, to, change->flags, group->slots, &stuck);
	if (!(change->flags & CORE_MUST_SUCCEED)) {
		err = change_check(group, to, stuck, plan);
		if (err)
			return err;
	}
	/* Not freed meanwhile: a failure may have to quarantine it. */
	atomic_store_explicit(&group->moving_to, to, memory_order_relaxed);
	domain_taken(to);
	err = engine_prepare(&run, 1, change->flags, change->opts, plan);
	if (!err)
		err = engine_commit(&run, 1, change->flags, plan, change->times);
	if (!err)
		core_grace(group_settle(group, to, change->handle, change->flags));
	/* After group->domain, for those who read the two in the other order. */
	atomic_store_explicit(&group->moving_to, NULL, memory_order_release);
	if (to == group->iommu->blocking && group->n_direct && !err)
		tell_direct(group);
	choice_interleave(CHOICE_CORE);
	return err;
}

/* Changes that may fail. */
static inline __attribute__((always_inline)) int group_change(struct uiommu_group *group,
							      struct core_change *change,
							      struct uiommu_report *report)
{
	struct uiommu_domain *domain = change->to;
	struct uiommu_report plan;
	int err;

	if (!group || !domain)
		return report_no_target(report, group);
	if (domain->iommu != group->iommu)
		return report_refuse(report, NULL, -EINVAL, "the domain belongs to another IOMMU");
	err = change->opts ? replace_opts_check(change->opts, report) : 0;
	if (err)
		return err;
	change->times = report;
	lock_take(&group->lock);
	err = group_set_domain(group, change, &plan);
	lock_drop(&group->lock);
	if (!(change->flags & CORE_NEEDS_CORE_DOMAIN))
		PROBE6(replace, group, domain, err, plan.gap, plan.strategy, UIOMMU_NO_PASID);
	if (report)
		report_copy(report, &plan);
	return err;
}

int uiommu_attach_group(struct uiommu_group *group, struct uiommu_domain *domain,
			struct uiommu_report *report)
{
	struct core_change change = { .to = domain, .flags = CORE_NEEDS_CORE_DOMAIN };

	return group_change(group, &change, report);
}

int uiommu_attach_group_handle(struct uiommu_group *group, struct uiommu_domain *domain,
			       struct uiommu_attach_handle *handle, struct uiommu_report *report)
{
	struct core_change change = {
		.to = domain, .handle = handle, .flags = CORE_NEEDS_CORE_DOMAIN | CORE_NEEDS_NO_HANDLE,
	};

	if (!handle)
		return report_refuse(report, NULL, -EINVAL, "no attach handle");
	return group_change(group, &change, report);
}

int uiommu_group_replace_domain(struct uiommu_group *group, struct uiommu_domain *domain,
				const struct uiommu_replace_opts *opts, struct uiommu_report *report)
{
	struct core_change change = { .to = domain, .opts = opts };

	return group_change(group, &change, report);
}

int uiommu_replace_group_handle(struct uiommu_group *group, struct uiommu_domain *domain,
				struct uiommu_attach_handle *handle, const struct uiommu_replace_opts *opts,
				struct uiommu_report *report)
{
	struct core_change change = { .to = domain, .handle = handle, .opts = opts };

	if (!handle)
		return report_refuse(report, NULL, -EINVAL, "no attach handle");
	return group_change(group, &change, report);
}

/* Changes that must succeed; NULL: to where a detach leads. */
static void group_force(struct uiommu_group *group, struct uiommu_domain *to)
{
	struct core_change change = { .to = to, .flags = CORE_MUST_SUCCEED };
	struct uiommu_report plan;

	lock_take(&group->lock);
	if (!to && !group->owner) {
		change.to = group->default_domain;
		change.flags |= CORE_TO_DEFAULT;
	} else if (!to) {
		change.to = group->iommu->blocking;
	}
	group_set_domain(group, &change, &plan);
	lock_drop(&group->lock);
}

void uiommu_detach_group(struct uiommu_group *group)
{
	group_force(group, NULL);
}

void uiommu_block_group(struct uiommu_group *group)
{
	group_force(group, group->iommu->blocking);
}

/* Whether the caller of a call that names the only device of a group names the only one. */
static bool only_device(struct uiommu_group *group)
{
	bool only;

	lock_take(&group->lock);
	only = group->n_devices - group->n_aliases == 1;
	lock_drop(&group->lock);
	return only;
}

int uiommu_attach_device(struct uiommu_device *dev, struct uiommu_domain *domain,
			 struct uiommu_report *report)
{
	if (!dev)
		return report_refuse(report, NULL, -EINVAL, "no device");
	if (!only_device(dev->group))
		return report_refuse(report, dev, -EINVAL, "the group of device " RID_FMT " has others",
				     RID_ARGS(dev->rid));
	return uiommu_attach_group(dev->group, domain, report);
}

void uiommu_detach_device(struct uiommu_device *dev)
{
	if (!dev)
		return;
	if (only_device(dev->group))
		uiommu_detach_group(dev->group);
	else
		ctx_log(dev->iommu->ctx, UIOMMU_LOG_ERROR, "device " RID_FMT " is not alone in its group: "
			"not detached", RID_ARGS(dev->rid));
}
