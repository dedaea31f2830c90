/* SPDX-License-Identifier: MIT */
/*
 * State for model_rules.h, in numbers: requesters (RIDs) 0 to 23, groups 0 to 2, PASIDs 1
 * to 3 (0: requests without), domains by number, 0 blocking, NONE a pointer that is NULL;
 * and what becomes of an attachment by what hardware did during a call (hit, err).
 */
#ifndef TESTS_CORE_MODEL_STATE_H
#define TESTS_CORE_MODEL_STATE_H

#include <errno.h>
#include <string.h>

#include "model_driver.h"

/* RIDs of a group. */
#define foreach(rid, r, g)                                                                                   \
	for (int rid = 0; rid < MD_RIDS; rid++)                                                              \
		if ((r)->dev[rid].group == (g))

enum { R_GROUPS = 3, R_TARGETS = 4, R_OWN = 10, NONE = -1, REFUSED = 1 };
enum { MUST = 1, TO_DEFAULT = 2, GAPLESS = 4, DRY = 8 }; /* DRY: only asks */

struct r_dev {
	bool real, deferred, untrusted, direct;
	int group, depth, max, hw;
	uint32_t aliases;
	uint64_t pages;
};
struct r_group {
	int dom[MD_PASIDS], handle[MD_PASIDS]; /* [0]: the group's own; NONE: not attached */
	int deflt, owner, claims, uses;
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
	foreach (d, r, g)
		if (r->dev[d].depth && (rid == NONE || d == rid || r->dev[d].aliases >> rid & 1))
			return true;
	return false;
}

static inline bool r_any_pasid(const struct rules *r, int g)
{
	return r->group[g].dom[1] >= 0 || r->group[g].dom[2] >= 0 || r->group[g].dom[3] >= 0;
}

static inline uint32_t r_rids(const struct rules *r, int rid)
{
	return r->dev[rid].aliases | UINT32_C(1) << rid;
}

static inline bool r_is(const struct rules *r, int d, enum uiommu_default type)
{
	return d > 0 && r->type[d] ==
			    (type == UIOMMU_DEFAULT_IDENTITY ? UIOMMU_DOMAIN_IDENTITY : UIOMMU_DOMAIN_PAGING);
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

static inline bool r_gap(const struct rules *r, int rid, int p, int to)
{
	return md_gap(r->att[rid][p].dom, to);
}

/* Whether a change of the group, or of a PASID of it, to another domain concerns an attachment. */
static inline bool r_moves(const struct rules *r, int rid, int p, int to, int flags)
{
	bool deferred = !p && r->dev[rid].deferred;

	return r->att[rid][p].live && !r->att[rid][p].stuck && !r_reset(r, r->dev[rid].group, rid) &&
	       (deferred ? !(flags & TO_DEFAULT) : r->att[rid][p].dom != to);
}

/* A previous owner's translation ends: the device goes to the group's domain, alone. */
static inline void r_end_deferred(struct rules *r, int rid)
{
	unsigned int hit = r->hit[rid][0];

	if (r->dev[rid].deferred && (hit || !r->err))
		r_settle(r, rid, 0, r->group[r->dev[rid].group].dom[0], 0, !r->err || hit & MD_MOVED);
}

/* A device with its aliases, and all their PASIDs: to blocking, or back to what the group has. */
static inline int r_move(struct rules *r, int g, uint32_t rids, bool back, int flags)
{
	foreach (rid, r, g) {
		for (int p = 0; p < MD_PASIDS && rids >> rid & 1; p++) {
			int to = !back ? 0 : p ? r->group[g].dom[p] : r->group[g].dom[0];

			r_unstick(r, rid, p);
			if (to != NONE && r_moves(r, rid, p, to, 0))
				r_settle(r, rid, p, to, flags, (flags & MUST) || !r->err);
		}
	}
	return flags & MUST ? 0 : r->err;
}

/* Whether a domain must not be freed. */
static inline bool r_used(const struct rules *r, int d)
{
	bool used = false;

	for (int g = 0; g < R_GROUPS; g++)
		used |= r->group[g].dom[0] == d || r->group[g].deflt == d || r->group[g].dom[1] == d ||
			r->group[g].dom[2] == d || r->group[g].dom[3] == d;
	for (int i = 0; i < r->targets; i++)
		used |= r->target[i].dom == d && r->group[r->target[i].group].pinned;
	return used;
}

/* A requester comes: on the group's domain, unless it is deferred, or the call failed. @hw: PASIDs. */
static inline void r_appear(struct rules *r, int rid, int g, const struct r_dev *dev, int hw)
{
	int dom = r->group[g].dom[0];

	r->att[rid][0].dom = 0;
	r->dev[rid] = (struct r_dev){
		.group = r->err ? NONE : g,
		.deferred = dev->deferred,
		.max = dev->max,
		.hw = hw,
	};
	if (!dev->deferred || dom != r->group[g].deflt)
		r_settle(r, rid, 0, dom, 0, !r->err);
	r->att[rid][0].live = !r->err || r->att[rid][0].stuck;
}

/* One goes. */
static inline void r_vanish(struct rules *r, int rid)
{
	for (int p = MD_PASIDS; p--;) {
		r_unstick(r, rid, p);
		if (r_moves(r, rid, p, 0, TO_DEFAULT))
			r_settle(r, rid, p, 0, MUST, true);
		r_ghost(r, rid, p);
	}
	r->dev[rid] = (struct r_dev){ .group = NONE };
}

#endif
