/* SPDX-License-Identifier: MIT */
/* The core's fuzzer: PASIDs, attach handles, ownership, reset. */
#include <errno.h>

#include "core.h"

/* Which PASID an operation names: mostly one of the shadow's. 0: none of them. */
static unsigned int pick_att(const struct fuzz_op *op, uint32_t *pasid)
{
	unsigned int att = 1 + op->off % N_PASIDS;

	*pasid = core_pasids[att];
	if ((op->off & 0xF000) != 0xF000)
		return att;
	*pasid = op->off & 0x100 ? UIOMMU_MAX_PASIDS : 0;
	return 0;
}

/* Whether a device of the group can do PASIDs, and whether all that can do this one. */
static bool group_can(const struct world *w, int g, uint32_t pasid, bool *all)
{
	bool any = false;

	*all = true;
	for (unsigned int i = 0; i < N_DEVS; i++) {
		if (w->dev[i].group != g || !w->dev[i].max_pasids)
			continue;
		any = true;
		*all &= pasid < w->dev[i].max_pasids;
	}
	return any;
}

void op_attach_pasid(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err;
	struct shadow_group *s = &w->group[g];
	struct uiommu_attach_handle *handle = op->c & 1 ? pick_handle(w) : NULL;
	struct uiommu_report report;
	struct wants wants = { 0 };
	uint32_t pasid;
	unsigned int att = pick_att(op, &pasid);
	bool all;

	if (!s->group)
		return;
	w->what = "attach_pasid";
	want(&wants, k <= 0 || !att, -EINVAL);
	want(&wants, !group_can(w, g, pasid, &all), -EOPNOTSUPP);
	want(&wants, !all, -EINVAL);
	want(&wants, s->txn >= 0 || group_resetting(w, g) || (att && s->pasid[att] >= 0), -EBUSY);
	err = uiommu_attach_pasid(s->group, pasid, domain_ptr(w, k), handle, &report);
	check_report(&report, err);
	check_wants(w, err, &wants);
	if (err)
		return;
	s->pasid[att] = 0; /* it was blocked */
	settle(w, g, att, k, handle);
}

void op_replace_pasid(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err;
	struct shadow_group *s = &w->group[g];
	struct uiommu_replace_opts opts;
	const struct uiommu_replace_opts *o = pick_opts(op->c >> 2, &opts);
	struct uiommu_attach_handle *handle = pick_handle(w);
	struct uiommu_report report;
	struct wants wants = { 0 };
	uint32_t pasid;
	unsigned int att = pick_att(op, &pasid);

	if (!s->group)
		return;
	if ((op->c & 3) == 3)
		handle = s->handle[att];
	w->what = "replace_pasid";
	want(&wants, k <= 0 || !att || s->pasid[att] < 0 || !handle || handle == s->handle[att], -EINVAL);
	want(&wants, s->txn >= 0 || group_resetting(w, g), -EBUSY);
	want(&wants, att && s->pasid[att] != k && att_stuck(w, g, att), -EIO);
	err = uiommu_replace_pasid(s->group, pasid, domain_ptr(w, k), handle, o, &report);
	check_report(&report, err);
	if (!refused(o, err, &report))
		check_wants(w, err, &wants);
	if (!err)
		settle(w, g, att, k, handle);
}

void op_detach_pasid(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS;
	struct shadow_group *s = &w->group[g];
	uint32_t pasid;
	unsigned int att = pick_att(op, &pasid);

	if (!s->group)
		return;
	w->what = "detach_pasid";
	uiommu_detach_pasid(s->group, pasid);
	if (!att || s->pasid[att] < 0)
		return;
	cancel(w, g);
	settle(w, g, att, -1, NULL);
}

void op_group_handle(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err;
	struct shadow_group *s = &w->group[g];
	struct uiommu_replace_opts opts;
	const struct uiommu_replace_opts *o = pick_opts(op->c >> 2, &opts);
	struct uiommu_attach_handle *handle = pick_handle(w);
	struct uiommu_report report;
	struct wants wants = { 0 };
	bool attach = op->c & 1;

	if (!s->group)
		return;
	if ((op->c & 2) && (op->off & 1))
		handle = s->handle[0];
	want(&wants, k < 0 || !handle || handle == s->handle[0], -EINVAL);
	want(&wants, s->txn >= 0 || group_resetting(w, g), -EBUSY);
	want(&wants, k != s->domain && att_stuck(w, g, 0), -EIO);
	if (attach) {
		w->what = "attach_group_handle";
		want(&wants, s->handle[0] || (s->domain && s->domain != s->deflt), -EBUSY);
		err = uiommu_attach_group_handle(s->group, domain_ptr(w, k), handle, &report);
		o = NULL;
	} else {
		w->what = "replace_group_handle";
		err = uiommu_replace_group_handle(s->group, domain_ptr(w, k), handle, o, &report);
	}
	check_report(&report, err);
	if (!refused(o, err, &report))
		check_wants(w, err, &wants);
	if (!err)
		settle_group(w, g, k, false, handle);
}

/* ---- ownership ---- */

static const void *owner_ptr(struct world *w, int owner)
{
	return owner ? &w->group[owner] : NULL;
}

void op_claim(struct world *w, const struct fuzz_op *op)
{
	struct shadow_dev *d = op->b & 1 ? &w->dev[op->a % N_DEVS] : NULL;
	int g = d ? d->group : op->a % N_GROUPS, owner = op->c % 3, err;
	struct shadow_group *s;
	struct wants wants = { 0 };
	bool again;

	if (g < 0 || !w->group[g].group)
		return;
	s = &w->group[g];
	again = d && s->owner && s->owner == owner;
	want(&wants, !owner, -EINVAL);
	want(&wants, s->claims && !again, -EPERM);
	if (!again) {
		want(&wants, s->domain != s->deflt || any_pasid(s) || s->txn >= 0 || group_resetting(w, g),
		     -EBUSY);
		want(&wants, s->domain && att_stuck(w, g, 0), -EIO);
	}
	w->what = d ? "device_claim_dma_owner" : "group_claim_dma_owner";
	if (d)
		err = uiommu_device_claim_dma_owner(d->dev, owner_ptr(w, owner));
	else
		err = uiommu_group_claim_dma_owner(s->group, owner_ptr(w, owner));
	check_wants(w, err, &wants);
	if (err)
		return;
	s->claims++;
	s->owner = owner;
	if (!again)
		settle_group(w, g, 0, false, NULL);
}

void op_release(struct world *w, const struct fuzz_op *op)
{
	struct shadow_dev *d = op->b & 1 ? &w->dev[op->a % N_DEVS] : NULL;
	int g = d ? d->group : op->a % N_GROUPS, err;
	struct shadow_group *s;
	struct wants wants = { 0 };
	bool last;

	if (g < 0 || !w->group[g].group)
		return;
	s = &w->group[g];
	last = !d || s->claims == 1;
	want(&wants, !s->owner, -EINVAL);
	want(&wants, s->owner && last && any_pasid(s), -EBUSY);
	w->what = d ? "device_release_dma_owner" : "group_release_dma_owner";
	err = d ? uiommu_device_release_dma_owner(d->dev) : uiommu_group_release_dma_owner(s->group);
	check_wants(w, err, &wants);
	if (err)
		return;
	s->claims = last ? 0 : s->claims - 1;
	if (!last)
		return;
	s->owner = 0;
	cancel(w, g);
	settle_group(w, g, s->deflt, true, NULL);
}

void op_use(struct world *w, const struct fuzz_op *op)
{
	struct shadow_dev *d = &w->dev[op->a % N_DEVS];
	struct wants wants = { 0 };
	struct shadow_group *s;
	int err;

	if (d->group < 0)
		return;
	s = &w->group[d->group];
	if (op->b & 1) {
		w->what = "unuse_default_domain";
		uiommu_device_unuse_default_domain(d->dev);
		if (!s->owner && s->claims)
			s->claims--;
		return;
	}
	w->what = "use_default_domain";
	want(&wants, !s->deflt, -EAGAIN);
	want(&wants, s->owner || s->domain != s->deflt || any_pasid(s), -EBUSY);
	err = uiommu_device_use_default_domain(d->dev);
	check_wants(w, err, &wants);
	if (!err)
		s->claims++;
}

/* ---- reset ---- */

static void reset_done(struct world *w, struct shadow_dev *d)
{
	w->what = "reset_done";
	uiommu_reset_done(d->dev);
	if (!d->resets || --d->resets)
		return;
	for (unsigned int att = 0; att < N_ATTS; att++)
		d->att[att].parked = d->att[att].now_parked;
}

void op_reset(struct world *w, const struct fuzz_op *op)
{
	struct shadow_dev *d = &w->dev[op->a % N_DEVS];
	struct wants wants = { 0 };
	int err, t;

	if (!d->dev)
		return;
	if (op->b & 1) {
		reset_done(w, d);
		return;
	}
	w->what = "reset_prepare";
	t = w->group[d->group].txn;
	err = uiommu_reset_prepare(d->dev);
	check_wants(w, err, &wants);
	if (!err) {
		cancel(w, d->group);
		d->resets++;
	} else if (t >= 0) {
		/* Whether it was cancelled before it failed, who called cannot know. */
		cancel(w, d->group);
		uiommu_replace_abort(w->txn[t].txn);
		txn_end(w, &w->txn[t]);
	}
}
