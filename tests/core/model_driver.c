/* SPDX-License-Identifier: MIT */
/* The hardware of the model-based test: see model_driver.h. One thread. */
#include "model_driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct md *md_of(const struct uiommu_iommu *iommu)
{
	return ((const struct md_iommu *)iommu)->md;
}

static struct md_domain *dom(struct uiommu_domain *domain)
{
	return (struct md_domain *)domain;
}

static void check(struct md *md, bool ok, const char *what, int line)
{
	if (ok || md->broken)
		return;
	md->broken = what;
	md->broken_line = line;
}

#define CHECK(md, cond) check((md), (cond), #cond, __LINE__)

/* One step of hardware: whether it fails. */
static bool step(struct md *md)
{
	unsigned int n = md->step++;

	return n < 64 && md->fail >> n & 1;
}

static bool drawn(struct md *md, uint64_t mask)
{
	return mask >> md->step % 64 & 1;
}

static int failed(struct md *md, int err)
{
	if (!md->err)
		md->err = err;
	return err;
}

static unsigned int index_of(uint32_t pasid)
{
	return pasid == UIOMMU_NO_PASID ? 0 : pasid;
}

static struct md_att *att_of(struct core_att *att)
{
	struct md *md = md_of(att->dev->iommu);
	unsigned int i = index_of(att->pasid);

	CHECK(md, att->dev->rid < MD_RIDS && i < MD_PASIDS && (i || att->pasid == UIOMMU_NO_PASID));
	CHECK(md, md->iommu[md_iommu_of(att->dev->rid)] == (struct md_iommu *)att->dev->iommu);
	return &md->att[att->dev->rid % MD_RIDS][i % MD_PASIDS];
}

static unsigned int *hit_of(struct core_att *att)
{
	return &md_of(att->dev->iommu)->hit[att->dev->rid % MD_RIDS][index_of(att->pasid) % MD_PASIDS];
}

static uint8_t *nodes_of(struct uiommu_domain *domain, struct core_att *att)
{
	return &dom(domain)->nodes[att->dev->rid % MD_RIDS][index_of(att->pasid) % MD_PASIDS];
}

static int md_domain_alloc(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
			   struct uiommu_domain **domain)
{
	struct md *md = md_of(iommu);
	struct md_domain *d = alloc_struct(&iommu->ctx->alloc, struct md_domain);

	if (!d)
		return -ENOMEM;
	d->base.stage = opts->type == UIOMMU_DOMAIN_PAGING ? UIOMMU_STAGE_SECOND : UIOMMU_STAGE_ANY;
	if (opts->type != UIOMMU_DOMAIN_BLOCKED) {
		/* The core's own domains are told apart by their type. */
		d->id = md->next_id + (md->next_id >= 10 && opts->type == UIOMMU_DOMAIN_IDENTITY);
		CHECK(md, md->next_id && !md->domain[d->id]);
		md->domain[d->id] = d;
	}
	*domain = &d->base;
	return 0;
}

static void md_domain_free(struct uiommu_domain *domain)
{
	struct md *md = md_of(domain->iommu);
	struct md_iommu *iommu = (struct md_iommu *)domain->iommu;

	for (int r = 0; r < MD_RIDS && !iommu->off; r++) {
		for (int p = 0; p < MD_PASIDS; p++) {
			const struct md_att *a = &md->att[r][p];

			CHECK(md, !a->live || (a->reach[0] != domain && a->reach[1] != domain));
			CHECK(md, a->kept[0] != domain && a->kept[1] != domain);
			CHECK(md, !dom(domain)->nodes[r][p]);
		}
	}
	if (dom(domain)->id && md->domain[dom(domain)->id] == dom(domain))
		md->domain[dom(domain)->id] = NULL;
	alloc_free(&domain->iommu->ctx->alloc, domain);
}

static uint64_t pages(uiommu_iova_t iova, uint64_t size)
{
	return ((size >> 12) >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (size >> 12)) - 1) << (iova >> 12);
}

static int md_map(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
		  unsigned int prot)
{
	struct md *md = md_of(domain->iommu);

	CHECK(md, iova == pa && iova + size <= 64 << 12);
	if (step(md))
		return failed(md, -ENOMEM);
	if (dom(domain)->pages & pages(iova, size))
		return -EEXIST;
	dom(domain)->pages |= pages(iova, size);
	return 0;
}

static int md_unmap(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size)
{
	dom(domain)->pages &= ~pages(iova, size);
	return 0;
}

static int md_iova_to_phys(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa)
{
	*pa = iova;
	return iova >> 12 < 64 && dom(domain)->pages >> (iova >> 12) & 1 ? 0 : -ENOENT;
}

static int md_reserve(struct uiommu_domain *domain)
{
	return step(md_of(domain->iommu)) ? failed(md_of(domain->iommu), -ENOSPC) : 0;
}

/* An attachment appears: hardware blocks it. */
static int appear(struct core_att *att, void **drv, bool deferred)
{
	struct md *md = md_of(att->dev->iommu);
	struct md_att *a = att_of(att);

	CHECK(md, !a->live);
	CHECK(md, att->domain == att->dev->iommu->blocking);
	if (step(md))
		return failed(md, -ENXIO);
	md->inside = true;
	*drv = alloc_zeroed(&att->dev->iommu->ctx->alloc, 1, 16);
	md->inside = false;
	if (!*drv)
		return failed(md, -ENOMEM);
	*a = (struct md_att){ .live = true, .deferred = deferred };
	a->reach[0] = att->dev->iommu->blocking;
	*nodes_of(a->reach[0], att) = 1;
	return 0;
}

static void vanish(struct core_att *att, void *drv)
{
	struct md_iommu *iommu = (struct md_iommu *)att->dev->iommu;
	struct md_att *a = att_of(att);

	CHECK(iommu->md, a->live && !a->prepared);
	CHECK(iommu->md, iommu->off || a->deferred || (a->reach[0] == iommu->base.blocking && !a->reach[1]));
	CHECK(iommu->md, iommu->off || (!a->kept[0] && !a->kept[1]));
	if (!iommu->off)
		*nodes_of(iommu->base.blocking, att) = 0;
	*a = (struct md_att){ 0 };
	alloc_free(&iommu->base.ctx->alloc, drv);
}

static int md_probe(struct uiommu_device *dev)
{
	int err = appear(&dev->att, &dev->drv, dev->deferred);

	if (!err && dev->max_pasids > MD_PASIDS)
		dev->max_pasids = MD_PASIDS;
	return err;
}

static void md_release(struct uiommu_device *dev)
{
	struct md *md = md_of(dev->iommu);

	for (int p = 1; p < MD_PASIDS; p++)
		CHECK(md, !md->att[dev->rid % MD_RIDS][p].live);
	vanish(&dev->att, dev->drv);
}

static int md_pasid_probe(struct core_att *att)
{
	struct md *md = md_of(att->dev->iommu);

	CHECK(md, md->att[att->dev->rid % MD_RIDS][0].live);
	CHECK(md, att->pasid >= 1 && att->pasid < att->dev->max_pasids);
	return appear(att, &att->drv, false);
}

static void md_pasid_release(struct core_att *att)
{
	vanish(att, att->drv);
}

static enum uiommu_default md_def_domain_type(struct uiommu_device *dev)
{
	return md_demand(dev->rid);
}

static int md_prepare(struct core_slot *slot, struct uiommu_report *report)
{
	struct md *md = md_of(slot->dev->iommu);
	struct md_att *a = att_of(slot->att);

	CHECK(md, slot->att->dev == slot->dev && slot->att->pasid == slot->pasid);
	CHECK(md, a->live && !a->prepared && !slot->lost);
	CHECK(md, a->reach[0] == slot->from && !a->reach[1]);
	CHECK(md, slot->to->iommu == slot->dev->iommu && (slot->from != slot->to || a->deferred));
	if (step(md) || (slot->pasid != UIOMMU_NO_PASID && dom(slot->to)->id == MD_NO_PASID_DOMAIN)) {
		*hit_of(slot->att) |= MD_PREP;
		return failed(md, dom(slot->to)->id == MD_NO_PASID_DOMAIN ? -EOPNOTSUPP : -ENOSPC);
	}
	if (slot->to != slot->dev->iommu->blocking) {
		md->inside = true;
		slot->drv = alloc_zeroed(&slot->dev->iommu->ctx->alloc, 1, 8);
		md->inside = false;
		if (!slot->drv) {
			*hit_of(slot->att) |= MD_PREP;
			return failed(md, -ENOMEM);
		}
	}
	*hit_of(slot->att) |= MD_SEEN;
	a->prepared = true;
	a->committing = false;
	a->slot = slot;
	++*nodes_of(slot->to, slot->att);
	report->gap = md_gap(dom(slot->from)->id, dom(slot->to)->id) ? UIOMMU_GAP_BLOCKED : UIOMMU_GAP_NONE;
	report->best_gap = report->gap;
	report->strategy = report->gap ? UIOMMU_STRATEGY_BREAK : UIOMMU_STRATEGY_SINGLE_STORE;
	if (report->gap)
		snprintf(report->reason, sizeof(report->reason), "a gap");
	return 0;
}

static void md_abort(struct core_slot *slot)
{
	struct md *md = md_of(slot->dev->iommu);
	struct md_att *a = att_of(slot->att);

	CHECK(md, a->prepared && !a->committing && a->slot == slot);
	CHECK(md, a->reach[0] == slot->from && !a->reach[1]);
	a->prepared = false;
	--*nodes_of(slot->to, slot->att);
	alloc_free(&slot->dev->iommu->ctx->alloc, slot->drv);
}

static void lose(struct core_slot *slot)
{
	struct md_att *a = att_of(slot->att);

	slot->lost = true;
	a->reach[0] = slot->from;
	a->reach[1] = slot->to;
	*hit_of(slot->att) |= MD_LOST;
}

static void commit_check(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
			 enum core_direction direction)
{
	struct md *md = md_of(iommu);

	CHECK(md, n);
	for (unsigned int i = 0; i < n; i++) {
		struct md_att *a = att_of(slots[i]->att);

		CHECK(md, slots[i]->dev->iommu == iommu && a->prepared && !slots[i]->lost && !a->reach[1]);
		CHECK(md, a->slot == slots[i]);
		CHECK(md, a->reach[0] == (direction == CORE_BACK ? slots[i]->to : slots[i]->from));
		CHECK(md, direction == CORE_FORWARD || a->committing);
		for (unsigned int j = 0; j < i; j++)
			CHECK(md, slots[j] != slots[i]);
		a->committing = true;
	}
}

static int md_commit(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
		     enum core_direction direction, unsigned int *done, struct uiommu_report *report)
{
	struct md *md = md_of(iommu);

	commit_check(iommu, slots, n, direction);
	md->commits++;
	for (*done = 0; *done < n; ++*done) {
		struct core_slot *slot = slots[*done];
		struct md_att *a = att_of(slot->att);

		if (step(md)) {
			int err = slot->dev->rid & 1 ? -EIO : -ETIMEDOUT;

			*hit_of(slot->att) |= direction == CORE_BACK ? MD_BACK : MD_COMMIT;
			if (drawn(md, md->lose))
				lose(slot);
			for (unsigned int i = *done + 1; i < n; i++)
				if (md->lose_behind >> (md->step + i) % 64 & 1)
					lose(slots[i]);
			md->backs += direction == CORE_BACK;
			return direction == CORE_BACK ? err : failed(md, err);
		}
		a->deferred = false;
		a->reach[0] = direction == CORE_BACK ? slot->from : slot->to;
		*hit_of(slot->att) |= MD_MOVED;
	}
	return 0;
}

static void md_finish(struct core_slot *slot, struct uiommu_domain *where)
{
	struct md *md = md_of(slot->dev->iommu);
	struct md_att *a = att_of(slot->att);

	CHECK(md, a->prepared && a->committing && a->slot == slot);
	a->prepared = a->committing = false;
	if (where) {
		CHECK(md, a->reach[0] == where && !a->reach[1]);
		--*nodes_of(slot->from, slot->att);
		--*nodes_of(slot->to, slot->att);
		++*nodes_of(where, slot->att);
	} else {
		a->kept[0] = slot->from;
		a->kept[1] = slot->to;
	}
	alloc_free(&slot->dev->iommu->ctx->alloc, slot->drv);
}

static int md_park(struct core_att *att)
{
	struct md *md = md_of(att->dev->iommu);
	struct md_att *a = att_of(att);
	struct uiommu_domain *blocking = att->dev->iommu->blocking;

	CHECK(md, a->live && (!a->prepared || a->committing));
	if (step(md)) {
		*hit_of(att) |= MD_PARK;
		for (unsigned int i = 0; i < 2; i++)
			if (a->reach[i])
				dom(a->reach[i])->kept = true;
		if (a->prepared)
			dom(a->slot->from)->kept = dom(a->slot->to)->kept = true;
		return failed(md, -ETIMEDOUT);
	}
	*hit_of(att) = (*hit_of(att) | MD_PARKED) & ~(unsigned int)MD_PARK;
	md->parks++;
	a->deferred = false;
	if (!a->prepared) {
		/* No finish follows: what the attachment held goes now. */
		for (unsigned int i = 0; i < 2; i++)
			if (a->kept[i])
				*nodes_of(a->kept[i], att) = 0;
		*nodes_of(a->reach[0], att) = 0;
		*nodes_of(blocking, att) = 1;
		a->kept[0] = a->kept[1] = NULL;
	}
	a->reach[0] = blocking;
	a->reach[1] = NULL;
	return 0;
}

static void md_destroy(struct uiommu_iommu *iommu)
{
	struct md_iommu *m = (struct md_iommu *)iommu;

	m->off = true;
	iommu_unregister(iommu);
	m->md->iommu[m->number] = NULL;
	alloc_free(&iommu->ctx->alloc, m);
}

static const struct iommu_ops md_ops = {
	.name = "model",
	.domain_alloc = md_domain_alloc,
	.domain_free = md_domain_free,
	.map = md_map,
	.unmap = md_unmap,
	.iova_to_phys = md_iova_to_phys,
	.reserve = md_reserve,
	.probe = md_probe,
	.release = md_release,
	.pasid_probe = md_pasid_probe,
	.pasid_release = md_pasid_release,
	.def_domain_type = md_def_domain_type,
	.prepare = md_prepare,
	.abort = md_abort,
	.commit = md_commit,
	.finish = md_finish,
	.park = md_park,
	.destroy = md_destroy,
};

int md_create(struct md *md, struct uiommu_ctx *ctx, int number)
{
	struct md_iommu *m = alloc_struct(&ctx->alloc, struct md_iommu);
	int err;

	if (!m)
		return -ENOMEM;
	m->md = md;
	m->number = number;
	md->iommu[number] = m;
	err = iommu_register(&m->base, ctx, &md_ops);
	if (err)
		alloc_free(&ctx->alloc, m);
	return err;
}

void md_begin(struct md *md, uint64_t fail, uint64_t lose, uint64_t lose_behind)
{
	memset(md->hit, 0, sizeof(md->hit));
	md->fail = fail;
	md->lose = lose;
	md->lose_behind = lose_behind;
	md->step = 0;
	md->err = 0;
	md->commits = 0;
	md->parks = 0;
	md->backs = 0;
}
