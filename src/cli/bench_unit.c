/* SPDX-License-Identifier: MIT */
/* See bench_unit.h. */
#include <errno.h>
#include <stdlib.h>

#include "cli/bench_unit.h"

static int map_pages(struct uiommu_domain *domain, unsigned int n)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = uiommu_map(domain, BENCH_IOVA + (uint64_t)i * UIOMMU_PAGE_SIZE, BENCH_PA,
				 UIOMMU_PAGE_SIZE, UIOMMU_READ | UIOMMU_WRITE);
	return err;
}

static int make_iommu(struct bench_unit *u, const struct bench_unit_opts *o)
{
	struct uiommu_vtd_model_opts model = { .size = sizeof(model), .own_thread = o->own_thread };
	struct uiommu_vtd_opts vtd = { .size = sizeof(vtd) };
	struct uiommu_ctx_opts ctx = { .size = sizeof(ctx) };
	int err = uiommu_ctx_create(&ctx, &u->ctx);

	vtd.mode = o->legacy ? UIOMMU_VTD_LEGACY : UIOMMU_VTD_SCALABLE;
	if (!err)
		err = uiommu_mem_add_pointer(u->ctx, BENCH_PA, UIOMMU_PAGE_SIZE, u->page);
	if (!err)
		err = uiommu_vtd_model_create(u->ctx, &model, &u->hw);
	if (!err)
		err = uiommu_vtd_create(u->ctx, u->hw, &vtd, &u->iommu);
	if (!err)
		err = uiommu_agent_create(u->ctx, &u->agent);
	return err;
}

static int make_domains(struct bench_unit *u, unsigned int pages)
{
	struct uiommu_domain_opts opts = { .size = sizeof(opts),
					   .type = UIOMMU_DOMAIN_PAGING,
					   .stage = UIOMMU_STAGE_SECOND };
	int err = uiommu_domain_alloc(u->iommu, &opts, &u->domain);

	if (!err)
		err = uiommu_domain_alloc(u->iommu, &opts, &u->other);
	if (!err)
		err = uiommu_domain_alloc(u->iommu, &opts, &u->third);
	if (!err)
		err = map_pages(u->domain, pages);
	if (!err)
		err = map_pages(u->other, pages < 1000 ? pages : 1000);
	return err;
}

static int make_devices(struct bench_unit *u, const struct bench_unit_opts *o)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < o->devices; i++) {
		if (i % o->per_group == 0) {
			err = uiommu_group_create(u->iommu, &u->group[u->groups]);
			if (!err)
				err = uiommu_attach_group(u->group[u->groups++], u->domain, NULL);
		}
		if (!err)
			err = uiommu_device_add(u->group[u->groups - 1], (uint16_t)(i + 8), &u->dev[i]);
		if (!err)
			err = uiommu_port_create(u->hw, (uint16_t)(i + 8), &u->port[i]);
		u->devices++;
	}
	return err;
}

int bench_unit_make(struct bench_unit *u, const struct bench_unit_opts *o)
{
	int err;

	u->page = aligned_alloc(UIOMMU_PAGE_SIZE, UIOMMU_PAGE_SIZE);
	u->group = calloc(o->devices / o->per_group + 1, sizeof(struct uiommu_group *));
	u->dev = calloc(o->devices, sizeof(struct uiommu_device *));
	u->port = calloc(o->devices, sizeof(struct uiommu_port *));
	if (!u->page || !u->group || !u->dev || !u->port)
		return -ENOMEM;
	err = make_iommu(u, o);
	if (!err)
		err = make_domains(u, o->pages);
	if (!err)
		err = make_devices(u, o);
	return err;
}

void bench_unit_end(struct bench_unit *u)
{
	unsigned int i;

	uiommu_agent_destroy(u->agent);
	for (i = 0; i < u->groups; i++)
		if (u->group[i])
			uiommu_block_group(u->group[i]);
	for (i = 0; i < u->devices; i++) {
		uiommu_port_destroy(u->port[i]);
		if (u->dev[i])
			uiommu_device_remove(u->dev[i]);
	}
	for (i = 0; i < u->groups; i++)
		if (u->group[i])
			uiommu_group_destroy(u->group[i]);
	if (u->domain)
		uiommu_domain_free(u->domain);
	if (u->other)
		uiommu_domain_free(u->other);
	if (u->third)
		uiommu_domain_free(u->third);
	uiommu_iommu_destroy(u->iommu);
	uiommu_hw_destroy(u->hw);
	uiommu_ctx_destroy(u->ctx);
	free(u->port);
	free(u->dev);
	free(u->group);
	free(u->page);
}
