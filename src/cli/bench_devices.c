/* SPDX-License-Identifier: MIT */
/*
 * `uiommu bench translate`, second part: many devices, all in one domain of 1000 pages.
 * A remapping unit tells 65536 devices apart, so 100000 are behind two. Their tables are
 * written here, in legacy mode, as firmware-less software would: a driver's own memory per
 * device would be most of what is measured. Also what a unit, a port and an agent cost.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "base/ctx.h"
#include "cli/bench_measure.h"
#include "cli/bench_translate.h"
#include "cli/bench_unit.h"
#include "hw/hw.h"
#include "hw/vtd/layout.h"

enum {
	CHUNKS = 5,
	DECADES = 6, /* 1 to 1e5 devices */
	DEVICES = 100000,
	PER_UNIT = 65536,
	UNITS = 2,
	PAGES = 1000,
	BATCH = 16,    /* addresses of one device: a ring's batch */
	VISITS = 1024, /* of a chunk */
	DID = 7,
};

static const unsigned int counts[DECADES] = { 1, 10, 100, 1000, 10000, DEVICES };

struct devices {
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw[UNITS];
	struct uiommu_agent *agent;
	struct uiommu_port **port, **turn; /* by number; in random order */
	uiommu_iova_t iova[PAGES];	   /* in random order */
	uint64_t bytes;			   /* allocated and not freed */
};

struct visit {
	struct devices *d;
	unsigned int n, at, page, batch;
};

static void *counted_zalloc(void *opaque, size_t bytes)
{
	struct devices *d = opaque;
	void *p = calloc(1, bytes);

	d->bytes += malloc_usable_size(p);
	return p;
}

static void counted_free(void *opaque, void *p)
{
	struct devices *d = opaque;

	d->bytes -= malloc_usable_size(p);
	free(p);
}

static const struct uiommu_alloc_ops counted = { counted_zalloc, counted_free };

static uint64_t *page(struct devices *d, uiommu_pa_t *pa)
{
	*pa = pool_get(d->ctx->pool);
	return *pa ? pool_va(d->ctx->pool, *pa) : NULL;
}

/* Three levels down to PAGES pages of 4 KiB that start at a multiple of 1 GiB. */
static int build_second_stage(struct devices *d, uiommu_pa_t *top)
{
	const uint64_t rw = VTD_SS_R | VTD_SS_W;
	uiommu_pa_t middle, leaf = 0;
	uint64_t *l3 = page(d, top), *l2 = page(d, &middle), *l1 = NULL;
	unsigned int i;

	if (!l3 || !l2)
		return -ENOMEM;
	l3[BENCH_IOVA >> 30 & 511] = middle | rw;
	for (i = 0; i < PAGES; i++) {
		if (i % 512 == 0) {
			l1 = page(d, &leaf);
			if (!l1)
				return -ENOMEM;
			l2[i / 512] = leaf | rw;
		}
		l1[i % 512] = (BENCH_PA + (uint64_t)i * UIOMMU_PAGE_SIZE) | rw;
	}
	return 0;
}

static int build_contexts(struct devices *d, uiommu_pa_t second, uiommu_pa_t *root)
{
	uint64_t *roots = page(d, root), *entries;
	unsigned int bus, i;
	uiommu_pa_t table;

	for (bus = 0; roots && bus < 256; bus++) {
		entries = page(d, &table);
		if (!entries)
			return -ENOMEM;
		roots[2 * bus] = table | 1;
		for (i = 0; i < 256; i++) {
			entries[2 * i] = second | VTD_CE0_P;
			entries[2 * i + 1] = field_put(VTD_CE1_AW, VTD_AW_39) | field_put(VTD_CE1_DID, DID);
		}
	}
	return roots ? 0 : -ENOMEM;
}

static int make(struct devices *d)
{
	struct uiommu_ctx_opts ctx = { .size = sizeof(ctx), .alloc_ops = &counted, .opaque = d };
	uint32_t *pages = bench_permutation(PAGES, 3), *order;
	uiommu_pa_t second = 0, root = 0;
	unsigned int i;
	int err = uiommu_ctx_create(&ctx, &d->ctx);

	d->port = calloc(DEVICES, sizeof(struct uiommu_port *));
	d->turn = calloc(DEVICES, sizeof(struct uiommu_port *));
	order = bench_permutation(DEVICES, 4);
	if (!err && (!pages || !d->port || !d->turn || !order))
		err = -ENOMEM;
	for (i = 0; !err && i < PAGES; i++)
		d->iova[i] = BENCH_IOVA + (uint64_t)pages[i] * UIOMMU_PAGE_SIZE;
	free(pages);
	if (!err)
		err = build_second_stage(d, &second);
	if (!err)
		err = build_contexts(d, second, &root);
	for (i = 0; !err && i < UNITS; i++) {
		err = uiommu_vtd_model_create(d->ctx, NULL, &d->hw[i]);
		if (err)
			break;
		d->hw[i]->ops->write64(d->hw[i], VTD_REG_RTADDR, root);
		d->hw[i]->ops->write32(d->hw[i], VTD_REG_GCMD, VTD_G_SRTP);
		d->hw[i]->ops->write32(d->hw[i], VTD_REG_GCMD, VTD_G_TE);
	}
	for (i = 0; !err && i < DEVICES; i++)
		err = uiommu_port_create(d->hw[i / PER_UNIT], (uint16_t)(i % PER_UNIT), &d->port[i]);
	for (i = 0; !err && i < DEVICES; i++)
		d->turn[i] = d->port[order[i]];
	free(order);
	if (!err)
		err = uiommu_agent_create(d->ctx, &d->agent);
	return err;
}

static void end(struct devices *d)
{
	unsigned int i;

	uiommu_agent_destroy(d->agent);
	for (i = 0; d->port && i < DEVICES; i++)
		uiommu_port_destroy(d->port[i]);
	for (i = 0; i < UNITS; i++)
		uiommu_hw_destroy(d->hw[i]);
	uiommu_ctx_destroy(d->ctx);
	free(d->turn);
	free(d->port);
}

static int visit_chunk(void *arg, double *val)
{
	struct visit *v = arg;
	struct devices *d = v->d;
	uiommu_pa_t pa[BATCH];
	struct uiommu_port *port;
	unsigned int i;
	uint64_t start = clock_ticks();
	int done;

	for (i = 0; i < VISITS; i++) {
		/* The first n of all in random order. */
		port = d->turn[v->at];
		v->at = v->at + 1 == v->n ? 0 : v->at + 1;
		uiommu_agent_begin(d->agent);
		done = uiommu_dma_translate(port, d->agent, UIOMMU_NO_PASID, UIOMMU_READ, d->iova + v->page,
					    pa, v->batch, NULL);
		uiommu_agent_end(d->agent);
		if (done != (int)v->batch)
			return -EIO;
		v->page = v->page + 2 * v->batch > PAGES ? 0 : v->page + v->batch;
	}
	*val = (double)clock_ns(clock_ticks() - start) / (VISITS * v->batch);
	return 0;
}

/* So that each device's entries are cached when it counts. */
static int visit_all(struct devices *d)
{
	struct visit v = { .d = d, .n = DEVICES, .batch = 1 };
	unsigned int i;
	double val;
	int err = 0;

	for (i = 0; !err && i <= DEVICES / VISITS; i++)
		err = visit_chunk(&v, &val);
	return err;
}

static void memory_row(struct bench_table *t, const char *id, uint64_t bytes)
{
	bench_add(t, "KiB", "%s", id)->ours = (double)bytes / 1024;
}

static void memory_rows(struct bench_table *t, struct devices *d)
{
	struct uiommu_port *port[2] = { NULL, NULL };
	struct uiommu_agent *agent = NULL;
	struct uiommu_hw *hw = NULL;
	uint64_t before = d->bytes;

	if (!uiommu_vtd_model_create(d->ctx, NULL, &hw)) {
		memory_row(t, "memory.unit", d->bytes - before);
		/* The first of a bus pays for the bus. */
		if (!uiommu_port_create(hw, 0, &port[0])) {
			before = d->bytes;
			if (!uiommu_port_create(hw, 1, &port[1]))
				memory_row(t, "memory.port", d->bytes - before);
		}
	}
	before = d->bytes;
	if (!uiommu_agent_create(d->ctx, &agent))
		memory_row(t, "memory.agent", d->bytes - before);
	uiommu_agent_destroy(agent);
	uiommu_port_destroy(port[1]);
	uiommu_port_destroy(port[0]);
	uiommu_hw_destroy(hw);
}

static void add_row(struct bench_table *t, struct bench_measure *m, const char *id, unsigned int n)
{
	struct bench_row *row = bench_add(t, "ns", "%s.%u", id, n);

	row->ours = bench_median(m);
	row->goal = 8;
	row->goal_is = GOAL_MAX;
}

int bench_devices(struct bench_table *t, struct cli_term *term)
{
	struct devices *d = calloc(1, sizeof(*d));
	struct bench_measure *m = calloc(2 * DECADES, sizeof(*m));
	struct visit visit[2 * DECADES];
	unsigned int i;
	int err = d && m ? make(d) : -ENOMEM;

	for (i = 0; m && i < 2 * DECADES; i++) {
		visit[i] =
			(struct visit){ .d = d, .n = counts[i % DECADES], .batch = i < DECADES ? BATCH : 1 };
		m[i].chunk = visit_chunk;
		m[i].arg = &visit[i];
	}
	if (!err)
		err = visit_all(d);
	if (!err)
		err = bench_rounds(m, 2 * DECADES, t->rounds, CHUNKS, term, "bench translate: devices");
	for (i = 0; !err && i < 2 * DECADES; i++)
		add_row(t, &m[i], i < DECADES ? "translate.devices" : "translate.devices.single",
			counts[i % DECADES]);
	if (!err)
		memory_rows(t, d);
	if (d)
		end(d);
	free(m);
	free(d);
	return err;
}
