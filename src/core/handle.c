/* SPDX-License-Identifier: MIT */
/* Attach handles as fault paths find them. */
#include <errno.h>
#include <stdio.h>

#include "base/rcu.h"
#include "core/core.h"

int core_attach_handle(struct uiommu_iommu *iommu, uint16_t rid, uint32_t pasid,
		       const struct uiommu_attach_handle **handle)
{
	*handle = NULL;
	return -ENOENT;
}

void core_fault(struct uiommu_iommu *iommu, const struct uiommu_event *event, const char *fmt, ...)
{
	const struct uiommu_attach_handle *handle;
	struct uiommu_event e = *event;
	char text[256];
	va_list args;

	if (!iommu->ctx->event)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	rcu_section_begin();
	if (!core_attach_handle(iommu, e.rid, e.pasid, &handle))
		e.data = handle->data;
	ctx_event(iommu->ctx, &e, "%s", text);
	rcu_section_end();
}
