/* SPDX-License-Identifier: MIT */
/* What is special about a device: not supported yet. */
#include <errno.h>

#include "core/core.h"

int uiommu_device_add_opts(struct uiommu_group *group, uint16_t rid, const struct uiommu_device_opts *opts,
			   struct uiommu_device **dev)
{
	return opts ? -EOPNOTSUPP : uiommu_device_add(group, rid, dev);
}

struct uiommu_group *uiommu_device_group(const struct uiommu_device *dev)
{
	return dev->group;
}

uint32_t uiommu_device_max_pasids(const struct uiommu_device *dev)
{
	return dev->max_pasids;
}

struct uiommu_domain *uiommu_device_domain(struct uiommu_device *dev)
{
	return dev->att.domain;
}

int uiommu_attach_device(struct uiommu_device *dev, struct uiommu_domain *domain,
			 struct uiommu_report *report)
{
	return report_refuse(report, NULL, -EOPNOTSUPP, "not supported");
}

void uiommu_detach_device(struct uiommu_device *dev)
{
}

int uiommu_group_resv_regions(struct uiommu_group *group, struct uiommu_resv_region *regions,
			      unsigned int max, unsigned int *n)
{
	return -EOPNOTSUPP;
}

int uiommu_device_attach_deferred(struct uiommu_device *dev)
{
	return -EOPNOTSUPP;
}

int uiommu_reset_prepare(struct uiommu_device *dev)
{
	return -EOPNOTSUPP;
}

void uiommu_reset_done(struct uiommu_device *dev)
{
}
