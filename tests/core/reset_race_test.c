/* SPDX-License-Identifier: MIT */
/*
 * A reset against calls that must not fail, and faults against handles that go away:
 * threads in the production build, an adversary's interleavings in the steered one.
 *
 * The history: a reset kept devices on blocking and remembered what they had been on; a
 * detach that must not fail met the reset, failed all the same, and the domain that its caller
 * then freed was what the reset gave the device back to. So here every domain is freed as soon as
 * the call that must not fail has returned, and the mock sees whether hardware can still reach it.
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
#include "rig.h"

#define NO_PASID UIOMMU_NO_PASID

enum { DEVICES = 3, TASKS = 7 };

#ifdef UIOMMU_STEERED
enum { RUNS = 500, STEPS = 12, FAULTS = 2 };
#else
enum { RUNS = 2, STEPS = 3000, FAULTS = 20 };
#endif

struct racer {
	struct rig *rig;
	uint64_t r;
	unsigned int number;
};

static _Atomic unsigned int resets, met, faulted;

static void let_in(void)
{
	choice_interleave(CHOICE_CORE);
	sched_yield();
}

static void reset_step(struct racer *me)
{
	struct uiommu_device *dev = me->rig->dev[rnd(&me->r, DEVICES)];
	int err = uiommu_reset_prepare(dev);

	if (err) {
		require(err == -EIO || err == -ETIMEDOUT || err == -ENOSPC);
		return;
	}
	let_in();
	if (one_in(&me->r, 4)) {
		require(!uiommu_reset_prepare(dev));
		let_in();
		uiommu_reset_done(dev);
	}
	require(uiommu_device_domain(dev) == me->rig->blocking);
	uiommu_reset_done(dev);
	resets++;
}

/* One that lives on the heap, so that whoever uses it too late is seen. */
static struct uiommu_attach_handle *handle_make(void)
{
	struct uiommu_attach_handle *handle = calloc(1, sizeof(*handle));

	require(handle);
	handle->data = handle;
	return handle;
}

static void handle_end(struct uiommu_attach_handle *handle)
{
	require(handle->data == handle);
	handle->data = NULL;
	free(handle);
}

/* A domain of the caller's on the group; gone as soon as the detach has returned. */
static void detach_step(struct racer *me)
{
	struct rig *r = me->rig;
	struct uiommu_domain *mine = mock_domain(r->iommu, UIOMMU_DOMAIN_PAGING);
	struct uiommu_attach_handle *handle = handle_make();
	struct uiommu_txn *txn = NULL;
	struct uiommu_replace_target t = { r->group, NO_PASID, mine, handle };
	int err;

	if (one_in(&me->r, 2)) {
		err = uiommu_replace_group_handle(r->group, mine, handle, NULL, NULL);
	} else {
		err = uiommu_replace_prepare(r->ctx, &t, 1, NULL, &txn, NULL);
		let_in();
		if (!err)
			err = uiommu_replace_commit(txn, NULL);
	}
	met += err == -EBUSY || err == -ECANCELED;
	let_in();
	if (one_in(&me->r, 2))
		uiommu_detach_group(r->group);
	else
		uiommu_block_group(r->group);
	require(!uiommu_domain_free(mine));
	handle_end(handle);
}

static void pasid_step(struct racer *me)
{
	struct rig *r = me->rig;
	struct uiommu_domain *one = mock_domain(r->iommu, UIOMMU_DOMAIN_PAGING);
	struct uiommu_domain *two = mock_domain(r->iommu, UIOMMU_DOMAIN_PAGING);
	struct uiommu_attach_handle *first = handle_make(), *second = handle_make();
	uint32_t pasid = 1 + me->number;

	if (!uiommu_attach_pasid(r->group, pasid, one, first, NULL)) {
		let_in();
		/* The old handle is the caller's again at once, the old domain too. */
		if (!uiommu_replace_pasid(r->group, pasid, two, second, NULL, NULL)) {
			handle_end(first);
			first = NULL;
			require(!uiommu_domain_free(one));
			one = NULL;
		}
		let_in();
	}
	uiommu_detach_pasid(r->group, pasid);
	require(!one || !uiommu_domain_free(one));
	require(!uiommu_domain_free(two));
	if (first)
		handle_end(first);
	handle_end(second);
}

static void owner_step(struct racer *me)
{
	struct rig *r = me->rig;

	if (uiommu_group_claim_dma_owner(r->group, me))
		return;
	let_in();
	while (uiommu_group_release_dma_owner(r->group) == -EBUSY)
		let_in();
}

/* What a driver's fault handler does, inside a DMA batch or not. */
static void fault(struct racer *me)
{
	struct rig *r = me->rig;
	const struct uiommu_attach_handle *handle;
	uint32_t pasid = one_in(&me->r, 2) ? NO_PASID : 1 + rnd(&me->r, TASKS);

	rcu_section_begin();
	if (!core_attach_handle(r->iommu, (uint16_t)rnd(&me->r, DEVICES + 1), pasid, &handle)) {
		require(handle->data == handle && handle->domain);
		choice_interleave(CHOICE_CORE);
		require(handle->data == handle);
		faulted++;
	}
	rcu_section_end();
}

static void fault_step(struct racer *me)
{
	for (unsigned int i = 0; i < FAULTS; i++) {
		fault(me);
		let_in();
	}
}

static void plug_step(struct racer *me)
{
	struct uiommu_device *dev = NULL;

	if (uiommu_device_add(me->rig->group, DEVICES, &dev))
		return;
	let_in();
	if (!uiommu_reset_prepare(dev))
		let_in();
	uiommu_device_remove(dev);
}

static void break_hardware(struct racer *me)
{
	struct mock_faults *f = one_in(&me->r, 2) ? &me->rig->m->faults : &me->rig->m->pasid_faults;
	uint32_t any = rnd(&me->r, UINT32_MAX);

	atomic_store(&f->commit, one_in(&me->r, 4) ? any & rnd(&me->r, UINT32_MAX) : 0);
	atomic_store(&f->back, one_in(&me->r, 4) ? any : 0);
	atomic_store(&f->lost, rnd(&me->r, UINT32_MAX));
	atomic_store(&f->prepare, one_in(&me->r, 8) ? any & rnd(&me->r, UINT32_MAX) : 0);
}

static void race(void *arg)
{
	static void (*const steps[TASKS])(struct racer *me) = {
		reset_step, reset_step, detach_step, pasid_step, owner_step, fault_step, plug_step,
	};
	struct racer *me = arg;

	for (int i = 0; i < STEPS; i++) {
		steps[me->number](me);
		if (one_in(&me->r, 8) && me->number != 5)
			break_hardware(me);
		choice_interleave(CHOICE_CORE);
	}
}

static void run(uint64_t seed)
{
	struct racer racer[TASKS];
	struct task *task[TASKS];
	struct task_set *set;
	struct rig r;

	mock_seed(seed);
	rig_create(&r, DEVICES);
	require(!uiommu_group_set_default_domain(r.group, r.domain[seed % RIG_DOMAINS]));
	require(!task_set_create(&r.ctx->alloc, seed, &set));
	for (unsigned int i = 0; i < TASKS; i++) {
		racer[i] = (struct racer){ &r, (seed * 31 + i) | UINT64_C(1) << 63, i };
		require(!task_spawn(set, "racer", race, &racer[i], &task[i]));
	}
	for (unsigned int i = 0; i < TASKS; i++)
		task_join(task[i]);
	task_set_destroy(set);
	require(!r.group->resetting);
	rig_destroy(&r);
}

static void test_reset_against_a_detach_that_must_not_fail(void **state)
{
	const char *given = getenv("UIOMMU_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;

	(void)state;
	for (int i = 0; i < RUNS; i++)
		run(seed++);
	print_message("# %u resets, %u calls refused meanwhile, %u faults with a handle; seeds up to %llu\n",
		      resets, met, faulted, (unsigned long long)seed - 1);
	assert_true(resets && met);
#ifdef UIOMMU_STEERED
	assert_true(faulted);
#endif
}

/* The sequence of the history itself, step by step. */
static void test_reset_gives_back_what_the_group_is_on_then(void **state)
{
	(void)state;
	for (unsigned int how = 0; how < 4; how++) {
		struct uiommu_domain *mine;
		struct rig r;

		rig_create(&r, 2);
		require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
		mine = mock_domain(r.iommu, UIOMMU_DOMAIN_PAGING);
		require(!uiommu_group_claim_dma_owner(r.group, &r));
		require(!uiommu_attach_group(r.group, mine, NULL));
		require(!uiommu_attach_pasid(r.group, 1, mine, NULL, NULL));
		require(!uiommu_reset_prepare(r.dev[1]));
		/* Hardware fails for the device that is being reset: nobody may ask it for anything. */
		atomic_store(&r.m->faults.commit, 2);
		atomic_store(&r.m->faults.prepare, 2);
		atomic_store(&r.m->pasid_faults.commit, 2);
		uiommu_detach_pasid(r.group, 1);
		if (how == 0)
			uiommu_detach_group(r.group);
		else if (how == 1)
			uiommu_block_group(r.group);
		else if (how == 2)
			require(!uiommu_group_release_dma_owner(r.group));
		else
			uiommu_device_remove(r.dev[0]);
		if (how == 3) {
			r.dev[0] = NULL;
			uiommu_detach_group(r.group);
		}
		require(!uiommu_domain_free(mine) && !r.events.parked);
		mock_clear_faults(r.m);
		uiommu_reset_done(r.dev[1]);
		require(uiommu_device_domain(r.dev[1]) == uiommu_group_domain(r.group));
		mock_check(r.iommu);
		rig_destroy(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_gives_back_what_the_group_is_on_then),
		cmocka_unit_test(test_reset_against_a_detach_that_must_not_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
