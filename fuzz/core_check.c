/* SPDX-License-Identifier: MIT */
/* What must hold after each call: core and hardware do what the shadow says. */
#include <errno.h>

#include "core.h"

static uint64_t page_pa(unsigned int i)
{
	return RAM_BASE + UINT64_C(4096) * i;
}

/* The first word of a page is its own address. */
void ram_init(struct world *w)
{
	memset(w->ram, 0, RAM_SIZE);
	for (unsigned int i = 0; i < RAM_PAGES; i++) {
		uint64_t pa = page_pa(i);

		memcpy(w->ram + 4096 * (size_t)i, &pa, sizeof(pa));
	}
}

void check_ram(struct world *w)
{
	for (unsigned int i = 0; i < RAM_PAGES; i++) {
		uint64_t val;

		memcpy(&val, w->ram + 4096 * (size_t)i, sizeof(val));
		FUZZ_CHECK(val == page_pa(i), "page 0x%llx holds 0x%llx", (unsigned long long)page_pa(i),
			   (unsigned long long)val);
	}
}

void check_error(struct world *w, int err, int want)
{
	if (err == want)
		return;
	if (err == -ENOMEM && w->no_memory)
		return;
	if ((err == -EIO || err == -ETIMEDOUT) && w->bad_hardware)
		return;
	FUZZ_CHECK(err == want, "operation %u, %s: %d, but %d is due", w->n, w->what, err, want);
}

/* Where @iova leads on a domain, and what is allowed there: 0, blocked. */
static unsigned int expected(const struct shadow_domain *d, uint64_t iova, uint64_t *pa)
{
	uint64_t i = (iova - RAM_BASE) / 4096;

	*pa = iova;
	if (d->type == UIOMMU_DOMAIN_BLOCKED)
		return 0;
	if (d->type == UIOMMU_DOMAIN_IDENTITY)
		return UIOMMU_READ | UIOMMU_WRITE;
	if (iova >= BIG_IOVA && iova - BIG_IOVA < BIG_SIZE) {
		*pa = iova - BIG_IOVA;
		return d->big;
	}
	if (iova < RAM_BASE || i >= N_PAGES)
		return 0;
	*pa = d->pa[i] + (iova & 4095);
	return d->prot[i];
}

/* @where: NULL: nowhere. The first word of a page is read, then written with what it holds. */
static void probe(struct world *w, unsigned int i, const struct shadow_domain *where, uint64_t iova)
{
	uint64_t pa = 0, val = 0;
	unsigned int prot = where ? expected(where, iova, &pa) : 0;
	int err, good = pa >= RAM_BASE && pa < RAM_BASE + RAM_SIZE ? 0 : -EIO; /* no memory there */
	struct shadow_dev *d = &w->dev[i];

	uiommu_agent_begin(w->agent);
	err = uiommu_dma_read(d->port, w->agent, UIOMMU_NO_PASID, iova, &val, sizeof(val), NULL);
	uiommu_agent_end(w->agent);
	if (where && where->stale)
		return;
	FUZZ_CHECK(err == (prot & UIOMMU_READ ? good : -EFAULT),
		   "operation %u, %s: device %u at 0x%llx: %d, but its protection is %u", w->n, w->what, i,
		   (unsigned long long)iova, err, prot);
	FUZZ_CHECK(err || val == pa, "operation %u, %s: device %u at 0x%llx sees 0x%llx instead of 0x%llx",
		   w->n, w->what, i, (unsigned long long)iova, (unsigned long long)val,
		   (unsigned long long)pa);
	uiommu_agent_begin(w->agent);
	err = uiommu_dma_write(d->port, w->agent, UIOMMU_NO_PASID, iova, &pa, prot ? sizeof(pa) : 1, NULL);
	uiommu_agent_end(w->agent);
	FUZZ_CHECK(err == (prot & UIOMMU_WRITE ? good : -EFAULT),
		   "operation %u, %s: a write of device %u at 0x%llx: %d, but its protection is %u", w->n,
		   w->what, i, (unsigned long long)iova, err, prot);
}

/*
 * A few addresses of each device after each operation, others in turn, since a fault costs
 * more than the operation; where all are blocked, one. The caches keep what is not touched.
 */
static void check_device(struct world *w, unsigned int i)
{
	struct shadow_dev *d = &w->dev[i];
	const struct shadow_domain *where = NULL;

	if (d->stuck)
		return; /* hardware may do what it likes: an event said so */
	if (d->group >= 0 && !d->parked)
		where = &w->domain[w->group[d->group].domain];
	probe(w, i, where, page_pa((w->n + i) % N_PAGES));
	if (!where || where->type == UIOMMU_DOMAIN_BLOCKED)
		return;
	for (unsigned int k = w->page; k < w->page + 3 && k < N_PAGES; k++)
		probe(w, i, where, page_pa(k));
	probe(w, i, where, BIG_IOVA + page_pa(w->n % RAM_PAGES));
}

static void check_domain(struct world *w, const struct shadow_domain *d)
{
	for (unsigned int k = 0; k < N_PAGES + 1; k++) {
		uint64_t iova = k < N_PAGES ? page_pa(k) + 8 * k : BIG_IOVA + 0x12345, want, pa = 0;
		unsigned int prot = expected(d, iova, &want);
		int err = uiommu_iova_to_phys(d->domain, iova, &pa);

		FUZZ_CHECK(err == (prot ? 0 : -ENOENT) && (err || pa == want),
			   "operation %u, %s: 0x%llx leads to 0x%llx (%d), not 0x%llx", w->n, w->what,
			   (unsigned long long)iova, (unsigned long long)pa, err, (unsigned long long)want);
	}
}

void check_world(struct world *w)
{
	for (unsigned int g = 0; g < N_GROUPS; g++)
		FUZZ_CHECK(!w->group[g].group || uiommu_group_domain(w->group[g].group) ==
							 w->domain[w->group[g].domain].domain,
			   "operation %u, %s: group %u is not on domain %d", w->n, w->what, g,
			   w->group[g].domain);
	for (unsigned int k = 0; k < N_DOMAINS; k++)
		if (w->domain[k].domain)
			check_domain(w, &w->domain[k]);
	for (unsigned int i = 0; i < N_DEVS; i++)
		check_device(w, i);
}
