/* SPDX-License-Identifier: MIT */
/*
 * The model under the adversary (steered build): entries torn by a careless change are
 * seen torn, careful changes are not; what an invalidation promises holds for every
 * seed; an access lands late unless a drain was asked for; commands change places only
 * where the specification lets them.
 */
#include "rig.h"

#include <errno.h>
#include <string.h>

#include "base/choice.h"
#include "base/sanitize.h"
#include "base/task.h"

/* Tasks of the steered build share one thread: TSan has less to find, and is slow. */
#define SEEDS (BUILD_TSAN ? 80u : 250u)
#define ORDER_SEEDS 250
#define RID 0x0108
#define IOVA 0x1000ull

struct world {
	struct rig r;
	struct alloc alloc;	/* of the tasks */
	struct task_set *set;
	struct uiommu_port *port;
	struct uiommu_agent *agent[2];
	uint64_t seed;
	uint64_t ss[4], fs, entry;	/* tables; the PASID entry of RID_PASID */
	uint64_t data;			/* a page that DMA reaches */
	bool done;
	unsigned int started, completed;	/* versions of the entry; see dma_versions() */
	unsigned int old, new_, torn, wrong, runs;
	unsigned int order[2];
	bool pause, idle;
};

static void map_page(struct world *w, uint64_t table, uint64_t pa, bool first)
{
	uint64_t flags = first ? 0x67 : 3;

	for (unsigned int level = 4; level > 1; level--) {
		uint64_t next = rig_page(&w->r);

		*rig_word(&w->r, table) = next | flags;
		table = next;
	}
	*rig_word(&w->r, table + 8) = pa | flags;
}

/* Table k maps IOVA to k << 40; ss[0] to the data page. */
static void build(struct world *w, uint64_t seed, const struct uiommu_vtd_model_opts *opts)
{
	uint64_t root, ctx, dir, table;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	alloc_init(&w->alloc, NULL, NULL);
	assert_int_equal(task_set_create(&w->alloc, seed, &w->set), 0);
	rig_start(&w->r, opts, false);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(uiommu_agent_create(w->r.ctx, &w->agent[i]), 0);
	assert_int_equal(uiommu_port_create(w->r.hw, RID, &w->port), 0);
	w->data = rig_page(&w->r);
	for (unsigned int i = 0; i < 4; i++) {
		w->ss[i] = rig_page(&w->r);
		map_page(w, w->ss[i], i ? (uint64_t)i << 40 : w->data, false);
	}
	w->fs = rig_page(&w->r);
	map_page(w, w->fs, 5ull << 40, true);
	root = rig_page(&w->r);
	ctx = rig_page(&w->r);
	dir = rig_page(&w->r);
	table = rig_page(&w->r);
	*rig_word(&w->r, root + 16) = ctx | 1;
	*rig_word(&w->r, ctx + 32 * 8) = dir | 8 | 1;
	*rig_word(&w->r, dir) = table | 1;
	w->entry = table;
	rig_root(&w->r, root | 1u << 10);
	rig_queue_on(&w->r, true);
	rig_flush(&w->r);
	rig_te(&w->r, true);
}

static void end(struct world *w)
{
	for (unsigned int i = 0; i < 2; i++)
		uiommu_agent_destroy(w->agent[i]);
	uiommu_port_destroy(w->port);
	rig_stop(&w->r);
	task_set_destroy(w->set);
}

static void store(struct world *w, unsigned int word, uint64_t val)
{
	w->r.hw->ops->store64(w->r.hw, w->entry + 8 * word, val);
}

static uint64_t ss_entry(struct world *w, unsigned int table)
{
	return w->ss[table] | 2 << 6 | 2 << 2 | 1;
}

/* Translates without the checks of rig_translate(), which must not leave a task. Fault: UINT64_MAX. */
static uint64_t where(struct world *w, unsigned int agent)
{
	struct dma_req req = { .iova = IOVA, .len = 4, .pasid = UIOMMU_NO_PASID, .access = UIOMMU_READ };
	struct dma_res res;
	int err;

	req.agent = w->agent[agent];
	uiommu_agent_begin(w->agent[agent]);
	err = w->r.hw->ops->translate(w->port, &req, &res);
	uiommu_agent_end(w->agent[agent]);
	return err ? UINT64_MAX : res.pa;
}

/* ---- a script beside the adversary ---- */

struct script {
	uint64_t state;
	struct task_set *set;
	bool quiet;
	enum choice_point often;	/* where tasks change more often */
	unsigned int stay;
};

/* Long runs of one task; quiet: caches keep what they have. Everything else at random. */
static unsigned int pick(void *opaque, enum choice_point point, bool tasks, unsigned int n)
{
	struct script *s = opaque;

	if (!tasks && s->quiet && (point == CHOICE_FILL || point == CHOICE_EVICT || point == CHOICE_HIT))
		return 0;
	unsigned int stay = point == s->often ? 2 : s->stay;

	if (tasks && point != CHOICE_WAIT && (rig_random(&s->state) >> 20) % stay)
		return task_set_running(s->set);
	return (unsigned int)((rig_random(&s->state) >> 20) % n);
}

/* ---- torn entries ---- */

static void dma_watch(void *arg)
{
	struct world *w = arg;
	struct task_spin spin = { 0 };

	while (!w->done) {
		uint64_t pa;

		w->idle = w->pause;
		if (w->pause) {
			task_relax(&spin);
			continue;
		}
		pa = where(w, 0);
		if (pa == 1ull << 40)
			w->old++;
		else if (pa == 5ull << 40)
			w->new_++;
		else
			w->torn++;
		task_relax(&spin);
	}
}

enum change { POINTER_LATE, POINTER_FIRST, POINTER_FIRST_SYNC };

/* The second-stage entry, put there and flushed while no DMA runs. */
static void put_old(struct world *w)
{
	struct task_spin spin = { 0 };

	w->pause = true;
	while (!w->idle)
		task_relax(&spin);
	*rig_word(&w->r, w->entry) = ss_entry(w, 1);
	*rig_word(&w->r, w->entry + 8) = 1 | 1u << 23;
	*rig_word(&w->r, w->entry + 16) = 0;
	rig_flush(&w->r);
	w->pause = false;
}

static void change_entry(struct world *w, enum change change)
{
	if (change != POINTER_LATE)
		store(w, 2, w->fs);
	if (change == POINTER_FIRST_SYNC) {
		rig_push(&w->r, 7 | 1u << 4 | 1u << 16, 0);
		assert_true(rig_sync(&w->r));
	}
	store(w, 0, 1 << 6 | 1);
	if (change == POINTER_LATE)
		store(w, 2, w->fs);
	rig_push(&w->r, 7 | 1u << 4 | 1u << 16, 0);
	rig_push(&w->r, 2 | 2u << 4 | 3u << 6 | 1u << 16, 0);
	assert_true(rig_sync(&w->r));
	/* Now only the new one. */
	assert_true(where(w, 1) == 5ull << 40);
}

/* Second stage to first stage: the new pointer is in another granule than the type. */
static unsigned int torn_seen(enum uiommu_preset preset, enum change change, unsigned int *changed)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .preset = preset };
	unsigned int torn = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct script script = { .state = (seed + 1) * 0x9E3779B97F4A7C15ull,
					 .often = CHOICE_FETCH, .stay = 64 };
		struct task *task;
		struct world w;

		opts.own_thread = seed & 1;
		build(&w, seed, &opts);
		script.set = w.set;
		if (seed & 3)
			task_set_script(w.set, pick, &script);
		w.pause = true;
		assert_int_equal(task_spawn(w.set, "dma", dma_watch, &w, &task), 0);
		for (unsigned int i = 0; i < 6; i++) {
			struct task_spin spin = { 0 };

			put_old(&w);
			/* Into the middle of a fetch, with luck. */
			for (uint64_t k = (seed + i) % 5; k; k--)
				task_relax(&spin);
			change_entry(&w, change);
		}
		w.done = true;
		task_join(task);
		torn += w.torn != 0;
		*changed += w.old && w.new_;
		end(&w);
	}
	return torn;
}

static void test_torn_entries(void **state)
{
	unsigned int changed = 0;

	assert_true(torn_seen(UIOMMU_PRESET_WEAKEST, POINTER_LATE, &changed) > 0);
	assert_int_equal(torn_seen(UIOMMU_PRESET_WEAKEST, POINTER_FIRST, &changed), 0);
	assert_int_equal(torn_seen(UIOMMU_PRESET_IN_ORDER, POINTER_FIRST, &changed), 0);
	/* Beyond the specification: any order, and then only a completed invalidation in between helps. */
	assert_true(torn_seen(UIOMMU_PRESET_ANY_ORDER, POINTER_FIRST, &changed) > 0);
	assert_int_equal(torn_seen(UIOMMU_PRESET_ANY_ORDER, POINTER_FIRST_SYNC, &changed), 0);
	assert_true(changed > 0);
}

/* ---- what an invalidation promises ---- */

/* Three tables and two domain ids: a stale line under an id that is used again shows. */
static uint64_t table_of(unsigned int version)
{
	return (uint64_t)(version % 3 + 1) << 40;
}

/* Each translation must give a table that was installed at some time between its begin and its end. */
static void dma_versions(void *arg)
{
	struct world *w = arg;
	unsigned int agent = w->order[0]++;
	struct task_spin spin = { 0 };

	while (!w->done) {
		unsigned int from = w->completed, ok = 0;
		uint64_t pa = where(w, agent);

		for (unsigned int v = from; v <= w->started; v++)
			ok |= pa == table_of(v);
		w->wrong += !ok;
		w->old += w->started != from && pa == table_of(from);
		w->runs++;
		task_relax(&spin);
	}
}

/* Leaves out: 1: the PASID-cache invalidation; 2: the IOTLB invalidation; 4: swaps them. */
static void replace(struct world *w, unsigned int mutant)
{
	unsigned int v = w->started + 1, did = 1 + w->started % 2;
	struct u128 e = { .lo = ss_entry(w, v % 3 + 1), .hi = (1 + v % 2) | 1u << 23 };
	uint64_t pc = 7 | 1u << 4 | did << 16, iotlb = 2 | 2u << 4 | 3u << 6 | did << 16;

	w->started = v;
	w->r.hw->ops->store128(w->r.hw, w->entry, e);
	if (!(mutant & 1))
		rig_push(&w->r, mutant & 4 ? iotlb : pc, 0);
	if (mutant & 4)
		assert_true(rig_sync(&w->r));
	if (!(mutant & 2))
		rig_push(&w->r, mutant & 4 ? pc : iotlb, 0);
	assert_true(rig_sync(&w->r));
	w->completed = v;
}

static void versions(unsigned int mutant, unsigned int *wrong, unsigned int *stale_used)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts) };

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct task *task[2];
		struct world w;

		opts.own_thread = seed & 1;
		build(&w, seed, &opts);
		*rig_word(&w.r, w.entry) = ss_entry(&w, 1);
		*rig_word(&w.r, w.entry + 8) = 1 | 1u << 23;
		for (unsigned int i = 0; i < 2; i++)
			assert_int_equal(task_spawn(w.set, "dma", dma_versions, &w, &task[i]), 0);
		for (unsigned int i = 0; i < 12; i++)
			replace(&w, mutant);
		w.done = true;
		task_join(task[0]);
		task_join(task[1]);
		if (w.wrong && !mutant)
			print_message("# seed %llu: %u wrong of %u\n", (unsigned long long)seed, w.wrong,
				      w.runs);
		*wrong += w.wrong != 0;
		*stale_used += w.old;
		end(&w);
	}
}

static void test_versions(void **state)
{
	unsigned int wrong = 0, stale = 0;

	versions(0, &wrong, &stale);
	assert_int_equal(wrong, 0);
	assert_true(stale > 100);
	/* Each omission must be found. */
	for (unsigned int mutant = 1; mutant <= 4; mutant *= 2) {
		wrong = 0;
		versions(mutant, &wrong, &stale);
		print_message("# mutant %u: %u of %u seeds\n", mutant, wrong, SEEDS);
		assert_true(wrong > 0);
	}
}

/* ---- what an invalidation ends, and what not ---- */

static uint64_t once(struct world *w, unsigned int agent, uint64_t iova)
{
	struct dma_req req = { .iova = iova, .len = 4, .pasid = UIOMMU_NO_PASID, .access = UIOMMU_READ };
	struct dma_res res;
	int err;

	req.agent = w->agent[agent];
	uiommu_agent_begin(w->agent[agent]);
	err = w->r.hw->ops->translate(w->port, &req, &res);
	uiommu_agent_end(w->agent[agent]);
	return err ? UINT64_MAX : res.pa;
}

static void dma_once(void *arg)
{
	struct world *w = arg;

	w->started = 1;
	once(w, 0, IOVA);
	w->completed = 1;
}

/* A fill that is late: begun before the invalidations, ended after them. */
struct late {
	unsigned int new_did;		/* of the entry that replaces the one with domain id 1 */
	bool same_entry;		/* the entry stays; just the leaf changes */
	uint64_t command[2][2];		/* descriptors */
	/* Seeds: in flight; of them, the next access used something old. */
	unsigned int in_flight, old;
};

#define PC(did)		{ 7 | 1u << 4 | (did) << 16, 0 }
#define IOTLB(did)	{ 2 | 2u << 4 | (did) << 16, 0 }
#define PAGE(did, iova)	{ 2 | 3u << 4 | (did) << 16, (iova) }

static void run_late(struct late *l)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts) };

	for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
		struct script script = { .state = (seed + 1) * 0x9E3779B97F4A7C15ull, .quiet = true,
					 .often = CHOICE_FILL, .stay = 16 };
		struct task *task;
		struct world w;
		bool in_flight;
		uint64_t leaf;

		opts.own_thread = seed & 1;
		build(&w, seed, &opts);
		script.set = w.set;
		task_set_script(w.set, pick, &script);
		*rig_word(&w.r, w.entry) = ss_entry(&w, 1);
		*rig_word(&w.r, w.entry + 8) = 1 | 1u << 23;
		leaf = w.ss[1];
		for (unsigned int level = 4; level > 1; level--)
			leaf = *rig_word(&w.r, leaf) & ~0xFFFull;
		assert_int_equal(task_spawn(w.set, "dma", dma_once, &w, &task), 0);
		if (l->same_entry)
			w.r.hw->ops->store64(w.r.hw, leaf + 8, 2ull << 40 | 3);
		else
			w.r.hw->ops->store128(w.r.hw, w.entry,
					      (struct u128){ ss_entry(&w, 2), l->new_did | 1u << 23 });
		for (unsigned int i = 0; i < 2; i++)
			if (l->command[i][0])
				rig_push(&w.r, l->command[i][0], l->command[i][1]);
		assert_true(rig_sync(&w.r));
		in_flight = w.started && !w.completed;
		task_join(task);
		l->in_flight += in_flight;
		l->old += in_flight && once(&w, 1, IOVA) != 2ull << 40;
		end(&w);
	}
	print_message("# in flight: %u, old: %u\n", l->in_flight, l->old);
	assert_true(l->in_flight > 0);
}

/*
 * What began before an invalidation and ends after it leaves nothing in the cache that
 * was invalidated, under the tags that it named; all else it may leave.
 */
static void test_no_late_fill(void **state)
{
	struct late none[] = {
		{ .new_did = 2, .command = { PC(1) } },
		{ .new_did = 1, .command = { PC(1), IOTLB(1) } },
		{ .new_did = 1, .command = { PC(1), PAGE(1, IOVA) } },
		{ .same_entry = true, .command = { IOTLB(1) } },
		{ .same_entry = true, .command = { PAGE(1, IOVA) } },
	};
	struct late some[] = {
		{ .new_did = 2, .command = { PC(2) } },
		{ .new_did = 1, .command = { PC(1) } },
		{ .new_did = 1, .command = { PC(1), IOTLB(2) } },
		{ .new_did = 1, .command = { PC(1), PAGE(1, IOVA + 4096) } },
		{ .same_entry = true, .command = { IOTLB(2) } },
		{ .same_entry = true, .command = { PAGE(2, IOVA) } },
		{ .same_entry = true, .command = { PC(1) } },
	};

	for (unsigned int i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		run_late(&none[i]);
		assert_int_equal(none[i].old, 0);
	}
	for (unsigned int i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		run_late(&some[i]);
		assert_true(some[i].old > 0);
	}
}

/* ---- paging-structure caches ---- */

/* Production caches the lowest tables only; here those of each level: IH=1 keeps them, IH=0 does not. */
static void test_tables(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts) };
	struct script script = { .state = 1, .quiet = true, .often = CHOICE_FILL, .stay = 16 };

	for (unsigned int k = 0; k < 6; k++) {
		unsigned int level = 4 - k / 2;
		bool leaf_only = k & 1;
		struct world w;
		uint64_t e;

		build(&w, k, &opts);
		script.set = w.set;
		task_set_script(w.set, pick, &script);
		*rig_word(&w.r, w.entry) = ss_entry(&w, 1);
		*rig_word(&w.r, w.entry + 8) = 1 | 1u << 23;
		assert_true(where(&w, 0) == 1ull << 40);
		e = w.ss[1];
		/* The entry of that level goes to what the other table has there. */
		for (unsigned int l = 4; l > level; l--)
			e = *rig_word(&w.r, e) & ~0xFFFull;
		*rig_word(&w.r, e) = rig_page(&w.r) | 3;
		e = *rig_word(&w.r, e) & ~0xFFFull;
		for (unsigned int l = level - 1; l > 1; l--) {
			*rig_word(&w.r, e) = rig_page(&w.r) | 3;
			e = *rig_word(&w.r, e) & ~0xFFFull;
		}
		*rig_word(&w.r, e + 8) = 2ull << 40 | 3;
		rig_push(&w.r, 2 | 3u << 4 | 3u << 6 | 1u << 16, IOVA | (uint64_t)leaf_only << 6);
		assert_true(rig_sync(&w.r));
		assert_true(where(&w, 0) == (leaf_only ? 1ull : 2ull) << 40);
		end(&w);
	}
}

/* ---- draining ---- */

static void dma_writes(void *arg)
{
	struct world *w = arg;
	struct task_spin spin = { 0 };

	while (!w->done) {
		uint32_t mark = 0xDEAD;

		uiommu_agent_begin(w->agent[0]);
		uiommu_dma_write(w->port, w->agent[0], UIOMMU_NO_PASID, IOVA, &mark, 4, NULL);
		uiommu_agent_end(w->agent[0]);
		task_relax(&spin);
	}
}

/* old: reads that gave what the page's next owner put there. */
static void dma_reads(void *arg)
{
	struct world *w = arg;
	struct task_spin spin = { 0 };

	while (!w->done) {
		uint32_t got = 0;

		uiommu_agent_begin(w->agent[0]);
		w->old += !uiommu_dma_read(w->port, w->agent[0], UIOMMU_NO_PASID, IOVA, &got, 4, NULL) &&
			  got == 0x600D;
		uiommu_agent_end(w->agent[0]);
		task_relax(&spin);
	}
}

/* The same by addresses that it holds until its batch ends, whatever else it does in it. */
static void dma_holds(void *arg)
{
	struct world *w = arg;
	struct task_spin spin = { 0 };

	while (!w->done) {
		uiommu_iova_t iova = IOVA;
		uiommu_pa_t pa;
		uint32_t other;

		uiommu_agent_begin(w->agent[0]);
		if (uiommu_dma_translate(w->port, w->agent[0], UIOMMU_NO_PASID, UIOMMU_READ, &iova, &pa, 1,
					 NULL) == 1) {
			uiommu_dma_read(w->port, w->agent[0], UIOMMU_NO_PASID, IOVA, &other, 4, NULL);
			choice_interleave(CHOICE_LAND);
			w->old += (uint32_t)*rig_word(&w->r, pa) == 0x600D;
		}
		uiommu_agent_end(w->agent[0]);
		task_relax(&spin);
	}
}

enum lands { WRITES, READS, HOLDS };

/* Seeds in which an access lands in the page after it was unmapped and the wait completed. */
static unsigned int late_landings(uint64_t drain_bits, bool pasid_based, enum lands how)
{
	static void (*const dma[])(void *) = { dma_writes, dma_reads, dma_holds };
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts) };
	unsigned int late = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct task_spin spin = { 0 };
		struct task *task;
		struct world w;

		opts.own_thread = seed & 1;
		build(&w, seed, &opts);
		*rig_word(&w.r, w.entry) = ss_entry(&w, 0);
		*rig_word(&w.r, w.entry + 8) = 1 | 1u << 23;
		assert_int_equal(task_spawn(w.set, "dma", dma[how], &w, &task), 0);
		for (unsigned int i = 0; i < 20; i++)
			task_relax(&spin);
		w.r.hw->ops->store64(w.r.hw, w.ss[0], 0);
		rig_push(&w.r, 2 | 2u << 4 | 1u << 16 | drain_bits, 0);
		/* Whatever it names, this one always drains. */
		if (pasid_based)
			rig_push(&w.r, 6 | 2u << 4 | 1u << 16, 0);
		assert_true(rig_sync(&w.r));
		*rig_word(&w.r, w.data) = 0x600D;	/* the page is somebody else's now */
		for (unsigned int i = 0; i < 40; i++)
			task_relax(&spin);
		w.done = true;
		task_join(task);
		late += how != WRITES ? w.old != 0 : *rig_word(&w.r, w.data) != 0x600D;
		end(&w);
	}
	return late;
}

static void test_drain(void **state)
{
	const uint64_t dw = 1u << 6, dr = 1u << 7;

	for (enum lands how = WRITES; how <= HOLDS; how++) {
		bool reads = how != WRITES;
		unsigned int other;

		assert_int_equal(late_landings(dr | dw, false, how), 0);
		assert_int_equal(late_landings(reads ? dr : dw, false, how), 0);
		assert_int_equal(late_landings(0, true, how), 0);
		/* No bit, or only the other direction's: found. */
		assert_true(late_landings(0, false, how) > 0);
		other = late_landings(reads ? dw : dr, false, how);
		print_message("# only %s drained: %u of %u seeds\n", reads ? "writes" : "reads", other,
			      SEEDS);
		assert_true(other > 0);
	}
}

/* ---- order of commands ---- */

/* order[0]: the IOTLB command was seen done before the PASID-cache one; order[1]: the other way. */
static void dma_order(void *arg)
{
	struct world *w = arg;
	struct task_spin spin = { 0 };

	while (!w->done) {
		/* Port 0's RID: cached pages of a changed table; PASID 1: a changed PASID entry. */
		struct dma_req page = { IOVA, 4, UIOMMU_NO_PASID, UIOMMU_READ, w->agent[0] };
		struct dma_req entry = { IOVA, 4, 1, UIOMMU_READ, w->agent[0] };
		struct dma_res a = { 0 }, b = { 0 }, c = { 0 };
		struct hw_ops const *ops = w->r.hw->ops;

		uiommu_agent_begin(w->agent[0]);
		w->wrong += ops->translate(w->port, &entry, &a) != 0;
		w->wrong += ops->translate(w->port, &page, &b) != 0;
		w->wrong += ops->translate(w->port, &entry, &c) != 0;
		uiommu_agent_end(w->agent[0]);
		/* What is done is looked at before what is not: then it was done before. */
		w->runs++;
		w->order[0] += b.pa == 3ull << 40 && c.pa == 1ull << 40;
		w->order[1] += a.pa == 2ull << 40 && b.pa == 1ull << 40;
		task_relax(&spin);
	}
}

/* First 7 then 2, or 2 then 7; fence: a wait with FN between them. */
static void command_order(bool iotlb_first, bool fence, unsigned int order[2])
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .own_thread = true };

	order[0] = order[1] = 0;
	for (uint64_t seed = 1; seed <= ORDER_SEEDS; seed++) {
		struct script script = { .state = seed * 0x9E3779B97F4A7C15ull, .quiet = true,
					 .often = CHOICE_WALK, .stay = 16 };
		struct task *task;
		struct world w;
		uint64_t leaf;

		build(&w, seed, &opts);
		script.set = w.set;
		task_set_script(w.set, pick, &script);
		*rig_word(&w.r, w.entry) = ss_entry(&w, 1);
		*rig_word(&w.r, w.entry + 8) = 1 | 1u << 23;
		*rig_word(&w.r, w.entry + 64) = ss_entry(&w, 1);
		*rig_word(&w.r, w.entry + 72) = 2 | 1u << 23;
		leaf = *rig_word(&w.r, w.ss[1]) & ~0xFFFull;
		leaf = *rig_word(&w.r, leaf) & ~0xFFFull;
		leaf = *rig_word(&w.r, leaf) & ~0xFFFull;
		assert_int_equal(task_spawn(w.set, "dma", dma_order, &w, &task), 0);
		while (w.runs < 2)
			w.r.hw->ops->relax(w.r.hw);
		/* Behind the model's back: the RID's page goes to 3, PASID 1's entry to 2, another tag. */
		*rig_word(&w.r, leaf + 8) = 3ull << 40 | 3;
		*rig_word(&w.r, w.entry + 64) = ss_entry(&w, 2);
		*rig_word(&w.r, w.entry + 72) = 4 | 1u << 23;
		for (unsigned int i = 0; i < 2; i++) {
			if (i && fence)
				rig_push(&w.r, 5 | 1u << 6, 0);
			if ((i == 0) == iotlb_first)
				rig_push(&w.r, 2 | 2u << 4 | 1u << 16, 0);
			else
				rig_push(&w.r, 7 | 1u << 4 | 2u << 16 | 1ull << 32, 0);
		}
		assert_true(rig_sync(&w.r));
		w.done = true;
		task_join(task);
		assert_int_equal(w.wrong, 0);
		order[0] += w.order[0];
		order[1] += w.order[1];
		end(&w);
	}
}

static void test_command_order(void **state)
{
	unsigned int order[2];

	/* PASID-cache, then IOTLB: never the other way. */
	command_order(false, false, order);
	assert_int_equal(order[0], 0);
	/* IOTLB, then PASID-cache: both orders occur, unless a fence stands between. */
	command_order(true, false, order);
	assert_true(order[0] > 0 && order[1] > 0);
	command_order(true, true, order);
	assert_true(order[0] > 0);
	assert_int_equal(order[1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_torn_entries),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_no_late_fill),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_command_order),
	};

	return cmocka_run_group_tests_name("vtd steered", tests, NULL, NULL);
}
