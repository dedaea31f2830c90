/* SPDX-License-Identifier: MIT */
/*
 * The probing task: batches of random reads, each judged at once while its batch's
 * number is published. Nothing is allocated and no lock taken while it runs.
 */
#include "pci/copy/probe.h"

#include <errno.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "pci/copy/bell.h"

#define CELLS (UIOMMU_PAGE_SIZE / sizeof(struct probe_cell))
#define BATCH_DEFAULT 16

struct probe {
	struct probe_opts opts;
	struct uiommu_agent *agent;
	struct task *task; /* NULL once it was joined */
	atomic_bool stop;
	/*
	 * The controller stores paused and looks at resting; the probe stores resting and
	 * looks at paused before each batch. Sequentially consistent, so one sees the other;
	 * exchanges, since qemu-user 7.2 lets a load of aarch64 pass a store (stlr, ldar).
	 */
	atomic_bool paused, resting;
	struct bell bell; /* resume and stop ring */
	uint64_t rng;
	uint64_t longest_ticks;
	_Atomic uint64_t accesses;
	struct probe_watch watch;
	struct probe_counts counts;
	struct probe_cell buf[CELLS];
};

/* splitmix64: every seed, 0 too, gives a full-length sequence. */
static uint64_t next_random(struct probe *p)
{
	uint64_t z = p->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Lengths are spread over the powers of two, so that short accesses and whole pages both occur often. */
static void choose_span(struct probe *p, uiommu_iova_t *iova, size_t *len)
{
	uint64_t r = next_random(p);
	uint64_t page = (r & UINT32_MAX) * p->opts.n_pages >> 32;
	size_t cells, first;

	_Static_assert(CELLS == 128, "seven bits choose the length, eight the power");
	cells = 1 + ((r >> 32 & 127) & ((1u << (r >> 40 & 7)) - 1));
	if ((r >> 43 & 7) == 0)
		cells = CELLS;
	first = (r >> 48) * (CELLS - cells + 1) >> 16;
	*iova = p->opts.pages[page] + first * sizeof(struct probe_cell);
	*len = cells * sizeof(struct probe_cell);
}

static void note_time(struct probe *p, uint64_t ticks)
{
	if (ticks <= p->longest_ticks)
		return;
	p->longest_ticks = ticks;
	atomic_store_explicit(&p->counts.longest_ns, clock_ns(ticks), memory_order_relaxed);
}

static void probe_once(struct probe *p)
{
	const struct probe_history *h = p->opts.history;
	uint64_t before, after, start, end;
	uiommu_iova_t iova;
	size_t len;
	int err;

	choose_span(p, &iova, &len);
	before = probe_seq_before(h);
	start = clock_ticks();
	err = uiommu_dma_read(p->opts.port, p->agent, p->opts.pasid, iova, p->buf, len, NULL);
	end = clock_ticks();
	after = probe_seq_after(h);
	note_time(p, end - start);
	probe_judge(h, before, after, iova, err ? NULL : p->buf, len, err == -EFAULT, &p->counts);
}

static void count_one(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void write_once(struct probe *p)
{
	uint64_t r = next_random(p), start;
	size_t cells = 1 + (r & (r >> 8) & (CELLS - 1)), first = (r >> 48) * (CELLS - cells + 1) >> 16;
	uint64_t *word = (uint64_t *)p->buf;
	int err;

	for (size_t i = 0; i < cells * sizeof(struct probe_cell) / 8; i++)
		word[i] = r;
	start = clock_ticks();
	err = uiommu_dma_write(p->opts.port, p->agent, p->opts.pasid,
			       p->opts.write_page + first * sizeof(struct probe_cell), p->buf,
			       cells * sizeof(struct probe_cell), NULL);
	note_time(p, clock_ticks() - start);
	count_one(!err ? &p->counts.right : err == -EFAULT ? &p->counts.blocked : &p->counts.wrong);
}

static void rest(struct probe *p)
{
	atomic_store_explicit(&p->resting, true, memory_order_seq_cst);
	for (;;) {
		uint32_t seen = bell_look(&p->bell);

		if (!atomic_load_explicit(&p->paused, memory_order_seq_cst) ||
		    atomic_load_explicit(&p->stop, memory_order_relaxed))
			break;
		bell_wait(&p->bell, seen);
	}
	atomic_exchange_explicit(&p->resting, false, memory_order_seq_cst);
}

static void probe_main(void *arg)
{
	struct probe *p = arg;
	uint64_t done = 0, limit = p->opts.limit ? p->opts.limit : UINT64_MAX;
	struct task_spin spin = { 0 };

	while (done < limit && !atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		if (atomic_load_explicit(&p->paused, memory_order_seq_cst)) {
			rest(p);
			continue;
		}
		probe_watch_begin(p->opts.history, &p->watch);
		uiommu_agent_begin(p->agent);
		for (unsigned int i = 0; i < p->opts.batch && done < limit; i++, done++)
			if (p->opts.write_page && done % 8 == 7)
				write_once(p);
			else
				probe_once(p);
		uiommu_agent_end(p->agent);
		probe_watch_end(&p->watch);
		atomic_store_explicit(&p->accesses, done, memory_order_relaxed);
		task_pass(&spin);
	}
	/* For good. */
	atomic_store_explicit(&p->resting, true, memory_order_seq_cst);
}

int probe_start(const struct probe_opts *opts, struct probe **probe)
{
	struct probe *p;
	int err;

	if (!opts->n_pages)
		return -EINVAL;
	p = alloc_struct(&opts->ctx->alloc, struct probe);
	if (!p)
		return -ENOMEM;
	p->opts = *opts;
	if (!p->opts.batch)
		p->opts.batch = BATCH_DEFAULT;
	p->rng = opts->seed;
	atomic_init(&p->paused, opts->paused);
	(void)clock_ns(0); /* its first call measures for a while: not in a batch */
	err = uiommu_agent_create(opts->ctx, &p->agent);
	if (err)
		goto free_probe;
	bell_init(&p->bell);
	probe_watch_add(opts->history, &p->watch);
	err = task_spawn(opts->tasks, "probe", probe_main, p, &p->task);
	if (err)
		goto del_watch;
	*probe = p;
	return 0;

del_watch:
	probe_watch_del(opts->history, &p->watch);
	bell_fini(&p->bell);
	uiommu_agent_destroy(p->agent);
free_probe:
	alloc_free(&opts->ctx->alloc, p);
	return err;
}

const struct probe_counts *probe_counts(const struct probe *probe)
{
	return &probe->counts;
}

uint64_t probe_accesses(const struct probe *probe)
{
	return atomic_load_explicit(&probe->accesses, memory_order_relaxed);
}

void probe_pause(struct probe *probe)
{
	struct task_spin spin = { 0 };

	atomic_exchange_explicit(&probe->paused, true, memory_order_seq_cst);
	while (!atomic_load_explicit(&probe->resting, memory_order_seq_cst))
		task_relax(&spin);
}

void probe_resume(struct probe *probe)
{
	atomic_store_explicit(&probe->paused, false, memory_order_seq_cst);
	bell_ring(&probe->bell);
}

void probe_stop(struct probe *probe)
{
	if (!probe->task)
		return;
	atomic_store_explicit(&probe->stop, true, memory_order_relaxed);
	bell_ring(&probe->bell);
	task_join(probe->task);
	probe->task = NULL;
	probe_watch_del(probe->opts.history, &probe->watch);
	bell_fini(&probe->bell);
	/* An agent that is gone costs a drain nothing. */
	uiommu_agent_destroy(probe->agent);
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	probe_stop(probe);
	alloc_free(&probe->opts.ctx->alloc, probe);
}
