/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of the invalidation queue under several submitters while
 * hardware refuses descriptors: every batch completes, with success or with -EIO,
 * in threads and under the adversary; nobody waits for ever and nobody's
 * completion is lost.
 */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

#include "base/choice.h"
#include "base/task.h"

#define TASKS 3

#ifdef UIOMMU_STEERED
#define BATCHES 12
#define SEEDS 120
#else
#define BATCHES 3000
#define SEEDS 1
#endif

struct submitters {
	struct rig rig;
	struct vtdd_iommu *vi;
	_Atomic unsigned int ok, refused, other, next;
};

static void submit_task(void *arg)
{
	struct submitters *s = arg;
	unsigned int id = atomic_fetch_add(&s->next, 1);

	for (unsigned int i = 0; i < BATCHES; i++) {
		struct vtdd_inv inv;
		int err;

		/* Its own descriptors or another's, waits, and those that were repaired already. */
		if (i % 5 == id)
			vtd_model_fail_descriptor(s->rig.hw, 1 + i % 29, VTD_FAIL_IQE);
		vtdd_inv_init(&inv);
		for (unsigned int k = 0; k <= (i * 7 + id) % 40; k++)
			vtdd_inv_iotlb_domain(&inv, k);
		err = vtdd_queue_run(s->vi, &inv);
		if (!err)
			atomic_fetch_add(&s->ok, 1);
		else
			atomic_fetch_add(err == -EIO ? &s->refused : &s->other, 1);
		choice_interleave(CHOICE_CORE);
	}
}

/* Returns how many batches were refused. */
static unsigned int run(uint64_t seed, const struct rig_opts *o)
{
	struct submitters *s = calloc(1, sizeof(*s));
	struct task *task[TASKS];
	struct task_set *set;
	unsigned int refused;
	struct alloc a;

	rig_begin(&s->rig, o);
	s->vi = to_vtdd(s->rig.iommu);
	alloc_init(&a, NULL, NULL);
	assert_int_equal(task_set_create(&a, seed, &set), 0);
	for (unsigned int i = 0; i < TASKS; i++)
		assert_int_equal(task_spawn(set, "submit", submit_task, s, &task[i]), 0);
	for (unsigned int i = 0; i < TASKS; i++)
		task_join(task[i]);
	task_set_destroy(set);
	vtd_model_fail_descriptor(s->rig.hw, 1, VTD_FAIL_NONE);
	if (s->other || s->ok + s->refused != TASKS * BATCHES)
		print_error("UIOMMU_TEST_SEED=%llu: %u ok, %u refused, %u other\n", (unsigned long long)seed,
			    s->ok, s->refused, s->other);
	assert_int_equal(s->other, 0);
	assert_int_equal(s->ok + s->refused, TASKS * BATCHES);
	rig_end(&s->rig);
	refused = s->refused;
	free(s);
	return refused;
}

static void refusals(const struct rig_opts *o)
{
	const char *e = getenv("UIOMMU_TEST_SEED");
	unsigned int refused = 0;
	uint64_t first = e ? strtoull(e, NULL, 0) : 1;

	for (uint64_t seed = first; seed < first + SEEDS; seed++)
		refused += run(seed, o);
	assert_true(refused > 0);
}

static void wide_descriptors(void **state)
{
	refusals(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true });
}

static void narrow_descriptors(void **state)
{
	refusals(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .plain = true });
}

#ifndef UIOMMU_STEERED
static void own_thread(void **state)
{
	refusals(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true, .model.own_thread = true });
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wide_descriptors),
		cmocka_unit_test(narrow_descriptors),
#ifndef UIOMMU_STEERED
		cmocka_unit_test(own_thread),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
