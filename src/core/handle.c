/* SPDX-License-Identifier: MIT */
/*
 * Attach handles as fault paths find them: RID, group, PASID, handle, without a lock
 * and without waiting. Writers hold the group's lock; whoever takes a handle away
 * waits for a grace period before its caller gets it back (invariant 7 of core.h).
 */
#include <errno.h>
#include <stdio.h>

#include "base/choice.h"
#include "core/core.h"

struct uiommu_device *device_find(struct uiommu_iommu *iommu, uint16_t rid)
{
	struct core_bus *bus = rcu_read(&iommu->bus[rid >> 8]);

	return bus ? rcu_read(&bus->dev[rid & 255]) : NULL;
}

struct core_pasid *pasid_find(struct uiommu_group *group, uint32_t pasid)
{
	struct core_pasid *p = rcu_read(&group->pasids[pasid % CORE_PASID_BUCKETS]);

	while (p && p->pasid != pasid)
		p = rcu_read(&p->next);
	return p;
}

/* RCU section. */
static struct uiommu_attach_handle *find_handle(struct uiommu_group *group, uint32_t pasid)
{
	struct core_pasid *p;

	/* PASID 0 is never attached: requests with it go where those without a PASID go. */
	if (pasid == UIOMMU_NO_PASID || !pasid)
		return rcu_read(&group->handle);
	p = pasid_find(group, pasid);
	choice_interleave(CHOICE_CORE);
	return p ? rcu_read(&p->handle) : NULL;
}

int core_attach_handle(struct uiommu_iommu *iommu, uint16_t rid, uint32_t pasid,
		       const struct uiommu_attach_handle **handle)
{
	struct uiommu_device *dev = device_find(iommu, rid);
	struct uiommu_group *group;

	*handle = NULL;
	choice_interleave(CHOICE_CORE);
	if (!dev)
		return -ENOENT;
	group = rcu_read(&dev->group);
	choice_interleave(CHOICE_CORE);
	if (!group)
		return -ENOENT;
	*handle = find_handle(group, pasid);
	choice_interleave(CHOICE_CORE);
	return *handle ? 0 : -ENOENT;
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

int uiommu_attach_handle_get(struct uiommu_group *group, uint32_t pasid, int type,
			     struct uiommu_attach_handle **handle)
{
	struct uiommu_attach_handle *h;
	int err = -ENOENT;

	if (!group || !handle)
		return -EINVAL;
	*handle = NULL;
	rcu_section_begin();
	h = find_handle(group, pasid);
	choice_interleave(CHOICE_CORE);
	/* The domain may be gone already, the handle not before the section ends. */
	if (h && type >= 0 && h->type != (enum uiommu_domain_type)type) {
		err = -EBUSY;
	} else if (h) {
		*handle = h;
		err = 0;
	}
	rcu_section_end();
	return err;
}
