/* SPDX-License-Identifier: MIT */
/*
 * Changes of one group: attach, detach, block, replace, another default domain.
 * They differ in their flags and in where the target comes from; the change
 * itself is group_set_domain(). It allocates nothing: slots live in the devices,
 * the array of pointers to them in the group.
 */
#include <errno.h>

#include "base/choice.h"
#include "base/probe.h"
#include "core/core.h"

static bool on_core_domain(const struct uiommu_group *group)
{
	return group->domain == group->default_domain || group->domain == group->iommu->blocking;
}

/* Whether the change may begin. Cancels a prepared transaction and frees stuck devices if it must. */
static int change_begin(struct uiommu_group *group, unsigned int flags, struct uiommu_report *plan)
{
	struct uiommu_device *dev;

	if (flags & CORE_MUST_SUCCEED) {
		if (group->part)
			txn_cancel(group);
		for (dev = group->devices; dev; dev = dev->next)
			if (dev->att.stuck)
				engine_unstick(&dev->att);
		return 0;
	}
	if (group->part)
		return report_refuse(plan, NULL, -EBUSY, "a replacement of the group is prepared");
	if ((flags & CORE_NEEDS_CORE_DOMAIN) && !on_core_domain(group))
		return report_refuse(plan, NULL, -EBUSY, "the group is on a domain that is neither its "
				     "default nor blocking");
	return 0;
}

int group_set_domain(struct uiommu_group *group, struct uiommu_domain *to, unsigned int flags,
		     const struct uiommu_replace_opts *opts, struct uiommu_report *plan, bool times)
{
	struct core_run run = { .iommu = group->iommu, .slots = group->slots };
	struct uiommu_device *dev;
	int err;

	report_init(plan);
	err = change_begin(group, flags, plan);
	if (err)
		return err;
	if (to == group->domain) {
		domain_get(to);
		group_settle(group, to, NULL, flags);
		return 0;
	}
	dev = flags & CORE_MUST_SUCCEED ? NULL : group_stuck(group);
	if (dev)
		return report_refuse(plan, dev, -EIO, "device " RID_FMT " could not be blocked earlier: "
				     "detach first", RID_ARGS(dev->rid));
	run.n = group_collect(group, to, group->slots);
	/* Held for the change itself: its failure may have to quarantine the domain. */
	domain_get(to);
	err = engine_prepare(&run, 1, flags, opts, plan);
	if (!err)
		err = engine_commit(&run, 1, flags, plan, times);
	if (!err)
		group_settle(group, to, NULL, flags);
	else
		domain_put(to);
	choice_interleave(CHOICE_CORE);
	return err;
}

/* Changes that may fail. */
static int group_change(struct uiommu_group *group, struct uiommu_domain *domain, unsigned int flags,
			const struct uiommu_replace_opts *opts, struct uiommu_report *report)
{
	struct uiommu_report plan;
	int err;

	if (!group || !domain)
		return report_refuse(report, NULL, -EINVAL, "no group or no domain");
	if (domain->iommu != group->iommu)
		return report_refuse(report, NULL, -EINVAL, "the domain belongs to another IOMMU");
	err = opts ? replace_opts_check(opts) : 0;
	if (err)
		return report_refuse(report, NULL, err, "options are not valid");
	lock_take(&group->lock);
	err = group_set_domain(group, domain, flags, opts, &plan, report);
	lock_drop(&group->lock);
	if (!(flags & CORE_NEEDS_CORE_DOMAIN))
		PROBE5(replace, group, domain, err, plan.gap, plan.strategy);
	if (report)
		report_copy(report, &plan);
	return err;
}

int uiommu_attach_group(struct uiommu_group *group, struct uiommu_domain *domain,
			struct uiommu_report *report)
{
	return group_change(group, domain, CORE_NEEDS_CORE_DOMAIN, NULL, report);
}

int uiommu_group_replace_domain(struct uiommu_group *group, struct uiommu_domain *domain,
				const struct uiommu_replace_opts *opts, struct uiommu_report *report)
{
	return group_change(group, domain, 0, opts, report);
}

void uiommu_detach_group(struct uiommu_group *group)
{
	struct uiommu_report plan;

	lock_take(&group->lock);
	group_set_domain(group, group->default_domain, CORE_MUST_SUCCEED | CORE_TO_DEFAULT, NULL, &plan,
			 false);
	lock_drop(&group->lock);
}

void uiommu_block_group(struct uiommu_group *group)
{
	struct uiommu_report plan;

	lock_take(&group->lock);
	group_set_domain(group, group->iommu->blocking, CORE_MUST_SUCCEED, NULL, &plan, false);
	lock_drop(&group->lock);
}

int uiommu_group_set_default_domain(struct uiommu_group *group, struct uiommu_domain *domain)
{
	struct uiommu_report plan;
	int err = 0;

	if (!group || !domain || domain->iommu != group->iommu)
		return -EINVAL;
	lock_take(&group->lock);
	if (group->part || !on_core_domain(group)) {
		err = -EBUSY;
		goto unlock;
	}
	if (domain == group->default_domain)
		goto unlock;
	/* Going there must not fail later, so what it needs is taken now. */
	if (group->iommu->ops->reserve)
		err = group->iommu->ops->reserve(domain);
	/* A group that waits on its default follows it; one that was blocked stays blocked. */
	if (!err && !group->blocked)
		err = group_set_domain(group, domain, CORE_TO_DEFAULT, NULL, &plan, false);
	if (!err) {
		domain_get(domain);
		domain_put(group->default_domain);
		group->default_domain = domain;
	}
unlock:
	lock_drop(&group->lock);
	return err;
}
