/* SPDX-License-Identifier: MIT */
/*
 * Domains: allocation, users, quarantine, and the checks before a driver's page
 * tables are asked. Mapping takes no lock here: domains are independent of
 * groups, and an attached one is mapped while its devices do DMA.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/choice.h"
#include "base/probe.h"
#include "core/core.h"

void domain_quarantine(struct uiommu_domain *domain, struct core_att *att, int error)
{
	struct uiommu_device *dev = att->dev;
	struct uiommu_event event = {
		.kind = UIOMMU_EVENT_QUARANTINED, .rid = dev->rid, .pasid = att->pasid, .error = error,
	};

	if (domain == domain->iommu->blocking)
		return;
	/* The caller holds a user, whose put orders this before a free. */
	atomic_store_explicit(&domain->quarantined, true, memory_order_relaxed);
	ctx_event(domain->iommu->ctx, &event,
		  "device " RID_FMT " could not be blocked (error %d) and may still reach a domain of type "
		  "%s: its tables and tag are kept until the IOMMU is destroyed", RID_ARGS(dev->rid), error,
		  uiommu_domain_type_name(domain->type));
}

static int domain_opts_check(const struct uiommu_domain_opts *opts)
{
	int err;

	if (!opts)
		return -EINVAL;
	err = opts_check(opts, opts->size, sizeof(*opts));
	if (err)
		return err;
	switch (opts->type) {
	case UIOMMU_DOMAIN_IDENTITY:
		return opts->stage == UIOMMU_STAGE_ANY && !opts->levels ? 0 : -EINVAL;
	case UIOMMU_DOMAIN_PAGING:
		if ((unsigned int)opts->stage > UIOMMU_STAGE_SECOND)
			return -EINVAL;
		return !opts->levels || (opts->levels >= 3 && opts->levels <= 5) ? 0 : -EINVAL;
	case UIOMMU_DOMAIN_BLOCKED:	/* there is one, uiommu_blocking_domain() */
	default:
		return -EINVAL;
	}
}

int uiommu_domain_alloc(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
			struct uiommu_domain **domain)
{
	struct uiommu_domain *d = NULL;
	int err;

	if (!iommu || !domain)
		return -EINVAL;
	err = domain_opts_check(opts);
	if (err)
		return err;
	err = iommu->ops->domain_alloc(iommu, opts, &d);
	if (err)
		return err;
	d->iommu = iommu;
	d->type = opts->type;
	if (d->type != UIOMMU_DOMAIN_PAGING)
		d->stage = UIOMMU_STAGE_ANY;
	atomic_init(&d->users, 0);
	atomic_init(&d->leaving, false);
	atomic_init(&d->quarantined, false);
	d->quarantine_next = NULL;
	lock_take(&iommu->lock);
	iommu->domains++;
	lock_drop(&iommu->lock);
	core_list_add(iommu, &iommu->domain_list, &d->listed);
	*domain = d;
	return 0;
}

/*
 * Users first: a transaction that was committed puts its use after its group has the domain.
 * moving_to before domain, since it is cleared after. All acquire: what was done with the domain
 * came before it was let go, quarantine too.
 */
unsigned int domain_users(struct uiommu_domain *domain)
{
	struct uiommu_iommu *iommu = domain->iommu;
	unsigned int n = atomic_load_explicit(&domain->users, memory_order_acquire);

	lock_take(&iommu->lock);
	for (struct core_listed *at = iommu->group_list.first; at; at = at->next) {
		struct uiommu_group *group = CORE_LISTED(at, uiommu_group);
		struct uiommu_domain *to = atomic_load_explicit(&group->moving_to, memory_order_acquire);

		n += to == domain || atomic_load_explicit(&group->domain, memory_order_acquire) == domain;
		choice_interleave(CHOICE_CORE);
	}
	lock_drop(&iommu->lock);
	return n;
}

/*
 * How many use the domain. If nobody does its flag stays: who takes it all the same uses
 * what its caller frees. A use that was published before the barrier is seen by the
 * walk; one that comes later waits until the walk is over.
 */
static unsigned int domain_close(struct uiommu_domain *domain)
{
	unsigned int users;

	atomic_store_explicit(&domain->leaving, true, memory_order_relaxed);
	quiesce_heavy(&domain->iommu->ctx->quiesce);
	users = domain_users(domain);
	if (users)
		atomic_store_explicit(&domain->leaving, false, memory_order_release);
	return users;
}

/* Nobody attaches it any more. @keep: somebody still may reach it, it stays until the IOMMU ends. */
static void domain_end(struct uiommu_domain *domain, bool keep)
{
	struct uiommu_iommu *iommu = domain->iommu;

	core_list_del(iommu, &iommu->domain_list, &domain->listed);
	lock_take(&iommu->lock);
	if (keep) {
		domain->quarantine_next = iommu->quarantine;
		iommu->quarantine = domain;
	}
	lock_drop(&iommu->lock);
	if (!keep)
		iommu->ops->domain_free(domain);
	/* Last: while it is counted, nobody destroys the IOMMU. */
	lock_take(&iommu->lock);
	iommu->domains--;
	lock_drop(&iommu->lock);
}

int uiommu_domain_free(struct uiommu_domain *domain)
{
	struct uiommu_iommu *iommu;
	unsigned int users;

	if (!domain)
		return -EINVAL;
	iommu = domain->iommu;
	if (domain == iommu->blocking) {
		ctx_log(iommu->ctx, UIOMMU_LOG_INFO, "the blocking domain is not freed: the IOMMU's own");
		return -EBUSY;
	}
	users = domain_close(domain);
	if (users) {
		ctx_log(iommu->ctx, UIOMMU_LOG_INFO, "domain %" PRIu64 " not freed: %u user%s (groups and "
			"PASIDs on it, defaults, prepared replacements)", domain->listed.id, users,
			users == 1 ? "" : "s");
		return -EBUSY;
	}
	domain_end(domain, atomic_load_explicit(&domain->quarantined, memory_order_relaxed));
	return 0;
}

void domain_drop(struct uiommu_domain *domain)
{
	domain_end(domain, domain_close(domain) ||
			   atomic_load_explicit(&domain->quarantined, memory_order_relaxed));
}

enum uiommu_domain_type uiommu_domain_type(const struct uiommu_domain *domain)
{
	return domain->type;
}

enum uiommu_stage uiommu_domain_stage(const struct uiommu_domain *domain)
{
	return domain->stage;
}

static bool aligned(uint64_t v)
{
	return !(v & (UIOMMU_PAGE_SIZE - 1));
}

int uiommu_map(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
	       unsigned int prot)
{
	int err;

	if (!domain || domain->type != UIOMMU_DOMAIN_PAGING)
		return -EINVAL;
	if (!size || !aligned(iova) || !aligned(pa) || !aligned(size))
		return -EINVAL;
	if (!prot || (prot & ~(unsigned int)(UIOMMU_READ | UIOMMU_WRITE)))
		return -EINVAL;
	if (size - 1 > UINT64_MAX - iova || size - 1 > UINT64_MAX - pa)
		return -ERANGE;
	err = domain->iommu->ops->map(domain, iova, pa, size, prot);
	if (!err)
		PROBE5(map, iova, pa, size, domain, prot);
	return err;
}

int uiommu_unmap(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size)
{
	int err;

	if (!domain || domain->type != UIOMMU_DOMAIN_PAGING)
		return -EINVAL;
	if (!size || !aligned(iova) || !aligned(size) || size - 1 > UINT64_MAX - iova)
		return -EINVAL;
	err = domain->iommu->ops->unmap(domain, iova, size);
	PROBE4(unmap, iova, size, domain, err);
	return err;
}

int uiommu_iova_to_phys(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa)
{
	if (!domain || !pa)
		return -EINVAL;
	switch (domain->type) {
	case UIOMMU_DOMAIN_IDENTITY:
		*pa = iova;
		return 0;
	case UIOMMU_DOMAIN_PAGING:
		return domain->iommu->ops->iova_to_phys(domain, iova, pa);
	case UIOMMU_DOMAIN_BLOCKED:
	default:
		return -ENOENT;
	}
}
