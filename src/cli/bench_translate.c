/* SPDX-License-Identifier: MIT */
/*
 * `uiommu bench translate`, first part: what a translation costs inside a batch of
 * descriptors, by working set and by number of devices.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/bench_measure.h"
#include "cli/bench_translate.h"
#include "cli/bench_unit.h"

enum {
	CHUNKS = 9,
	BATCH = 64,	       /* addresses of a call, and of an agent's batch */
	ACCESSES = 64 * BATCH, /* of a chunk */
	SET_LG2_MIN = 8,
	SET_LG2_MAX = 20,
	SETS = SET_LG2_MAX - SET_LG2_MIN + 1,
};

/* Addresses to translate, over and over. */
struct stream {
	struct bench_unit *u;
	uiommu_iova_t *iova;
	unsigned int n, at; /* n: a multiple of BATCH */
};

/* Random order over @pages pages, each equally often. */
static int stream_make(struct stream *s, struct bench_unit *u, unsigned int pages)
{
	unsigned int n = (pages + BATCH - 1) / BATCH * BATCH, i;
	uint32_t *order = bench_permutation(pages, pages);

	s->u = u;
	s->n = n;
	s->iova = malloc(n * sizeof(*s->iova));
	if (!order || !s->iova) {
		free(order);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++)
		s->iova[i] = BENCH_IOVA + (uint64_t)order[i % pages] * UIOMMU_PAGE_SIZE +
			     (i * 8) % UIOMMU_PAGE_SIZE;
	free(order);
	return 0;
}

static int translate_chunk(void *arg, double *val)
{
	struct stream *s = arg;
	struct bench_unit *u = s->u;
	uiommu_pa_t pa[BATCH];
	uint64_t start = clock_ticks();
	unsigned int i;
	int done = BATCH;

	for (i = 0; i < ACCESSES && done == BATCH; i += BATCH) {
		uiommu_agent_begin(u->agent);
		done = uiommu_dma_translate(u->port[0], u->agent, UIOMMU_NO_PASID, UIOMMU_READ,
					    s->iova + s->at, pa, BATCH, NULL);
		uiommu_agent_end(u->agent);
		s->at = s->at + BATCH == s->n ? 0 : s->at + BATCH;
	}
	*val = (double)clock_ns(clock_ticks() - start) / ACCESSES;
	return done == BATCH ? 0 : -EIO;
}

static int read_chunk(void *arg, double *val)
{
	struct stream *s = arg;
	struct bench_unit *u = s->u;
	uint64_t start = clock_ticks(), word;
	unsigned int i, k;
	int err = 0;

	for (i = 0; i < ACCESSES && !err; i += BATCH) {
		uiommu_agent_begin(u->agent);
		for (k = 0; k < BATCH && !err; k++)
			err = uiommu_dma_read(u->port[0], u->agent, UIOMMU_NO_PASID, s->iova[s->at + k],
					      &word, sizeof(word), NULL);
		uiommu_agent_end(u->agent);
		s->at = s->at + BATCH == s->n ? 0 : s->at + BATCH;
	}
	*val = (double)clock_ns(clock_ticks() - start) / ACCESSES;
	return err;
}

static int chain_chunk(void *arg, double *val)
{
	*val = bench_limit_chain(arg);
	return 0;
}

static int cas_chunk(void *arg, double *val)
{
	(void)arg;
	*val = bench_limit_cas64();
	return 0;
}

/* Measurements of one unit. */
struct hits {
	struct bench_unit u;
	struct stream one, thousand, set[SETS];
	struct bench_chain chain[3];
	struct bench_measure m[SETS + 10];
	unsigned int n;
};

static const size_t chain_bytes[] = { 16 << 10, 256 << 10, 128 << 20 };

static struct bench_measure *add(struct hits *h, int (*chunk)(void *, double *), void *arg)
{
	struct bench_measure *m = &h->m[h->n++];

	m->chunk = chunk;
	m->arg = arg;
	return m;
}

static void goal(struct bench_row *row, double max)
{
	row->goal = max;
	row->goal_is = GOAL_MAX;
}

static int hits_streams(struct hits *h)
{
	unsigned int i;
	int err = stream_make(&h->one, &h->u, 1);

	if (!err)
		err = stream_make(&h->thousand, &h->u, 1000);
	for (i = 0; !err && i < SETS; i++)
		err = stream_make(&h->set[i], &h->u, 1u << (SET_LG2_MIN + i));
	return err;
}

static void hits_rows(struct bench_table *t, struct hits *h)
{
	struct bench_measure *m = h->m;
	double l1 = bench_median(m), l2 = bench_median(m + 1), dram = bench_median(m + 2),
	       cas = bench_median(m + 3);
	double worst = 0, last = 0;
	struct bench_row *row;
	unsigned int i;

	row = bench_add(t, "ns", "translate.hit.1");
	row->ours = bench_median(m + 4);
	row->limit = 2 * l1;
	goal(row, 3);
	row = bench_add(t, "ns", "translate.hit.1000");
	row->ours = bench_median(m + 5);
	row->limit = 2 * l1;
	goal(row, 4);
	row = bench_add(t, "ns", "translate.read.1");
	row->ours = bench_median(m + 6);
	row = bench_add(t, "ns", "translate.read.1000");
	row->ours = bench_median(m + 7);
	for (i = 0; i < SETS; i++) {
		row = bench_add(t, "ns", "translate.pages.%u", 1u << (SET_LG2_MIN + i));
		row->ours = bench_median(m + 8 + i);
		worst = i ? fmax(worst, row->ours / last) : 0;
		last = row->ours;
	}
	row = bench_add(t, "x", "translate.pages.cliff");
	row->ours = worst;
	goal(row, 2);
	bench_add(t, "ns", "limit.load.l1")->ours = l1;
	bench_add(t, "ns", "limit.load.l2")->ours = l2;
	bench_add(t, "ns", "limit.load.dram")->ours = dram;
	bench_add(t, "ns", "limit.lock")->ours = cas;
}

static int hits(struct bench_table *t, struct cli_term *term)
{
	static const struct bench_unit_opts opts = { .devices = 1,
						     .per_group = 1,
						     .pages = 1u << SET_LG2_MAX };
	struct hits *h = calloc(1, sizeof(*h));
	unsigned int i;
	int err;

	if (!h)
		return -ENOMEM;
	err = bench_unit_make(&h->u, &opts);
	if (!err)
		err = hits_streams(h);
	for (i = 0; !err && i < 3; i++)
		err = bench_chain_make(&h->chain[i], chain_bytes[i]);
	for (i = 0; i < 3; i++)
		add(h, chain_chunk, &h->chain[i]);
	add(h, cas_chunk, NULL);
	add(h, translate_chunk, &h->one);
	add(h, translate_chunk, &h->thousand);
	add(h, read_chunk, &h->one);
	add(h, read_chunk, &h->thousand);
	for (i = 0; i < SETS; i++)
		add(h, translate_chunk, &h->set[i]);
	if (!err)
		err = bench_rounds(h->m, h->n, t->rounds, CHUNKS, term, "bench translate: pages");
	if (!err)
		hits_rows(t, h);
	bench_unit_end(&h->u);
	for (i = 0; i < 3; i++)
		bench_chain_end(&h->chain[i]);
	free(h->one.iova);
	free(h->thousand.iova);
	for (i = 0; i < SETS; i++)
		free(h->set[i].iova);
	free(h);
	return err;
}

int bench_translate(struct bench_table *t, struct cli_term *term)
{
	int err = hits(t, term);

	if (!err)
		err = bench_devices(t, term);
	if (!err)
		err = bench_inval(t, term);
	cli_progress_end(term);
	if (err)
		fprintf(stderr, "uiommu bench: translate: %s\n", strerror(-err));
	return err;
}
