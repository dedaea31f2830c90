/* SPDX-License-Identifier: MIT */
/*
 * Reserved regions: what devices tell, as one sorted list per group, and the 1:1
 * mappings that firmware asks for, in default domains.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

static bool is_direct(const struct uiommu_resv_region *region)
{
	return region->type == UIOMMU_RESV_DIRECT || region->type == UIOMMU_RESV_DIRECT_RELAXABLE;
}

int resv_check(const struct uiommu_resv_region *region)
{
	const unsigned int all = UIOMMU_READ | UIOMMU_WRITE;

	if (region->start > region->last || (unsigned int)region->type > UIOMMU_RESV_SW_MSI)
		return -EINVAL;
	if (region->prot & ~all)
		return -EINVAL;
	return is_direct(region) && !region->prot ? -EINVAL : 0;
}

int resv_with(const struct uiommu_device *dev, const struct uiommu_resv_region *more, unsigned int n,
	      struct uiommu_resv_region **all)
{
	*all = NULL;
	if (!dev->n_resv && !n)
		return 0;
	*all = alloc_zeroed(&dev->iommu->ctx->alloc, (size_t)dev->n_resv + n, sizeof(**all));
	if (!*all)
		return -ENOMEM;
	if (dev->n_resv)
		memcpy(*all, dev->resv, dev->n_resv * sizeof(**all));
	if (n)
		memcpy(*all + dev->n_resv, more, n * sizeof(**all));
	return 0;
}

bool resv_direct(const struct uiommu_resv_region *regions, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (regions[i].type == UIOMMU_RESV_DIRECT)
			return true;
	return false;
}

/* ---- the list of a group ---- */

static int by_type(const void *a, const void *b)
{
	const struct uiommu_resv_region *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x->start > y->start) - (x->start < y->start);
}

static int by_start(const void *a, const void *b)
{
	const struct uiommu_resv_region *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->type > y->type) - (x->type < y->type);
}

/* Those of one type that overlap or touch become one. Returns how many are left. */
static unsigned int merge(struct uiommu_resv_region *r, unsigned int n)
{
	unsigned int m = 0;

	qsort(r, n, sizeof(*r), by_type);
	for (unsigned int i = 1; i < n; i++) {
		if (r[i].type != r[m].type || (r[m].last != UINT64_MAX && r[i].start > r[m].last + 1)) {
			r[++m] = r[i];
			continue;
		}
		if (r[i].last > r[m].last)
			r[m].last = r[i].last;
		r[m].prot |= r[i].prot;
	}
	qsort(r, m + 1, sizeof(*r), by_start);
	return m + 1;
}

int uiommu_group_resv_regions(struct uiommu_group *group, struct uiommu_resv_region *regions,
			      unsigned int max, unsigned int *n)
{
	struct uiommu_resv_region *all = NULL;
	unsigned int total = 0;
	int err = 0;

	if (!group || !n || (max && !regions))
		return -EINVAL;
	*n = 0;
	lock_take(&group->lock);
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next)
		total += dev->n_resv;
	if (!total)
		goto unlock;
	all = alloc_zeroed(&group->ctx->alloc, total, sizeof(*all));
	if (!all) {
		err = -ENOMEM;
		goto unlock;
	}
	total = 0;
	for (struct uiommu_device *dev = group->devices; dev; dev = dev->next)
		for (unsigned int i = 0; i < dev->n_resv; i++)
			all[total++] = dev->resv[i];
	*n = merge(all, total);
	if (*n > max)
		err = -EMSGSIZE;
	if (max)
		memcpy(regions, all, (*n < max ? *n : max) * sizeof(*all));
unlock:
	lock_drop(&group->lock);
	alloc_free(&group->ctx->alloc, all);
	return err;
}

/* ---- direct mappings ---- */

static int map_run(struct uiommu_domain *domain, uiommu_iova_t start, uiommu_iova_t last, unsigned int prot,
		   struct resv_undo **undo)
{
	struct resv_undo *u = alloc_struct(&domain->iommu->ctx->alloc, struct resv_undo);
	int err;

	if (!u)
		return -ENOMEM;
	u->start = start;
	u->size = last - start + 1;
	err = uiommu_map(domain, start, start, u->size, prot);
	if (err) {
		alloc_free(&domain->iommu->ctx->alloc, u);
		return err;
	}
	u->next = *undo;
	*undo = u;
	return 0;
}

/* Maps the pages of a region that are not mapped, in runs as long as can be. */
static int map_region(struct uiommu_domain *domain, const struct uiommu_resv_region *region,
		      struct resv_undo **undo)
{
	const uiommu_iova_t mask = UIOMMU_PAGE_SIZE - 1, end = region->last & ~mask;
	uiommu_iova_t page = region->start & ~mask, start = page;
	bool run = false;
	int err = 0;

	for (;; page += UIOMMU_PAGE_SIZE) {
		uiommu_pa_t pa;
		bool mapped = !uiommu_iova_to_phys(domain, page, &pa);

		if (run && mapped)
			err = map_run(domain, start, page - 1, region->prot, undo);
		else if (!run && !mapped)
			start = page;
		run = !mapped;
		if (err || page == end)
			break;
	}
	if (!err && run)
		err = map_run(domain, start, end | mask, region->prot, undo);
	return err;
}

int resv_map(struct uiommu_domain *domain, const struct uiommu_resv_region *regions, unsigned int n,
	     struct resv_undo **undo)
{
	int err = 0;

	if (domain->type != UIOMMU_DOMAIN_PAGING)
		return 0;
	for (unsigned int i = 0; i < n && !err; i++)
		if (is_direct(&regions[i]))
			err = map_region(domain, &regions[i], undo);
	return err;
}

void resv_undo(struct uiommu_domain *domain, struct resv_undo *undo)
{
	struct uiommu_ctx *ctx = domain->iommu->ctx;

	for (struct resv_undo *u = undo; u; u = u->next)
		uiommu_unmap(domain, u->start, u->size);
	resv_keep(ctx, undo);
}

void resv_keep(struct uiommu_ctx *ctx, struct resv_undo *undo)
{
	while (undo) {
		struct resv_undo *next = undo->next;

		alloc_free(&ctx->alloc, undo);
		undo = next;
	}
}
