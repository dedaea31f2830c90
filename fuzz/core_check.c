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

void want(struct wants *wants, bool cond, int err)
{
	if (cond && wants->n < sizeof(wants->err) / sizeof(wants->err[0]))
		wants->err[wants->n++] = err;
}

void check_wants(struct world *w, int err, const struct wants *wants)
{
	for (unsigned int i = 0; i < wants->n; i++)
		if (err == wants->err[i])
			return;
	check_error(w, err, wants->n ? wants->err[0] : 0);
}

bool refused(const struct uiommu_replace_opts *opts, int err, const struct uiommu_report *report)
{
	if (!opts)
		return false;
	FUZZ_CHECK(err || report->gap <= opts->worst_gap, "gap %d instead of %d", report->gap,
		   opts->worst_gap);
	return err == -EOPNOTSUPP && opts->worst_gap < UIOMMU_GAP_BLOCKED;
}

void check_report(const struct uiommu_report *r, int err)
{
	FUZZ_CHECK(memchr(r->reason, 0, sizeof(r->reason)), "a reason without an end");
	FUZZ_CHECK((unsigned int)r->gap <= UIOMMU_GAP_UNKNOWN &&
			   (unsigned int)r->best_gap <= UIOMMU_GAP_UNKNOWN,
		   "gap %d, best %d", r->gap, r->best_gap);
	FUZZ_CHECK((r->gap <= UIOMMU_GAP_NONE && !err) || r->reason[0], "gap %d, error %d and no reason",
		   r->gap, err);
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

/*
 * @where: NULL: nowhere. The first word of a page is read, then written with what it holds.
 * @att: with which PASID.
 */
static void probe(struct world *w, unsigned int i, unsigned int att, const struct shadow_domain *where,
		  uint64_t iova)
{
	uint64_t pa = 0, val = 0;
	unsigned int prot = where ? expected(where, iova, &pa) : 0;
	int err, good = pa >= RAM_BASE && pa < RAM_BASE + RAM_SIZE ? 0 : -EIO; /* no memory there */
	uint32_t pasid = core_pasids[att];
	struct shadow_dev *d = &w->dev[i];

	uiommu_agent_begin(w->agent);
	err = uiommu_dma_read(d->port, w->agent, pasid, iova, &val, sizeof(val), NULL);
	uiommu_agent_end(w->agent);
	if (where && where->stale)
		return;
	FUZZ_CHECK(err == (prot & UIOMMU_READ ? good : -EFAULT),
		   "operation %u, %s: device %u, PASID 0x%x at 0x%llx: %d, but its protection is %u", w->n,
		   w->what, i, pasid, (unsigned long long)iova, err, prot);
	FUZZ_CHECK(err || val == pa,
		   "operation %u, %s: device %u, PASID 0x%x at 0x%llx sees 0x%llx instead of 0x%llx", w->n,
		   w->what, i, pasid, (unsigned long long)iova, (unsigned long long)val,
		   (unsigned long long)pa);
	uiommu_agent_begin(w->agent);
	err = uiommu_dma_write(d->port, w->agent, pasid, iova, &pa, prot ? sizeof(pa) : 1, NULL);
	uiommu_agent_end(w->agent);
	FUZZ_CHECK(
		err == (prot & UIOMMU_WRITE ? good : -EFAULT),
		"operation %u, %s: a write of device %u, PASID 0x%x at 0x%llx: %d, but its protection is %u",
		w->n, w->what, i, pasid, (unsigned long long)iova, err, prot);
}

/* On which domain a device must be with a PASID; NULL: nowhere. */
static const struct shadow_domain *place(const struct world *w, const struct shadow_dev *d, unsigned int att)
{
	const struct shadow_group *g;
	int k;

	if (d->group < 0 || d->resets || d->att[att].parked)
		return NULL;
	g = &w->group[d->group];
	if (att && !d->max_pasids)
		return NULL;
	k = att ? g->pasid[att] : g->domain;
	return k < 0 ? NULL : &w->domain[k];
}

/*
 * A few addresses of each device after each operation, others in turn, since a fault costs
 * more than the operation; where all are blocked, one. The caches keep what is not touched.
 */
static void check_att(struct world *w, unsigned int i, unsigned int att)
{
	struct shadow_dev *d = &w->dev[i];
	const struct shadow_domain *where = place(w, d, att);

	if (d->att[att].stuck)
		return; /* hardware may do what it likes: an event said so */
	if (att && !where && (w->n + att) % N_PASIDS)
		return;
	w->probing = true;
	/* Found by group: also for a device of it that cannot do PASIDs. */
	w->fault = d->group >= 0 ? w->group[d->group].handle[att] : NULL;
	probe(w, i, att, where, page_pa((w->n + i) % N_PAGES));
	if (where && where->type != UIOMMU_DOMAIN_BLOCKED) {
		for (unsigned int k = w->page; k < w->page + 3 && k < N_PAGES; k++)
			probe(w, i, att, where, page_pa(k));
		probe(w, i, att, where, BIG_IOVA + page_pa(w->n % RAM_PAGES));
	}
	w->probing = false;
}

static void check_handle(struct world *w, unsigned int g, unsigned int att)
{
	const struct uiommu_attach_handle *want = w->group[g].handle[att];
	int domain = att ? w->group[g].pasid[att] : w->group[g].domain, err;
	struct uiommu_attach_handle *handle = NULL;

	err = uiommu_attach_handle_get(w->group[g].group, core_pasids[att], -1, &handle);
	FUZZ_CHECK(err == (want ? 0 : -ENOENT) && handle == want,
		   "operation %u, %s: handle %u of group %u: %d", w->n, w->what, att, g, err);
	FUZZ_CHECK(!want || want->domain == w->domain[domain].domain,
		   "operation %u, %s: handle %u of group %u has another domain", w->n, w->what, att, g);
}

static void check_group(struct world *w, unsigned int g)
{
	struct shadow_group *s = &w->group[g];

	for (unsigned int att = 0; att < N_ATTS; att++) {
		int k = att ? s->pasid[att] : s->domain;

		FUZZ_CHECK(uiommu_pasid_domain(s->group, core_pasids[att]) ==
				   (k < 0 ? NULL : w->domain[k].domain),
			   "operation %u, %s: group %u, PASID 0x%x is not on domain %d", w->n, w->what, g,
			   core_pasids[att], k);
		check_handle(w, g, att);
	}
	FUZZ_CHECK(uiommu_group_domain(s->group) == w->domain[s->domain].domain, "group_domain");
	FUZZ_CHECK(uiommu_group_default_domain(s->group) == w->domain[s->deflt].domain, "default_domain");
	FUZZ_CHECK(uiommu_group_dma_owner_claimed(s->group) == !!s->claims,
		   "operation %u, %s: owner of group %u", w->n, w->what, g);
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
		if (w->group[g].group)
			check_group(w, g);
	for (unsigned int k = 0; k < N_DOMAINS; k++)
		if (w->domain[k].domain)
			check_domain(w, &w->domain[k]);
	for (unsigned int i = 0; i < N_DEVS; i++)
		for (unsigned int att = 0; att < (w->scalable ? N_ATTS : 1); att++)
			check_att(w, i, att);
}
