/* SPDX-License-Identifier: MIT */
/*
 * Reset of devices, and deferred attach: devices that are not on their group's domain
 * for a reason. While a device is being reset it is blocked with its aliases and PASIDs;
 * group and PASIDs keep the domains that it comes back to.
 *
 * Meanwhile a call that must not fail may give the group another domain and let the old
 * one be freed. It leaves the device out, as hardware has it on blocking, so nothing keeps the
 * old domain; and reset_done looks at what the group is on then, not at what it was on.
 */
#include <errno.h>

#include "base/choice.h"
#include "core/core.h"

static unsigned int count_pasids(const struct uiommu_device *dev)
{
	return dev->max_pasids ? ((struct uiommu_group *)dev->group)->n_pasids : 0;
}

/* Appends what has to move of one requester. A deferred one too: what hardware has must end. */
static int collect(struct uiommu_device *dev, struct core_slot **slots, unsigned int *n)
{
	struct uiommu_domain *blocking = dev->iommu->blocking;
	int err = dev->att.stuck ? engine_unstick(&dev->att) : 0;

	if (!err)
		err = pasids_unstick(dev);
	if (err || dev->reset_depth)
		return err;
	if (dev->deferred || dev->att.domain != blocking) {
		slot_init(&dev->att, blocking);
		slots[(*n)++] = &dev->att.slot;
	}
	*n += pasids_collect(dev, blocking, slots + *n);
	return 0;
}

/* Device and aliases to blocking, all or none. */
static int block_all(struct uiommu_device *dev)
{
	struct uiommu_iommu *iommu = dev->iommu;
	struct core_run run = { .iommu = iommu };
	unsigned int room = 1 + count_pasids(dev);
	struct uiommu_report plan;
	int err;

	for (unsigned int i = 0; i < dev->n_aliases; i++)
		room += 1 + count_pasids(dev->aliases[i]);
	run.slots = alloc_zeroed(&iommu->ctx->alloc, room, sizeof(struct core_slot *));
	if (!run.slots)
		return -ENOMEM;
	err = collect(dev, run.slots, &run.n);
	for (unsigned int i = 0; i < dev->n_aliases && !err; i++)
		err = collect(dev->aliases[i], run.slots, &run.n);
	report_init(&plan);
	if (!err)
		err = engine_prepare(&run, 1, 0, NULL, &plan);
	if (!err)
		err = engine_commit(&run, 1, 0, &plan, false);
	alloc_free(&iommu->ctx->alloc, run.slots);
	return err;
}

int uiommu_reset_prepare(struct uiommu_device *dev)
{
	struct uiommu_group *group;
	int err = 0;

	if (!dev)
		return -EINVAL;
	group = dev->group;
	lock_take(&group->lock);
	if (!dev->resets) {
		group_unpin(group);
		err = block_all(dev);
		choice_interleave(CHOICE_CORE);
	}
	if (!err && !dev->resets++) {
		group->resetting++;
		dev->reset_depth++;
		for (unsigned int i = 0; i < dev->n_aliases; i++)
			dev->aliases[i]->reset_depth++;
	}
	lock_drop(&group->lock);
	return err;
}

void reset_close(struct uiommu_device *dev)
{
	((struct uiommu_group *)dev->group)->resetting--;
	dev->reset_depth--;
	for (unsigned int i = 0; i < dev->n_aliases; i++)
		dev->aliases[i]->reset_depth--;
}

void device_bring_back(struct uiommu_device *dev)
{
	att_move(&dev->att, ((struct uiommu_group *)dev->group)->domain);
	choice_interleave(CHOICE_CORE);
	pasids_bring_back(dev);
}

void uiommu_reset_done(struct uiommu_device *dev)
{
	struct uiommu_group *group;

	if (!dev)
		return;
	group = dev->group;
	lock_take(&group->lock);
	if (!dev->resets) {
		ctx_log(group->ctx, UIOMMU_LOG_ERROR, "reset of device " RID_FMT " done, but never prepared",
			RID_ARGS(dev->rid));
	} else if (!--dev->resets) {
		reset_close(dev);
		if (!dev->reset_depth)
			device_bring_back(dev);
		for (unsigned int i = 0; i < dev->n_aliases; i++)
			if (!dev->aliases[i]->reset_depth)
				device_bring_back(dev->aliases[i]);
	}
	lock_drop(&group->lock);
}

/* ---- deferred attach ---- */

/* One device. A change that may fail, towards a domain that the group has. */
static int end_deferred(struct uiommu_device *dev)
{
	struct core_slot *slot = &dev->att.slot;
	struct core_run run = { .iommu = dev->iommu, .slots = &slot, .n = 1 };
	struct uiommu_report plan;
	int err;

	if (!dev->deferred)
		return 0;
	report_init(&plan);
	slot_init(&dev->att, ((struct uiommu_group *)dev->group)->domain);
	err = engine_prepare(&run, 1, 0, NULL, &plan);
	return err ? err : engine_commit(&run, 1, 0, &plan, false);
}

int group_end_deferred(struct uiommu_group *group)
{
	int err = 0;

	for (struct uiommu_device *dev = group->devices; dev && !err; dev = dev->next)
		err = end_deferred(dev);
	return err;
}

int uiommu_device_attach_deferred(struct uiommu_device *dev)
{
	struct uiommu_group *group;
	int err = 0;

	if (!dev)
		return -EINVAL;
	group = dev->group;
	lock_take(&group->lock);
	if (dev->deferred) {
		err = group_busy(group, NULL);
		if (!err)
			err = end_deferred(dev);
		for (unsigned int i = 0; i < dev->n_aliases && !err; i++)
			err = end_deferred(dev->aliases[i]);
	}
	lock_drop(&group->lock);
	return err;
}
