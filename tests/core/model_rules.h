/* SPDX-License-Identifier: MIT */
/*
 * The rules of the core as one person reads them in the public headers: what each call
 * refuses, and what must have become of everything after it. model_state.h has the terms.
 *
 * Where several rules refuse a call, any of their errors will do: no() collects them.
 * At most 300 lines that are neither empty nor comment; a test counts.
 */
#ifndef TESTS_CORE_MODEL_RULES_H
#define TESTS_CORE_MODEL_RULES_H

#include "model_state.h"

/* The one change: all attachments of a group, or of a PASID of it, go to @to. */
static inline int r_change(struct rules *r, int g, int p, int to, int handle, int flags)
{
	int now = r->group[g].dom[p], moves = to == r->group[g].deflt ? TO_DEFAULT : flags;
	bool must = flags & MUST;

	foreach (rid, r, g) {
		if (must)
			r_unstick(r, rid, p);
		no(r, !must && now != to && r->att[rid][p].stuck, -EIO);
		no(r, !must && now != to && !p && !to && r->dev[rid].direct, -EINVAL);
		no(r, flags & GAPLESS && now != to && r_moves(r, rid, p, to, moves) && r_gap(r, rid, p, to),
		   -EOPNOTSUPP);
	}
	if (r->refusals || flags & DRY)
		return r->refusals ? REFUSED : 0;
	foreach (rid, r, g)
		if (now != to && r_moves(r, rid, p, to, moves))
			r_settle(r, rid, p, to, flags, must || !r->err);
	if (!must && r->err)
		return r->err;
	r->group[g].blocked = p ? r->group[g].blocked : !to && !(flags & TO_DEFAULT);
	r->group[g].dom[p] = to;
	r->group[g].handle[p] = handle;
	return 0;
}

static inline void r_busy(struct rules *r, int g, int d)
{
	no(r, d == NONE || r_foreign(g, d), -EINVAL);
	no(r, r->group[g].pinned || r_reset(r, g, NONE), -EBUSY);
}

/* Attach of a group; replace of a group or a PASID. handle 0: a call without one. */
static inline int r_replace(struct rules *r, int g, int p, int d, int handle, bool attach, int flags)
{
	struct r_group *group = &r->group[g];

	r_busy(r, g, p && !d ? NONE : d);
	no(r, handle == NONE || (handle && !attach && handle == group->handle[p]), -EINVAL);
	no(r, p && (group->dom[p] == NONE || !handle), -EINVAL);
	no(r, attach && group->dom[0] && group->dom[0] != group->deflt, -EBUSY);
	no(r, attach && handle && group->handle[0], -EBUSY);
	return r_change(r, g, p, d, handle, flags);
}

static inline void r_must(struct rules *r, int g, int to, int flags)
{
	r_cancel(r, g);
	r_change(r, g, 0, to, 0, MUST | flags);
}

/* Back to the default; to blocking while somebody owns the group. */
static inline void r_detach(struct rules *r, int g)
{
	r_must(r, g, r->group[g].claims ? 0 : r->group[g].deflt, r->group[g].claims ? 0 : TO_DEFAULT);
}

static inline int r_set_default(struct rules *r, int g, int d)
{
	struct r_group *group = &r->group[g];
	int err;

	r_busy(r, g, d);
	no(r, group->claims || group->uses, -EPERM);
	no(r, group->dom[0] && group->dom[0] != group->deflt, -EBUSY);
	foreach (rid, r, g)
		no(r,
		   d != group->deflt && (d ? r_is(r, d, UIOMMU_DEFAULT_IDENTITY) && r->dev[rid].untrusted
					   : r->dev[rid].direct),
		   -EINVAL);
	if (r->refusals || d == group->deflt)
		return r->refusals ? REFUSED : 0;
	err = group->blocked ? r->err : r_change(r, g, 0, d, 0, TO_DEFAULT);
	if (err)
		return err;
	group->deflt = d;
	foreach (rid, r, g)
		r->pages[d] |= d && r->type[d] == UIOMMU_DOMAIN_PAGING ? r->dev[rid].pages : 0;
	return 0;
}

static inline int r_default_type(const struct rules *r, int g, enum uiommu_default wish,
				 enum uiommu_default *type)
{
	enum uiommu_default must = UIOMMU_DEFAULT_ANY;
	bool untrusted = false;

	foreach (rid, r, g) {
		if (must != UIOMMU_DEFAULT_IDENTITY && r->dev[rid].real && md_demand(rid))
			must = md_demand(rid);
		untrusted |= r->dev[rid].untrusted;
	}
	if (untrusted && must == UIOMMU_DEFAULT_IDENTITY)
		return -EINVAL;
	must = untrusted ? UIOMMU_DEFAULT_PAGING : must;
	*type = must ? must : wish ? wish : r->wish[g == 2];
	return must && wish && must != wish ? -EINVAL : 0;
}

static inline int r_setup_default(struct rules *r, int g, enum uiommu_default wish)
{
	enum uiommu_default type = UIOMMU_DEFAULT_PAGING;
	int d = r->group[g].deflt;

	no(r, r_default_type(r, g, wish, &type), -EINVAL);
	no(r, r_is(r, d, type), 0);
	if (!r_is(r, d, type)) {
		d = R_OWN + 2 * g + (type == UIOMMU_DEFAULT_IDENTITY);
		r->pages[d] = 0;
		r->type[d] = type == UIOMMU_DEFAULT_IDENTITY ? UIOMMU_DOMAIN_IDENTITY : UIOMMU_DOMAIN_PAGING;
	}
	return r_set_default(r, g, d);
}

static inline int r_claim(struct rules *r, int g, int owner, bool shared)
{
	struct r_group *group = &r->group[g];
	int err;

	if (shared && owner && group->claims && group->owner == owner) {
		group->claims++;
		return 0;
	}
	no(r, !owner, -EINVAL);
	no(r, group->claims || group->uses, -EPERM);
	no(r, group->dom[0] != group->deflt || r_any_pasid(r, g), -EBUSY);
	foreach (rid, r, g)
		no(r, r->dev[rid].direct, -EINVAL);
	r_busy(r, g, 0);
	err = r_change(r, g, 0, 0, 0, 0);
	if (err)
		return err;
	group->claims = 1;
	group->owner = owner;
	return 0;
}

static inline int r_release(struct rules *r, int g, bool shared)
{
	struct r_group *group = &r->group[g];

	no(r, !group->claims, -EINVAL);
	if (shared && group->claims > 1 && group->claims--)
		return 0;
	no(r, r_any_pasid(r, g), -EBUSY);
	if (r->refusals)
		return REFUSED;
	group->claims = 0;
	r_detach(r, g);
	return 0;
}

static inline int r_use(struct rules *r, int rid)
{
	struct r_group *group = &r->group[r->dev[rid].group];

	no(r, !group->deflt, -EAGAIN);
	no(r, group->claims || group->dom[0] != group->deflt || r_any_pasid(r, r->dev[rid].group), -EBUSY);
	if (r->refusals)
		return REFUSED;
	group->uses++;
	return 0;
}

static inline int r_attach_pasid(struct rules *r, int g, int p, int d, int handle)
{
	bool any = false;

	r_busy(r, g, d ? d : NONE);
	no(r, p && r->group[g].dom[p] != NONE, -EBUSY);
	no(r, !p, -EINVAL);
	foreach (rid, r, g) {
		any |= r->dev[rid].max;
		no(r, r->dev[rid].max && p >= r->dev[rid].max, -EINVAL);
	}
	no(r, !any, -EOPNOTSUPP);
	foreach (rid, r, g)
		if (p && r->group[g].dom[p] == NONE && r->att[rid][p].live)
			r_ghost(r, rid, p);
	if (r->refusals)
		return REFUSED;
	foreach (rid, r, g) {
		r_end_deferred(r, rid);
		if (r->dev[rid].max && !r->att[rid][p].live) {
			r->att[rid][p].dom = 0;
			r_settle(r, rid, p, d, 0, !r->err);
			r->att[rid][p].live = !r->err || r->att[rid][p].stuck;
		}
	}
	if (r->err)
		return r->err;
	r->group[g].dom[p] = d;
	r->group[g].handle[p] = handle;
	return 0;
}

static inline void r_detach_pasid(struct rules *r, int g, int p)
{
	if (!p || r->group[g].dom[p] == NONE)
		return;
	r_cancel(r, g);
	r_change(r, g, p, 0, 0, MUST);
	foreach (rid, r, g)
		r->att[rid][p].live &= r->att[rid][p].stuck;
	r->group[g].dom[p] = NONE;
}

static inline int r_reset_prepare(struct rules *r, int rid)
{
	int g = r->dev[rid].group, err = 0;

	if (!r->dev[rid].depth) {
		r_cancel(r, g);
		err = r_move(r, g, r_rids(r, rid), false, 0);
	}
	r->dev[rid].depth += !err;
	return err;
}

static inline void r_reset_done(struct rules *r, int rid)
{
	if (r->dev[rid].depth && !--r->dev[rid].depth)
		r_move(r, r->dev[rid].group, r_rids(r, rid), true, MUST);
}

static inline int r_attach_deferred(struct rules *r, int rid)
{
	if (!r->dev[rid].deferred)
		return 0;
	r_busy(r, r->dev[rid].group, 0);
	for (int i = 0; i < MD_RIDS && !r->refusals; i++)
		if (r_rids(r, rid) >> i & 1)
			r_end_deferred(r, i);
	return r->refusals ? REFUSED : r->err;
}

static inline int r_add(struct rules *r, int g, int rid, const struct r_dev *dev, bool valid)
{
	uint32_t rids = dev->aliases | 1u << rid;
	struct r_dev was;

	no(r, !valid, -EINVAL);
	no(r, r->dev[rid].real, -EEXIST);
	no(r, dev->max && r_any_pasid(r, g), -EBUSY);
	no(r, dev->untrusted && r_is(r, r->group[g].deflt, UIOMMU_DEFAULT_IDENTITY), -EPERM);
	r_busy(r, g, 0);
	for (int i = 0; i < MD_RIDS; i++) {
		no(r, rids >> i & 1 && r->dev[i].group != NONE && r->dev[i].group != g, -EEXIST);
		for (int p = MD_PASIDS; p-- && rids >> i & 1 && r->dev[i].group == NONE;)
			r_ghost(r, i, p);
	}
	if (r->refusals)
		return REFUSED;
	for (int i = 0; i < MD_RIDS; i++)
		if (rids >> i & 1 && r->dev[i].group == NONE && !r->att[i][0].live)
			r_appear(r, i, g, dev, i == rid ? dev->max : MD_PASIDS);
	if (r->err)
		return r->err;
	was = r->dev[rid];
	r->dev[rid] = *dev;
	r->dev[rid].deferred = was.deferred;
	r->dev[rid].hw = was.hw;
	r->dev[rid].max = !dev->max ? was.max : dev->max < was.hw ? dev->max : was.hw;
	r->pages[r->group[g].deflt] |= r_is(r, r->group[g].deflt, UIOMMU_DEFAULT_PAGING) ? dev->pages : 0;
	return 0;
}

static inline void r_remove(struct rules *r, int rid)
{
	int g = r->dev[rid].group;
	uint32_t all = r_rids(r, rid), rids = all;
	bool empty = true, pasids = false, reset = r->dev[rid].depth;

	r_cancel(r, g);
	foreach (d, r, g)
		rids &= d != rid && r->dev[d].real ? ~r_rids(r, d) : ~0u;
	r->dev[rid] = (struct r_dev){
		.group = g, .max = r->dev[rid].max, .hw = r->dev[rid].hw, .deferred = r->dev[rid].deferred
	};
	if (reset)
		r_move(r, g, all & ~rids, true, MUST);
	for (int i = 0; i < MD_RIDS; i++) {
		if (rids >> i & 1)
			r_vanish(r, i);
		empty &= r->dev[i].group != g;
		pasids |= r->dev[i].group == g && r->dev[i].max;
	}
	/* A PASID that no device has any more is not attached. */
	for (int p = 1; p < MD_PASIDS && !pasids; p++) {
		r->group[g].dom[p] = NONE;
		r->group[g].handle[p] = 0;
	}
	if (empty && !r->group[g].blocked) {
		r->group[g].dom[0] = r->group[g].claims ? 0 : r->group[g].deflt;
		r->group[g].blocked = r->group[g].claims;
		r->group[g].handle[0] = 0;
	}
}

static inline int r_prepare(struct rules *r, const struct r_target *target, int n, int flags)
{
	for (int i = 0; i < n; i++) {
		const struct r_target *t = &target[i];

		for (int j = 0; j < i; j++)
			no(r, target[j].group == t->group && target[j].pasid == t->pasid, -EINVAL);
		r_replace(r, t->group, t->pasid, t->dom, t->handle, false, flags | DRY);
	}
	if (r->refusals || r->err)
		return r->refusals ? REFUSED : r->err;
	memcpy(r->target, target, sizeof(r->target));
	for (r->targets = 0; r->targets < n; r->targets++)
		r->group[target[r->targets].group].pinned = true;
	r->cancelled = false;
	return 0;
}

/* Commit, or abort: everything is as before. */
static inline int r_commit(struct rules *r, bool abort)
{
	for (int i = 0; i < r->targets; i++) {
		const struct r_target *t = &r->target[i];

		r->group[t->group].pinned = false;
		if (!r->cancelled && !abort)
			r_change(r, t->group, t->pasid, t->dom, t->handle, 0);
	}
	r->targets = 0;
	return abort ? 0 : r->cancelled ? -ECANCELED : r->err;
}

#endif
