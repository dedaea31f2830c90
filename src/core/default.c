/* SPDX-License-Identifier: MIT */
/*
 * Default domains: which type a group must have, and changing them. What firmware wants
 * mapped 1:1 is mapped before any device is put on one.
 */
#include <errno.h>

#include "core/core.h"

/* ---- which type ---- */

static const char *type_name(enum uiommu_default type)
{
	return type == UIOMMU_DEFAULT_IDENTITY ? "identity" : "paging";
}

/* What drivers demand for the devices of a group. ANY: nothing. */
static enum uiommu_default driver_type(struct uiommu_group *group)
{
	enum uiommu_default all = UIOMMU_DEFAULT_ANY;

	if (!group->iommu->ops->def_domain_type)
		return UIOMMU_DEFAULT_ANY;
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next) {
		enum uiommu_default one;

		if (dev->alias)
			continue;
		one = group->iommu->ops->def_domain_type(dev);
		if (one == all || one == UIOMMU_DEFAULT_ANY)
			continue;
		if (all != UIOMMU_DEFAULT_ANY) {
			ctx_log(group->ctx, UIOMMU_LOG_WARNING, "device " RID_FMT " needs a default domain "
				"of type %s, others of its group one of type %s: identity is taken",
				RID_ARGS(dev->rid), type_name(one), type_name(all));
			one = UIOMMU_DEFAULT_IDENTITY;
		}
		all = one;
	}
	return all;
}

static struct uiommu_device *untrusted(struct uiommu_group *group)
{
	struct uiommu_device *dev = group->devices;

	while (dev && !dev->untrusted)
		dev = dev->next;
	return dev;
}

/* ANY: whatever. Group lock held. */
static int choose_type(struct uiommu_group *group, enum uiommu_default wanted, enum uiommu_default *type)
{
	enum uiommu_default demanded = driver_type(group);
	struct uiommu_device *dev = untrusted(group);

	if (dev && demanded == UIOMMU_DEFAULT_IDENTITY) {
		ctx_log(group->ctx, UIOMMU_LOG_ERROR, "device " RID_FMT " is not trusted, but a driver "
			"demands identity for its group", RID_ARGS(dev->rid));
		return -EINVAL;
	}
	if (dev)
		demanded = UIOMMU_DEFAULT_PAGING;
	if (wanted != UIOMMU_DEFAULT_ANY && demanded != UIOMMU_DEFAULT_ANY && wanted != demanded)
		return -EINVAL;
	*type = wanted != UIOMMU_DEFAULT_ANY ? wanted : demanded;
	return 0;
}

static enum uiommu_default iommu_type(struct uiommu_iommu *iommu)
{
	return iommu->default_identity ? UIOMMU_DEFAULT_IDENTITY : UIOMMU_DEFAULT_PAGING;
}

int uiommu_iommu_set_default_type(struct uiommu_iommu *iommu, enum uiommu_default type)
{
	if (!iommu || (type != UIOMMU_DEFAULT_IDENTITY && type != UIOMMU_DEFAULT_PAGING))
		return -EINVAL;
	iommu->default_identity = type == UIOMMU_DEFAULT_IDENTITY;
	return 0;
}

int uiommu_group_default_type(struct uiommu_group *group, enum uiommu_default wanted,
			      enum uiommu_default *type)
{
	enum uiommu_default chosen;
	int err;

	if (!group || !type || (unsigned int)wanted > UIOMMU_DEFAULT_PAGING)
		return -EINVAL;
	lock_take(&group->lock);
	err = choose_type(group, wanted, &chosen);
	lock_drop(&group->lock);
	if (!err)
		*type = chosen != UIOMMU_DEFAULT_ANY ? chosen : iommu_type(group->iommu);
	return err;
}

/* ---- changing it ---- */

/* Whether the group's default may change at all. */
static int change_check(const struct uiommu_group *group)
{
	if (group->owner_count)
		return -EPERM;
	if (group_busy(group, NULL))
		return -EBUSY;
	return group->domain != group->default_domain && group->domain != group->iommu->blocking ? -EBUSY : 0;
}

/* Whether @domain can be the default of the group's devices. */
static int domain_check(struct uiommu_group *group, const struct uiommu_domain *domain)
{
	if (domain->type == UIOMMU_DOMAIN_BLOCKED && group->n_direct)
		return -EINVAL;
	return domain->type == UIOMMU_DOMAIN_IDENTITY && untrusted(group) ? -EINVAL : 0;
}

static int map_direct(struct uiommu_group *group, struct uiommu_domain *domain, struct resv_undo **undo)
{
	int err = 0;

	for (struct uiommu_device *dev = group->devices; dev && !err; dev = dev->next)
		err = resv_map(domain, dev->resv, dev->n_resv, undo);
	return err;
}

/*
 * Another default domain. @own: the core's, freed with its use. *@old: a domain of the
 * core's that is not used any more, to be freed by the caller. Group lock held.
 */
static int change_default(struct uiommu_group *group, struct uiommu_domain *domain, bool own,
			  struct uiommu_domain **old)
{
	struct core_change change = { .to = domain, .flags = CORE_TO_DEFAULT };
	struct resv_undo *undo = NULL;
	struct uiommu_report plan;
	int err = 0;

	/* Going there must not fail later, so what it needs is taken now. */
	if (group->iommu->ops->reserve)
		err = group->iommu->ops->reserve(domain);
	if (!err)
		err = map_direct(group, domain, &undo);
	/* A group that waits on its default follows it; one that was blocked stays blocked. */
	if (!err && !group->blocked)
		err = group_set_domain(group, &change, &plan);
	if (err) {
		resv_undo(domain, undo);
		return err;
	}
	resv_keep(group->ctx, undo);
	domain_get(domain);
	domain_put(group->default_domain);
	if (group->own_default)
		*old = group->default_domain;
	group->default_domain = domain;
	group->own_default = own;
	return 0;
}

int uiommu_group_set_default_domain(struct uiommu_group *group, struct uiommu_domain *domain)
{
	struct uiommu_domain *old = NULL;
	int err;

	if (!group || !domain || domain->iommu != group->iommu)
		return -EINVAL;
	lock_take(&group->lock);
	err = change_check(group);
	if (!err && domain != group->default_domain) {
		err = domain_check(group, domain);
		if (!err)
			err = change_default(group, domain, false, &old);
	}
	lock_drop(&group->lock);
	if (old)
		domain_drop(old);
	return err;
}

static enum uiommu_domain_type domain_type(enum uiommu_default type)
{
	return type == UIOMMU_DEFAULT_IDENTITY ? UIOMMU_DOMAIN_IDENTITY : UIOMMU_DOMAIN_PAGING;
}

static int alloc_default(struct uiommu_iommu *iommu, enum uiommu_default type, struct uiommu_domain **domain)
{
	struct uiommu_domain_opts opts = { .size = sizeof(opts), .type = domain_type(type) };

	return uiommu_domain_alloc(iommu, &opts, domain);
}

/* Group lock held. */
static int setup_default(struct uiommu_group *group, enum uiommu_default wanted, struct uiommu_domain **old)
{
	struct uiommu_domain *domain;
	enum uiommu_default type;
	bool fall_back = false;
	int err = choose_type(group, wanted, &type);

	if (err)
		return err;
	if (type == UIOMMU_DEFAULT_ANY) {
		type = iommu_type(group->iommu);
		fall_back = type == UIOMMU_DEFAULT_IDENTITY;
	}
	err = change_check(group);
	if (err || group->default_domain->type == domain_type(type))
		return err;
	err = alloc_default(group->iommu, type, &domain);
	if (err && fall_back) {
		if (group->default_domain->type == UIOMMU_DOMAIN_PAGING)
			return 0;
		err = alloc_default(group->iommu, UIOMMU_DEFAULT_PAGING, &domain);
	}
	if (err)
		return err;
	err = change_default(group, domain, true, old);
	if (err)
		uiommu_domain_free(domain);
	return err;
}

int uiommu_group_setup_default(struct uiommu_group *group, enum uiommu_default wanted)
{
	struct uiommu_domain *old = NULL;
	int err;

	if (!group || (unsigned int)wanted > UIOMMU_DEFAULT_PAGING)
		return -EINVAL;
	lock_take(&group->lock);
	err = setup_default(group, wanted, &old);
	lock_drop(&group->lock);
	if (old)
		domain_drop(old);
	return err;
}

struct uiommu_domain *uiommu_group_default_domain(struct uiommu_group *group)
{
	struct uiommu_domain *domain;

	lock_take(&group->lock);
	domain = group->default_domain;
	lock_drop(&group->lock);
	return domain;
}
