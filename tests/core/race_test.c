/* SPDX-License-Identifier: MIT */
/*
 * All calls of the core at once: threads in the production build (for TSan), an
 * adversary's interleavings in the steered one. Hardware fails now and then. The
 * mock sees to it that nothing is freed that a device may reach; a domain must be
 * free to go as soon as the detach of its group returned.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "base/choice.h"
#include "base/task.h"
#include "mock.h"

enum { GROUPS = 4, SHARED = 3, TASKS = 9 };

#ifdef UIOMMU_STEERED
enum { RUNS = 600, STEPS = 20 };
#else
enum { RUNS = 2, STEPS = 4000 };
#endif

struct race {
	struct uiommu_ctx *ctx;
	struct mock_events events;
	struct uiommu_iommu *iommu[2];
	struct uiommu_group *group[GROUPS];
	struct uiommu_domain *shared[2][SHARED + 1];	/* the last is blocking */
	_Atomic unsigned int committed, cancelled, replaced;
};

struct racer {
	struct race *race;
	uint64_t r;
	unsigned int number;
};

/* Let others in: the adversary, or the scheduler. */
static void let_in(void)
{
	choice_interleave(CHOICE_CORE);
	sched_yield();
}

static struct uiommu_domain *some_domain(struct racer *me, unsigned int group)
{
	return me->race->shared[group / 2][rnd(&me->r, SHARED + 1)];
}

static void replace_step(struct racer *me)
{
	unsigned int g = rnd(&me->r, GROUPS);
	struct uiommu_replace_opts opts = { .size = sizeof(opts), .worst_gap = UIOMMU_GAP_NONE };
	struct uiommu_report report;
	int err;

	if (one_in(&me->r, 3))
		err = uiommu_attach_group(me->race->group[g], some_domain(me, g), &report);
	else
		err = uiommu_group_replace_domain(me->race->group[g], some_domain(me, g), &opts, &report);
	require(!err == !report.reason[0]);
	if (!err)
		me->race->replaced++;
}

static void detach_step(struct racer *me)
{
	unsigned int g = rnd(&me->r, GROUPS);
	int err;

	if (one_in(&me->r, 3)) {
		err = uiommu_group_set_default_domain(me->race->group[g], some_domain(me, g));
		require(!err || err == -EBUSY || err == -EIO || err == -ETIMEDOUT || err == -ENOSPC);
	} else if (one_in(&me->r, 2)) {
		uiommu_block_group(me->race->group[g]);
	} else {
		uiommu_detach_group(me->race->group[g]);
	}
}

static void txn_step(struct racer *me)
{
	struct uiommu_replace_target t[GROUPS];
	unsigned int n = 1 + rnd(&me->r, GROUPS), first = rnd(&me->r, GROUPS);
	struct uiommu_report report;
	struct uiommu_txn *txn;
	int err;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int g = (first + i) % GROUPS;

		t[i] = (struct uiommu_replace_target){
			me->race->group[g], UIOMMU_NO_PASID, some_domain(me, g), NULL,
		};
	}
	if (uiommu_replace_prepare(me->race->ctx, t, n, NULL, &txn, &report))
		return;
	let_in();
	if (one_in(&me->r, 4)) {
		uiommu_replace_abort(txn);
		return;
	}
	err = uiommu_replace_commit(txn, &report);
	require(!err == !report.reason[0]);
	me->race->committed += !err;
	me->race->cancelled += err == -ECANCELED;
}

/* Two tasks of this kind fight for the same RIDs. */
static void plug_step(struct racer *me)
{
	unsigned int g = rnd(&me->r, GROUPS), rid = 8 + g / 2 * 16 + rnd(&me->r, 2);
	struct uiommu_device *dev = NULL;
	int err = uiommu_device_add(me->race->group[g], (uint16_t)rid, &dev);

	require(!err == !!dev);
	let_in();
	if (!err)
		uiommu_device_remove(dev);
}

/* A group of its own, a domain of its own, destroyed while a transaction may be prepared. */
static void lifetime_step(struct racer *me)
{
	unsigned int g = rnd(&me->r, GROUPS);
	struct uiommu_iommu *iommu = me->race->iommu[g / 2];
	struct uiommu_domain *mine = mock_domain(iommu, UIOMMU_DOMAIN_PAGING);
	struct uiommu_replace_target t = { me->race->group[g], UIOMMU_NO_PASID, mine, NULL };
	struct uiommu_txn *txn = NULL;

	require(!uiommu_map(mine, 0, 0, 4096, UIOMMU_READ));
	if (one_in(&me->r, 2)) {
		uiommu_group_replace_domain(me->race->group[g], mine, NULL, NULL);
	} else if (!uiommu_replace_prepare(me->race->ctx, &t, 1, NULL, &txn, NULL)) {
		let_in();
		if (one_in(&me->r, 2)) {
			uiommu_replace_commit(txn, NULL);
			txn = NULL;
		}
	}
	require(!uiommu_unmap(mine, 0, 4096));
	uiommu_detach_group(me->race->group[g]);
	/* Neither the group nor the transaction that was cancelled holds it any longer. */
	require(!uiommu_domain_free(mine));
	uiommu_replace_abort(txn);
}

static void map_step(struct racer *me)
{
	unsigned int g = rnd(&me->r, GROUPS);
	struct uiommu_domain *domain = me->race->shared[g / 2][rnd(&me->r, SHARED)];
	uiommu_pa_t pa;

	if (uiommu_domain_type(domain) == UIOMMU_DOMAIN_PAGING) {
		require(!uiommu_map(domain, 0x1000, 0x2000, 4096, UIOMMU_READ));
		require(!uiommu_iova_to_phys(domain, 0x1000, &pa));
		require(!uiommu_unmap(domain, 0x1000, 4096));
	}
	require(uiommu_group_domain(me->race->group[g]));
}

static void fault_step(struct racer *me)
{
	struct mock_faults *f = &to_mock(me->race->iommu[rnd(&me->r, 2)])->faults;
	uint32_t any = rnd(&me->r, UINT32_MAX);

	atomic_store(&f->commit, one_in(&me->r, 4) ? any & rnd(&me->r, UINT32_MAX) : 0);
	atomic_store(&f->back, one_in(&me->r, 2) ? any : 0);
	atomic_store(&f->lost, rnd(&me->r, UINT32_MAX));
	atomic_store(&f->park, one_in(&me->r, 4) ? any : 0);
	atomic_store(&f->prepare, one_in(&me->r, 8) ? any & rnd(&me->r, UINT32_MAX) : 0);
}

static void race(void *arg)
{
	static void (*const steps[TASKS])(struct racer *me) = {
		replace_step, replace_step, detach_step, txn_step, txn_step, plug_step, plug_step,
		lifetime_step, map_step,
	};
	struct racer *me = arg;

	for (int i = 0; i < STEPS; i++) {
		steps[me->number](me);
		if (one_in(&me->r, 8))
			fault_step(me);
		choice_interleave(CHOICE_CORE);
	}
}

static void set_up(struct race *race)
{
	race->ctx = mock_ctx(&race->events);
	for (int i = 0; i < 2; i++) {
		race->iommu[i] = mock_iommu(race->ctx);
		require(race->iommu[i]);
		for (int d = 0; d < SHARED; d++)
			race->shared[i][d] = mock_domain(race->iommu[i], d ? UIOMMU_DOMAIN_PAGING :
							 UIOMMU_DOMAIN_IDENTITY);
		race->shared[i][SHARED] = race->iommu[i]->blocking;
	}
	for (unsigned int g = 0; g < GROUPS; g++) {
		require(!uiommu_group_create(race->iommu[g / 2], &race->group[g]));
		for (unsigned int d = 0; d < 2; d++)
			mock_add(race->group[g], (uint16_t)(g / 2 * 16 + g % 2 * 2 + d));
	}
}

static void take_down(struct race *race)
{
	for (int i = 0; i < 2; i++) {
		mock_clear_faults(to_mock(race->iommu[i]));
		mock_check(race->iommu[i]);
	}
	for (unsigned int g = 0; g < GROUPS; g++) {
		while (race->group[g]->devices)
			uiommu_device_remove(race->group[g]->devices);
		uiommu_group_destroy(race->group[g]);
	}
	for (int i = 0; i < 2; i++) {
		for (int d = 0; d < SHARED; d++)
			require(!uiommu_domain_free(race->shared[i][d]));
		uiommu_iommu_destroy(race->iommu[i]);
	}
	uiommu_ctx_destroy(race->ctx);
}

static void test_race(void **state)
{
	const char *given = getenv("UIOMMU_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;
	unsigned int replaced = 0, committed = 0, cancelled = 0;

	(void)state;
	for (int run = 0; run < RUNS; run++, seed++) {
		struct race *all = calloc(1, sizeof(*all));
		struct racer racer[TASKS];
		struct task *task[TASKS];
		struct task_set *set;

		require(all);
		mock_seed(seed);
		set_up(all);
		require(!task_set_create(&all->ctx->alloc, seed, &set));
		for (unsigned int i = 0; i < TASKS; i++) {
			racer[i] = (struct racer){ all, (seed * 31 + i) | UINT64_C(1) << 63, i };
			require(!task_spawn(set, "racer", race, &racer[i], &task[i]));
		}
		for (unsigned int i = 0; i < TASKS; i++)
			task_join(task[i]);
		task_set_destroy(set);
		replaced += all->replaced;
		committed += all->committed;
		cancelled += all->cancelled;
		take_down(all);
		free(all);
	}
	print_message("# %u replaced, %u committed, %u cancelled; seeds up to %llu\n", replaced, committed,
		      cancelled, (unsigned long long)seed - 1);
	assert_true(replaced && committed);
#ifdef UIOMMU_STEERED
	assert_true(cancelled);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
