/* SPDX-License-Identifier: MIT */
/* DMA ownership and default domains: not supported yet. */
#include <errno.h>

#include "core/core.h"

int uiommu_group_claim_dma_owner(struct uiommu_group *group, const void *owner)
{
	return -EOPNOTSUPP;
}

int uiommu_group_release_dma_owner(struct uiommu_group *group)
{
	return -EOPNOTSUPP;
}

int uiommu_device_claim_dma_owner(struct uiommu_device *dev, const void *owner)
{
	return -EOPNOTSUPP;
}

int uiommu_device_release_dma_owner(struct uiommu_device *dev)
{
	return -EOPNOTSUPP;
}

bool uiommu_group_dma_owner_claimed(struct uiommu_group *group)
{
	return false;
}

int uiommu_device_use_default_domain(struct uiommu_device *dev)
{
	return -EOPNOTSUPP;
}

void uiommu_device_unuse_default_domain(struct uiommu_device *dev)
{
}

int uiommu_iommu_set_default_type(struct uiommu_iommu *iommu, enum uiommu_default type)
{
	return -EOPNOTSUPP;
}

int uiommu_group_default_type(struct uiommu_group *group, enum uiommu_default wanted,
			      enum uiommu_default *type)
{
	return -EOPNOTSUPP;
}

int uiommu_group_setup_default(struct uiommu_group *group, enum uiommu_default wanted)
{
	return -EOPNOTSUPP;
}

struct uiommu_domain *uiommu_group_default_domain(struct uiommu_group *group)
{
	struct uiommu_domain *domain;

	lock_take(&group->lock);
	domain = group->default_domain;
	lock_drop(&group->lock);
	return domain;
}
