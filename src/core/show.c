/* SPDX-License-Identifier: MIT */
/*
 * Looking at what there is, while it works. Groups and domains stand in lists of their
 * IOMMU. Who looks marks the one it is at; who ends that one waits until the mark is gone,
 * so that neither a reference nor a lock is held for longer than one visit, and freeing a
 * domain never becomes -EBUSY because somebody looks.
 */
#include <errno.h>
#include <string.h>

#include "core/core.h"

void core_list_add(struct uiommu_iommu *iommu, struct core_list *list, struct core_listed *item)
{
	lock_take(&iommu->lock);
	item->id = ++list->last_id;
	item->looked_at = 0;
	item->next = NULL;
	item->prev = list->last;
	if (list->last)
		list->last->next = item;
	else
		list->first = item;
	list->last = item;
	lock_drop(&iommu->lock);
}

void core_list_del(struct uiommu_iommu *iommu, struct core_list *list, struct core_listed *item)
{
	struct task_spin spin = { 0 };

	lock_take(&iommu->lock);
	while (item->looked_at) {
		lock_drop(&iommu->lock);
		task_relax(&spin);
		lock_take(&iommu->lock);
	}
	if (item->prev)
		item->prev->next = item->next;
	else
		list->first = item->next;
	if (item->next)
		item->next->prev = item->prev;
	else
		list->last = item->prev;
	lock_drop(&iommu->lock);
}

/* The one after @cur (NULL: the first), which stays until the next call; NULL at the end. */
static struct core_listed *list_step(struct uiommu_iommu *iommu, struct core_list *list,
				     struct core_listed *cur)
{
	struct core_listed *next;

	lock_take(&iommu->lock);
	next = cur ? cur->next : list->first;
	if (next)
		next->looked_at++;
	if (cur)
		cur->looked_at--;
	lock_drop(&iommu->lock);
	return next;
}

static void show_domain(struct uiommu_domain *domain, const struct uiommu_show_ops *ops, void *opaque)
{
	struct uiommu_show_domain show = {
		.id = domain->listed.id,
		.type = domain->type,
		.stage = domain->stage,
		.users = domain_users(domain),
		.quarantined = atomic_load_explicit(&domain->quarantined, memory_order_relaxed),
		.tag = UIOMMU_SHOW_NO_TAG,
	};

	if (domain->iommu->ops->show_domain)
		domain->iommu->ops->show_domain(domain, &show);
	ops->domain(opaque, &show);
}

static void show_domains(struct uiommu_iommu *iommu, const struct uiommu_show_ops *ops, void *opaque)
{
	struct uiommu_domain *domain;
	struct core_listed *at = NULL;

	show_domain(iommu->blocking, ops, opaque);
	while ((at = list_step(iommu, &iommu->domain_list, at)))
		show_domain(CORE_LISTED(at, uiommu_domain), ops, opaque);
	/* Those that callers gave up and hardware may still reach: they stay until the IOMMU ends. */
	lock_take(&iommu->lock);
	domain = iommu->quarantine;
	lock_drop(&iommu->lock);
	for (; domain; domain = domain->quarantine_next)
		show_domain(domain, ops, opaque);
}

static void show_attachment(struct uiommu_group *group, struct core_att *att,
			    const struct uiommu_show_ops *ops, void *opaque)
{
	struct uiommu_show_attachment show = {
		.group = group->listed.id,
		.rid = att->dev->rid,
		.pasid = att->pasid,
		.domain = att->domain->listed.id,
		.stuck = att->stuck,
		.resetting = att->dev->reset_depth,
		.deferred = att->pasid == UIOMMU_NO_PASID && att->dev->deferred,
	};

	if (ops->attachment)
		ops->attachment(opaque, &show);
	if (ops->entry && group->iommu->ops->show_attachment)
		group->iommu->ops->show_attachment(att, ops, opaque);
}

/* Group lock held. */
static void show_group(struct uiommu_group *group, const struct uiommu_show_ops *ops, void *opaque)
{
	struct uiommu_show_group show = {
		.id = group->listed.id,
		.domain = group->domain->listed.id,
		.default_domain = group->default_domain->listed.id,
		.devices = group->n_devices,
		.prepared = group->txn,
		.owned = group->owner,
	};

	if (ops->group)
		ops->group(opaque, &show);
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next)
		show_attachment(group, &dev->att, ops, opaque);
	for_each_pasid(group, b, p)
		for (unsigned int i = 0; i < p->n; i++)
			show_attachment(group, p->atts[i], ops, opaque);
}

static void show_groups(struct uiommu_iommu *iommu, const struct uiommu_show_ops *ops, void *opaque)
{
	struct core_listed *at = NULL;

	while ((at = list_step(iommu, &iommu->group_list, at))) {
		struct uiommu_group *group = CORE_LISTED(at, uiommu_group);

		lock_take(&group->lock);
		if (!group->gone)
			show_group(group, ops, opaque);
		lock_drop(&group->lock);
	}
}

static void show_iommu(struct uiommu_iommu *iommu, const struct uiommu_show_ops *ops, void *opaque)
{
	struct uiommu_show_iommu show = { .driver = iommu->ops->name, .mode = "" };

	lock_take(&iommu->lock);
	show.groups = iommu->groups;
	show.domains = iommu->domains;
	lock_drop(&iommu->lock);
	if (iommu->ops->show_iommu)
		iommu->ops->show_iommu(iommu, &show);
	ops->iommu(opaque, &show);
}

int uiommu_show(struct uiommu_iommu *iommu, const struct uiommu_show_ops *ops, void *opaque)
{
	struct uiommu_show_ops known;

	if (!iommu || !ops || ops->size < sizeof(ops->size))
		return -EINVAL;
	memset(&known, 0, sizeof(known));
	for (size_t i = sizeof(known); i < ops->size; i++)
		if (((const unsigned char *)ops)[i])
			return -E2BIG;
	memcpy(&known, ops, ops->size < sizeof(known) ? ops->size : sizeof(known));
	if (known.iommu)
		show_iommu(iommu, &known, opaque);
	if (known.domain)
		show_domains(iommu, &known, opaque);
	if (known.group || known.attachment || known.entry)
		show_groups(iommu, &known, opaque);
	return 0;
}
