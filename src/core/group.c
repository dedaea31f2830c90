/* SPDX-License-Identifier: MIT */
/*
 * Groups and their devices. A device that joins gets the group's domain by the
 * same engine as everything else; one that leaves is blocked and cannot fail.
 * A removed device that could not be blocked stays on the IOMMU's list, with its
 * driver's memory, until blocking it succeeds or the hardware is off.
 *
 * Per device there is one slot as yet; slots per (device, PASID), ownership,
 * reset and deferred attach belong here and in the choice of slots below.
 */
#include <errno.h>
#include <string.h>

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
	g->domain = iommu->blocking;
	g->default_domain = iommu->blocking;
	domain_get(g->domain);
	domain_get(g->default_domain);
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
	struct uiommu_iommu *iommu;
	unsigned int n;

	if (!group)
		return;
	iommu = group->iommu;
	lock_take(&group->lock);
	n = group->n_devices;
	if (!n) {
		if (group->part)
			txn_cancel(group);
		group->gone = true;
		domain_put(group->domain);
		domain_put(group->default_domain);
	}
	lock_drop(&group->lock);
	if (n) {
		ctx_log(group->ctx, UIOMMU_LOG_ERROR, "a group of %u devices was destroyed: kept", n);
		return;
	}
	core_list_del(iommu, &iommu->group_list, &group->listed);
	group_unref(group);
	lock_take(&iommu->lock);
	iommu->groups--;
	lock_drop(&iommu->lock);
}

unsigned int group_collect(struct uiommu_group *group, struct uiommu_domain *to, struct core_slot **slots)
{
	unsigned int n = 0;

	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next) {
		if (dev->att.stuck || dev->att.domain == to)
			continue;
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

void group_settle(struct uiommu_group *group, struct uiommu_domain *to,
		  struct uiommu_attach_handle *handle, unsigned int flags)
{
	struct uiommu_domain *old = group->domain;

	group->handle = handle;
	group->blocked = to == group->iommu->blocking && !(flags & CORE_TO_DEFAULT);
	group->domain = to;
	domain_put(old);
}

/* Takes the place of @dev's RID in the IOMMU's list, from the removed stuck device that had it, if any. */
static int device_claim_rid(struct uiommu_iommu *iommu, struct uiommu_device *dev,
			    struct uiommu_device **lost)
{
	struct uiommu_device **link;
	int err = 0;

	*lost = NULL;
	lock_take(&iommu->lock);
	for (link = &iommu->devices; *link && (*link)->rid != dev->rid; link = &(*link)->next_in_iommu)
		;
	if (*link && (*link)->group) {
		err = -EEXIST;
	} else {
		*lost = *link;
		dev->next_in_iommu = *link ? (*link)->next_in_iommu : NULL;
		*link = dev;
	}
	lock_drop(&iommu->lock);
	return err;
}

/* Puts @other (NULL: nothing) in the place of @dev. */
static void device_yield_rid(struct uiommu_iommu *iommu, struct uiommu_device *dev,
			     struct uiommu_device *other)
{
	struct uiommu_device **link = &iommu->devices;

	lock_take(&iommu->lock);
	while (*link != dev)
		link = &(*link)->next_in_iommu;
	if (other) {
		other->next_in_iommu = dev->next_in_iommu;
		*link = other;
	} else {
		*link = dev->next_in_iommu;
	}
	lock_drop(&iommu->lock);
}

/* A device that left its group: gone, or kept when hardware could not be told to block it. */
static void device_end(struct uiommu_device *dev)
{
	struct uiommu_iommu *iommu = dev->iommu;

	if (dev->att.stuck) {
		lock_take(&iommu->lock);
		dev->group = NULL;
		lock_drop(&iommu->lock);
		return;
	}
	iommu->ops->release(dev);
	device_yield_rid(iommu, dev, NULL);
	alloc_free(&iommu->ctx->alloc, dev);
}

/* The list has @dev for its RID. Probes it, after what hardware still had for that RID was blocked. */
static int device_probe(struct uiommu_device *dev, struct uiommu_device *lost)
{
	struct uiommu_iommu *iommu = dev->iommu;
	int err;

	if (lost) {
		err = engine_unstick(&lost->att);
		if (err) {
			device_yield_rid(iommu, dev, lost);
			return err;
		}
		iommu->ops->release(lost);
		alloc_free(&iommu->ctx->alloc, lost);
	}
	err = iommu->ops->probe(dev);
	if (err)
		device_yield_rid(iommu, dev, NULL);
	return err;
}

/* Puts the blocked newcomer on the group's domain. */
static int device_join(struct uiommu_group *group, struct uiommu_device *dev)
{
	struct core_slot *slot = &dev->att.slot;
	struct core_run run = { .iommu = dev->iommu, .slots = &slot, .n = 1 };
	struct uiommu_report plan;
	int err;

	if (group->domain == dev->att.domain)
		return 0;
	report_init(&plan);
	slot_init(&dev->att, group->domain);
	err = engine_prepare(&run, 1, 0, NULL, &plan);
	if (!err)
		err = engine_commit(&run, 1, 0, &plan, false);
	return err;
}

/* Room for one more pointer, in an array that replaces the group's once nothing can fail any more. */
static int group_reserve(struct uiommu_group *group, struct core_slot ***slots, unsigned int *n)
{
	*slots = NULL;
	*n = group->n_slots;
	if (group->n_devices < group->n_slots)
		return 0;
	*n = group->n_slots ? 2 * group->n_slots : 1;
	*slots = alloc_zeroed(&group->ctx->alloc, *n, sizeof(**slots));
	return *slots ? 0 : -ENOMEM;
}

/* Group lock held. On error @dev is dealt with. */
static int group_add(struct uiommu_group *group, struct uiommu_device *dev)
{
	struct uiommu_device *lost, **link = &group->devices;
	struct alloc *alloc = &group->ctx->alloc;
	struct core_slot **slots;
	unsigned int n_slots;
	int err;

	err = group_reserve(group, &slots, &n_slots);
	if (err)
		goto free_dev;
	err = device_claim_rid(group->iommu, dev, &lost);
	if (err)
		goto free_slots;
	err = device_probe(dev, lost);
	if (err)
		goto free_slots;
	err = device_join(group, dev);
	if (err) {
		device_end(dev);
		dev = NULL;
		goto free_slots;
	}
	if (slots) {
		alloc_free(alloc, group->slots);
		group->slots = slots;
		group->n_slots = n_slots;
	}
	while (*link)
		link = &(*link)->next;
	*link = dev;
	group->n_devices++;
	return 0;

free_slots:
	alloc_free(alloc, slots);
free_dev:
	alloc_free(alloc, dev);
	return err;
}

int uiommu_device_add(struct uiommu_group *group, uint16_t rid, struct uiommu_device **dev)
{
	struct uiommu_device *d;
	int err;

	if (!group || !dev)
		return -EINVAL;
	d = alloc_struct(&group->ctx->alloc, struct uiommu_device);
	if (!d)
		return -ENOMEM;
	d->group = group;
	d->iommu = group->iommu;
	d->att.domain = group->iommu->blocking;
	d->att.dev = d;
	d->att.pasid = UIOMMU_NO_PASID;
	d->rid = rid;
	lock_take(&group->lock);
	if (group->part) {
		err = -EBUSY;
		alloc_free(&group->ctx->alloc, d);
	} else {
		err = group_add(group, d);
	}
	lock_drop(&group->lock);
	if (!err)
		*dev = d;
	return err;
}

/* Blocks one device, whatever it takes. Group lock held. */
static void device_block(struct uiommu_device *dev)
{
	struct core_slot *slot = &dev->att.slot;
	struct core_run run = { .iommu = dev->iommu, .slots = &slot, .n = 1 };
	struct uiommu_report plan;

	if (dev->att.stuck) {
		engine_unstick(&dev->att);
		return;
	}
	if (dev->att.domain == dev->iommu->blocking)
		return;
	report_init(&plan);
	slot_init(&dev->att, dev->iommu->blocking);
	engine_prepare(&run, 1, CORE_MUST_SUCCEED, NULL, &plan);
	engine_commit(&run, 1, CORE_MUST_SUCCEED, &plan, false);
}

void uiommu_device_remove(struct uiommu_device *dev)
{
	struct uiommu_device **link;
	struct uiommu_group *group;

	if (!dev)
		return;
	group = dev->group;
	lock_take(&group->lock);
	if (group->part)
		txn_cancel(group);
	device_block(dev);
	for (link = &group->devices; *link != dev; link = &(*link)->next)
		;
	*link = dev->next;
	dev->next = NULL;
	group->n_devices--;
	/* An empty group starts again from its default, and holds on to no domain of a user. */
	if (!group->n_devices && !group->blocked) {
		domain_get(group->default_domain);
		group_settle(group, group->default_domain, NULL, CORE_TO_DEFAULT);
	}
	device_end(dev);
	lock_drop(&group->lock);
}

uint16_t uiommu_device_rid(const struct uiommu_device *dev)
{
	return dev->rid;
}

struct uiommu_domain *uiommu_group_domain(struct uiommu_group *group)
{
	struct uiommu_domain *domain;

	lock_take(&group->lock);
	domain = group->domain;
	lock_drop(&group->lock);
	return domain;
}
