/* SPDX-License-Identifier: MIT */
/*
 * `uiommu bench translate`, third part: invalidations, replacement of groups, the queue
 * on a thread of its own, and readers beside a writer.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/task.h"
#include "cli/bench_measure.h"
#include "cli/bench_translate.h"
#include "cli/bench_unit.h"
#include "driver/vtd/vtd.h"

enum { CHUNKS = 5, PAGES = 1000, BATCH = 64, GROUPS = 4 };

static void max_row(struct bench_table *t, struct bench_measure *m, double limit, double goal,
		    const char *unit, const char *id)
{
	struct bench_row *row = bench_add(t, unit, "%s", id);

	row->ours = bench_median(m);
	row->limit = limit;
	row->goal = goal;
	row->goal_is = GOAL_MAX;
}

/* ---- invalidations ---- */

enum what { PAGE, PAGE_AND_TABLES, DOMAIN };

struct inval {
	struct bench_unit *u;
	enum what what;
	unsigned int cached;
};

/* Caches the pages: all in the IOTLB, by an agent that is gone when it counts, so that no drain has to wait.
 */
static int cache_pages(struct bench_unit *u, unsigned int n)
{
	uiommu_iova_t iova;
	uiommu_pa_t pa;
	unsigned int i;
	int err = uiommu_agent_create(u->ctx, &u->agent), done = 1;

	if (err)
		return err;
	uiommu_agent_begin(u->agent);
	for (i = 0; i < n && done == 1; i++) {
		iova = BENCH_IOVA + (uint64_t)i * UIOMMU_PAGE_SIZE;
		done = uiommu_dma_translate(u->port[0], u->agent, UIOMMU_NO_PASID, UIOMMU_READ, &iova, &pa, 1,
					    NULL);
	}
	uiommu_agent_end(u->agent);
	uiommu_agent_destroy(u->agent);
	u->agent = NULL;
	return done == 1 ? 0 : -EIO;
}

/* Per descriptor, with submission and, per batch of descriptors, one wait. */
static int inval_chunk(void *arg, double *val)
{
	struct inval *v = arg;
	struct vtdd_iommu *vi = to_vtdd(v->u->iommu);
	uint32_t did = to_vtdd_domain(v->u->domain)->tag;
	uint64_t ticks = 0, start;
	struct vtdd_inv inv;
	unsigned int i = 0;
	int err = cache_pages(v->u, v->cached);

	while (!err && i < v->cached) {
		vtdd_inv_init(&inv);
		for (; inv.n < VTDD_INV_MAX && i < v->cached; i++) {
			if (v->what == DOMAIN)
				vtdd_inv_iotlb_domain(&inv, did + i % VTDD_INV_MAX);
			else
				vtdd_inv_iotlb_page(&inv, did, BENCH_IOVA + (uint64_t)i * UIOMMU_PAGE_SIZE, 0,
						    v->what == PAGE);
		}
		start = clock_ticks();
		err = vtdd_queue_run(vi, &inv);
		ticks += clock_ticks() - start;
	}
	*val = (double)clock_ns(ticks) / v->cached;
	return err;
}

/* ---- groups ---- */

struct group {
	struct bench_unit u;
	unsigned int n;
	struct uiommu_report report;
};

static const unsigned int group_sizes[GROUPS] = { 1, 10, 100, 1000 };

static int group_chunk(void *arg, double *val)
{
	struct group *g = arg;
	unsigned int turns = 2000 / g->n < 4 ? 4 : 2000 / g->n / 2 * 2, i;
	uint64_t start = clock_ticks();
	int err = 0;

	for (i = 0; !err && i < turns; i++)
		err = uiommu_group_replace_domain(g->u.group[0], i % 2 ? g->u.domain : g->u.other, NULL,
						  NULL);
	*val = (double)clock_ns(clock_ticks() - start) / turns / g->n;
	if (!err)
		err = uiommu_group_replace_domain(g->u.group[0], g->u.other, NULL, &g->report);
	return err ? err : uiommu_group_replace_domain(g->u.group[0], g->u.domain, NULL, NULL);
}

/* ---- the queue's thread ---- */

static int wait_chunk(void *arg, double *val)
{
	struct bench_unit *u = arg;
	struct vtdd_inv inv;
	unsigned int i;
	uint64_t start;
	int err = 0;

	vtdd_inv_init(&inv);
	vtdd_inv_iotlb_domain(&inv, to_vtdd_domain(u->domain)->tag);
	start = clock_ticks();
	for (i = 0; !err && i < 2000; i++)
		err = vtdd_queue_run(to_vtdd(u->iommu), &inv);
	*val = (double)clock_ns(clock_ticks() - start) / 2000;
	return err;
}

static int handoff_chunk(void *arg, double *val)
{
	(void)arg;
	return bench_limit_handoff(val);
}

static int barrier_chunk(void *arg, double *val)
{
	(void)arg;
	*val = bench_limit_barrier();
	return 0;
}

/* ---- readers beside a writer ---- */

enum mode { IDLE, APART, MAPS, UNMAPS, REPLACES_1E4, REPLACES, MODES };

struct beside {
	struct bench_unit *u, *apart;
	_Atomic unsigned int mode, seen;
	_Atomic bool stop;
	uint64_t done;
	pthread_t thread;
	uiommu_iova_t iova[PAGES];
};

struct reading {
	struct beside *b;
	enum mode mode;
};

#define MAPS_IOVA (UINT64_C(1) << 40)

/* Nothing of it is in the domain that is read. */
static void write_once(struct beside *b, enum mode mode)
{
	static const double pause_ns[MODES] = { [REPLACES_1E4] = 1e5 };
	struct bench_unit *u = b->u;
	uint64_t start = clock_ticks();
	struct task_spin spin = { 0 };

	if (mode == MAPS) {
		/* Ever more: nothing is invalidated. */
		uiommu_map(u->other, MAPS_IOVA + b->done * UIOMMU_PAGE_SIZE, BENCH_PA, UIOMMU_PAGE_SIZE,
			   UIOMMU_READ);
	} else if (mode == UNMAPS) {
		uiommu_map(u->third, MAPS_IOVA, BENCH_PA, UIOMMU_PAGE_SIZE, UIOMMU_READ);
		uiommu_unmap(u->third, MAPS_IOVA, UIOMMU_PAGE_SIZE);
	} else if (mode == APART) {
		uiommu_group_replace_domain(b->apart->group[0],
					    b->done % 2 ? b->apart->domain : b->apart->other, NULL, NULL);
	} else if (mode != IDLE) {
		uiommu_group_replace_domain(u->group[1], b->done % 2 ? u->third : u->other, NULL, NULL);
	}
	b->done++;
	while (pause_ns[mode] > 0 && (double)clock_ns(clock_ticks() - start) < pause_ns[mode] &&
	       atomic_load_explicit(&b->mode, memory_order_relaxed) == (unsigned int)mode)
		task_relax(&spin);
}

static void *writer(void *arg)
{
	struct beside *b = arg;
	struct task_spin spin = { 0 };

	while (!atomic_load(&b->stop)) {
		unsigned int mode = atomic_load_explicit(&b->mode, memory_order_acquire);

		atomic_store_explicit(&b->seen, mode, memory_order_release);
		if (mode == IDLE)
			task_relax(&spin);
		else
			write_once(b, (enum mode)mode);
	}
	return NULL;
}

static void set_mode(struct beside *b, enum mode mode)
{
	struct task_spin spin = { 0 };

	atomic_store_explicit(&b->mode, (unsigned int)mode, memory_order_release);
	while (atomic_load_explicit(&b->seen, memory_order_acquire) != (unsigned int)mode)
		task_relax(&spin);
}

/* Some hundred microseconds: several turns of the slowest writer. */
static int reading_chunk(void *arg, double *val)
{
	struct reading *r = arg;
	struct bench_unit *u = r->b->u;
	uiommu_pa_t pa[BATCH];
	uint64_t start, ticks;
	unsigned int n = 0;
	int done;

	set_mode(r->b, r->mode);
	start = clock_ticks();
	do {
		uiommu_agent_begin(u->agent);
		done = uiommu_dma_translate(u->port[0], u->agent, UIOMMU_NO_PASID, UIOMMU_READ,
					    r->b->iova + n % (PAGES / BATCH) * BATCH, pa, BATCH, NULL);
		uiommu_agent_end(u->agent);
		n++;
		ticks = clock_ticks() - start;
	} while (done == BATCH && clock_ns(ticks) < 400000);
	set_mode(r->b, IDLE);
	*val = (double)clock_ns(ticks) / ((double)n * BATCH);
	return done == BATCH ? 0 : -EIO;
}

static int readers(struct bench_table *t, struct bench_unit *u, struct bench_unit *apart,
		   struct cli_term *term)
{
	static const char *const ids[MODES] = {
		NULL, NULL, "readers.map", "readers.unmap", "readers.replace.1e4", "readers.replace.full"
	};
	struct bench_measure *m = calloc(MODES, sizeof(*m));
	struct reading r[MODES];
	struct beside b = { .u = u, .apart = apart };
	struct bench_row *row;
	unsigned int i;
	double alone;
	int err = m ? 0 : -ENOMEM;

	for (i = 0; i < PAGES; i++)
		b.iova[i] = BENCH_IOVA + (uint64_t)i * UIOMMU_PAGE_SIZE;
	if (!err && pthread_create(&b.thread, NULL, writer, &b))
		err = -EAGAIN;
	if (err) {
		free(m);
		return err;
	}
	for (i = 0; i < MODES; i++) {
		r[i] = (struct reading){ .b = &b, .mode = (enum mode)i };
		m[i].chunk = reading_chunk;
		m[i].arg = &r[i];
	}
	err = bench_rounds(m, MODES, t->rounds, 4 * CHUNKS, term, "bench translate: readers");
	atomic_store(&b.stop, true);
	pthread_join(b.thread, NULL);
	/*
	 * Beside a thread that works on another unit in another context: two CPUs may be
	 * threads of one core, and that either slows the other is not the writer's doing.
	 */
	bench_add(t, "ns", "readers.alone")->ours = bench_median(&m[IDLE]);
	alone = bench_median(&m[APART]);
	bench_add(t, "ns", "readers.apart")->ours = alone;
	for (i = MAPS; i < MODES; i++) {
		row = bench_add(t, "%", "%s", ids[i]);
		row->ours = (bench_median(&m[i]) / alone - 1) * 100;
		row->goal = 5;
		row->goal_is = GOAL_MAX;
	}
	free(m);
	return err;
}

/* ---- all of it ---- */

struct all {
	struct bench_unit plain, threaded;
	struct group group[GROUPS];
	struct inval inval[7];
	struct bench_measure m[7 + GROUPS + 3];
};

static int make(struct all *a)
{
	struct bench_unit_opts o = { .devices = 2, .per_group = 1, .pages = PAGES };
	unsigned int i;
	int err = bench_unit_make(&a->plain, &o);

	o.own_thread = true;
	if (!err)
		err = bench_unit_make(&a->threaded, &o);
	o.own_thread = false;
	for (i = 0; !err && i < GROUPS; i++) {
		a->group[i].n = o.devices = o.per_group = group_sizes[i];
		err = bench_unit_make(&a->group[i].u, &o);
		/* No agent: what a drain costs is measured elsewhere. */
		uiommu_agent_destroy(a->group[i].u.agent);
		a->group[i].u.agent = NULL;
	}
	uiommu_agent_destroy(a->plain.agent);
	a->plain.agent = NULL;
	uiommu_agent_destroy(a->threaded.agent);
	a->threaded.agent = NULL;
	return err;
}

static void end(struct all *a)
{
	unsigned int i;

	for (i = 0; i < GROUPS; i++)
		if (a->group[i].n)
			bench_unit_end(&a->group[i].u);
	bench_unit_end(&a->threaded);
	bench_unit_end(&a->plain);
}

static void measures(struct all *a)
{
	static const struct inval inval[7] = {
		{ NULL, PAGE, 64 },
		{ NULL, PAGE, 250 },
		{ NULL, PAGE, 1000 },
		{ NULL, PAGE_AND_TABLES, 64 },
		{ NULL, PAGE_AND_TABLES, 250 },
		{ NULL, PAGE_AND_TABLES, 1000 },
		{ NULL, DOMAIN, 960 },
	};
	struct bench_measure *m = a->m;
	unsigned int i;

	for (i = 0; i < 7; i++, m++) {
		a->inval[i] = inval[i];
		a->inval[i].u = &a->plain;
		m->chunk = inval_chunk;
		m->arg = &a->inval[i];
	}
	for (i = 0; i < GROUPS; i++, m++) {
		m->chunk = group_chunk;
		m->arg = &a->group[i];
	}
	m[0].chunk = wait_chunk;
	m[0].arg = &a->threaded;
	m[1].chunk = handoff_chunk;
	m[2].chunk = barrier_chunk;
}

static void rows(struct bench_table *t, struct all *a)
{
	static const char *const inval_ids[] = { "invalidate.page.64",	  "invalidate.page.250",
						 "invalidate.page.1000",  "invalidate.tables.64",
						 "invalidate.tables.250", "invalidate.tables.1000",
						 "invalidate.domain" };
	struct bench_measure *m = a->m;
	struct bench_row *row;
	double handoff = bench_median(&m[7 + GROUPS + 1]);
	char id[48];
	unsigned int i;

	for (i = 0; i < 7; i++)
		max_row(t, m++, bench_limit_cas64(), i < 6 ? 20 : 10, "ns", inval_ids[i]);
	for (i = 0; i < GROUPS; i++) {
		snprintf(id, sizeof(id), "replace.group.%u", group_sizes[i]);
		max_row(t, m++, bench_limit_cas128(), 50, "ns", id);
	}
	row = bench_add(t, "", "replace.group.batches");
	row->ours = a->group[GROUPS - 1].report.config_syncs;
	row->goal = 1;
	row->goal_is = GOAL_MAX;
	max_row(t, m, handoff, 2 * handoff, "ns", "queue.wait");
	bench_add(t, "ns", "limit.translate.handoff")->ours = handoff;
	bench_add(t, "ns", "limit.translate.barrier")->ours = bench_median(&m[2]);
}

int bench_inval(struct bench_table *t, struct cli_term *term)
{
	struct all *a = calloc(1, sizeof(*a));
	int err = a ? make(a) : -ENOMEM;

	if (!err) {
		measures(a);
		err = bench_rounds(a->m, 7 + GROUPS + 3, t->rounds, CHUNKS, term,
				   "bench translate: invalidations");
	}
	if (!err)
		rows(t, a);
	if (!err)
		err = uiommu_agent_create(a->plain.ctx, &a->plain.agent);
	if (!err)
		err = readers(t, &a->plain, &a->group[0].u, term);
	if (a)
		end(a);
	free(a);
	return err;
}
