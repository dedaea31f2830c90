/* SPDX-License-Identifier: MIT */
/*
 * Replacements, maps and unmaps under DMA. The same tasks run as threads in the
 * production build (and under TSan) and as fibers in the steered build, where a
 * seeded adversary decides what hardware and tasks do next; there each deliberate
 * mistake of the driver must be found.
 *
 * Every domain leads RIG_IOVA to a page of its own that holds the domain's mark. A
 * page that a domain or mapping gave up is overwritten as soon as the call
 * returned, so that an access that lands too late is seen. An access is right if it
 * saw the mark of a domain that was installed between its begin and its end. A page
 * table that was given up is filled with entries that lead to a trap at once, so that
 * a walk which still reads it is seen. A churner makes and frees domains meanwhile:
 * who frees a tag too early finds it in use by another device.
 */
#include "rig.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "base/choice.h"
#include "base/rcu.h"
#include "base/sanitize.h"
#include "base/task.h"
#include "update/mutant.h"

#ifdef UIOMMU_STEERED
#define ROUNDS 6
#define CHURNS 20
#define REMAPS 100
#define MOVES 8
#define MAPS 60 /* then the mapper rests: the adversary may starve who waits for its lock */
#define SEEDS (BUILD_TSAN ? 40 : 150)
#define MUTANT_SEEDS 400
#define SABOTAGES 20
#else
#define ROUNDS 50
#define CHURNS UINT32_MAX
#define REMAPS 100
#define MOVES 100
#define MAPS UINT32_MAX
#define SEEDS 2 /* memory by pointer and by accessor */
#endif

#define POISON UINT64_C(0xDEADDEADDEADDEAD)
#define MAP_IOVA UINT64_C(0x40000000)
#define MARK(domain, round) ((uint64_t)(domain) << 32 | (round))
#define SETTLED 4 /* domains that live through a run: second A, second B, identity, first */

/* A table of these, of either stage, leads to itself at every level, and as a page it holds them. */
#define TRAP_PAGE (RAM_BASE + 0xF0000)
#define TRAP (TRAP_PAGE | 0x67) /* second stage: readable, writable; first: present, user, A and D set */
#define PASID 5u
#define INSIST 100
#define AGENTS 3

struct storm {
	struct rig rig;
	struct rig_dev dev, on_a, on_b, churned;
	uint32_t pasid;		     /* of dev and churned: what changes; the RID itself without PASIDs */
	struct uiommu_domain *apart; /* second stage; at most dev is on it */
	struct uiommu_domain *settled[SETTLED];
	uint64_t mark[SETTLED];
	struct uiommu_domain *passing;	       /* made, used and freed again and again */
	_Atomic uint64_t want[2 * ROUNDS + 2]; /* what the device sees after the n-th replacement */
	_Atomic bool gap[2 * ROUNDS + 2];      /* the n-th replacement announced a gap */
	bool sabotage; /* hardware refuses descriptors now and then */
	unsigned int insisted;
	_Atomic unsigned int seq;	       /* 2 * replacements done, odd while one runs */
	_Atomic uint64_t mapped;	       /* mark of the page at MAP_IOVA of domain A, 0: maybe none */
	_Atomic bool stop;
	_Atomic unsigned int wrong, blocked, right;
	struct uiommu_agent *agent[AGENTS];
};

/* Pages of RAM from 0x20: settled (0), passing (8), churned (16); from 0x40 the mapper's; 0xF0 the trap. */
static uint64_t page_of(unsigned int i)
{
	return i == 2 ? RIG_IOVA : RAM_BASE + 0x20000 + 0x1000 * i;
}

static void write_page(struct storm *s, uint64_t pa, uint64_t mark)
{
	rcu_section_begin();
	mem_store64(s->rig.ctx->mem, pa, mark);
	rcu_section_end();
}

/* 0 and *val, or -EFAULT. */
static int dma_pasid(struct storm *s, struct uiommu_port *port, unsigned int agent, uint32_t pasid,
		     uint64_t iova, uint64_t *val)
{
	int err;

	uiommu_agent_begin(s->agent[agent]);
	err = uiommu_dma_read(port, s->agent[agent], pasid, iova, val, 8, NULL);
	uiommu_agent_end(s->agent[agent]);
	return err;
}

static int dma(struct storm *s, struct uiommu_port *port, unsigned int agent, uint64_t iova, uint64_t *val)
{
	return dma_pasid(s, port, agent, UIOMMU_NO_PASID, iova, val);
}

static void judge(struct storm *s, unsigned int from, unsigned int to, int err, uint64_t val)
{
	bool gap = false;

	for (unsigned int n = from / 2; n <= (to + 1) / 2; n++) {
		gap |= n > from / 2 && s->gap[n];
		if (!err && val == s->want[n]) {
			atomic_fetch_add(&s->right, 1);
			return;
		}
	}
	/* The replacement that was running when the access began. */
	gap |= (from & 1) && s->gap[from / 2 + 1];
	if (err && gap)
		return;
	atomic_fetch_add(err ? &s->blocked : &s->wrong, 1);
}

/* Now and then the CPU is given away outside of a batch, or each drain waits for a time slice. */
static void breathe(struct task_spin *spin)
{
	choice_interleave(CHOICE_CORE);
#ifndef UIOMMU_STEERED
	if (++spin->turns % 16 == 0)
		sched_yield();
#else
	/* The adversary may never change tasks where a DMA that hits chooses: here it must. */
	task_pass(spin);
#endif
}

static void device_task(void *arg)
{
	struct storm *s = arg;
	struct task_spin spin = { 0 };
	uint64_t val = 0;

	while (!atomic_load(&s->stop)) {
		unsigned int from = atomic_load(&s->seq);
		int err = dma_pasid(s, s->dev.port, 0, s->pasid, RIG_IOVA, &val);

		judge(s, from, atomic_load(&s->seq), err, val);
		breathe(&spin);
	}
}

/*
 * Where PASIDs change: what other attachments of the same device, and the same PASID of
 * other devices, are on.
 */
static const struct beside {
	bool of_a; /* else of dev */
	uint32_t pasid;
	unsigned int settled;
} beside[] = {
	{ false, UIOMMU_NO_PASID, 0 },
	{ false, PASID ^ 1, 1 },
	{ false, PASID ^ 64, 3 },
	{ true, PASID, 3 },
};

#define BESIDE (sizeof(beside) / sizeof(beside[0]))

static struct rig_dev *beside_dev(struct storm *s, const struct beside *b)
{
	return b->of_a ? &s->on_a : &s->dev;
}

static void look_beside(struct storm *s)
{
	uint64_t val = 0;

	for (unsigned int i = 0; i < BESIDE && s->pasid != UIOMMU_NO_PASID; i++) {
		struct uiommu_port *port = beside_dev(s, &beside[i])->port;

		if (dma_pasid(s, port, 1, beside[i].pasid, RIG_IOVA, &val) ||
		    val != s->mark[beside[i].settled])
			atomic_fetch_add(&s->wrong, 1);
		if (!dma_pasid(s, port, 1, beside[i].pasid, MAP_IOVA, &val) && (val == POISON || val == TRAP))
			atomic_fetch_add(&s->wrong, 1);
	}
}

/* Bystanders see only their own. */
static void bystander_task(void *arg)
{
	struct storm *s = arg;
	struct task_spin spin = { 0 };
	uint64_t val = 0;

	while (!atomic_load(&s->stop)) {
		if (dma(s, s->on_a.port, 1, RIG_IOVA, &val) || val != s->mark[0])
			atomic_fetch_add(&s->wrong, 1);
		if (dma(s, s->on_b.port, 1, RIG_IOVA, &val) || val != s->mark[1])
			atomic_fetch_add(&s->wrong, 1);
		if (!dma(s, s->on_a.port, 1, MAP_IOVA, &val) && (val == POISON || val == TRAP))
			atomic_fetch_add(&s->wrong, 1);
		look_beside(s);
		breathe(&spin);
	}
}

/*
 * Away from wherever the failure left it, and onto the domain. What succeeds at last holds:
 * then nothing reaches the others any more.
 */
static int insist(struct storm *s, struct rig_dev *d, struct uiommu_domain *to)
{
	int err = -EIO;

	s->insisted++;
	for (unsigned int tries = 0; err && tries < INSIST; tries++) {
		rig_detach(&s->rig, d);
		err = rig_attach(&s->rig, d, to, NULL);
	}
	return err;
}

/* What hardware would not let go of leaves when the device comes and goes once more. */
static void leave(struct storm *s, struct rig_dev *d)
{
	rig_detach(&s->rig, d);
	if (!s->sabotage)
		return;
	if (insist(s, d, s->settled[0]))
		atomic_fetch_add(&s->wrong, 1);
	rig_detach(&s->rig, d);
}

/* Makes domains, uses and frees them: each takes the lowest free tag. Sees only its own. */
static void churner_task(void *arg)
{
	struct storm *s = arg;
	struct task_spin spin = { 0 };
	uint64_t val = 0;

	for (unsigned int i = 0; i < CHURNS && !atomic_load(&s->stop); i++) {
		bool first = s->pasid != UIOMMU_NO_PASID && i % 2;
		struct uiommu_domain *d =
			rig_paging(&s->rig, first ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND);
		uint64_t pa = page_of(16 + i % 4);

		write_page(s, pa, MARK(7, i));
		if (!d || uiommu_map(d, RIG_IOVA, pa, 4096, UIOMMU_READ) ||
		    (rig_attach(&s->rig, &s->churned, d, NULL) &&
		     (!s->sabotage || insist(s, &s->churned, d))))
			atomic_fetch_add(&s->wrong, 1);
		if (dma_pasid(s, s->churned.port, 2, s->pasid, RIG_IOVA, &val) || val != MARK(7, i))
			atomic_fetch_add(&s->wrong, 1);
		leave(s, &s->churned);
		write_page(s, pa, POISON);
		if (uiommu_domain_free(d))
			atomic_fetch_add(&s->wrong, 1);
		breathe(&spin);
	}
}

/* A table is anybody's from now on. */
static void set_trap(struct rig *rig, enum hw_note note, uint64_t pa)
{
	_Atomic uint64_t *table = note == HW_NOTE_TABLE_FREE ? pool_va(rig->ctx->pool, pa) : NULL;

	for (unsigned int i = 0; table && i < 512; i++)
		atomic_store_explicit(&table[i], TRAP, memory_order_relaxed);
}

/* A failed flush is made good by the next that succeeds, whatever it finds mapped. */
static int unmap(struct storm *s, struct uiommu_domain *d, uint64_t iova, uint64_t size)
{
	int err = uiommu_unmap(d, iova, size);

	for (unsigned int tries = 0; err && s->sabotage && tries < INSIST; tries++)
		err = uiommu_unmap(d, iova, size);
	return err;
}

/* Maps pages into A, or into the first-stage domain, unmaps them, and gives them away at once. */
static void mapper_task(void *arg)
{
	struct storm *s = arg;
	struct task_spin spin = { 0 };

	for (unsigned int i = 0; i < MAPS && !atomic_load(&s->stop); i++) {
		bool first = s->pasid != UIOMMU_NO_PASID && i & 2;
		struct uiommu_domain *d = s->settled[first ? 3 : 0];
		uint64_t pa = RAM_BASE + 0x40000 + 0x1000 * (i % 16);

		write_page(s, pa, MARK(9, i));
		if (uiommu_map(d, MAP_IOVA, pa, 4096, UIOMMU_READ) ||
		    unmap(s, d, MAP_IOVA, i & 1 ? 4096 : 0x40000000))
			atomic_fetch_add(&s->wrong, 1);
		write_page(s, pa, POISON);
		breathe(&spin);
	}
}

/* Threads: each replacement meets the device, or the swapper is done before the others began. */
static void meet(struct storm *s)
{
#ifndef UIOMMU_STEERED
	unsigned int right = atomic_load(&s->right);
	struct task_spin spin = { 0 };

	while (atomic_load(&s->right) == right && spin.turns < 1u << 22)
		task_relax(&spin);
#endif
}

static void replace(struct storm *s, struct uiommu_domain *to, uint64_t want)
{
	unsigned int n = atomic_load(&s->seq) / 2 + 1;
	struct uiommu_replace_opts hitless = { .size = sizeof(hitless), .worst_gap = UIOMMU_GAP_NONE };
	int err;

	atomic_store(&s->want[n], want);
	/* Where hardware fails, a device may be parked before it arrives at last. */
	atomic_store(&s->gap[n], s->sabotage);
	atomic_fetch_add(&s->seq, 1);
	err = rig_replace(&s->rig, &s->dev, to, &hitless, NULL);
	if (err == -EOPNOTSUPP) {
		atomic_store(&s->gap[n], true);
		err = rig_replace(&s->rig, &s->dev, to, NULL, NULL);
	}
	if (err && s->sabotage)
		err = insist(s, &s->dev, to);
	if (err)
		atomic_fetch_add(&s->wrong, 1);
	atomic_fetch_add(&s->seq, 1);
	meet(s);
}

static void make_passing(struct storm *s, unsigned int round)
{
	uint64_t pa = page_of(8 + round % 4);

	s->passing = rig_paging(&s->rig, UIOMMU_STAGE_SECOND);
	write_page(s, pa, MARK(8, round));
	if (!s->passing || uiommu_map(s->passing, RIG_IOVA, pa, 4096, UIOMMU_READ | UIOMMU_WRITE))
		atomic_fetch_add(&s->wrong, 1);
}

static void swapper_task(void *arg)
{
	struct storm *s = arg;
	unsigned int n = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		make_passing(s, round);
		replace(s, s->passing, MARK(8, round));
		do
			n = (n + 1) % SETTLED;
		while (!s->settled[n]);
		replace(s, s->settled[n], s->mark[n]);
		/* Nobody reaches it any more: it may be freed, its page may be given away. */
		write_page(s, page_of(8 + round % 4), POISON);
		rig_domain_free(s->passing);
	}
	atomic_store(&s->stop, true);
}

/* ---- unmaps in the domain that a device is just moved to or away from ---- */

static void prober_task(void *arg)
{
	struct storm *s = arg;
	uint64_t val = 0;

	while (!atomic_load(&s->stop)) {
		struct task_spin spin = { 0 };
		int err = dma_pasid(s, s->dev.port, 0, s->pasid, MAP_IOVA, &val);

		atomic_fetch_add(!err && val != MARK(9, 0) ? &s->wrong : &s->right, 1);
		task_relax(&spin);
	}
}

/* Each page once: whoever still reaches one finds poison from the unmap to the end. */
static void remapper_task(void *arg)
{
	struct storm *s = arg;

	for (unsigned int i = 0; i < REMAPS && !atomic_load(&s->stop); i++) {
		uint64_t pa = RAM_BASE + 0x40000 + 0x1000 * i;
		struct task_spin spin = { 0 };

		write_page(s, pa, MARK(9, 0));
		if (uiommu_map(s->apart, MAP_IOVA, pa, 4096, UIOMMU_READ))
			atomic_fetch_add(&s->wrong, 1);
		task_relax(&spin);
		if (uiommu_unmap(s->apart, MAP_IOVA, 4096))
			atomic_fetch_add(&s->wrong, 1);
		write_page(s, pa, POISON);
	}
}

static void mover_task(void *arg)
{
	struct storm *s = arg;

	for (unsigned int i = 0; i < MOVES; i++) {
		struct task_spin spin = { 0 };

		if (rig_replace(&s->rig, &s->dev, i & 1 ? s->settled[0] : s->apart, NULL, NULL))
			atomic_fetch_add(&s->wrong, 1);
		task_relax(&spin);
		meet(s);
	}
	atomic_store(&s->stop, true);
}

static void move_beside(struct storm *s, bool attach)
{
	for (unsigned int i = 0; i < BESIDE && s->pasid != UIOMMU_NO_PASID; i++) {
		struct rig_dev *d = beside_dev(s, &beside[i]);

		s->rig.pasid = beside[i].pasid;
		if (attach)
			assert_int_equal(rig_attach(&s->rig, d, s->settled[beside[i].settled], NULL), 0);
		else
			rig_detach(&s->rig, d);
	}
	s->rig.pasid = s->pasid;
}

static void storm_begin(struct storm *s, const struct rig_opts *o, bool sabotage)
{
	memset(s, 0, sizeof(*s));
	s->sabotage = sabotage;
	rig_begin(&s->rig, o);
	s->pasid = o->max_pasids ? PASID : UIOMMU_NO_PASID;
	s->rig.pasid = s->pasid;
	s->rig.on_note = set_trap;
	for (uint64_t at = 0; at < 4096; at += 8)
		write_page(s, TRAP_PAGE + at, TRAP);
	for (unsigned int i = 0; i < AGENTS; i++)
		assert_int_equal(uiommu_agent_create(s->rig.ctx, &s->agent[i]), 0);
	rig_dev_add(&s->rig, &s->churned, 0x28);
	s->apart = rig_paging(&s->rig,
			      s->pasid == UIOMMU_NO_PASID ? UIOMMU_STAGE_SECOND : UIOMMU_STAGE_FIRST);
	assert_non_null(s->apart);
	rig_dev_add(&s->rig, &s->dev, 0x10);
	rig_dev_add(&s->rig, &s->on_a, 0x18);
	rig_dev_add(&s->rig, &s->on_b, 0x20);
	for (unsigned int i = 0; i < SETTLED; i++) {
		struct uiommu_domain_opts id = { .size = sizeof(id), .type = UIOMMU_DOMAIN_IDENTITY };

		s->mark[i] = MARK(i, 0xFFFF);
		write_page(s, page_of(i), s->mark[i]);
		if (i == 2)
			assert_int_equal(uiommu_domain_alloc(s->rig.iommu, &id, &s->settled[i]), 0);
		else
			s->settled[i] =
				rig_paging(&s->rig, i == 3 ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND);
		if (s->settled[i] && i != 2)
			assert_int_equal(uiommu_map(s->settled[i], RIG_IOVA, page_of(i), 4096, UIOMMU_READ),
					 0);
	}
	assert_int_equal(rig_attach(&s->rig, &s->dev, s->settled[0], NULL), 0);
	assert_int_equal(uiommu_attach_group(s->on_a.group, s->settled[0], NULL), 0);
	assert_int_equal(uiommu_attach_group(s->on_b.group, s->settled[1], NULL), 0);
	s->want[0] = s->mark[0];
	move_beside(s, true);
}

static void storm_end(struct storm *s)
{
	move_beside(s, false);
	rig_detach(&s->rig, &s->dev);
	uiommu_detach_group(s->on_a.group);
	uiommu_detach_group(s->on_b.group);
	rig_dev_remove(&s->dev);
	rig_dev_remove(&s->on_a);
	rig_dev_remove(&s->on_b);
	rig_dev_remove(&s->churned);
	rig_domain_free(s->apart);
	for (unsigned int i = 0; i < SETTLED; i++)
		rig_domain_free(s->settled[i]);
	for (unsigned int i = 0; i < AGENTS; i++)
		uiommu_agent_destroy(s->agent[i]);
	rig_end(&s->rig);
}

struct role {
	const char *name;
	void (*fn)(void *arg);
};

static const struct role everybody[] = {
	{ "device", device_task },   { "bystander", bystander_task }, { "mapper", mapper_task },
	{ "swapper", swapper_task }, { "churner", churner_task },     { NULL, NULL },
};

/* Few, so that unmaps and moves meet. Nobody but the device that moves keeps the domain's tag in its list. */
static const struct role movers[] = {
	{ "prober", prober_task },
	{ "remapper", remapper_task },
	{ "mover", mover_task },
	{ NULL, NULL },
};

/* What came of it, over all runs. */
static struct {
	unsigned int errors, insisted, parked, quarantined;
} refusals;

/* Returns wrong accesses; *blocked those that met a fault without an announced gap; adds the right ones. */
static unsigned int run(const struct rig_opts *opts, const struct role *role, uint64_t seed,
			unsigned int *blocked, uint64_t *right)
{
	struct storm *s = calloc(1, sizeof(*s));
	struct rig_opts o = *opts;
	struct alloc a;
	struct task_set *set;
	struct task *task[8];
	unsigned int wrong, n = 0;
	bool sabotage = false;

	o.accessor ^= seed & 1;
	while (role[n].name)
		sabotage |= !strcmp(role[n++].name, "saboteur");
	storm_begin(s, &o, sabotage);
	alloc_init(&a, NULL, NULL);
	assert_int_equal(task_set_create(&a, seed, &set), 0);
	for (n = 0; role[n].name; n++)
		assert_int_equal(task_spawn(set, role[n].name, role[n].fn, s, &task[n]), 0);
	for (unsigned int i = 0; i < n; i++)
		task_join(task[i]);
	task_set_destroy(set);
	s->rig.rearm = 0;
	vtd_model_fail_descriptor(s->rig.hw, 1, VTD_FAIL_NONE);
	storm_end(s);
	refusals.errors += s->rig.events[UIOMMU_EVENT_QUEUE_ERROR];
	refusals.insisted += s->insisted;
	refusals.parked += s->rig.events[UIOMMU_EVENT_PARKED];
	refusals.quarantined += s->rig.events[UIOMMU_EVENT_QUARANTINED];
	wrong = s->wrong;
	*blocked = s->blocked;
	*right += s->right;
	free(s);
	return wrong;
}

static uint64_t first_seed(void)
{
	const char *e = getenv("UIOMMU_TEST_SEED");

	return e ? strtoull(e, NULL, 0) : 1;
}

static void storm_of(const struct rig_opts *o, const struct role *role)
{
	uint64_t right = 0;

	for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
		unsigned int blocked, wrong = run(o, role, seed, &blocked, &right);

		if (wrong || blocked)
			print_error("UIOMMU_TEST_SEED=%llu: %u wrong, %u blocked\n", (unsigned long long)seed,
				    wrong, blocked);
		assert_int_equal(wrong + blocked, 0);
	}
	/* Or the storm was none. */
	assert_true(right > SEEDS * ROUNDS);
}

static void storm(const struct rig_opts *o)
{
	storm_of(o, everybody);
}

static void unmaps_meet_moves(void **state)
{
	storm_of(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true }, movers);
	storm_of(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .plain = true }, movers);
}

static const struct rig_opts pasids = { .mode = UIOMMU_VTD_SCALABLE, .plain = true, .max_pasids = 128 };

static void storm_pasids(void **state)
{
	storm(&pasids);
}

static void storm_pasids_any_order(void **state)
{
	struct rig_opts o = pasids;

	o.any_order = true;
	o.model.preset = UIOMMU_PRESET_ANY_ORDER;
	storm(&o);
}

static void unmaps_meet_moves_of_pasids(void **state)
{
	storm_of(&pasids, movers);
}

static void storm_scalable(void **state)
{
	storm(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true });
}

static void storm_legacy(void **state)
{
	storm(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .plain = true });
}

static void storm_without_store128(void **state)
{
	storm(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true, .no_store128 = true });
}

static void storm_any_order(void **state)
{
	storm(&(struct rig_opts){
		.mode = UIOMMU_VTD_SCALABLE,
		.plain = true,
		.any_order = true,
		.model.preset = UIOMMU_PRESET_ANY_ORDER,
	});
}

#ifdef UIOMMU_STEERED

/*
 * Descriptors are refused, now and then several in a row, also those of the way back and
 * of parking. Steered only: what refuses the next one comes in whatever task waits.
 */
static void saboteur_task(void *arg)
{
	struct storm *s = arg;
	struct task_spin spin = { 0 };

	for (unsigned int i = 0; i < SABOTAGES && !atomic_load(&s->stop); i++) {
		for (unsigned int k = 0; k < 10 + 7 * i % 40; k++)
			breathe(&spin);
		s->rig.rearm = i % 5;
		s->rig.rearm_at = 1 + i % 7;
		vtd_model_fail_descriptor(s->rig.hw, 1 + i % 4, VTD_FAIL_IQE);
	}
}

static const struct role sabotaged[] = {
	{ "device", device_task },   { "bystander", bystander_task }, { "mapper", mapper_task },
	{ "swapper", swapper_task }, { "churner", churner_task },     { "saboteur", saboteur_task },
	{ NULL, NULL },
};

static void storm_of_failures_of(const struct rig_opts *o)
{
	memset(&refusals, 0, sizeof(refusals));
	storm_of(o, sabotaged);
	/* Failures of all depths: gone back, parked, not even parked. */
	print_message("# %u errors, %u insisted, %u parked, %u quarantined\n", refusals.errors,
		      refusals.insisted, refusals.parked, refusals.quarantined);
	assert_true(refusals.insisted && refusals.parked && refusals.quarantined);
}

static void storm_of_failures(void **state)
{
	storm_of_failures_of(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true });
	storm_of_failures_of(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .plain = true });
}

static void storm_of_failures_of_pasids(void **state)
{
	storm_of_failures_of(&pasids);
}

#endif

#ifndef UIOMMU_STEERED

static void storm_own_thread(void **state)
{
	storm(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true, .model.own_thread = true });
}

#else

static const struct role *cast_for(enum mutant m)
{
	return m == MUTANT_LIST_ADD_LATE || m == MUTANT_LIST_DEL_EARLY ? movers : everybody;
}

/* Every mistake shows in some seed, in both modes, and with PASIDs. */
static void mutants_are_found(void **state)
{
	struct rig_opts kinds[] = {
		{ .mode = UIOMMU_VTD_SCALABLE, .plain = true },
		{ .mode = UIOMMU_VTD_LEGACY, .plain = true },
		pasids,
	};
	static const char *const kind_names[] = { "scalable", "legacy", "PASIDs" };
	unsigned int missed = 0;

	for (unsigned int kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		for (unsigned int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++) {
			struct rig_opts o = kinds[kind];
			uint64_t seed, right = 0;
			unsigned int blocked;

			mutant_select((enum mutant)m);
			for (seed = 1; seed <= MUTANT_SEEDS; seed++)
				if (run(&o, cast_for((enum mutant)m), seed, &blocked, &right) || blocked)
					break;
			mutant_select(MUTANT_NONE);
			print_message("# %s: %s found by seed %llu\n", kind_names[kind],
				      mutant_name((enum mutant)m), (unsigned long long)seed);
			missed += seed > MUTANT_SEEDS;
		}
	}
	assert_int_equal(missed, 0);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(storm_scalable),	  cmocka_unit_test(storm_legacy),
		cmocka_unit_test(storm_without_store128), cmocka_unit_test(storm_any_order),
		cmocka_unit_test(unmaps_meet_moves),	  cmocka_unit_test(storm_pasids),
		cmocka_unit_test(storm_pasids_any_order), cmocka_unit_test(unmaps_meet_moves_of_pasids),
#ifndef UIOMMU_STEERED
		cmocka_unit_test(storm_own_thread),
#else
		cmocka_unit_test(mutants_are_found),
		cmocka_unit_test(storm_of_failures),	  cmocka_unit_test(storm_of_failures_of_pasids),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
