/* SPDX-License-Identifier: MIT */
/* One IOMMU of the mock, one group, some domains: for tests that say what they do themselves. */
#ifndef TESTS_CORE_RIG_H
#define TESTS_CORE_RIG_H

#include "mock.h"

enum { RIG_DEVS = 8, RIG_DOMAINS = 4, RIG_HANDLES = 40 };

struct rig {
	struct mock_events events;
	struct uiommu_ctx *ctx;
	long live;
	struct uiommu_iommu *iommu;
	struct mock_iommu *m;
	struct uiommu_domain *blocking, *domain[RIG_DOMAINS];	/* [0] is identity, the others are paging */
	struct uiommu_group *group;
	struct uiommu_device *dev[RIG_DEVS];			/* RIDs 0 to n - 1 */
	unsigned int n;
	struct uiommu_attach_handle handle[RIG_HANDLES];	/* data is their own address */
};

/* A group of @n devices that can do PASIDs. */
static inline struct rig *rig_create(struct rig *r, unsigned int n)
{
	*r = (struct rig){ .n = n };
	r->ctx = mock_ctx(&r->events);
	r->live = r->ctx->alloc.live;
	r->iommu = mock_iommu(r->ctx);
	require(r->iommu);
	r->m = to_mock(r->iommu);
	r->blocking = r->iommu->blocking;
	for (unsigned int i = 0; i < RIG_DOMAINS; i++)
		r->domain[i] = mock_domain(r->iommu, i ? UIOMMU_DOMAIN_PAGING : UIOMMU_DOMAIN_IDENTITY);
	require(!uiommu_group_create(r->iommu, &r->group));
	for (unsigned int i = 0; i < n; i++)
		r->dev[i] = mock_add_pasids(r->group, (uint16_t)i);
	for (unsigned int i = 0; i < RIG_HANDLES; i++)
		r->handle[i].data = &r->handle[i];
	return r;
}

/* Nothing may be left, whatever the test did. */
static inline void rig_destroy(struct rig *r)
{
	mock_clear_faults(r->m);
	mock_check(r->iommu);
	for (unsigned int i = 0; i < RIG_DEVS; i++)
		uiommu_device_remove(r->dev[i]);
	require(!r->group->n_devices && !r->group->n_pasids);
	uiommu_group_destroy(r->group);
	for (unsigned int i = 0; i < RIG_DOMAINS; i++)
		require(!uiommu_domain_free(r->domain[i]));
	uiommu_iommu_destroy(r->iommu);
	require(r->ctx->alloc.live == r->live);
	uiommu_ctx_destroy(r->ctx);
}

/* What a fault of the RID and PASID is reported with; NULL: no handle. */
static inline void *rig_fault(struct rig *r, uint16_t rid, uint32_t pasid)
{
	struct uiommu_event event = { .kind = UIOMMU_EVENT_FAULT, .rid = rid, .pasid = pasid };

	atomic_store(&r->events.data, &r->events);
	core_fault(r->iommu, &event, "a fault of %u", rid);
	require(atomic_load(&r->events.data) != &r->events);
	return atomic_load(&r->events.data);
}

#endif
