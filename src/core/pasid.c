/* SPDX-License-Identifier: MIT */
/*
 * PASIDs of a group. A PASID that is attached has an attachment per device that can do
 * PASIDs; they change together, by the same engine as the devices themselves. All
 * memory is there from the attach on, so that replacing and detaching allocate nothing.
 *
 * An attachment that hardware would not block when its PASID was detached is kept with
 * the device until a later try succeeds: somebody wants the PASID again, the device leaves,
 * or its RID is added again.
 */
#include <errno.h>

#include "base/choice.h"
#include "base/probe.h"
#include "core/core.h"

/* ---- attachments ---- */

/* An attachment that is on blocking, or stuck, goes out of use. */
static void att_end(struct core_att *att)
{
	struct uiommu_device *dev = att->dev;

	if (att->stuck) {
		att->next = dev->lost_pasids;
		dev->lost_pasids = att;
		return;
	}
	dev->iommu->ops->pasid_release(att);
	alloc_free(&dev->iommu->ctx->alloc, att);
}

/* What hardware would not let go of when @pasid (UIOMMU_NO_PASID: any) was detached: now, or -errno. */
static int lost_end(struct uiommu_device *dev, uint32_t pasid)
{
	struct core_att **link = &dev->lost_pasids;
	int err;

	while (*link) {
		struct core_att *att = *link;

		if (pasid != UIOMMU_NO_PASID && att->pasid != pasid) {
			link = &att->next;
			continue;
		}
		err = engine_unstick(att);
		if (err)
			return err;
		*link = att->next;
		att_end(att);
	}
	return 0;
}

void pasids_drop_lost(struct uiommu_device *dev)
{
	struct core_att *att;

	while ((att = dev->lost_pasids)) {
		dev->lost_pasids = att->next;
		att->stuck = false;
		att_end(att);
	}
}

static int att_make(struct uiommu_device *dev, uint32_t pasid, struct core_att **out)
{
	struct alloc *alloc = &dev->iommu->ctx->alloc;
	struct core_att *att;
	int err = lost_end(dev, pasid);

	if (err)
		return err;
	att = alloc_struct(alloc, struct core_att);
	if (!att)
		return -ENOMEM;
	att->dev = dev;
	att->pasid = pasid;
	att->domain = dev->iommu->blocking;
	err = dev->iommu->ops->pasid_probe(att);
	if (err) {
		alloc_free(alloc, att);
		return err;
	}
	*out = att;
	return 0;
}

struct core_att *pasid_att(const struct core_pasid *p, const struct uiommu_device *dev)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (p->atts[i]->dev == dev)
			return p->atts[i];
	return NULL;
}

/* ---- one PASID ---- */

static void pasid_free(struct uiommu_ctx *ctx, struct core_pasid *p)
{
	alloc_free(&ctx->alloc, p->atts);
	alloc_free(&ctx->alloc, p->slots);
	alloc_free(&ctx->alloc, p);
}

/* Attachments for all devices of @group that can do PASIDs, blocked; in no list. */
static int pasid_make(struct uiommu_group *group, uint32_t pasid, unsigned int n, struct core_pasid **out)
{
	struct alloc *alloc = &group->ctx->alloc;
	struct core_pasid *p = alloc_struct(alloc, struct core_pasid);
	int err = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->pasid = pasid;
	p->domain = group->iommu->blocking;
	p->atts = alloc_zeroed(alloc, n, sizeof(struct core_att *));
	p->slots = alloc_zeroed(alloc, n, sizeof(struct core_slot *));
	if (!p->atts || !p->slots)
		goto free_pasid;
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next) {
		if (!dev->max_pasids)
			continue;
		err = att_make(dev, pasid, &p->atts[p->n]);
		if (err)
			goto end_atts;
		p->n++;
	}
	*out = p;
	return 0;

end_atts:
	while (p->n)
		att_end(p->atts[--p->n]);
free_pasid:
	pasid_free(group->ctx, p);
	return err;
}

static void pasid_publish(struct uiommu_group *group, struct core_pasid *p)
{
	_Atomic(struct core_pasid *) *bucket = &group->pasids[p->pasid % CORE_PASID_BUCKETS];

	atomic_init(&p->next, rcu_read(bucket));
	rcu_publish(bucket, p);
	group->n_pasids++;
}

/* Its attachments are dealt with: nobody finds it any more, a grace period later it can be freed. */
static void pasid_unpublish(struct uiommu_group *group, struct core_pasid *p, struct core_grave *grave)
{
	_Atomic(struct core_pasid *) *link = &group->pasids[p->pasid % CORE_PASID_BUCKETS];

	while (rcu_read(link) != p)
		link = &rcu_read(link)->next;
	rcu_publish(link, rcu_read(&p->next));
	group->n_pasids--;
	domain_put(p->domain);
	p->gone = grave->pasids;
	grave->pasids = p;
}

unsigned int pasid_collect(struct core_pasid *p, struct uiommu_domain *to, struct core_slot **slots)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n; i++) {
		struct core_att *att = p->atts[i];

		if (att->stuck || att->dev->reset_depth || att->domain == to)
			continue;
		slot_init(att, to);
		slots[n++] = &att->slot;
	}
	return n;
}

struct uiommu_device *pasid_stuck(const struct core_pasid *p)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (p->atts[i]->stuck)
			return p->atts[i]->dev;
	return NULL;
}

bool pasid_settle(struct core_pasid *p, struct uiommu_domain *to, struct uiommu_attach_handle *handle)
{
	struct uiommu_attach_handle *had = atomic_load_explicit(&p->handle, memory_order_relaxed);
	struct uiommu_domain *old = p->domain;

	if (handle) {
		handle->domain = to;
		handle->type = to->type;
	}
	rcu_publish(&p->handle, handle);
	p->domain = to;
	domain_put(old);
	return had;
}

/* The change itself; group lock held. @flags and errors as of group_set_domain(). */
static int pasid_set_domain(struct uiommu_group *group, struct core_pasid *p, struct core_change *change,
			    struct uiommu_report *plan)
{
	struct core_run run = { .iommu = group->iommu, .slots = p->slots };
	struct uiommu_domain *to = change->to;
	int err;

	run.n = pasid_collect(p, to, p->slots);
	domain_get(to);
	err = engine_prepare(&run, 1, change->flags, change->opts, plan);
	if (!err)
		err = engine_commit(&run, 1, change->flags, plan, change->times);
	if (!err)
		core_grace(pasid_settle(p, to, change->handle));
	else
		domain_put(to);
	choice_interleave(CHOICE_CORE);
	return err;
}

/* ---- attach ---- */

static int pasid_check(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
		       struct uiommu_report *report)
{
	if (!group || !domain)
		return report_no_target(report, group);
	if (!pasid || pasid >= UIOMMU_MAX_PASIDS)
		return report_refuse(report, NULL, -EINVAL, "PASID %u cannot be attached: valid "
				     "are 1 to max_pasids - 1 of the group's devices", pasid);
	if (domain->iommu != group->iommu)
		return report_refuse(report, NULL, -EINVAL, "the domain belongs to another IOMMU");
	if (domain == group->iommu->blocking)
		return report_refuse(report, NULL, -EINVAL, "a PASID is blocked by detaching it");
	return 0;
}

/* Whether the group's devices can do @pasid, and how many of them. */
static int attach_check(struct uiommu_group *group, uint32_t pasid, unsigned int *n,
			struct uiommu_report *plan)
{
	int err = group_busy(group, plan);

	if (err)
		return err;
	*n = 0;
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next) {
		if (dev->max_pasids && pasid >= dev->max_pasids)
			return report_refuse(plan, dev, -EINVAL, "device " RID_FMT " can do PASIDs below %u",
					     RID_ARGS(dev->rid), dev->max_pasids);
		*n += dev->max_pasids > 0;
	}
	if (!*n)
		return report_refuse(plan, NULL, -EOPNOTSUPP, "no device of the group can do PASIDs");
	if (pasid_find(group, pasid))
		return report_refuse(plan, NULL, -EBUSY, "PASID %u is attached", pasid);
	return 0;
}

/* Group lock held. */
static int pasid_attach(struct uiommu_group *group, uint32_t pasid, struct core_change *change,
			struct uiommu_report *plan)
{
	struct core_pasid *p;
	unsigned int n;
	int err;

	report_init(plan);
	err = attach_check(group, pasid, &n, plan);
	if (err)
		return err;
	err = pasid_make(group, pasid, n, &p);
	if (err)
		return report_refuse(plan, NULL, err, "no room for PASID %u (error %d)", pasid, err);
	err = group_end_deferred(group);
	if (err) {
		report_refuse(plan, NULL, err, "a deferred device cannot be attached (error %d)", err);
		goto end_atts;
	}
	domain_get(p->domain);
	err = pasid_set_domain(group, p, change, plan);
	if (!err) {
		pasid_publish(group, p);
		return 0;
	}
	domain_put(p->domain);
end_atts:
	while (p->n)
		att_end(p->atts[--p->n]);
	pasid_free(group->ctx, p);
	return err;
}

int uiommu_attach_pasid(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
			struct uiommu_attach_handle *handle, struct uiommu_report *report)
{
	struct core_change change = { .to = domain, .handle = handle, .times = report };
	struct uiommu_report plan;
	int err = pasid_check(group, pasid, domain, report);

	if (err)
		return err;
	lock_take(&group->lock);
	err = pasid_attach(group, pasid, &change, &plan);
	lock_drop(&group->lock);
	report_copy(report, &plan);
	return err;
}

/* ---- replace ---- */

/* Group lock held. */
static int pasid_replace(struct uiommu_group *group, uint32_t pasid, struct core_change *change,
			 struct uiommu_report *plan)
{
	struct uiommu_device *dev;
	struct core_pasid *p;
	int err;

	report_init(plan);
	err = group_busy(group, plan);
	if (err)
		return err;
	p = pasid_find(group, pasid);
	if (!p)
		return report_refuse(plan, NULL, -EINVAL, "PASID %u is not attached", pasid);
	if (atomic_load_explicit(&p->handle, memory_order_relaxed) == change->handle)
		return report_refuse(plan, NULL, -EINVAL, "PASID %u has this attach handle already", pasid);
	if (p->domain == change->to) {
		domain_get(change->to);
		core_grace(pasid_settle(p, change->to, change->handle));
		return 0;
	}
	dev = pasid_stuck(p);
	if (dev)
		return report_refuse(plan, dev, -EIO, "PASID %u of device " RID_FMT " could not be blocked "
				     "earlier: detach first", pasid, RID_ARGS(dev->rid));
	return pasid_set_domain(group, p, change, plan);
}

int uiommu_replace_pasid(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
			 struct uiommu_attach_handle *handle, const struct uiommu_replace_opts *opts,
			 struct uiommu_report *report)
{
	struct core_change change = { .to = domain, .handle = handle, .opts = opts, .times = report };
	struct uiommu_report plan;
	int err = pasid_check(group, pasid, domain, report);

	if (err)
		return err;
	if (!handle)
		return report_refuse(report, NULL, -EINVAL, "no attach handle");
	err = replace_opts_check(opts, report);
	if (err)
		return err;
	lock_take(&group->lock);
	err = pasid_replace(group, pasid, &change, &plan);
	lock_drop(&group->lock);
	PROBE6(replace, group, domain, err, plan.gap, plan.strategy, pasid);
	report_copy(report, &plan);
	return err;
}

/* ---- detach ---- */

void uiommu_detach_pasid(struct uiommu_group *group, uint32_t pasid)
{
	struct core_grave grave = { 0 };
	struct core_change change = { .flags = CORE_MUST_SUCCEED };
	struct uiommu_report plan;
	struct core_pasid *p;

	if (!group)
		return;
	change.to = group->iommu->blocking;
	lock_take(&group->lock);
	p = pasid_find(group, pasid);
	if (p) {
		group_unpin(group);
		for (unsigned int i = 0; i < p->n; i++)
			if (p->atts[i]->stuck)
				engine_unstick(p->atts[i]);
		report_init(&plan);
		pasid_set_domain(group, p, &change, &plan);
		while (p->n)
			att_end(p->atts[--p->n]);
		pasid_unpublish(group, p, &grave);
	}
	grave_end(group->ctx, &grave);
	lock_drop(&group->lock);
}

static int device_check(const struct uiommu_device *dev, struct uiommu_report *report)
{
	if (!dev)
		return report_refuse(report, NULL, -EINVAL, "no device");
	if (!dev->max_pasids)
		return report_refuse(report, NULL, -EOPNOTSUPP, "device " RID_FMT " can do no PASIDs",
				     RID_ARGS(dev->rid));
	return 0;
}

int uiommu_attach_device_pasid(struct uiommu_device *dev, uint32_t pasid, struct uiommu_domain *domain,
			       struct uiommu_attach_handle *handle, struct uiommu_report *report)
{
	int err = device_check(dev, report);

	return err ? err : uiommu_attach_pasid(dev->group, pasid, domain, handle, report);
}

int uiommu_replace_device_pasid(struct uiommu_device *dev, uint32_t pasid, struct uiommu_domain *domain,
				struct uiommu_attach_handle *handle, const struct uiommu_replace_opts *opts,
				struct uiommu_report *report)
{
	int err = device_check(dev, report);

	return err ? err : uiommu_replace_pasid(dev->group, pasid, domain, handle, opts, report);
}

void uiommu_detach_device_pasid(struct uiommu_device *dev, uint32_t pasid)
{
	if (dev)
		uiommu_detach_pasid(dev->group, pasid);
}

struct uiommu_domain *uiommu_pasid_domain(struct uiommu_group *group, uint32_t pasid)
{
	struct uiommu_domain *domain;
	struct core_pasid *p;

	lock_take(&group->lock);
	p = pasid_find(group, pasid);
	domain = p ? p->domain : NULL;
	if (pasid == UIOMMU_NO_PASID)
		domain = group->domain;
	lock_drop(&group->lock);
	return domain;
}

/* ---- all PASIDs of one device ---- */

unsigned int pasids_collect(struct uiommu_device *dev, struct uiommu_domain *to, struct core_slot **slots)
{
	unsigned int n = 0;

	for_each_pasid(dev->group, b, p) {
		struct core_att *att = pasid_att(p, dev);

		if (!att || att->stuck || att->domain == to)
			continue;
		slot_init(att, to);
		slots[n++] = &att->slot;
	}
	return n;
}

void pasids_bring_back(struct uiommu_device *dev)
{
	for_each_pasid(dev->group, b, p) {
		struct core_att *att = pasid_att(p, dev);

		if (att)
			att_move(att, p->domain);
	}
}

int pasids_unstick(struct uiommu_device *dev)
{
	struct uiommu_group *group = dev->group;
	int err = 0;

	if (!group)
		return lost_end(dev, UIOMMU_NO_PASID);
	for_each_pasid(group, b, p) {
		struct core_att *att = pasid_att(p, dev);

		if (!err && att && att->stuck)
			err = engine_unstick(att);
	}
	return err;
}

/* @dev's attachment leaves @p, if it has one. */
static void pasid_leave(struct core_pasid *p, struct uiommu_device *dev)
{
	struct core_att *att = pasid_att(p, dev);
	unsigned int i = 0;

	if (!att)
		return;
	att_move(att, dev->iommu->blocking);
	while (p->atts[i] != att)
		i++;
	/* The others keep their order. */
	for (p->n--; i < p->n; i++)
		p->atts[i] = p->atts[i + 1];
	att_end(att);
}

void pasids_leave(struct uiommu_device *dev, struct core_grave *grave)
{
	struct uiommu_group *group = dev->group;

	for_each_pasid(group, b, p) {
		pasid_leave(p, dev);
		/* p->next stays as it is until the grace period is over. */
		if (!p->n)
			pasid_unpublish(group, p, grave);
	}
	/* Once more what earlier attachments left. */
	lost_end(dev, UIOMMU_NO_PASID);
}
