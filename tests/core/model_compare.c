/* SPDX-License-Identifier: MIT */
/* Whether the core is where the rules say: see model_side.h. */
#include "model_side.h"

#include <stdio.h>

#include "base/rcu.h"

struct uiommu_domain *side_domain(struct model_side *s, int iommu, int d)
{
	if (d == NONE)
		return NULL;
	if (!d)
		return uiommu_blocking_domain(&s->md.iommu[iommu]->base);
	return d <= USER_DOMAINS ? s->domain[d] : s->md.domain[d] ? &s->md.domain[d]->base : NULL;
}

bool side_wrong(struct model_side *s, bool cond, const char *what, int a, int b)
{
	if (!cond)
		snprintf(s->text, sizeof(s->text), "%s (%d, %d)", what, a, b);
	return !cond;
}

static bool handle_wrong(struct model_side *s, int g, int p)
{
	int want = p ? s->r.group[g].handle[p] : s->r.group[g].handle[0], err;
	struct uiommu_attach_handle *h = NULL;

	err = uiommu_attach_handle_get(s->group[g], p ? (uint32_t)p : UIOMMU_NO_PASID, NONE, &h);
	if (!want)
		return side_wrong(s, err == -ENOENT, "a handle is found that is not there: group, PASID", g,
				  p);
	return side_wrong(s, !err && h == &s->handle[want], "not the handle: group, PASID", g, p) ||
	       side_wrong(s,
			  h->domain ==
				  side_domain(s, g == 2, p ? s->r.group[g].dom[p] : s->r.group[g].dom[0]),
			  "the handle's domain: group, PASID", g, p);
}

static bool group_wrong(struct model_side *s, int g)
{
	const struct r_group *m = &s->r.group[g];

	if (side_wrong(s, uiommu_group_domain(s->group[g]) == side_domain(s, g == 2, m->dom[0]),
		       "group's domain: group, "
		       "should be",
		       g, m->dom[0]) ||
	    side_wrong(s, uiommu_group_default_domain(s->group[g]) == side_domain(s, g == 2, m->deflt),
		       "default domain: group, should be", g, m->deflt) ||
	    side_wrong(s, uiommu_group_dma_owner_claimed(s->group[g]) == (m->claims || m->uses),
		       "owned: group", g, m->claims))
		return true;
	for (int p = 0; p < MD_PASIDS; p++) {
		if (p && side_wrong(s,
				    uiommu_pasid_domain(s->group[g], (uint32_t)p) ==
					    side_domain(s, g == 2, m->dom[p]),
				    "PASID's domain: group, PASID", g, p))
			return true;
		if (handle_wrong(s, g, p))
			return true;
	}
	return false;
}

/* What a fault of the attachment would carry. */
static bool fault_wrong(struct model_side *s, int rid, int p)
{
	const struct uiommu_attach_handle *h = NULL;
	int g = s->r.dev[rid].group, err, want;

	if (g == NONE)
		return false;
	want = p ? s->r.group[g].handle[p] : s->r.group[g].handle[0];
	rcu_section_begin();
	err = core_attach_handle(&s->md.iommu[md_iommu_of(rid)]->base, (uint16_t)rid,
				 p ? (uint32_t)p : UIOMMU_NO_PASID, &h);
	rcu_section_end();
	return side_wrong(s, want ? !err && h == &s->handle[want] : err == -ENOENT && !h,
			  "handle of a fault: RID, PASID", rid, p);
}

static bool att_wrong(struct model_side *s, int rid, int p)
{
	struct uiommu_domain *want = side_domain(s, md_iommu_of(rid), s->r.att[rid][p].dom);
	const struct md_att *a = &s->md.att[rid][p];

	if (side_wrong(s, !s->md.hit[rid][p] || !s->r.hit[rid][p],
		       "hardware was touched that the call does not concern: "
		       "RID, PASID",
		       rid, p) ||
	    side_wrong(s, a->live == s->r.att[rid][p].live, "known to the driver: RID, PASID", rid, p))
		return true;
	if (!a->live)
		return false;
	if (side_wrong(s,
		       p || a->deferred == s->r.dev[rid].deferred || s->r.dev[rid].group == NONE ||
			       s->r.att[rid][p].stuck,
		       "deferred, for hardware: RID", rid, 0) ||
	    side_wrong(s, s->txn || !a->prepared, "still prepared: RID, PASID", rid, p))
		return true;
	if (!s->r.att[rid][p].stuck && !a->deferred &&
	    side_wrong(s, a->reach[0] == want && !a->reach[1], "hardware is on another domain: RID, PASID",
		       rid, p))
		return true;
	return fault_wrong(s, rid, p);
}

/* Defaults of the core's making end with their use, unless hardware may still reach them. */
static bool defaults_wrong(struct model_side *s)
{
	for (int d = R_OWN; d < R_OWN + 2 * R_GROUPS; d++) {
		if (!s->md.domain[d] || s->r.group[(d - R_OWN) / 2].deflt == d)
			continue;
		if (side_wrong(s, s->md.domain[d]->kept, "a default domain is left over: group",
			       (d - R_OWN) / 2, 0))
			return true;
		s->md.domain[d] = NULL;
	}
	return false;
}

bool side_compare(struct model_side *s)
{
	if (defaults_wrong(s))
		return true;
	for (int g = 0; g < R_GROUPS; g++)
		if (group_wrong(s, g))
			return true;
	for (int rid = 0; rid < MD_RIDS; rid++) {
		for (int p = 0; p < MD_PASIDS; p++)
			if (att_wrong(s, rid, p))
				return true;
		if (s->dev[rid] &&
		    (side_wrong(s,
				uiommu_device_domain(s->dev[rid]) ==
					side_domain(s, md_iommu_of(rid), s->r.att[rid][0].dom),
				"device's domain: RID, should be", rid, s->r.att[rid][0].dom) ||
		     side_wrong(s, uiommu_device_max_pasids(s->dev[rid]) == (uint32_t)s->r.dev[rid].max,
				"max_pasids: RID", rid, 0)))
			return true;
	}
	for (int d = 1; d < MD_DOMAINS; d++)
		if (s->md.domain[d] &&
		    side_wrong(s, s->md.domain[d]->pages == s->r.pages[d], "direct mappings: domain", d,
			       (int)(s->md.domain[d]->pages ^ s->r.pages[d])))
			return true;
	if (s->md.broken) {
		snprintf(s->text, sizeof(s->text),
			 "a promise to the driver is broken: %s (model_driver.c:%d)", s->md.broken,
			 s->md.broken_line);
		return true;
	}
	return false;
}

/* ---- reserved regions ---- */

/* Pages that regions of one type cover, and what they permit on each of them. */
static void cover(const struct model_side *s, int g, int type, int *prot)
{
	memset(prot, 0xff, 65 * sizeof(*prot));
	for (int rid = 0; rid < MD_RIDS; rid++) {
		for (int i = 0; i < s->regions[rid] && s->r.dev[rid].group == g; i++) {
			const struct uiommu_resv_region *x = &s->region[rid][i];

			for (uint64_t page = x->start >> 12; (int)x->type == type && page <= x->last >> 12;
			     page++)
				prot[page] = (prot[page] == NONE ? 0 : prot[page]) | (int)x->prot;
		}
	}
}

/* Sorted by start, then type; those of one type that touch are one. */
static unsigned int regions_of(const struct model_side *s, int g, struct uiommu_resv_region *out)
{
	int prot[UIOMMU_RESV_SW_MSI + 1][65];
	unsigned int n = 0;

	for (int type = 0; type <= UIOMMU_RESV_SW_MSI; type++)
		cover(s, g, type, prot[type]);
	for (int page = 0; page < 64; page++) {
		for (int type = 0; type <= UIOMMU_RESV_SW_MSI; type++) {
			unsigned int all = 0;
			int last = page;

			if (prot[type][page] == NONE || (page && prot[type][page - 1] != NONE))
				continue;
			for (; prot[type][last] != NONE; last++)
				all |= (unsigned int)prot[type][last];
			out[n++] =
				(struct uiommu_resv_region){ (uint64_t)page << 12, ((uint64_t)last << 12) - 1,
							     (enum uiommu_resv_type)type, all };
		}
	}
	return n;
}

int side_call_regions(struct model_side *s, int g, unsigned int max)
{
	struct uiommu_resv_region want[2 * MD_RIDS], got[2 * MD_RIDS];
	unsigned int n = regions_of(s, g, want), have = 0;
	int err;

	memset(got, 0, sizeof(got));
	err = uiommu_group_resv_regions(s->group[g], got, max, &have);
	no(&s->r, s->no_memory, -ENOMEM);
	if (err == -ENOMEM && s->no_memory)
		return err;
	if (side_wrong(s, have == n, "number of reserved regions: is, should be", (int)have, (int)n))
		return err;
	for (unsigned int i = 0; i < n && i < max; i++)
		if (side_wrong(s,
			       got[i].start == want[i].start && got[i].last == want[i].last &&
				       got[i].type == want[i].type &&
				       (got[i].type > UIOMMU_RESV_DIRECT_RELAXABLE ||
					got[i].prot == want[i].prot),
			       "reserved region: group, which", g, (int)i))
			break;
	no(&s->r, n > max, -EMSGSIZE);
	return err;
}
