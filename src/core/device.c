/* SPDX-License-Identifier: MIT */
/*
 * Devices joining and leaving groups. A device that joins gets the group's domain by
 * the same engine as everything else, together with the alias RIDs that its DMA may
 * carry: each of those is a device of its own to drivers. One that leaves is blocked and
 * cannot fail. A removed device that could not be blocked stays on the IOMMU's list, with
 * its driver's memory, until blocking it succeeds or the hardware is off.
 *
 * An alias that is added by its own RID is adopted: it goes on as it is. A device that is
 * removed while others carry its RID goes on as an alias.
 */
#include <errno.h>
#include <string.h>

#include "core/core.h"

/* ---- the table of devices by RID ---- */

void grave_end(struct uiommu_ctx *ctx, struct core_grave *grave)
{
	struct uiommu_device *dev;
	struct core_pasid *p;
	struct core_bus *bus;

	if (!grave->grace && !grave->devices && !grave->buses && !grave->pasids)
		return;
	rcu_wait();
	while ((dev = grave->devices)) {
		grave->devices = dev->next;
		alloc_free(&ctx->alloc, dev->resv);
		alloc_free(&ctx->alloc, dev->aliases);
		alloc_free(&ctx->alloc, dev);
	}
	while ((bus = grave->buses)) {
		grave->buses = bus->next;
		alloc_free(&ctx->alloc, bus);
	}
	while ((p = grave->pasids)) {
		grave->pasids = p->gone;
		alloc_free(&ctx->alloc, p->atts);
		alloc_free(&ctx->alloc, p->slots);
		alloc_free(&ctx->alloc, p);
	}
}

/* iommu->lock held. */
static void list_add(struct uiommu_device *dev)
{
	struct uiommu_iommu *iommu = dev->iommu;

	dev->next_in_iommu = iommu->devices;
	dev->link_in_iommu = &iommu->devices;
	if (iommu->devices)
		iommu->devices->link_in_iommu = &dev->next_in_iommu;
	iommu->devices = dev;
}

static void list_del(struct uiommu_device *dev)
{
	*dev->link_in_iommu = dev->next_in_iommu;
	if (dev->next_in_iommu)
		dev->next_in_iommu->link_in_iommu = dev->link_in_iommu;
}

/*
 * Puts @dev in the place of its RID, which may be that of a removed stuck device: *@lost.
 * 0, -EEXIST, -ENOMEM.
 */
static int rid_claim(struct uiommu_device *dev, struct uiommu_device **lost)
{
	struct uiommu_iommu *iommu = dev->iommu;
	_Atomic(struct core_bus *) *place = &iommu->bus[dev->rid >> 8];
	struct core_bus *bus = rcu_read(place), *spare = NULL;
	struct uiommu_device *there;
	int err = 0;

	/* A bus that is not there when it is looked at again is made, at most once. */
	if (!bus) {
		spare = alloc_struct(&iommu->ctx->alloc, struct core_bus);
		if (!spare)
			return -ENOMEM;
	}
	lock_take(&iommu->lock);
	bus = rcu_read(place);
	if (!bus && !spare) {
		lock_drop(&iommu->lock);
		return rid_claim(dev, lost);
	}
	if (!bus) {
		bus = spare;
		spare = NULL;
		rcu_publish(place, bus);
	}
	there = rcu_read(&bus->dev[dev->rid & 255]);
	if (there && there->group) {
		err = -EEXIST;
	} else {
		if (there)
			list_del(there);
		else
			bus->n++;
		list_add(dev);
		rcu_publish(&bus->dev[dev->rid & 255], dev);
		*lost = there;
	}
	lock_drop(&iommu->lock);
	alloc_free(&iommu->ctx->alloc, spare);
	return err;
}

/* Puts @other (NULL: nothing) in the place of @dev. */
static void rid_yield(struct uiommu_device *dev, struct uiommu_device *other, struct core_grave *grave)
{
	struct uiommu_iommu *iommu = dev->iommu;
	struct core_bus *bus;

	lock_take(&iommu->lock);
	bus = rcu_read(&iommu->bus[dev->rid >> 8]);
	list_del(dev);
	rcu_publish(&bus->dev[dev->rid & 255], other);
	if (other) {
		list_add(other);
	} else if (!--bus->n) {
		rcu_publish(&iommu->bus[dev->rid >> 8], NULL);
		bus->next = grave->buses;
		grave->buses = bus;
	}
	lock_drop(&iommu->lock);
}

/* ---- one requester ---- */

static void bury(struct uiommu_device *dev, struct core_grave *grave)
{
	dev->next = grave->devices;
	grave->devices = dev;
}

/* There is no report: the log says which of several reasons it was. */
static int add_refuse(const struct uiommu_group *group, uint16_t rid, int err, const char *why)
{
	ctx_log(group->ctx, UIOMMU_LOG_INFO, "device " RID_FMT " not added: %s", RID_ARGS(rid), why);
	return err;
}

/* Removed earlier, but hardware would not block it: now, or -errno. */
static int lost_end(struct uiommu_device *lost, struct core_grave *grave)
{
	int err = 0;

	if (lost->att.stuck)
		err = engine_unstick(&lost->att);
	if (!err)
		err = pasids_unstick(lost);
	if (err)
		return err;
	pasids_drop_lost(lost);
	lost->iommu->ops->release(lost);
	bury(lost, grave);
	return 0;
}

static int add_region(void *opaque, const struct uiommu_resv_region *region)
{
	struct uiommu_device *dev = opaque;
	struct uiommu_resv_region *all;
	int err = resv_check(region);

	if (!err)
		err = resv_with(dev, region, 1, &all);
	if (err)
		return err;
	alloc_free(&dev->iommu->ctx->alloc, dev->resv);
	dev->resv = all;
	dev->n_resv++;
	return 0;
}

/* Asks the driver for all that it knows. On error nothing of the device is left with it. */
static int requester_probe(struct uiommu_device *dev, uint32_t max_pasids)
{
	const struct iommu_ops *ops = dev->iommu->ops;
	int err;

	dev->max_pasids = dev->alias ? UIOMMU_MAX_PASIDS : max_pasids;
	err = ops->probe(dev);
	if (err)
		return err;
	dev->hw_pasids = ops->pasid_probe ? dev->max_pasids : 0;
	dev->max_pasids = dev->hw_pasids < max_pasids ? dev->hw_pasids : max_pasids;
	if (ops->resv_regions)
		err = ops->resv_regions(dev, add_region, dev);
	if (err)
		ops->release(dev);
	dev->n_hw_resv = dev->n_resv;
	dev->require_direct = resv_direct(dev->resv, dev->n_resv);
	return err;
}

/* A requester that is not in the table yet; it is blocked, or deferred, and in no list of the group. */
static int requester_make(struct uiommu_group *group, uint16_t rid, const struct uiommu_device_opts *opts,
			  bool alias, struct uiommu_device **out, struct core_grave *grave)
{
	struct uiommu_device *lost, *dev = alloc_struct(&group->ctx->alloc, struct uiommu_device);
	int err;

	if (!dev)
		return -ENOMEM;
	dev->iommu = group->iommu;
	atomic_init(&dev->group, group);
	dev->att.dev = dev;
	dev->att.pasid = UIOMMU_NO_PASID;
	dev->att.domain = group->iommu->blocking;
	dev->rid = rid;
	dev->alias = alias;
	dev->deferred = opts->deferred;
	err = rid_claim(dev, &lost);
	if (err) {
		if (err == -EEXIST)
			add_refuse(group, rid, err, "another group has it, as a device or an alias");
		alloc_free(&group->ctx->alloc, dev);
		return err;
	}
	if (lost) {
		err = lost_end(lost, grave);
		if (err) {
			rid_yield(dev, lost, grave);
			bury(dev, grave);
			return err;
		}
	}
	err = requester_probe(dev, opts->max_pasids);
	if (err) {
		rid_yield(dev, NULL, grave);
		bury(dev, grave);
		return err;
	}
	*out = dev;
	return 0;
}

/* In no list of the group any more: gone, or kept when hardware could not be told to block it. */
static void requester_end(struct uiommu_device *dev, struct core_grave *grave)
{
	struct uiommu_iommu *iommu = dev->iommu;

	if (dev->att.stuck || dev->lost_pasids) {
		lock_take(&iommu->lock);
		rcu_publish(&dev->group, NULL);
		lock_drop(&iommu->lock);
		grave->grace = true;
		return;
	}
	iommu->ops->release(dev);
	rid_yield(dev, NULL, grave);
	bury(dev, grave);
}

/* ---- adding ---- */

struct adding {
	struct uiommu_group *group;
	const struct uiommu_device_opts *opts;
	uint16_t rid;
	struct uiommu_device *own;
	struct uiommu_device **dev;		/* [0]: own; then its aliases, each once */
	bool *made;				/* by this call; else they were there */
	struct uiommu_device *one;		/* for dev and made, without aliases */
	bool one_made;
	unsigned int n;
	struct core_slot **slots;		/* replaces the group's if not NULL */
	unsigned int n_slots;
	struct uiommu_resv_region *resv;	/* all of dev[0] */
	unsigned int n_resv;
	struct resv_undo *undo;
	struct core_grave grave;
};

static int device_opts_check(const struct uiommu_device_opts *opts)
{
	int err = opts_check(opts, opts->size, sizeof(*opts));

	if (err)
		return err;
	if (opts->max_pasids > UIOMMU_MAX_PASIDS || (opts->n_regions && !opts->regions) ||
	    (opts->n_aliases && !opts->aliases) || opts->n_aliases > UINT16_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < opts->n_regions && !err; i++)
		err = resv_check(&opts->regions[i]);
	return err;
}

/* Whether the group can take a device. */
static int add_check(const struct adding *a)
{
	const struct uiommu_group *group = a->group;
	struct uiommu_report plan;

	if (group_busy(group, &plan))
		return add_refuse(group, a->rid, -EBUSY, plan.reason);
	if (group->n_pasids && a->opts->max_pasids && group->iommu->ops->pasid_probe)
		return add_refuse(group, a->rid, -EBUSY, "it can do PASIDs, and some are attached in the "
				  "group: detach those first");
	if (a->opts->untrusted && group->default_domain->type == UIOMMU_DOMAIN_IDENTITY)
		return -EPERM;
	return 0;
}

/* What is in the group under @rid. */
static struct uiommu_device *member(struct uiommu_group *group, uint16_t rid)
{
	struct uiommu_device *dev;

	/* A member of this group cannot leave meanwhile. */
	lock_take(&group->iommu->lock);
	dev = device_find(group->iommu, rid);
	if (dev && dev->group != group)
		dev = NULL;
	lock_drop(&group->iommu->lock);
	return dev;
}

static bool listed(const struct adding *a, uint16_t rid)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (a->dev[i]->rid == rid)
			return true;
	return false;
}

/* Finds or makes one of the requesters. */
static int add_one(struct adding *a, uint16_t rid)
{
	struct uiommu_device *dev = member(a->group, rid);
	int err;

	if (dev && !a->n && !dev->alias)
		return add_refuse(a->group, rid, -EEXIST, "the group has it already");
	if (!dev) {
		err = requester_make(a->group, rid, a->opts, a->n, &dev, &a->grave);
		if (err)
			return err;
		a->made[a->n] = true;
	}
	a->dev[a->n++] = dev;
	return 0;
}

/* Room for one more pointer per requester. */
static int add_room(struct adding *a)
{
	struct uiommu_group *group = a->group;
	unsigned int n = group->n_devices + a->n;

	if (n <= group->n_slots)
		return 0;
	a->n_slots = n > 2 * group->n_slots ? n : 2 * group->n_slots;
	a->slots = alloc_zeroed(&group->ctx->alloc, a->n_slots, sizeof(struct core_slot *));
	return a->slots ? 0 : -ENOMEM;
}

/* Regions: those of the device with the firmware's, and 1:1 mappings of all that are new. */
static int add_regions(struct adding *a)
{
	struct uiommu_domain *domain = a->group->default_domain;
	struct uiommu_device *own = a->dev[0];
	int err = resv_with(own, a->opts->regions, a->opts->n_regions, &a->resv);

	if (err)
		return err;
	a->n_resv = own->n_resv + a->opts->n_regions;
	err = resv_map(domain, a->resv, a->n_resv, &a->undo);
	for (unsigned int i = 1; i < a->n && !err; i++)
		if (a->made[i])
			err = resv_map(domain, a->dev[i]->resv, a->dev[i]->n_resv, &a->undo);
	return err;
}

/* Puts the newcomers on the group's domain; deferred ones only if it is not the default. */
static int add_join(struct adding *a)
{
	struct uiommu_group *group = a->group;
	struct core_run run = { .iommu = group->iommu, .slots = a->slots ? a->slots : group->slots };
	struct uiommu_report plan;
	int err;

	for (unsigned int i = 0; i < a->n; i++) {
		struct uiommu_device *dev = a->dev[i];

		if (!a->made[i] || (dev->deferred ? group->domain == group->default_domain :
						    dev->att.domain == group->domain))
			continue;
		slot_init(&dev->att, group->domain);
		run.slots[run.n++] = &dev->att.slot;
	}
	report_init(&plan);
	err = engine_prepare(&run, 1, 0, NULL, &plan);
	return err ? err : engine_commit(&run, 1, 0, &plan, false);
}

/* Nothing can fail any more. */
static void add_settle(struct adding *a)
{
	struct uiommu_group *group = a->group;
	struct uiommu_device *own = a->dev[0], **link = &group->devices;
	struct alloc *alloc = &group->ctx->alloc;

	if (a->slots) {
		alloc_free(alloc, group->slots);
		group->slots = a->slots;
		group->n_slots = a->n_slots;
	}
	if (!a->made[0]) {
		group->n_direct -= own->require_direct;
		group->n_aliases--;
	}
	alloc_free(alloc, own->resv);
	own->resv = a->resv;
	own->n_resv = a->n_resv;
	own->require_direct = resv_direct(own->resv, own->n_resv);
	own->untrusted = a->opts->untrusted;
	own->alias = false;
	if (a->opts->max_pasids)
		own->max_pasids = own->hw_pasids < a->opts->max_pasids ? own->hw_pasids : a->opts->max_pasids;
	if (!a->made[0])
		group->n_direct += own->require_direct;
	while (*link)
		link = &(*link)->next;
	for (unsigned int i = 0; i < a->n; i++) {
		struct uiommu_device *dev = a->dev[i];

		if (i)
			dev->carriers++;
		if (!a->made[i])
			continue;
		*link = dev;
		link = &dev->next;
		group->n_devices++;
		group->n_aliases += dev->alias;
		group->n_direct += dev->require_direct;
	}
	a->own = own;
	resv_keep(group->ctx, a->undo);
	if (!a->opts->n_aliases)
		return;
	/* a->dev becomes the list of aliases: the device itself leaves it. */
	own->n_aliases = a->n - 1;
	memmove(a->dev, a->dev + 1, own->n_aliases * sizeof(struct uiommu_device *));
	own->aliases = a->dev;
	a->dev = NULL;
}

/* Group lock held. */
static int group_add(struct adding *a)
{
	int err = add_check(a);

	if (!err)
		err = add_one(a, a->rid);
	for (unsigned int i = 0; i < a->opts->n_aliases && !err; i++)
		if (!listed(a, a->opts->aliases[i]))
			err = add_one(a, a->opts->aliases[i]);
	if (!err)
		err = add_room(a);
	if (!err)
		err = add_regions(a);
	if (!err)
		err = add_join(a);
	if (!err) {
		add_settle(a);
		return 0;
	}
	resv_undo(a->group->default_domain, a->undo);
	for (unsigned int i = a->n; i--;)
		if (a->made[i])
			requester_end(a->dev[i], &a->grave);
	alloc_free(&a->group->ctx->alloc, a->resv);
	alloc_free(&a->group->ctx->alloc, a->slots);
	return err;
}

int uiommu_device_add_opts(struct uiommu_group *group, uint16_t rid, const struct uiommu_device_opts *opts,
			   struct uiommu_device **dev)
{
	static const struct uiommu_device_opts none = { .size = sizeof(none) };
	struct adding a = { .group = group, .opts = opts ? opts : &none, .rid = rid };
	struct alloc *alloc;
	int err;

	if (!group || !dev)
		return -EINVAL;
	err = device_opts_check(a.opts);
	if (err)
		return err;
	alloc = &group->ctx->alloc;
	a.dev = &a.one;
	a.made = &a.one_made;
	if (a.opts->n_aliases) {
		a.dev = alloc_zeroed(alloc, a.opts->n_aliases + 1, sizeof(struct uiommu_device *));
		a.made = alloc_zeroed(alloc, a.opts->n_aliases + 1, sizeof(bool));
	}
	if (!a.dev || !a.made) {
		err = -ENOMEM;
	} else {
		lock_take(&group->lock);
		err = group_add(&a);
		grave_end(group->ctx, &a.grave);
		lock_drop(&group->lock);
	}
	if (!err)
		*dev = a.own;
	if (a.opts->n_aliases) {
		alloc_free(alloc, a.dev);
		alloc_free(alloc, a.made);
	}
	return err;
}

int uiommu_device_add(struct uiommu_group *group, uint16_t rid, struct uiommu_device **dev)
{
	return uiommu_device_add_opts(group, rid, NULL, dev);
}

/* ---- removing ---- */

static void unlink_device(struct uiommu_device *dev)
{
	struct uiommu_group *group = dev->group;
	struct uiommu_device **link = &group->devices;

	while (*link != dev)
		link = &(*link)->next;
	*link = dev->next;
	dev->next = NULL;
	group->n_devices--;
	group->n_aliases -= dev->alias;
	group->n_direct -= dev->require_direct;
}

/* Blocks a requester, whatever it takes, and lets it go. */
static void requester_leave(struct uiommu_device *dev, struct core_grave *grave)
{
	/* What a previous owner left is blocked too, unless it never was ours. */
	if (!dev->deferred)
		att_move(&dev->att, dev->iommu->blocking);
	pasids_leave(dev, grave);
	unlink_device(dev);
	requester_end(dev, grave);
}

/* The device that the caller added is no more; others may still carry its RID. @reset: it was being reset. */
static void device_leave(struct uiommu_device *dev, bool reset, struct core_grave *grave)
{
	struct uiommu_device **aliases = dev->aliases;
	struct uiommu_group *group = dev->group;
	unsigned int n = dev->n_aliases;

	dev->aliases = NULL;
	dev->n_aliases = 0;
	if (!dev->carriers) {
		requester_leave(dev, grave);
	} else {
		dev->alias = true;
		dev->untrusted = false;
		/* What the caller said of the device goes with it. */
		group->n_direct -= dev->require_direct;
		dev->n_resv = dev->n_hw_resv;
		dev->require_direct = resv_direct(dev->resv, dev->n_resv);
		group->n_direct += dev->require_direct;
		group->n_aliases++;
		if (reset && !dev->reset_depth)
			device_bring_back(dev);
	}
	for (unsigned int i = 0; i < n; i++) {
		struct uiommu_device *alias = aliases[i];

		alias->carriers--;
		if (alias->alias && !alias->carriers)
			requester_leave(alias, grave);
		else if (reset && !alias->reset_depth)
			device_bring_back(alias);
	}
	alloc_free(&group->ctx->alloc, aliases);
}

void uiommu_device_remove(struct uiommu_device *dev)
{
	struct core_grave grave = { 0 };
	struct uiommu_group *group;
	bool reset;

	if (!dev)
		return;
	group = dev->group;
	lock_take(&group->lock);
	group_unpin(group);
	reset = dev->resets;
	if (reset) {
		dev->resets = 0;
		reset_close(dev);
	}
	device_leave(dev, reset, &grave);
	/* An empty group starts again from where detaching leads, and holds on to no domain of a user. */
	if (!group->n_devices && !group->blocked) {
		struct uiommu_domain *home = group->owner ? group->iommu->blocking : group->default_domain;

		grave.grace |= group_settle(group, home, NULL, group->owner ? 0 : CORE_TO_DEFAULT);
	}
	grave_end(group->ctx, &grave);
	lock_drop(&group->lock);
}

/* ---- questions ---- */

uint16_t uiommu_device_rid(const struct uiommu_device *dev)
{
	return dev->rid;
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
	struct uiommu_group *group = dev->group;
	struct uiommu_domain *domain;

	lock_take(&group->lock);
	domain = dev->att.domain;
	lock_drop(&group->lock);
	return domain;
}
