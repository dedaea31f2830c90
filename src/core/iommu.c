/* SPDX-License-Identifier: MIT */
/*
 * IOMMUs: registration by their drivers, and their end. The blocking domain is
 * allocated with the IOMMU, so that a device can be parked when nothing else
 * works, and nothing has to be allocated then.
 */
#include "core/core.h"

int iommu_register(struct uiommu_iommu *iommu, struct uiommu_ctx *ctx, const struct iommu_ops *ops)
{
	struct uiommu_domain_opts opts = { .size = sizeof(opts), .type = UIOMMU_DOMAIN_BLOCKED };
	int err;

	iommu->ops = ops;
	iommu->ctx = ctx;
	lock_init(&iommu->lock);
	iommu->groups = 0;
	iommu->domains = 0;
	iommu->devices = NULL;
	iommu->blocking = NULL;
	iommu->quarantine = NULL;
	iommu->group_list = (struct core_list){ .first = NULL };
	iommu->domain_list = (struct core_list){ .first = NULL };
	atomic_init(&iommu->default_identity, false);
	for (unsigned int i = 0; i < 256; i++)
		atomic_init(&iommu->bus[i], NULL);
	err = ops->domain_alloc(iommu, &opts, &iommu->blocking);
	if (err)
		return err;
	iommu->blocking->iommu = iommu;
	iommu->blocking->type = UIOMMU_DOMAIN_BLOCKED;
	iommu->blocking->stage = UIOMMU_STAGE_ANY;
	atomic_init(&iommu->blocking->leaving, false);
	iommu->blocking->listed = (struct core_listed){ .id = 0 };
	return 0;
}

void iommu_unregister(struct uiommu_iommu *iommu)
{
	struct uiommu_domain *domain;
	struct uiommu_device *dev;

	/* Nobody does DMA any more: no fault path is left that could still find them. */
	while ((dev = iommu->devices)) {
		iommu->devices = dev->next_in_iommu;
		pasids_drop_lost(dev);
		iommu->ops->release(dev);
		alloc_free(&iommu->ctx->alloc, dev->resv);
		alloc_free(&iommu->ctx->alloc, dev);
	}
	for (unsigned int i = 0; i < 256; i++) {
		alloc_free(&iommu->ctx->alloc, atomic_load_explicit(&iommu->bus[i], memory_order_relaxed));
		atomic_store_explicit(&iommu->bus[i], NULL, memory_order_relaxed);
	}
	while ((domain = iommu->quarantine)) {
		iommu->quarantine = domain->quarantine_next;
		iommu->ops->domain_free(domain);
	}
	iommu->ops->domain_free(iommu->blocking);
	iommu->blocking = NULL;
}

void uiommu_iommu_destroy(struct uiommu_iommu *iommu)
{
	unsigned int groups, domains;

	if (!iommu)
		return;
	lock_take(&iommu->lock);
	groups = iommu->groups;
	domains = iommu->domains;
	lock_drop(&iommu->lock);
	if (groups || domains) {
		/* Better to leak it than to leave their owners with dangling pointers. */
		ctx_log(iommu->ctx, UIOMMU_LOG_ERROR, "%s: IOMMU not destroyed: it still has "
			"%u group%s and %u domain%s; destroy and free them first", iommu->ops->name,
			groups, groups == 1 ? "" : "s", domains, domains == 1 ? "" : "s");
		return;
	}
	iommu->ops->destroy(iommu);
}

struct uiommu_domain *uiommu_blocking_domain(struct uiommu_iommu *iommu)
{
	return iommu->blocking;
}
