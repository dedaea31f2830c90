/* SPDX-License-Identifier: MIT */
/*
 * DMA ownership. owner_count counts the claims of one owner, or, without an owner, the
 * drivers that use the default domain; both at once cannot be.
 */
#include <errno.h>

#include "core/core.h"

/* The first claim. Group lock held. */
static int claim(struct uiommu_group *group, const void *owner)
{
	struct core_change change = { .to = group->iommu->blocking };
	struct uiommu_report plan;
	int err;

	if (group->domain != group->default_domain || group->n_pasids)
		return -EBUSY;
	/* Also where the group is on blocking already, for lack of a default domain. */
	if (group->n_direct)
		return -EINVAL;
	err = group_set_domain(group, &change, &plan);
	if (err)
		return err;
	group->owner = owner;
	group->owner_count = 1;
	return 0;
}

/* The last release. Group lock held. */
static int release(struct uiommu_group *group)
{
	struct core_change change = {
		.to = group->default_domain, .flags = CORE_MUST_SUCCEED | CORE_TO_DEFAULT,
	};
	struct uiommu_report plan;

	if (group->n_pasids)
		return -EBUSY;
	group->owner = NULL;
	group->owner_count = 0;
	group_set_domain(group, &change, &plan);
	return 0;
}

/* @shared: the owner that the group has may claim again. */
static int group_claim(struct uiommu_group *group, const void *owner, bool shared)
{
	int err = 0;

	lock_take(&group->lock);
	if (!group->owner_count)
		err = claim(group, owner);
	else if (!shared || group->owner != owner)
		err = -EPERM;
	else
		group->owner_count++;
	lock_drop(&group->lock);
	return err;
}

/* @shared: one claim, else all. */
static int group_release(struct uiommu_group *group, bool shared)
{
	int err = 0;

	lock_take(&group->lock);
	if (!group->owner)
		err = -EINVAL;
	else if (shared && group->owner_count > 1)
		group->owner_count--;
	else
		err = release(group);
	lock_drop(&group->lock);
	return err;
}

int uiommu_group_claim_dma_owner(struct uiommu_group *group, const void *owner)
{
	return group && owner ? group_claim(group, owner, false) : -EINVAL;
}

int uiommu_group_release_dma_owner(struct uiommu_group *group)
{
	return group ? group_release(group, false) : -EINVAL;
}

int uiommu_device_claim_dma_owner(struct uiommu_device *dev, const void *owner)
{
	return dev && owner ? group_claim(dev->group, owner, true) : -EINVAL;
}

int uiommu_device_release_dma_owner(struct uiommu_device *dev)
{
	return dev ? group_release(dev->group, true) : -EINVAL;
}

bool uiommu_group_dma_owner_claimed(struct uiommu_group *group)
{
	bool claimed;

	lock_take(&group->lock);
	claimed = group->owner_count;
	lock_drop(&group->lock);
	return claimed;
}

int uiommu_device_use_default_domain(struct uiommu_device *dev)
{
	struct uiommu_group *group;
	int err = 0;

	if (!dev)
		return -EINVAL;
	group = dev->group;
	lock_take(&group->lock);
	if (group->default_domain == group->iommu->blocking)
		err = -EAGAIN;
	else if (group->owner || group->domain != group->default_domain || group->n_pasids)
		err = -EBUSY;
	else
		group->owner_count++;
	lock_drop(&group->lock);
	return err;
}

void uiommu_device_unuse_default_domain(struct uiommu_device *dev)
{
	struct uiommu_group *group;

	if (!dev)
		return;
	group = dev->group;
	lock_take(&group->lock);
	if (!group->owner && group->owner_count)
		group->owner_count--;
	else
		ctx_log(group->ctx, UIOMMU_LOG_ERROR, "device " RID_FMT " ends a use of the default domain "
			"that never began", RID_ARGS(dev->rid));
	lock_drop(&group->lock);
}
