/* SPDX-License-Identifier: MIT */
/*
 * `uiommu bench replace`: what a replacement costs, and that it does not depend on
 * the number of mappings. Rounds are interleaved, each figure is the median of the
 * rounds; the limits are measured in the same rounds.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <uiommu/vtd.h>

#include "base/clock.h"
#include "cli/bench_measure.h"
#include "cli/stats.h"

enum {
	ROUNDS = BENCH_ROUNDS_MAX,
	DECADES = 5,	     /* 1e2 to 1e6 mappings */
	REPLACEMENTS = 4000, /* per round and size */
	DRAINS = 1500,	     /* per round, with agents online */
	MAX_BUSY = 2,
};

static const unsigned int sizes[DECADES] = { 100, 1000, 10000, 100000, 1000000 };

#define IOVA_BASE (UINT64_C(4) << 30)
#define PA_BASE (UINT64_C(2) << 30)

struct unit {
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct uiommu_iommu *iommu;
	struct uiommu_group *group;
	struct uiommu_device *dev;
	struct uiommu_port *port;
	struct uiommu_domain *domain[DECADES][2];
	char page[UIOMMU_PAGE_SIZE] __attribute__((aligned(4096)));
};

struct figures {
	double replace[DECADES][ROUNDS], remap[DECADES][ROUNDS], drain[1 + MAX_BUSY][ROUNDS], thread[ROUNDS];
	double cas[ROUNDS], grace[ROUNDS], handoff[ROUNDS], barrier[1 + MAX_BUSY][ROUNDS];
};

static int fill(struct uiommu_domain *domain, unsigned int n)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = uiommu_map(domain, IOVA_BASE + (uint64_t)i * UIOMMU_PAGE_SIZE, PA_BASE,
				 UIOMMU_PAGE_SIZE, UIOMMU_READ | UIOMMU_WRITE);
	return err;
}

static int unit_domains(struct unit *u, unsigned int decades)
{
	struct uiommu_domain_opts opts = { .size = sizeof(opts),
					   .type = UIOMMU_DOMAIN_PAGING,
					   .stage = UIOMMU_STAGE_SECOND };
	unsigned int d, i;
	int err = 0;

	for (d = 0; !err && d < decades; d++) {
		for (i = 0; !err && i < 2; i++) {
			err = uiommu_domain_alloc(u->iommu, &opts, &u->domain[d][i]);
			if (!err)
				err = fill(u->domain[d][i], sizes[d]);
		}
	}
	return err;
}

static int unit_make(struct unit *u, bool own_thread, unsigned int decades)
{
	struct uiommu_vtd_model_opts model = { .size = sizeof(model), .own_thread = own_thread };
	struct uiommu_ctx_opts ctx = { .size = sizeof(ctx) };
	int err = uiommu_ctx_create(&ctx, &u->ctx);

	if (!err)
		err = uiommu_mem_add_pointer(u->ctx, PA_BASE, UIOMMU_PAGE_SIZE, u->page);
	if (!err)
		err = uiommu_vtd_model_create(u->ctx, &model, &u->hw);
	if (!err)
		err = uiommu_vtd_create(u->ctx, u->hw, NULL, &u->iommu);
	if (!err)
		err = uiommu_group_create(u->iommu, &u->group);
	if (!err)
		err = uiommu_device_add(u->group, 0x18, &u->dev);
	if (!err)
		err = uiommu_port_create(u->hw, 0x18, &u->port);
	if (!err)
		err = unit_domains(u, decades);
	if (!err)
		err = uiommu_attach_group(u->group, u->domain[0][0], NULL);
	return err;
}

static void unit_end(struct unit *u)
{
	unsigned int d, i;

	if (u->group)
		uiommu_block_group(u->group);
	if (u->port)
		uiommu_port_destroy(u->port);
	if (u->dev)
		uiommu_device_remove(u->dev);
	if (u->group)
		uiommu_group_destroy(u->group);
	for (d = 0; d < DECADES; d++)
		for (i = 0; i < 2; i++)
			if (u->domain[d][i])
				uiommu_domain_free(u->domain[d][i]);
	uiommu_iommu_destroy(u->iommu);
	uiommu_hw_destroy(u->hw);
	uiommu_ctx_destroy(u->ctx);
}

/* Nanoseconds of one replacement, over n of them. */
static int time_replace(struct unit *u, unsigned int decade, unsigned int n, double *ns)
{
	uint64_t start;
	unsigned int i;
	int err = uiommu_group_replace_domain(u->group, u->domain[decade][0], NULL, NULL);

	start = clock_ticks();
	for (i = 1; !err && i <= n; i++)
		err = uiommu_group_replace_domain(u->group, u->domain[decade][i & 1], NULL, NULL);
	*ns = (double)clock_ns(clock_ticks() - start) / n;
	return err;
}

static int time_remap(struct unit *u, unsigned int decade, double *ns)
{
	unsigned int n = sizes[decade] >= 100000 ? 1 : 100000 / sizes[decade], i;
	struct uiommu_domain *domain = u->domain[decade][0];
	int err = uiommu_group_replace_domain(u->group, domain, NULL, NULL);
	uint64_t start = clock_ticks();

	for (i = 0; !err && i < n; i++) {
		err = uiommu_unmap(domain, IOVA_BASE, (uint64_t)sizes[decade] * UIOMMU_PAGE_SIZE);
		if (!err)
			err = fill(domain, sizes[decade]);
	}
	*ns = (double)clock_ns(clock_ticks() - start) / n;
	return err;
}

/* A thread that does DMA in batches, or is online and asleep. */
struct dma_thread {
	struct unit *u;
	struct uiommu_agent *agent;
	pthread_t thread;
	bool busy, started;
	_Atomic bool stop;
};

static void *dma_main(void *arg)
{
	struct dma_thread *t = arg;
	uint64_t word, n = 0;
	unsigned int i;

	while (!atomic_load(&t->stop)) {
		if (!t->busy) {
			usleep(500);
			continue;
		}
		uiommu_agent_begin(t->agent);
		for (i = 0; i < 8; i++, n++)
			uiommu_dma_read(t->u->port, t->agent, UIOMMU_NO_PASID,
					IOVA_BASE + n % 100 * UIOMMU_PAGE_SIZE, &word, sizeof(word), NULL);
		uiommu_agent_end(t->agent);
		if (n % 1024 == 0)
			sched_yield();
	}
	return NULL;
}

static int time_drain(struct unit *u, unsigned int busy, double *ns, double *barrier)
{
	struct dma_thread t[MAX_BUSY];
	unsigned int i;
	int err = 0;

	memset(t, 0, sizeof(t));
	for (i = 0; !err && i < MAX_BUSY; i++) {
		t[i].u = u;
		t[i].busy = i < busy;
		err = uiommu_agent_create(u->ctx, &t[i].agent);
		if (!err && pthread_create(&t[i].thread, NULL, dma_main, &t[i]))
			err = -EAGAIN;
		t[i].started = !err;
	}
	usleep(2000);
	if (!err)
		err = time_replace(u, 0, DRAINS, ns);
	*barrier = bench_limit_barrier();
	for (i = 0; i < MAX_BUSY; i++) {
		atomic_store(&t[i].stop, true);
		if (t[i].started)
			pthread_join(t[i].thread, NULL);
		if (t[i].agent)
			uiommu_agent_destroy(t[i].agent);
	}
	return err;
}

static int one_round(struct unit *u, struct unit *threaded, struct figures *f, unsigned int r)
{
	unsigned int d, b;
	int err = 0;

	for (d = 0; !err && d < DECADES; d++)
		err = time_replace(u, d, REPLACEMENTS, &f->replace[d][r]);
	for (d = 0; !err && d < DECADES; d++)
		err = time_remap(u, d, &f->remap[d][r]);
	for (b = 0; !err && b <= MAX_BUSY; b++)
		err = time_drain(u, b, &f->drain[b][r], &f->barrier[b][r]);
	if (!err)
		err = time_replace(threaded, 0, REPLACEMENTS, &f->thread[r]);
	if (!err)
		err = bench_limit_handoff(&f->handoff[r]);
	f->cas[r] = bench_limit_cas128();
	f->grace[r] = bench_limit_grace();
	return err;
}

static void replace_rows(struct bench_table *t, struct figures *f, double cas)
{
	double least = INFINITY, most = 0;
	struct bench_row *row;
	unsigned int d;

	for (d = 0; d < DECADES; d++) {
		row = bench_add(t, "ns", "replace.cpu.1e%u", d + 2);
		row->ours = stats_median(f->replace[d], t->rounds);
		row->peer = stats_median(f->remap[d], t->rounds);
		row->limit = cas;
		row->goal = 100;
		row->goal_is = GOAL_MAX;
		least = fmin(least, row->ours);
		most = fmax(most, row->ours);
	}
	row = bench_add(t, "%", "replace.slope");
	row->ours = (most / least - 1) * 100;
	row->limit = 0;
	row->goal = 5;
	row->goal_is = GOAL_MAX;
}

static void rows(struct bench_table *t, struct figures *f)
{
	static const char *const drain_id[] = { "replace.drain.0threads", "replace.drain.1threads",
						"replace.drain.2threads" };
	double cas = stats_median(f->cas, t->rounds), handoff = stats_median(f->handoff, t->rounds);
	struct bench_row *row;
	unsigned int d, b;

	replace_rows(t, f, cas);
	for (b = 0; b <= MAX_BUSY; b++) {
		row = bench_add(t, "ns", "%s", drain_id[b]);
		row->ours = stats_median(f->drain[b], t->rounds);
		row->limit = stats_median(f->barrier[b], t->rounds);
		/* With DMA running the batches that must end come on top: no goal was set for that. */
		if (!b) {
			row->goal = row->limit + 100;
			row->goal_is = GOAL_MAX;
		}
	}
	row = bench_add(t, "ns", "replace.thread");
	row->ours = stats_median(f->thread, t->rounds);
	row->limit = handoff;
	row->goal = 3 * handoff;
	row->goal_is = GOAL_MAX;
	for (d = 0; d < DECADES; d++) {
		row = bench_add(t, "ns", "remap.1e%u", d + 2);
		row->ours = stats_median(f->remap[d], t->rounds);
	}
	bench_add(t, "ns", "limit.cas128")->ours = cas;
	bench_add(t, "ns", "limit.grace")->ours = stats_median(f->grace, t->rounds);
	bench_add(t, "ns", "limit.handoff")->ours = handoff;
	bench_add(t, "ns", "limit.barrier")->ours = stats_median(f->barrier[0], t->rounds);
}

int bench_replace(struct bench_table *t, struct cli_term *term)
{
	struct unit inline_unit, threaded;
	struct figures f;
	unsigned int r;
	int err;

	clock_ns(1);
	memset(&f, 0, sizeof(f));
	memset(&inline_unit, 0, sizeof(inline_unit));
	memset(&threaded, 0, sizeof(threaded));
	err = unit_make(&inline_unit, false, DECADES);
	if (!err)
		err = unit_make(&threaded, true, 1);
	for (r = 0; !err && r < t->rounds; r++) {
		cli_progress(term, "bench replace", r, t->rounds);
		err = one_round(&inline_unit, &threaded, &f, r);
	}
	cli_progress_end(term);
	unit_end(&threaded);
	unit_end(&inline_unit);
	if (err)
		fprintf(stderr, "uiommu bench: replace: %s\n", strerror(-err));
	else
		rows(t, &f);
	return err;
}
