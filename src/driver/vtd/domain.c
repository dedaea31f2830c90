/* SPDX-License-Identifier: MIT */
/*
 * Domains: their tags and page tables, and the invalidations of an unmap.
 *
 * An unmap clears entries, then reads the domain's list, then flushes what the
 * list names, then frees tables. A device whose node it did not see was attached
 * after the entries were cleared, and its tag was clean: nothing to flush. Map
 * needs no invalidation, since hardware keeps nothing that is not present.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "driver/vtd/vtd.h"
#include "update/mutant.h"

/* ---- tags ---- */

static void add_node_locked(struct vtdd_domain *dom, struct inv_node *node, uint32_t pasid)
{
	node->tag = dom->tag;
	/* 6.2: what tags a second-stage translation is the domain id alone, whoever filled it. */
	node->pasid = dom->kind == VTDD_KIND_SECOND ? UIOMMU_NO_PASID : pasid;
	inv_list_add_locked(&dom->list, node);
}

/* Only a deliberate mistake leaves a node off the list. */
static bool listed(const struct inv_node *node)
{
	assert(!node || node->list || mutant(MUTANT_LIST_ADD_LATE) || mutant(MUTANT_LIST_DEL_EARLY));
	return node && node->list;
}

void vtdd_domain_list(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node, uint32_t pasid)
{
	if (dom->kind == VTDD_KIND_BLOCKED)
		return;
	lock_take(&dom->list.lock);
	add_node_locked(dom, node, pasid);
	lock_drop(&dom->list.lock);
	vi->ops->note(vi->hw, HW_NOTE_LIST_ADD, node->tag, node->rid);
}

void vtdd_domain_unlist(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node)
{
	if (dom->kind == VTDD_KIND_BLOCKED || !node->list)
		return;
	inv_list_del(&dom->list, node);
	vi->ops->note(vi->hw, HW_NOTE_LIST_DEL, node->tag, node->rid);
}

int vtdd_domain_join(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node, uint32_t pasid)
{
	int err = 0;

	if (dom->kind == VTDD_KIND_BLOCKED)
		return 0;
	lock_take(&dom->list.lock);
	if (dom->tag == VTDD_NO_TAG) {
		err = tag_get(&vi->tags, &dom->tag);
		if (err)
			goto unlock;
		vtdd_entry_set_tag(vi, dom->entry, dom->tag);
	} else if (!dom->attached) {
		tag_owner_revive(&vi->tags, dom->tag);
	}
	dom->attached++;
	if (node)
		add_node_locked(dom, node, pasid);
unlock:
	lock_drop(&dom->list.lock);
	if (node && !err)
		vi->ops->note(vi->hw, HW_NOTE_LIST_ADD, node->tag, node->rid);
	return err;
}

/* The last attachment left: the tag is as clean as what the attachments left behind. */
static void settle_tag_locked(struct vtdd_iommu *vi, struct vtdd_domain *dom)
{
	if (dom->tag == VTDD_NO_TAG)
		return;
	if (!dom->unclean) {
		tag_owner_clean(&vi->tags, dom->tag);
		return;
	}
	tag_quarantine(&vi->tags, dom->tag);
	dom->tag = VTDD_NO_TAG;
	dom->unclean = false;
}

void vtdd_domain_leave(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node, bool clean)
{
	bool del;

	if (dom->kind == VTDD_KIND_BLOCKED)
		return;
	lock_take(&dom->list.lock);
	del = listed(node);
	if (del)
		inv_list_del_locked(&dom->list, node);
	dom->unclean |= !clean;
	if (!--dom->attached)
		settle_tag_locked(vi, dom);
	lock_drop(&dom->list.lock);
	if (del)
		vi->ops->note(vi->hw, HW_NOTE_LIST_DEL, node->tag, node->rid);
}

int vtdd_domain_reserve(struct uiommu_domain *domain)
{
	struct vtdd_iommu *vi = to_vtdd(domain->iommu);
	struct vtdd_domain *dom = to_vtdd_domain(domain);
	int err = vtdd_domain_join(vi, dom, NULL, 0);

	if (!err)
		vtdd_domain_leave(vi, dom, NULL, true);
	return err;
}

void vtdd_domain_flush(const struct vtdd_iommu *vi, const struct vtdd_domain *dom, uint32_t pasid,
		       struct vtdd_inv *inv)
{
	if (mutant(MUTANT_NO_IOTLB_INV))
		return;
	switch (dom->kind) {
	case VTDD_KIND_BLOCKED:
		break;
	case VTDD_KIND_SECOND:
		vtdd_inv_iotlb_domain(inv, dom->tag);
		break;
	case VTDD_KIND_IDENTITY:
		/* 6.2: pass-through is tagged as the first stage is in scalable mode, by the domain id in
		 * legacy. */
		if (!vi->scalable) {
			vtdd_inv_iotlb_domain(inv, dom->tag);
			break;
		}
		/* fall through */
	default:
		vtdd_inv_piotlb_pasid(inv, dom->tag, pasid);
	}
}

/* ---- flushing a range ---- */

struct range_flush {
	const struct vtdd_iommu *vi;
	const struct vtdd_domain *dom;
	struct vtdd_inv *inv;
	uint64_t iova;
	unsigned int am; /* 2^am pages from iova, aligned, cover the range; 64: everything */
	bool leaf;
};

static void flush_tag(void *opaque, uint32_t tag, uint32_t pasid)
{
	struct range_flush *f = opaque;
	const struct vtdd_iommu *vi = f->vi;

	if (mutant(MUTANT_NO_IOTLB_INV))
		return;
	if (f->dom->kind == VTDD_KIND_FIRST) {
		/* The address mask of this type is not bounded by CAP.MAMV. */
		if (f->am <= 52 - VTD_PAGE_SHIFT)
			vtdd_inv_piotlb_page(f->inv, tag, pasid, f->iova, f->am, f->leaf);
		else
			vtdd_inv_piotlb_pasid(f->inv, tag, pasid);
	} else if ((vi->caps.cap & VTD_CAP_PSI) && f->am <= field_get(VTD_CAP_MAMV, vi->caps.cap)) {
		vtdd_inv_iotlb_page(f->inv, tag, f->iova, f->am, f->leaf);
	} else {
		vtdd_inv_iotlb_domain(f->inv, tag);
	}
}

/* log2 of the pages of the smallest naturally aligned block that holds both ends of the range. */
static unsigned int covering_am(uint64_t iova, uint64_t last)
{
	uint64_t differ = (iova ^ last) >> VTD_PAGE_SHIFT;

	return differ ? 64 - (unsigned int)__builtin_clzll(differ) : 0;
}

/* A flush of everything completed that began when @failed ones had failed. Never goes back. */
static void make_good(struct vtdd_domain *dom, uint32_t failed)
{
	uint32_t was = atomic_load_explicit(&dom->flushes_made_good, memory_order_relaxed);

	while ((int32_t)(failed - was) > 0 &&
	       !atomic_compare_exchange_weak_explicit(&dom->flushes_made_good, &was, failed,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

static inline bool flush_owed(struct vtdd_domain *dom)
{
	return atomic_load_explicit(&dom->flushes_failed, memory_order_acquire) !=
	       atomic_load_explicit(&dom->flushes_made_good, memory_order_relaxed);
}

/*
 * Waits until no device can reach the range by anything that was cached. @leaf: no table
 * was taken out. If it fails, the next call, by whatever map or unmap, flushes everything.
 */
static int flush_range(struct vtdd_iommu *vi, struct vtdd_domain *dom, uint64_t iova, uint64_t size,
		       bool leaf)
{
	struct vtdd_inv inv;
	struct range_flush f = {
		.vi = vi,
		.dom = dom,
		.inv = &inv,
		.leaf = leaf,
		.am = covering_am(iova, iova + size - 1),
	};
	/* Read before anything is flushed: failures that come later are not made good here. */
	uint32_t failed = atomic_load_explicit(&dom->flushes_failed, memory_order_acquire);
	int err;

	if (flush_owed(dom))
		f.am = 64;
	f.iova = f.am + VTD_PAGE_SHIFT < 64 ? iova & ~((UINT64_C(1) << (f.am + VTD_PAGE_SHIFT)) - 1) : 0;
	vtdd_inv_init(&inv);
	inv_list_for_each_tag(&dom->list, flush_tag, &f);
	if (inv.full) {
		inv.n = 0;
		vtdd_inv_iotlb_global(&inv);
	}
	err = vtdd_queue_run(vi, &inv);
	if (err)
		atomic_fetch_add_explicit(&dom->flushes_failed, 1, memory_order_release);
	else if (f.am == 64)
		make_good(dom, failed);
	return err;
}

/* ---- page tables ---- */

static void free_tables(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct pgtable_gather *gather)
{
	struct pool *pool = vi->base.ctx->pool;
	struct pool_list pages = { 0 };

	pgtable_reap(&dom->pt, gather, &pages);
	for (uiommu_pa_t pa = pages.head; pa; pa = pool_desc(pool, pa)->next)
		vi->ops->note(vi->hw, HW_NOTE_TABLE_FREE, pa, 0);
	pool_put_list(pool, &pages);
}

/* The flush failed: hardware may still walk these. They stay until the domain has no attachment any more. */
static void keep_tables(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct pgtable_gather *gather)
{
	struct pool *pool = vi->base.ctx->pool;
	struct pool_list *taken = &gather->taken;

	lock_take(&dom->list.lock);
	while (taken->head) {
		uiommu_pa_t pa = taken->head;

		taken->head = pool_desc(pool, pa)->next;
		pool_list_add(pool, &dom->stuck.taken, pa);
	}
	lock_drop(&dom->list.lock);
	taken->n = 0;
}

int vtdd_map(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
	     unsigned int prot)
{
	struct vtdd_domain *dom = to_vtdd_domain(domain);
	int err, lost;

	if (iova > dom->iova_last || size - 1 > dom->iova_last - iova)
		return -ERANGE;
	err = dom->pt.ops->map(&dom->pt, iova, pa, size, prot);
	if (err != -ENOMEM && err != -EEXIST)
		return err;
	/* What the call had mapped before it failed was unmapped again, but may have been cached. */
	lost = flush_range(to_vtdd(domain->iommu), dom, iova, size, true);
	return lost ? lost : err;
}

int vtdd_unmap(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size)
{
	struct vtdd_iommu *vi = to_vtdd(domain->iommu);
	struct vtdd_domain *dom = to_vtdd_domain(domain);
	struct pgtable_gather gather = { .coarse = true };
	bool leaf;
	int err;

	err = dom->pt.ops->unmap(&dom->pt, iova, size, &gather);
	if (err)
		return err;
	leaf = !gather.taken.n;
	if (mutant(MUTANT_TABLE_FREE_EARLY))
		free_tables(vi, dom, &gather);
	if (gather.unmapped || !leaf || flush_owed(dom))
		err = flush_range(vi, dom, iova, size, leaf || mutant(MUTANT_WRONG_IH));
	if (!gather.taken.n)
		return err;
	if (err)
		keep_tables(vi, dom, &gather);
	else
		free_tables(vi, dom, &gather);
	return err;
}

int vtdd_iova_to_phys(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa)
{
	struct vtdd_domain *dom = to_vtdd_domain(domain);

	switch (dom->kind) {
	case VTDD_KIND_BLOCKED:
		return -ENOENT;
	case VTDD_KIND_IDENTITY:
		*pa = iova;
		return 0;
	default:
		return dom->pt.ops->iova_to_phys(&dom->pt, iova, pa);
	}
}

/* ---- making and freeing ---- */

/* Second stage unless asked otherwise: a replacement between two of those needs one store. */
static int choose_stage(const struct vtdd_iommu *vi, const struct uiommu_domain_opts *opts,
			enum vtdd_kind *kind)
{
	bool first = vi->scalable && (vi->caps.ecap & VTD_ECAP_FSTS);
	bool second = !vi->scalable || (vi->caps.ecap & VTD_ECAP_SSTS);

	if (second && opts->stage != UIOMMU_STAGE_FIRST)
		*kind = VTDD_KIND_SECOND;
	else if (first && opts->stage != UIOMMU_STAGE_SECOND)
		*kind = VTDD_KIND_FIRST;
	else
		return -EOPNOTSUPP;
	return 0;
}

static bool levels_ok(const struct vtdd_iommu *vi, enum vtdd_kind kind, unsigned int levels)
{
	if (kind == VTDD_KIND_SECOND)
		return vtd_levels_ok(&vi->caps, levels);
	return levels == 4 || (levels == 5 && (vi->caps.cap & VTD_CAP_FS5LP));
}

/* Four levels where there are, else what there is. */
static unsigned int default_levels(const struct vtdd_iommu *vi, enum vtdd_kind kind)
{
	static const unsigned int order[] = { 4, 5, 3 };

	for (unsigned int i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (levels_ok(vi, kind, order[i]))
			return order[i];
	return 0;
}

static unsigned int features(const struct vtdd_iommu *vi, enum vtdd_kind kind)
{
	uint64_t sslps = field_get(VTD_CAP_SSLPS, vi->caps.cap);

	if (kind == VTDD_KIND_FIRST)
		return PGTABLE_2M | (vi->caps.cap & VTD_CAP_FS1GP ? PGTABLE_1G : 0u);
	return (sslps & VTD_SSLPS_2M ? PGTABLE_2M : 0u) | (sslps & VTD_SSLPS_1G ? PGTABLE_1G : 0u);
}

static int init_paging(struct vtdd_iommu *vi, struct vtdd_domain *dom, const struct uiommu_domain_opts *opts)
{
	unsigned int levels, width, mgaw = (unsigned int)field_get(VTD_CAP_MGAW, vi->caps.cap) + 1;
	enum pgtable_format format;
	int err;

	err = choose_stage(vi, opts, &dom->kind);
	if (err)
		return err;
	levels = opts->levels ? opts->levels : default_levels(vi, dom->kind);
	if (!levels || !levels_ok(vi, dom->kind, levels))
		return -EOPNOTSUPP;
	format = dom->kind == VTDD_KIND_SECOND ? PGTABLE_VTDSS : PGTABLE_X86_64;
	err = pgtable_init(&dom->pt, vi->base.ctx->pool, format, levels, features(vi, dom->kind),
			   vi->caps.haw);
	if (err)
		return err;
	width = VTD_WIDTH_OF_LEVELS(levels);
	if (dom->kind == VTDD_KIND_FIRST)
		width--; /* canonical addresses: the lower half */
	else if (width > mgaw)
		width = mgaw;
	dom->iova_last = (UINT64_C(1) << width) - 1;
	dom->base.stage = dom->kind == VTDD_KIND_SECOND ? UIOMMU_STAGE_SECOND : UIOMMU_STAGE_FIRST;
	vtdd_entry_build(vi, dom->kind, dom->pt.root, levels, dom->entry);
	return 0;
}

/* The tag is there from the beginning, so that a default domain never lacks it. Clean: nothing carried it. */
static int init_identity(struct vtdd_iommu *vi, struct vtdd_domain *dom)
{
	int err;

	if (!(vi->caps.ecap & VTD_ECAP_PT))
		return -EOPNOTSUPP;
	dom->kind = VTDD_KIND_IDENTITY;
	err = tag_get(&vi->tags, &dom->tag);
	if (err)
		return err;
	tag_owner_clean(&vi->tags, dom->tag);
	vtdd_entry_build(vi, dom->kind, 0, 0, dom->entry);
	vtdd_entry_set_tag(vi, dom->entry, dom->tag);
	return 0;
}

int vtdd_domain_alloc(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
		      struct uiommu_domain **domain)
{
	struct vtdd_iommu *vi = to_vtdd(iommu);
	struct alloc *a = &iommu->ctx->alloc;
	struct vtdd_domain *dom = alloc_struct(a, struct vtdd_domain);
	int err = 0;

	if (!dom)
		return -ENOMEM;
	dom->tag = VTDD_NO_TAG;
	inv_list_init(&dom->list);
	if (opts->type == UIOMMU_DOMAIN_PAGING)
		err = init_paging(vi, dom, opts);
	else if (opts->type == UIOMMU_DOMAIN_IDENTITY)
		err = init_identity(vi, dom);
	if (err) {
		alloc_free(a, dom);
		return err;
	}
	*domain = &dom->base;
	return 0;
}

void vtdd_domain_free(struct uiommu_domain *domain)
{
	struct vtdd_iommu *vi = to_vtdd(domain->iommu);
	struct vtdd_domain *dom = to_vtdd_domain(domain);

	if (dom->kind == VTDD_KIND_SECOND || dom->kind == VTDD_KIND_FIRST) {
		free_tables(vi, dom, &dom->stuck);
		dom->pt.ops->fini(&dom->pt);
	}
	/* A tag that was not flushed is refused and stays taken. */
	if (dom->tag != VTDD_NO_TAG && !tag_put(&vi->tags, dom->tag))
		vi->ops->note(vi->hw, HW_NOTE_TAG_FREE, dom->tag, 0);
	alloc_free(&domain->iommu->ctx->alloc, dom);
}
