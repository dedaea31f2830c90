/* SPDX-License-Identifier: MIT */
/*
 * File traffic through the copy engine. The windows' pages are used in two shuffled
 * orders, so that neighbouring pages of the file lie apart on both sides.
 */
#include "cli/traffic.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "cli/world.h"
#include "pci/copy/client.h"

enum { RING_LG2 = 8 };

_Static_assert((64 + 32) << RING_LG2 <= RING_PAGES * UIOMMU_PAGE_SIZE, "the rings fit their pages");

struct traffic {
	struct world *w;
	struct copy_client *client;
	struct task *task;
	uiommu_iova_t src[WINDOW_PAGES], dst[WINDOW_PAGES];
	_Atomic uint64_t passes;
	_Atomic bool stop;   /* at once */
	_Atomic bool finish; /* after a whole pass */
	bool equal;
	uint64_t bytes;
	int error;
};

static void shuffle(uiommu_iova_t *page, unsigned int n, uint64_t seed)
{
	unsigned int i, j;
	uiommu_iova_t keep;

	for (i = n - 1; i > 0; i--) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		j = (unsigned int)((seed >> 33) % (i + 1));
		keep = page[i];
		page[i] = page[j];
		page[j] = keep;
	}
}

static char *page_of(const struct traffic *t, uiommu_iova_t iova)
{
	return t->w->ram + (iova - RAM_BASE);
}

/* One window full: into the source pages, through the engine, out of the destination pages. */
static int copy_window(struct traffic *t, size_t at, size_t len)
{
	size_t pages = (len + UIOMMU_PAGE_SIZE - 1) / UIOMMU_PAGE_SIZE, i, part;
	const char *data = (const char *)t->w->opts->data + at;
	char *copy = (char *)t->w->opts->copy + at;
	struct copy_pages job = { .src = t->src, .dst = t->dst, .n = pages, .bytes = len };
	struct task_spin spin = { 0 };
	int r;

	for (i = 0; i < pages; i++) {
		part = len - i * UIOMMU_PAGE_SIZE < UIOMMU_PAGE_SIZE ? len - i * UIOMMU_PAGE_SIZE
								     : UIOMMU_PAGE_SIZE;
		memcpy(page_of(t, t->src[i]), data + i * UIOMMU_PAGE_SIZE, part);
		memset(page_of(t, t->dst[i]), 0, part);
	}
	while (!(r = copy_pages_turn(t->client, &job))) {
		if (atomic_load(&t->stop))
			return -ECANCELED;
		task_relax(&spin);
	}
	if (r < 0)
		return r;
	for (i = 0; i < pages; i++) {
		part = len - i * UIOMMU_PAGE_SIZE < UIOMMU_PAGE_SIZE ? len - i * UIOMMU_PAGE_SIZE
								     : UIOMMU_PAGE_SIZE;
		memcpy(copy + i * UIOMMU_PAGE_SIZE, page_of(t, t->dst[i]), part);
	}
	t->bytes += len;
	return 0;
}

static int one_pass(struct traffic *t)
{
	const struct scenario_opts *opts = t->w->opts;
	const size_t window = (size_t)WINDOW_PAGES * UIOMMU_PAGE_SIZE;
	size_t at, len;
	int err;

	memset(opts->copy, 0, opts->len);
	for (at = 0; at < opts->len; at += len) {
		len = opts->len - at < window ? opts->len - at : window;
		err = copy_window(t, at, len);
		if (err)
			return err;
	}
	if (memcmp(opts->data, opts->copy, opts->len))
		t->equal = false;
	atomic_fetch_add(&t->passes, 1);
	return 0;
}

static void traffic_main(void *arg)
{
	struct traffic *t = arg;

	do
		t->error = one_pass(t);
	while (!t->error && t->equal && !atomic_load(&t->stop) && !atomic_load(&t->finish));
}

int traffic_start(struct world *w, struct traffic **traffic)
{
	struct traffic *t = calloc(1, sizeof(*t));
	struct copy_client_opts opts = {
		.alloc = &w->ctx->alloc,
		.copy = w->engine,
		.mem = world_page(w, FIRST_RING_PAGE),
		.iova = world_page_pa(FIRST_RING_PAGE),
		.size_lg2 = RING_LG2,
		.pasid = UIOMMU_NO_PASID,
		.retry = true,
	};
	unsigned int i;
	int err;

	*traffic = t;
	if (!t)
		return world_error(w, -ENOMEM, "file traffic");
	t->w = w;
	t->equal = true;
	for (i = 0; i < WINDOW_PAGES; i++) {
		t->src[i] = world_page_pa(FIRST_SRC_PAGE + i);
		t->dst[i] = world_page_pa(FIRST_DST_PAGE + i);
	}
	shuffle(t->src, WINDOW_PAGES, w->opts->seed + 1);
	shuffle(t->dst, WINDOW_PAGES, w->opts->seed + 2);
	err = copy_client_create(&opts, &t->client);
	if (!err)
		err = task_spawn(w->tasks, "traffic", traffic_main, t, &t->task);
	return err ? world_error(w, err, "starting file traffic") : 0;
}

uint64_t traffic_passes(const struct traffic *t)
{
	return atomic_load(&t->passes);
}

void traffic_finish(struct traffic *t, bool *equal, uint64_t *bytes)
{
	atomic_store(&t->finish, true);
	task_join(t->task);
	t->task = NULL;
	*equal = t->equal && !t->error;
	*bytes = t->bytes;
}

void traffic_stop(struct traffic *t)
{
	if (!t)
		return;
	atomic_store(&t->stop, true);
	if (t->task)
		task_join(t->task);
	copy_client_destroy(t->client);
	free(t);
}
