/* SPDX-License-Identifier: MIT */
/*
 * The probes' verdicts: every class in every phase of a history against a reference
 * that knows nothing of rings; then probes beside switchers that do it right, late,
 * mixed up or without a drain: each must be told from the others. Production and steered.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/choice.h"
#include "base/clock.h"
#include "base/sanitize.h"
#include "pci/copy/probe.h"
#include "pci/mock.h"

#ifdef UIOMMU_STEERED
#define SEEDS (BUILD_TSAN ? 10 : 25)
#define SWITCHES 60
#else
#define SEEDS 2
#define SWITCHES (BUILD_TSAN ? 800 : 3000)
#endif

enum verdict { RIGHT, STALE, WRONG, BLOCKED, UNJUDGED };

static enum verdict verdict_of(const struct probe_history *h, uint64_t before, uint64_t after,
			       uiommu_iova_t iova, const void *data, size_t len, bool fault)
{
	struct probe_counts c;
	bool bad;

	memset(&c, 0, sizeof(c));
	probe_judge(h, before, after, iova, data, len, fault, &c);
	assert_int_equal(c.right + c.stale + c.wrong + c.blocked + c.unjudged, 1);
	bad = c.stale || c.wrong;
	assert_int_equal(c.have_bad, bad);
	if (bad) {
		assert_int_equal(c.bad.wrong, c.wrong);
		assert_int_equal(c.bad.seq_before, before);
		assert_int_equal(c.bad.seq_after, after);
		assert_int_equal(c.bad.iova, iova);
	}
	return c.right ? RIGHT : c.stale ? STALE : c.wrong ? WRONG : c.blocked ? BLOCKED : UNJUDGED;
}

static void switch_to(struct probe_history *h, uint64_t domain, uint64_t generation)
{
	probe_history_begin(h, (struct probe_stamp){ domain, generation });
	probe_history_end(h);
}

static struct probe_history *history_create(uint64_t domain, uint64_t generation)
{
	struct probe_history *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	probe_history_init(h, (struct probe_stamp){ domain, generation });
	return h;
}

static enum verdict verdict_of_stamp(const struct probe_history *h, uint64_t before, uint64_t after,
				     uint64_t domain, uint64_t generation)
{
	struct probe_cell cells[3];

	probe_stamp_page(cells, sizeof(cells), 0x7020, (struct probe_stamp){ domain, generation });
	return verdict_of(h, before, after, 0x7020, cells, sizeof(cells), false);
}

/* The rule of the classes, told with times instead of indices. */
static enum verdict reference(const struct probe_stamp *installed, uint64_t n, uint64_t before,
			      uint64_t after, struct probe_stamp s)
{
	enum verdict v = WRONG;

	if (!s.domain)
		return WRONG;
	for (uint64_t k = 0; k < n; k++) {
		/* Allowed from the begin of its own switch to the end of the next one. */
		uint64_t from = k ? 2 * k - 1 : 0, until = 2 * k + 1;

		if (installed[k].domain != s.domain || installed[k].generation != s.generation)
			continue;
		if (until < before && v == WRONG)
			v = STALE;
		if (until >= before && from <= after)
			v = RIGHT;
	}
	return v;
}

static void all_phases(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		uint64_t rng = seed, n = 1 + mock_random(&rng) % 40, seen[5] = { 0 }, last;
		struct probe_stamp installed[40];
		struct probe_history *h;

		for (uint64_t k = 0; k < n; k++)
			installed[k] = (struct probe_stamp){ mock_random(&rng) % 4, mock_random(&rng) % 3 };
		h = history_create(installed[0].domain, installed[0].generation);
		for (uint64_t k = 1; k < n - 1; k++)
			switch_to(h, installed[k].domain, installed[k].generation);
		/* The last one may still go on. */
		if (n > 1)
			probe_history_begin(h, installed[n - 1]);
		if (n > 1 && seed % 2)
			probe_history_end(h);
		last = atomic_load(&h->seq);
		for (int i = 0; i < 2000; i++) {
			struct probe_stamp s = { mock_random(&rng) % 5, mock_random(&rng) % 4 };
			uint64_t before = mock_random(&rng) % (last + 1);
			uint64_t after =
				before + mock_random(&rng) % (last + 1 - before) % (i % 2 ? 3 : last + 1);
			enum verdict want = reference(installed, n, before, after, s);

			if (verdict_of_stamp(h, before, after, s.domain, s.generation) != want)
				fail_msg("seed %u: %u to %u, stamp %u.%u", (unsigned int)seed,
					 (unsigned int)before, (unsigned int)after, (unsigned int)s.domain,
					 (unsigned int)s.generation);
			seen[want]++;
		}
		if (n > 10)
			assert_true(seen[RIGHT] && seen[STALE] && seen[WRONG]);
		free(h);
	}
}

static void stamps_by_hand(void **state)
{
	struct probe_history *h = history_create(10, 1);

	(void)state;
	assert_int_equal(verdict_of_stamp(h, 0, 0, 10, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 0, 0, 11, 1), WRONG);
	probe_history_begin(h, (struct probe_stamp){ 11, 1 });
	/* Before it began, while it goes on, both. */
	assert_int_equal(verdict_of_stamp(h, 0, 0, 11, 1), WRONG);
	assert_int_equal(verdict_of_stamp(h, 0, 1, 11, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 1, 1, 10, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 1, 1, 11, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 1, 1, 11, 2), WRONG);
	probe_history_end(h);
	assert_int_equal(verdict_of_stamp(h, 1, 2, 10, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 2, 2, 11, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 2, 2, 10, 1), STALE);
	/* Blocked: nothing may be read, not even a well-made cell of domain 0. */
	switch_to(h, 0, 0);
	assert_int_equal(verdict_of_stamp(h, 4, 4, 0, 0), WRONG);
	assert_int_equal(verdict_of_stamp(h, 4, 4, 11, 1), STALE);
	assert_int_equal(verdict_of_stamp(h, 2, 4, 11, 1), RIGHT);
	free(h);
}

static void cancelled(void **state)
{
	struct probe_history *h = history_create(10, 1);
	uint64_t seq;

	(void)state;
	probe_history_begin(h, (struct probe_stamp){ 11, 1 });
	probe_history_cancel(h);
	seq = atomic_load(&h->seq);
	assert_false(seq & 1);
	/* Within the attempt either; afterwards the former only, and the other one was there before. */
	assert_int_equal(verdict_of_stamp(h, 0, seq, 11, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 1, 1, 11, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 1, seq, 10, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, 0, 0, 11, 1), WRONG);
	assert_int_equal(verdict_of_stamp(h, seq, seq, 10, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, seq, seq, 11, 1), STALE);
	switch_to(h, 12, 1);
	assert_int_equal(verdict_of_stamp(h, seq + 2, seq + 2, 12, 1), RIGHT);
	assert_int_equal(verdict_of_stamp(h, seq + 2, seq + 2, 10, 1), STALE);
	free(h);
}

static void cells(void **state)
{
	struct probe_history *h = history_create(10, 1);
	struct probe_cell page[128], other[128];
	const uiommu_iova_t iova = 0x123000;

	(void)state;
	probe_history_begin(h, (struct probe_stamp){ 11, 1 });
	probe_stamp_page(page, sizeof(page), iova, (struct probe_stamp){ 10, 1 });
	probe_stamp_page(other, sizeof(other), iova, (struct probe_stamp){ 11, 1 });
	assert_int_equal(verdict_of(h, 1, 1, iova, page, sizeof(page), false), RIGHT);
	assert_int_equal(verdict_of(h, 1, 1, iova + 32 * 7, page + 7, 32, false), RIGHT);
	assert_int_equal(verdict_of(h, 1, 1, iova, page, sizeof(page), true), BLOCKED);
	assert_int_equal(verdict_of(h, 1, 1, iova, NULL, sizeof(page), false), WRONG);
	assert_int_equal(verdict_of(h, 1, 1, iova, NULL, sizeof(page), true), BLOCKED);
	/* Another place of the same page, another page. */
	assert_int_equal(verdict_of(h, 1, 1, iova, page + 1, 32, false), WRONG);
	assert_int_equal(verdict_of(h, 1, 1, iova + 0x1000, page, sizeof(page), false), WRONG);
	for (unsigned int cell = 0; cell < 128; cell++) {
		struct probe_cell kept = page[cell];

		/* Two stamps in one access, each of them right alone. */
		page[cell] = other[cell];
		assert_int_equal(verdict_of(h, 1, 1, iova, page, sizeof(page), false), WRONG);
		/* Every mixture of the words of two cells. */
		for (unsigned int mix = 1; mix < 15; mix++) {
			for (unsigned int w = 0; w < 4; w++)
				((uint64_t *)&page[cell])[w] =
					((uint64_t *)(mix >> w & 1 ? &other[cell] : &kept))[w];
			if (!memcmp(&page[cell], &kept, 32) || !memcmp(&page[cell], &other[cell], 32))
				continue;
			assert_int_equal(verdict_of(h, 1, 1, iova + cell * 32, &page[cell], 32, false),
					 WRONG);
		}
		memset(&page[cell], 0, 32);
		assert_int_equal(verdict_of(h, 1, 1, iova + cell * 32, &page[cell], 32, false), WRONG);
		page[cell] = kept;
		for (unsigned int bit = 0; bit < 256; bit += 1 + cell % 5) {
			((unsigned char *)&page[cell])[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_int_equal(verdict_of(h, 1, 1, iova, page, sizeof(page), false), WRONG);
			page[cell] = kept;
		}
	}
	free(h);
}

/* Entries are overwritten in the end; no verdict may then be right or stale by mistake. */
static void history_wraps(void **state)
{
	struct probe_history *h = history_create(1, 0);
	const uint64_t n = 3 * PROBE_HISTORY + 17;
	uint64_t right = 0, unjudged = 0;

	(void)state;
	for (uint64_t k = 1; k <= n; k++)
		switch_to(h, 1, k);
	for (uint64_t k = 0; k <= n; k++) {
		enum verdict v = verdict_of_stamp(h, 2 * k, 2 * k, 1, k);

		assert_true(v == RIGHT || v == UNJUDGED);
		right += v == RIGHT;
		unjudged += v == UNJUDGED;
		/* Something that was never there, or not yet, is never right and never stale. */
		v = verdict_of_stamp(h, 2 * k, 2 * k, 2, k);
		assert_true(v == WRONG || v == UNJUDGED);
		v = verdict_of_stamp(h, 2 * k, 2 * k, 1, k + 1);
		assert_true(v == WRONG || v == UNJUDGED);
		v = verdict_of_stamp(h, 2 * k, 2 * k, 1, k - 1);
		assert_true(v == STALE || v == UNJUDGED || (k == 0 && v == WRONG) || v == WRONG);
		if (k > n - PROBE_HISTORY / 2 + 2)
			assert_int_equal(v, STALE);
	}
	assert_true(right >= PROBE_HISTORY - 2 && right < PROBE_HISTORY);
	assert_int_equal(right + unjudged, n + 1);
	/* How far back stale is told from wrong. */
	assert_int_equal(verdict_of_stamp(h, 2 * n, 2 * n, 1, n - (PROBE_HISTORY / 2 - 1)), STALE);
	assert_int_equal(verdict_of_stamp(h, 2 * n, 2 * n, 1, n - PROBE_HISTORY / 2), WRONG);
	/* An interval longer than the ring. */
	assert_int_equal(verdict_of_stamp(h, 0, 2 * n, 1, n), UNJUDGED);
	free(h);
}

struct watcher {
	struct probe_history *h;
	struct probe_watch watch;
	_Atomic uint64_t turns;
	atomic_bool switched;
};

static void switch_much(void *arg)
{
	struct watcher *w = arg;

	for (uint64_t k = 1; k <= 2 * PROBE_HISTORY; k++)
		switch_to(w->h, 1, k);
	atomic_store(&w->switched, true);
}

/* A batch that does not end holds the switcher, early enough that its entries are all there. */
static void switches_wait_for_batches(void **state)
{
	struct mock *m = mock_create(1);
	struct watcher w = { .h = history_create(1, 0) };
	struct task_spin spin = { 0 };
	struct task *task;
	uint64_t seq;

	(void)state;
	probe_watch_add(w.h, &w.watch);
	probe_watch_begin(w.h, &w.watch);
	assert_int_equal(task_spawn(m->tasks, "switch", switch_much, &w, &task), 0);
	for (seq = 1; seq != atomic_load(&w.h->seq) || seq < PROBE_HISTORY / 2;) {
		seq = atomic_load(&w.h->seq);
		for (int i = 0; i < 5000; i++)
			task_relax(&spin);
	}
	assert_false(w.switched);
	assert_true(seq / 2 <= PROBE_HISTORY / 2);
	assert_int_equal(verdict_of_stamp(w.h, 0, 0, 1, 0), RIGHT);
	assert_int_equal(verdict_of_stamp(w.h, seq, seq, 1, 0), STALE);
	probe_watch_end(&w.watch);
	task_join(task);
	assert_true(w.switched);
	probe_watch_del(w.h, &w.watch);
	free(w.h);
	mock_destroy(m);
}

/* Probe pages: IOVA pages 8 to 15, for each domain in memory of its own. */
#define FIRST_PAGE 8
#define PAGES 8

enum flaw {
	NO_FLAW,
	LATE,		  /* the domain changes after the switch was declared done */
	MIXED_PAGES,	  /* one page of each domain leads to another domain's memory */
	OTHER_PLACE,	  /* two pages of each domain are exchanged */
	OTHER_GENERATION, /* the domain keeps a page from its former life */
	NO_DRAIN,	  /* the old domain's pages are reused while accesses are on their way */
	GAP,		  /* nothing is mapped for a moment */
};

struct world {
	struct mock *m;
	struct uiommu_port *port;
	struct probe_history *h;
	uiommu_iova_t pages[PAGES];
	uint64_t generation;
	uiommu_pa_t base;
	struct probe *first; /* of the probes that run */
};

static uiommu_pa_t page_pa(struct world *w, unsigned int domain, unsigned int page)
{
	return w->base + (domain * PAGES + page) * UIOMMU_PAGE_SIZE;
}

static struct probe_stamp fill_domain(struct world *w, unsigned int domain)
{
	struct probe_stamp s = { domain + 1, ++w->generation };

	for (unsigned int i = 0; i < PAGES; i++) {
		probe_stamp_page(mock_host(w->m, page_pa(w, domain, i)), UIOMMU_PAGE_SIZE, w->pages[i], s);
		mock_map(w->m, domain, w->pages[i], page_pa(w, domain, i), UIOMMU_READ);
	}
	return s;
}

static struct world *world_create(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->m = mock_create(seed);
	w->base = seed % 2 ? MOCK_ACCESSOR_PA : MOCK_POINTER_PA;
	for (unsigned int i = 0; i < PAGES; i++)
		w->pages[i] = (FIRST_PAGE + i) * UIOMMU_PAGE_SIZE;
	assert_int_equal(uiommu_port_create(&w->m->hw, 0x20, &w->port), 0);
	w->h = calloc(1, sizeof(*w->h));
	assert_non_null(w->h);
	probe_history_init(w->h, fill_domain(w, 0));
	return w;
}

static void world_destroy(struct world *w)
{
	uiommu_port_destroy(w->port);
	mock_destroy(w->m);
	free(w->h);
	free(w);
}

static struct probe *start_probe(struct world *w, uint64_t seed, uint64_t limit)
{
	struct probe_opts opts = {
		.ctx = w->m->ctx,
		.tasks = w->m->tasks,
		.port = w->port,
		.pasid = UIOMMU_NO_PASID,
		.history = w->h,
		.pages = w->pages,
		.n_pages = PAGES,
		.batch = 8,
		.seed = seed,
		.limit = limit,
	};
	struct probe *p;

	assert_int_equal(probe_start(&opts, &p), 0);
	return p;
}

static void break_domain(struct world *w, unsigned int domain, enum flaw flaw)
{
	struct probe_stamp former = { domain + 1, w->generation - 1 };

	switch (flaw) {
	case MIXED_PAGES:
		mock_map(w->m, domain, w->pages[3], page_pa(w, MOCK_DOMAINS - 1, 3), UIOMMU_READ);
		break;
	case OTHER_PLACE:
		mock_map(w->m, domain, w->pages[3], page_pa(w, domain, 5), UIOMMU_READ);
		break;
	case OTHER_GENERATION:
		probe_stamp_page(mock_host(w->m, page_pa(w, domain, 3)), UIOMMU_PAGE_SIZE, w->pages[3],
				 former);
		break;
	default:
		break;
	}
}

/* Until it has made n more accesses, two batches at least. */
static void let_probe_run(struct probe *p, uint64_t n)
{
	struct task_spin spin = { 0 };

	for (n += probe_accesses(p); probe_accesses(p) < n;)
		task_relax(&spin);
}

/* Domain k modulo 3 is made anew, then installed; then the former one is free to be reused. */
static void switch_once(struct world *w, unsigned int k, enum flaw flaw)
{
	unsigned int domain = k % 3;
	struct probe_stamp s = fill_domain(w, domain);

	break_domain(w, domain, flaw);
	probe_history_begin(w->h, s);
	if (flaw == LATE)
		probe_history_end(w->h);
	if (flaw == GAP)
		atomic_store(&w->m->current, MOCK_DOMAINS - 1);
	for (int i = 0; i < 3; i++)
		choice_interleave(CHOICE_CORE);
	if ((flaw == LATE || flaw == GAP) && k % 16 == 0)
		let_probe_run(w->first, 17);
	atomic_store(&w->m->current, domain);
	choice_interleave(CHOICE_CORE);
	if (flaw != NO_DRAIN)
		quiesce_drain(&w->m->ctx->quiesce);
	if (flaw != LATE)
		probe_history_end(w->h);
	/* Poison, which nobody may see any more. */
	for (unsigned int i = 0; i < PAGES; i++)
		probe_stamp_page(mock_host(w->m, page_pa(w, (k + 2) % 3, i)), UIOMMU_PAGE_SIZE, w->pages[i],
				 (struct probe_stamp){ 99, 99 });
	choice_interleave(CHOICE_CORE);
}

struct totals {
	uint64_t right, stale, wrong, blocked;
};

static void run_switches(uint64_t seed, enum flaw flaw, unsigned int probes, struct totals *sum)
{
	struct world *w = world_create(seed);
	struct probe *probe[3];
	struct task_spin spin = { 0 };

	if (flaw == MIXED_PAGES)
		fill_domain(w, MOCK_DOMAINS - 1);
	if (flaw == GAP)
		for (unsigned int i = 0; i < PAGES; i++)
			mock_map(w->m, MOCK_DOMAINS - 1, w->pages[i], 0, 0);
	for (unsigned int i = 0; i < probes; i++)
		probe[i] = start_probe(w, seed * 3 + i, 0);
	w->first = probe[0];
	for (unsigned int k = 1; k <= SWITCHES; k++) {
		switch_once(w, k, flaw);
		/* A switch or two per batch is what finds the most. */
		for (unsigned int i = 0; i < k % 4; i++)
			task_relax(&spin);
	}
	for (unsigned int i = 0; i < probes; i++) {
		const struct probe_counts *c = probe_counts(probe[i]);

		let_probe_run(probe[i], 100);
		probe_stop(probe[i]);
		assert_int_equal(c->right + c->stale + c->wrong + c->blocked, probe_accesses(probe[i]));
		assert_int_equal(c->unjudged, 0);
		assert_true(c->longest_ns > 0);
		sum->right += c->right;
		sum->stale += c->stale;
		sum->wrong += c->wrong;
		sum->blocked += c->blocked;
		probe_free(probe[i]);
	}
	world_destroy(w);
}

static struct totals run_flaw(enum flaw flaw)
{
	struct totals sum = { 0 };

	for (uint64_t seed = 0; seed < SEEDS; seed++)
		run_switches(seed, flaw, 1 + seed % 3, &sum);
	print_message("# flaw %d: right %llu stale %llu wrong %llu blocked %llu\n", flaw,
		      (unsigned long long)sum.right, (unsigned long long)sum.stale,
		      (unsigned long long)sum.wrong, (unsigned long long)sum.blocked);
	return sum;
}

static void sound_switches(void **state)
{
	struct totals t = run_flaw(NO_FLAW);

	(void)state;
	assert_true(t.right > 0);
	assert_int_equal(t.stale, 0);
	assert_int_equal(t.wrong, 0);
	assert_int_equal(t.blocked, 0);
}

static void late_switches_are_stale(void **state)
{
	struct totals t = run_flaw(LATE);

	(void)state;
	assert_true(t.right > 0);
	assert_true(t.stale > 0);
	assert_int_equal(t.blocked, 0);
}

static void mixtures_are_wrong(void **state)
{
	(void)state;
	for (enum flaw flaw = MIXED_PAGES; flaw <= OTHER_GENERATION; flaw++) {
		struct totals t = run_flaw(flaw);

		assert_true(t.right > 0);
		assert_int_equal(t.stale, 0);
		assert_true(t.wrong > 0);
		assert_int_equal(t.blocked, 0);
	}
}

static void gaps_are_blocked(void **state)
{
	struct totals t = run_flaw(GAP);

	(void)state;
	assert_true(t.right > 0);
	assert_int_equal(t.stale, 0);
	assert_int_equal(t.wrong, 0);
	assert_true(t.blocked > 0);
}

#ifdef UIOMMU_STEERED
/* Only the adversary is sure to hold an access between translation and memory. */
static void missing_drains_are_seen(void **state)
{
	(void)state;
	assert_true(run_flaw(NO_DRAIN).wrong > 0);
}
#endif

/* An access that takes for ever is still judged by what was installed when it began. */
static void slow_accesses_are_judged(void **state)
{
	struct world *w = world_create(0);
	struct watcher much = { .h = w->h };
	struct task_spin spin = { 0 };
	struct probe *p;
	struct task *task;
	uint64_t seq;

	(void)state;
	atomic_store(&w->m->hold, true);
	p = start_probe(w, 1, 1);
	while (!atomic_load(&w->m->accesses))
		task_relax(&spin);
	assert_int_equal(task_spawn(w->m->tasks, "switch", switch_much, &much, &task), 0);
	for (seq = 1; seq != atomic_load(&w->h->seq) || seq < PROBE_HISTORY / 2;) {
		seq = atomic_load(&w->h->seq);
		for (int i = 0; i < 5000; i++)
			task_relax(&spin);
	}
	assert_false(much.switched);
	atomic_store(&w->m->hold, false);
	task_join(task);
	assert_true(much.switched);
	probe_stop(p);
	assert_int_equal(probe_counts(p)->right, 1);
	probe_free(p);
	world_destroy(w);
}

/* Also when the buffer still holds what an earlier access found at the same place. */
static void no_memory_is_wrong(void **state)
{
	struct world *w = world_create(0);
	struct probe_opts opts = {
		.ctx = w->m->ctx,
		.tasks = w->m->tasks,
		.port = w->port,
		.pasid = UIOMMU_NO_PASID,
		.history = w->h,
		.pages = w->pages,
		.n_pages = 1,
	};
	const struct probe_counts *c;
	struct probe *p;
	uint64_t right, all;

	(void)state;
	assert_int_equal(probe_start(&opts, &p), 0);
	c = probe_counts(p);
	for (int turn = 0; turn < 20; turn++) {
		let_probe_run(p, 40);
		probe_pause(p);
		right = c->right;
		all = probe_accesses(p);
		mock_map(w->m, 0, w->pages[0], 0x123000, UIOMMU_READ);
		probe_resume(p);
		let_probe_run(p, 40);
		probe_pause(p);
		assert_int_equal(c->right, right);
		assert_int_equal(c->right + c->wrong, probe_accesses(p));
		assert_true(probe_accesses(p) > all);
		mock_map(w->m, 0, w->pages[0], page_pa(w, 0, 0), UIOMMU_READ);
		probe_resume(p);
	}
	assert_int_equal(c->stale + c->blocked, 0);
	probe_free(p);
	world_destroy(w);
}

static void pause_and_resume(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 3; seed++) {
		struct world *w = world_create(seed);
		struct probe *p = start_probe(w, seed, 0);
		struct task_spin spin = { 0 };

		for (int turn = 0; turn < 200; turn++) {
			uint64_t accesses, translated;

			probe_pause(p);
			accesses = probe_accesses(p);
			translated = atomic_load(&w->m->accesses);
			assert_int_equal(accesses, translated);
			for (int i = 0; i < turn; i++)
				task_relax(&spin);
			assert_int_equal(atomic_load(&w->m->accesses), translated);
			if (turn % 5 == 0)
				probe_pause(p);
			probe_resume(p);
			while (turn % 3 && probe_accesses(p) == accesses)
				task_relax(&spin);
		}
		if (seed == 1)
			probe_pause(p);
		probe_stop(p);
		probe_stop(p);
		probe_pause(p);
		probe_free(p);
		p = start_probe(w, seed, 3);
		while (probe_accesses(p) < 3)
			task_relax(&spin);
		probe_pause(p);
		assert_int_equal(probe_accesses(p), 3);
		probe_free(p);
		probe_free(NULL);
		world_destroy(w);
	}
}

static void every_allocation_fails(void **state)
{
	struct world *w = world_create(0);
	struct alloc *a = &w->m->ctx->alloc;
	struct probe_opts opts = { .ctx = w->m->ctx,
				   .tasks = w->m->tasks,
				   .port = w->port,
				   .pasid = UIOMMU_NO_PASID,
				   .history = w->h,
				   .pages = w->pages };
	struct probe *p;
	long live = a->live, n;
	int err = -1;

	(void)state;
	assert_int_equal(probe_start(&opts, &p), -EINVAL);
	opts.n_pages = PAGES;
	for (n = 1; err; n++) {
		alloc_fail_nth(a, n);
		err = probe_start(&opts, &p);
		alloc_fail_nth(a, 0);
		assert_true(!err || err == -ENOMEM);
		if (err) {
			assert_int_equal(a->live, live);
			assert_null(w->h->watches);
		}
	}
	assert_true(n > 3);
	probe_free(p);
	assert_int_equal(a->live, live);
	assert_null(w->h->watches);
	world_destroy(w);
}

/* How fast one probe is; a figure, not a test. */
static void rate(void **state)
{
	struct world *w = world_create(0);
	const uint64_t n = 200000;
	struct task_spin spin = { 0 };
	uint64_t start = clock_ticks();
	struct probe *p = start_probe(w, 1, n);

	(void)state;
	while (probe_accesses(p) < n)
		task_relax(&spin);
	print_message("# %llu judged accesses per second\n",
		      (unsigned long long)(n * 1000000000u / clock_ns(clock_ticks() - start)));
	assert_int_equal(probe_counts(p)->right, n);
	probe_free(p);
	world_destroy(w);
}

int main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_phases),
		cmocka_unit_test(stamps_by_hand),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(cells),
		cmocka_unit_test(history_wraps),
		seeded_test(switches_wait_for_batches),
		seeded_test(sound_switches),
		seeded_test(late_switches_are_stale),
		seeded_test(mixtures_are_wrong),
		seeded_test(gaps_are_blocked),
#ifdef UIOMMU_STEERED
		seeded_test(missing_drains_are_seen),
#endif
		seeded_test(slow_accesses_are_judged),
		seeded_test(no_memory_is_wrong),
		seeded_test(pause_and_resume),
		seeded_test(every_allocation_fails),
		seeded_test(rate),
	};
	/* clang-format on */

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
