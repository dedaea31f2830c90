/* SPDX-License-Identifier: MIT */
/*
 * The rules of the core as one person reads them in the public headers, in numbers:
 * requesters (RIDs) 0 to 23, groups 0 to 2, PASIDs 1 to 3 (0: requests without),
 * domains by number, 0 blocking, NONE a pointer that is NULL. What hardware did during a
 * call is an input (hit, err); the rules say what must have become of everything.
 *
 * Where several rules refuse a call, any of their errors will do: no() collects them.
 */
#ifndef TESTS_CORE_MODEL_RULES_H
#define TESTS_CORE_MODEL_RULES_H

#include <errno.h>
#include <string.h>

#include "model_driver.h"

enum { R_GROUPS = 3, R_TARGETS = 4, R_OWN = 10, NONE = -1, REFUSED = 1 };
enum { MUST = 1, TO_DEFAULT = 2, GAPLESS = 4, DRY = 8 }; /* DRY: only asks */
#define EACH(rid, r, g) (int rid = 0; rid < MD_RIDS; rid++) if ((r)->dev[rid].group == (g))

struct r_dev {
	bool real, deferred, untrusted, direct;
	int group, depth, max, hw;
	uint32_t aliases;
	uint64_t pages;
};
struct r_group {
	int dom, deflt, handle, owner, claims, uses, pdom[MD_PASIDS], phandle[MD_PASIDS];
	bool blocked, pinned;
};
struct r_target {
	int group, pasid, dom, handle;
};
struct rules {
	struct {
		int dom;
		bool live, stuck;
	} att[MD_RIDS][MD_PASIDS]; /* live without a user: hardware kept it */
	struct r_dev dev[MD_RIDS]; /* also aliases: not real */
	struct r_group group[R_GROUPS];
	struct r_target target[R_TARGETS];
	int targets; /* of the prepared transaction, 0: none */
	bool cancelled;
	enum uiommu_domain_type type[MD_DOMAINS];
	enum uiommu_default wish[2];	      /* of the IOMMUs */
	uint64_t pages[MD_DOMAINS];	      /* mapped 1:1 */
	unsigned int hit[MD_RIDS][MD_PASIDS]; /* enum md_hit; what a rule explains is cleared */
	int err, no[32], refusals;
};

static inline void no(struct rules *r, bool cond, int err)
{
	if (cond)
		r->no[r->refusals++] = err;
}

static inline bool r_foreign(int g, int d)
{
	return d && (d >= R_OWN ? d >= R_OWN + 4 : d > 5) != (g == 2);
}

/* Whether a RID is blocked because a device that carries it is being reset; of a group: any. */
static inline bool r_reset(const struct rules *r, int g, int rid)
{
	for
		EACH(d, r, g)
	if (r->dev[d].depth && (rid == NONE || d == rid || r->dev[d].aliases >> rid & 1))
		return true;
	return false;
}

static inline bool r_any_pasid(const struct rules *r, int g)
{
	return r->group[g].pdom[1] >= 0 || r->group[g].pdom[2] >= 0 || r->group[g].pdom[3] >= 0;
}

static inline void r_cancel(struct rules *r, int g)
{
	r->cancelled |= r->group[g].pinned;
	r->group[g].pinned = false;
}

/* A new try to block what could not be blocked. */
static inline void r_unstick(struct rules *r, int rid, int p)
{
	if (!r->att[rid][p].stuck)
		return;
	r->att[rid][p].stuck = !(r->hit[rid][p] & MD_PARKED);
	r->hit[rid][p] &= r->att[rid][p].stuck ? ~(unsigned int)MD_PARK : ~(unsigned int)MD_PARKED;
}

/* What nobody uses any more goes, unless hardware would not let go of it; a RID only after its PASIDs. */
static inline void r_ghost(struct rules *r, int rid, int p)
{
	r_unstick(r, rid, p);
	r->att[rid][p].live &= r->att[rid][p].stuck ||
			       (!p && (r->att[rid][1].live || r->att[rid][2].live || r->att[rid][3].live));
}

/* Where an attachment is after it was to go to @to; ok: the call succeeded. */
static inline void r_settle(struct rules *r, int rid, int p, int to, int flags, bool ok)
{
	unsigned int hit = r->hit[rid][p];
	bool deferred = !p && r->dev[rid].deferred;

	/* Lost by hardware; or failed where the call could not, or where there is no way back. */
	if (hit & (MD_LOST | MD_BACK | MD_PARK) || ((flags & MUST) && hit & (MD_PREP | MD_COMMIT)) ||
	    (deferred && hit & MD_COMMIT))
		r->att[rid][p].dom = 0;
	else if (ok)
		r->att[rid][p].dom = to;
	r->att[rid][p].stuck = hit & MD_PARK;
	if (!p && (ok || hit & (MD_COMMIT | MD_LOST | MD_MOVED | MD_PARK | MD_PARKED)))
		r->dev[rid].deferred = false;
	r->hit[rid][p] = 0;
}

/* Whether a change of the group, or of a PASID of it, to another domain concerns an attachment. */
static inline bool r_moves(const struct rules *r, int rid, int p, int to, int flags)
{
	bool deferred = !p && r->dev[rid].deferred;

	return r->att[rid][p].live && !r->att[rid][p].stuck && !r_reset(r, r->dev[rid].group, rid) &&
	       (deferred ? !(flags & TO_DEFAULT) : r->att[rid][p].dom != to);
}

/* The one change: all attachments of a group, or of a PASID of it, go to @to. */
static inline int r_change(struct rules *r, int g, int p, int to, int flags)
{
	int *now = p ? &r->group[g].pdom[p] : &r->group[g].dom;
	int moves = to == r->group[g].deflt ? TO_DEFAULT : flags; /* deferred devices stay so */

	for
		EACH(rid, r, g)
		{
			if (flags & MUST)
				r_unstick(r, rid, p);
			no(r, !(flags & MUST) && *now != to && r->att[rid][p].stuck, -EIO);
			no(r, !p && !(flags & MUST) && *now != to && !to && r->dev[rid].direct, -EINVAL);
			no(r,
			   (flags & GAPLESS) && *now != to && r_moves(r, rid, p, to, moves) &&
				   md_gap(r->att[rid][p].dom, to),
			   -EOPNOTSUPP);
		}
	if (r->refusals)
		return REFUSED;
	if (flags & DRY)
		return 0;
	for
		EACH(rid, r, g)
	if (*now != to && r_moves(r, rid, p, to, moves))
		r_settle(r, rid, p, to, flags, (flags & MUST) || !r->err);
	if (!(flags & MUST) && r->err)
		return r->err;
	if (!p)
		r->group[g].blocked = !to && !(flags & TO_DEFAULT);
	*now = to;
	return 0;
}

static inline void r_busy(struct rules *r, int g, int d)
{
	no(r, d == NONE || r_foreign(g, d), -EINVAL);
	no(r, r->group[g].pinned || r_reset(r, g, NONE), -EBUSY);
}

/* Attach and replace; handle 0: a call without one. */
static inline int r_replace(struct rules *r, int g, int d, int handle, bool attach, int flags)
{
	struct r_group *group = &r->group[g];
	int err;

	r_busy(r, g, d);
	no(r, handle == NONE || (handle && !attach && handle == group->handle), -EINVAL);
	no(r, attach && ((group->dom && group->dom != group->deflt) || (handle && group->handle)), -EBUSY);
	err = r_change(r, g, 0, d, flags);
	if (!err)
		group->handle = handle;
	return err;
}

static inline void r_must(struct rules *r, int g, int to, int flags)
{
	r_cancel(r, g);
	r_change(r, g, 0, to, MUST | flags);
	r->group[g].handle = 0;
}

/* Back to the default; to blocking while somebody owns the group. */
static inline void r_detach(struct rules *r, int g)
{
	r_must(r, g, r->group[g].claims ? 0 : r->group[g].deflt, r->group[g].claims ? 0 : TO_DEFAULT);
}

static inline bool r_is(const struct rules *r, int d, enum uiommu_default type)
{
	return d && r->type[d] ==
			    (type == UIOMMU_DEFAULT_IDENTITY ? UIOMMU_DOMAIN_IDENTITY : UIOMMU_DOMAIN_PAGING);
}

static inline int r_set_default(struct rules *r, int g, int d)
{
	struct r_group *group = &r->group[g];
	int err;

	r_busy(r, g, d);
	no(r, group->claims || group->uses, -EPERM);
	no(r, group->dom && group->dom != group->deflt, -EBUSY);
	for
		EACH(rid, r, g)
	no(r,
	   d != group->deflt &&
		   (d ? r_is(r, d, UIOMMU_DEFAULT_IDENTITY) && r->dev[rid].untrusted : r->dev[rid].direct),
	   -EINVAL);
	if (r->refusals)
		return REFUSED;
	if (d == group->deflt)
		return 0;
	err = group->blocked ? r->err : r_change(r, g, 0, d, TO_DEFAULT);
	if (err)
		return err;
	group->handle = group->blocked ? group->handle : 0;
	group->deflt = d;
	for
		EACH(rid, r, g)
	r->pages[d] |= d && r->type[d] == UIOMMU_DOMAIN_PAGING ? r->dev[rid].pages : 0;
	return 0;
}

static inline int r_default_type(const struct rules *r, int g, enum uiommu_default wish,
				 enum uiommu_default *type)
{
	enum uiommu_default must = UIOMMU_DEFAULT_ANY;
	bool untrusted = false;

	for
		EACH(rid, r, g)
		{
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
	int d;

	no(r, r_default_type(r, g, wish, &type), -EINVAL);
	no(r, r->group[g].claims || r->group[g].uses, -EPERM);
	if (r_is(r, r->group[g].deflt, type)) {
		r_busy(r, g, 0);
		no(r, r->group[g].dom && r->group[g].dom != r->group[g].deflt, -EBUSY);
		no(r, true, 0);
		return REFUSED;
	}
	d = R_OWN + 2 * g + (type == UIOMMU_DEFAULT_IDENTITY);
	r->pages[d] = 0;
	r->type[d] = type == UIOMMU_DEFAULT_IDENTITY ? UIOMMU_DOMAIN_IDENTITY : UIOMMU_DOMAIN_PAGING;
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
	no(r, group->dom != group->deflt || r_any_pasid(r, g), -EBUSY);
	for
		EACH(rid, r, g)
	no(r, r->dev[rid].direct, -EINVAL);
	r_busy(r, g, 0);
	err = r_change(r, g, 0, 0, 0);
	if (err)
		return err;
	group->claims = 1;
	group->owner = owner;
	group->handle = 0;
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
	no(r, group->claims || group->dom != group->deflt || r_any_pasid(r, r->dev[rid].group), -EBUSY);
	if (r->refusals)
		return REFUSED;
	group->uses++;
	return 0;
}

/* A previous owner's translation ends: the device goes to the group's domain, alone. */
static inline void r_end_deferred(struct rules *r, int rid)
{
	unsigned int hit = r->hit[rid][0];

	if (r->dev[rid].deferred && (hit || !r->err))
		r_settle(r, rid, 0, r->group[r->dev[rid].group].dom, 0, !r->err || hit & MD_MOVED);
}

static inline int r_attach_pasid(struct rules *r, int g, int p, int d, int handle)
{
	bool any = false;

	r_busy(r, g, d ? d : NONE);
	no(r, p && r->group[g].pdom[p] != NONE, -EBUSY);
	no(r, !p, -EINVAL);
	for
		EACH(rid, r, g)
		{
			any |= r->dev[rid].max;
			no(r, r->dev[rid].max && p >= r->dev[rid].max, -EINVAL);
		}
	no(r, !any, -EOPNOTSUPP);
	for
		EACH(rid, r, g)
	if (p && r->group[g].pdom[p] == NONE && r->att[rid][p].live)
		r_ghost(r, rid, p);
	if (r->refusals)
		return REFUSED;
	for
		EACH(rid, r, g)
		{
			r_end_deferred(r, rid);
			if (r->dev[rid].max && !r->att[rid][p].live) {
				r->att[rid][p].dom = 0;
				r_settle(r, rid, p, d, 0, !r->err);
				r->att[rid][p].live = !r->err || r->att[rid][p].stuck;
			}
		}
	if (r->err)
		return r->err;
	r->group[g].pdom[p] = d;
	r->group[g].phandle[p] = handle;
	return 0;
}

static inline int r_replace_pasid(struct rules *r, int g, int p, int d, int handle, int flags)
{
	int err;

	r_busy(r, g, d ? d : NONE);
	no(r, !p || r->group[g].pdom[p] == NONE || !handle || handle == r->group[g].phandle[p], -EINVAL);
	if (r->refusals)
		return REFUSED;
	err = r_change(r, g, p, d, flags);
	if (!err)
		r->group[g].phandle[p] = handle;
	return err;
}

static inline void r_detach_pasid(struct rules *r, int g, int p)
{
	if (!p || r->group[g].pdom[p] == NONE)
		return;
	r_cancel(r, g);
	r_change(r, g, p, 0, MUST);
	for
		EACH(rid, r, g)
	r->att[rid][p].live &= r->att[rid][p].stuck;
	r->group[g].pdom[p] = NONE;
	r->group[g].phandle[p] = 0;
}

/* A device with its aliases, and all their PASIDs: to blocking, or back to what the group has. */
static inline int r_move(struct rules *r, int g, uint32_t rids, bool back, int flags)
{
	for
		EACH(rid, r, g)
		{
			for (int p = 0; p < MD_PASIDS && rids >> rid & 1; p++) {
				int to = !back ? 0 : p ? r->group[g].pdom[p] : r->group[g].dom;

				r_unstick(r, rid, p);
				if (to != NONE && r_moves(r, rid, p, to, 0))
					r_settle(r, rid, p, to, flags, (flags & MUST) || !r->err);
			}
		}
	return flags & MUST ? 0 : r->err;
}

static inline uint32_t r_rids(const struct rules *r, int rid)
{
	return r->dev[rid].aliases | UINT32_C(1) << rid;
}

static inline int r_reset_prepare(struct rules *r, int rid)
{
	int err;

	if (r->dev[rid].depth++)
		return 0;
	r->dev[rid].depth = 0;
	r_cancel(r, r->dev[rid].group);
	err = r_move(r, r->dev[rid].group, r_rids(r, rid), false, 0);
	r->dev[rid].depth = !err;
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
	for (int i = 0; i < MD_RIDS; i++) {
		if (!(rids >> i & 1) || r->dev[i].group != NONE || r->att[i][0].live)
			continue;
		r->att[i][0].dom = 0;
		r->dev[i] = (struct r_dev){ .group = r->err ? NONE : g,
					    .deferred = dev->deferred,
					    .max = dev->max };
		r->dev[i].hw = i == rid ? dev->max : MD_PASIDS; /* what the driver was asked for */
		if (!dev->deferred || r->group[g].dom != r->group[g].deflt)
			r_settle(r, i, 0, r->group[g].dom, 0, !r->err);
		r->att[i][0].live = !r->err || r->att[i][0].stuck;
	}
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
	bool empty = true, reset = r->dev[rid].depth;

	r_cancel(r, g);
	for
		EACH(d, r, g)
	rids &= d != rid && r->dev[d].real ? ~r_rids(r, d) : ~0u;
	r->dev[rid] = (struct r_dev){
		.group = g,
		.max = r->dev[rid].max,
		.hw = r->dev[rid].hw,
		.deferred = r->dev[rid].deferred,
	};
	if (reset)
		r_move(r, g, all & ~rids, true, MUST);
	for (int i = 0; i < MD_RIDS; i++) {
		for (int p = MD_PASIDS; p-- && rids >> i & 1;) {
			r_unstick(r, i, p);
			if (r_moves(r, i, p, 0, TO_DEFAULT))
				r_settle(r, i, p, 0, MUST, true);
			r_ghost(r, i, p);
		}
		if (rids >> i & 1)
			r->dev[i] = (struct r_dev){ .group = NONE };
		empty &= r->dev[i].group != g;
	}
	/* A PASID that no device has any more is not attached. */
	for (int p = 1; p < MD_PASIDS; p++) {
		bool any = false;

		for
			EACH(d, r, g)
		any |= r->dev[d].max;
		r->group[g].pdom[p] = any ? r->group[g].pdom[p] : NONE;
		r->group[g].phandle[p] = any ? r->group[g].phandle[p] : 0;
	}
	if (empty && !r->group[g].blocked) {
		r->group[g].dom = r->group[g].claims ? 0 : r->group[g].deflt;
		r->group[g].blocked = r->group[g].claims;
		r->group[g].handle = 0;
	}
}

static inline int r_prepare(struct rules *r, const struct r_target *target, int n, int flags)
{
	for (int i = 0; i < n; i++) {
		const struct r_target *t = &target[i];
		struct r_group *group = &r->group[t->group];

		r_busy(r, t->group, t->pasid && !t->dom ? NONE : t->dom);
		no(r, t->pasid && (group->pdom[t->pasid] == NONE || !t->handle), -EINVAL);
		no(r, t->handle && t->handle == (t->pasid ? group->phandle[t->pasid] : group->handle),
		   -EINVAL);
		for (int j = 0; j < i; j++)
			no(r, target[j].group == t->group && target[j].pasid == t->pasid, -EINVAL);
		r_change(r, t->group, t->pasid, t->dom, flags | DRY);
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
		if (r->cancelled || abort || r_change(r, t->group, t->pasid, t->dom, 0))
			continue;
		*(t->pasid ? &r->group[t->group].phandle[t->pasid] : &r->group[t->group].handle) = t->handle;
	}
	r->targets = 0;
	return abort ? 0 : r->cancelled ? -ECANCELED : r->err;
}

/* Whether a domain must not be freed. */
static inline bool r_used(const struct rules *r, int d)
{
	bool used = false;

	for (int g = 0; g < R_GROUPS; g++)
		used |= r->group[g].dom == d || r->group[g].deflt == d || r->group[g].pdom[1] == d ||
			r->group[g].pdom[2] == d || r->group[g].pdom[3] == d;
	for (int i = 0; i < r->targets; i++)
		used |= r->target[i].dom == d && r->group[r->target[i].group].pinned;
	return used;
}

#endif
