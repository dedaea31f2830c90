/* SPDX-License-Identifier: MIT */
/* PASIDs of a group: not supported yet. */
#include <errno.h>

#include "core/core.h"

int uiommu_attach_pasid(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
			struct uiommu_attach_handle *handle, struct uiommu_report *report)
{
	return report_refuse(report, NULL, -EOPNOTSUPP, "not supported");
}

int uiommu_replace_pasid(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
			 struct uiommu_attach_handle *handle, const struct uiommu_replace_opts *opts,
			 struct uiommu_report *report)
{
	return report_refuse(report, NULL, -EOPNOTSUPP, "not supported");
}

void uiommu_detach_pasid(struct uiommu_group *group, uint32_t pasid)
{
}

struct uiommu_domain *uiommu_pasid_domain(struct uiommu_group *group, uint32_t pasid)
{
	return pasid == UIOMMU_NO_PASID ? uiommu_group_domain(group) : NULL;
}

int uiommu_attach_group_handle(struct uiommu_group *group, struct uiommu_domain *domain,
			       struct uiommu_attach_handle *handle, struct uiommu_report *report)
{
	return report_refuse(report, NULL, -EOPNOTSUPP, "not supported");
}

int uiommu_replace_group_handle(struct uiommu_group *group, struct uiommu_domain *domain,
				struct uiommu_attach_handle *handle, const struct uiommu_replace_opts *opts,
				struct uiommu_report *report)
{
	return report_refuse(report, NULL, -EOPNOTSUPP, "not supported");
}

int uiommu_attach_handle_get(struct uiommu_group *group, uint32_t pasid, int type,
			     struct uiommu_attach_handle **handle)
{
	return -ENOENT;
}
