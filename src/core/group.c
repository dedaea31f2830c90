/* SPDX-License-Identifier: MIT */
/*
 * Groups: their making and end, and which of their attachments a change concerns.
 * Devices join and leave in device.c, PASIDs in pasid.c.
 */
#include <errno.h>

#include "core/core.h"

void group_ref(struct uiommu_group *group)
{
	atomic_fetch_add_explicit(&group->refs, 1, memory_order_relaxed);
}

void group_unref(struct uiommu_group *group)
{
	struct uiommu_ctx *ctx = group->ctx;

	if (atomic_fetch_sub_explicit(&group->refs, 1, memory_order_acq_rel) != 1)
		return;
	alloc_free(&ctx->alloc, group->slots);
	alloc_free(&ctx->alloc, group);
}

int uiommu_group_create(struct uiommu_iommu *iommu, struct uiommu_group **group)
{
	struct uiommu_group *g;

	if (!iommu || !group)
		return -EINVAL;
	g = alloc_struct(&iommu->ctx->alloc, struct uiommu_group);
	if (!g)
		return -ENOMEM;
	g->iommu = iommu;
	g->ctx = iommu->ctx;
	lock_init(&g->lock);
	atomic_init(&g->domain, iommu->blocking);
	atomic_init(&g->moving_to, NULL);
	g->default_domain = iommu->blocking;
	domain_get(g->default_domain);
	atomic_init(&g->handle, NULL);
	for (unsigned int i = 0; i < CORE_PASID_BUCKETS; i++)
		atomic_init(&g->pasids[i], NULL);
	atomic_init(&g->refs, 1);
	lock_take(&iommu->lock);
	iommu->groups++;
	lock_drop(&iommu->lock);
	core_list_add(iommu, &iommu->group_list, &g->listed);
	*group = g;
	return 0;
}

void uiommu_group_destroy(struct uiommu_group *group)
{
	struct uiommu_domain *own = NULL;
	struct uiommu_iommu *iommu;
	bool grace = false;
	unsigned int n, named;

	if (!group)
		return;
	iommu = group->iommu;
	lock_take(&group->lock);
	n = group->n_devices;
	named = n - group->n_aliases;
	if (!n) {
		group_unpin(group);
		group->gone = true;
		grace = atomic_exchange(&group->handle, NULL);
		atomic_store_explicit(&group->domain, iommu->blocking, memory_order_release);
		domain_put(group->default_domain);
		if (group->own_default)
			own = group->default_domain;
	}
	lock_drop(&group->lock);
	if (n) {
		ctx_log(group->ctx, UIOMMU_LOG_ERROR, "group not destroyed: it still has %u "
			"device%s; remove %s first", named, named == 1 ? "" : "s",
			named == 1 ? "it" : "them");
		return;
	}
	core_list_del(iommu, &iommu->group_list, &group->listed);
	core_grace(grace);
	if (own)
		domain_drop(own);
	group_unref(group);
	lock_take(&iommu->lock);
	iommu->groups--;
	lock_drop(&iommu->lock);
}

unsigned int group_collect(struct uiommu_group *group, struct uiommu_domain *to, unsigned int flags,
			   struct core_slot **slots, struct uiommu_device **stuck)
{
	unsigned int n = 0;

	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next) {
		if (dev->att.stuck) {
			if (!*stuck)
				*stuck = dev;
			continue;
		}
		if (dev->reset_depth)
			continue;
		if (dev->deferred) {
			/* Hardware is on neither domain: also blocking has to be told to it. */
			if ((flags & CORE_TO_DEFAULT) || to == group->default_domain)
				continue;
		} else if (dev->att.domain == to) {
			continue;
		}
		slot_init(&dev->att, to);
		slots[n++] = &dev->att.slot;
	}
	return n;
}

struct uiommu_device *group_stuck(struct uiommu_group *group)
{
	struct uiommu_device *dev = group->devices;

	while (dev && !dev->att.stuck)
		dev = dev->next;
	return dev;
}

bool group_settle(struct uiommu_group *group, struct uiommu_domain *to,
		  struct uiommu_attach_handle *handle, unsigned int flags)
{
	struct uiommu_attach_handle *had = atomic_load_explicit(&group->handle, memory_order_relaxed);

	if (handle) {
		handle->domain = to;
		handle->type = to->type;
	}
	rcu_publish(&group->handle, handle);
	group->blocked = to == group->iommu->blocking && !(flags & CORE_TO_DEFAULT);
	/* Pairs with domain_users(): what was done with the old one came before. */
	atomic_store_explicit(&group->domain, to, memory_order_release);
	return had;
}

struct uiommu_domain *uiommu_group_domain(struct uiommu_group *group)
{
	struct uiommu_domain *domain;

	lock_take(&group->lock);
	domain = group->domain;
	lock_drop(&group->lock);
	return domain;
}
