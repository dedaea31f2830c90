/* SPDX-License-Identifier: MIT */
/*
 * Freeing a domain against those who use it: threads in the production build, an adversary's
 * interleavings in the steered one. Uses are not counted one by one (domain_users()), so a
 * domain that wanders from group to group, and is in use at every moment, must never be found
 * unused; and who asks for an attach handle must not touch the domain that it names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "base/choice.h"
#include "base/task.h"
#include "rig.h"

#define NO_PASID UIOMMU_NO_PASID

#ifdef UIOMMU_STEERED
enum { GROUPS = 3, RUNS = 400, ROUNDS = 6 };
#else
enum { GROUPS = 60, RUNS = 2, ROUNDS = 20000 };
#endif

struct ring {
	struct rig rig;
	struct uiommu_group *group[GROUPS];
	atomic_bool over;
	_Atomic(struct uiommu_domain *) given_up;
	_Atomic unsigned int asked;
};

/* domain[1] is always on one group at least, or attached to PASID 1. */
static void wander(void *arg)
{
	struct ring *ring = arg;
	struct rig *r = &ring->rig;
	struct uiommu_group *first = ring->group[0], *last = ring->group[GROUPS - 1];

	for (int i = 0; i < ROUNDS; i++) {
		require(!uiommu_group_replace_domain(first, r->domain[1], NULL, NULL));
		require(!uiommu_group_replace_domain(last, r->domain[2], NULL, NULL));
		require(!uiommu_attach_pasid(r->group, 1, r->domain[1], NULL, NULL));
		require(!uiommu_group_replace_domain(first, r->domain[2], NULL, NULL));
		require(!uiommu_group_set_default_domain(r->group, r->domain[1]));
		uiommu_detach_pasid(r->group, 1);
		require(!uiommu_group_replace_domain(last, r->domain[1], NULL, NULL));
		require(!uiommu_group_set_default_domain(r->group, r->blocking));
	}
	atomic_store(&ring->over, true);
}

static void poll_free(void *arg)
{
	struct ring *ring = arg;
	struct task_spin spin = { 0 };

	while (!atomic_load(&ring->over)) {
		require(uiommu_domain_free(ring->rig.domain[1]) == -EBUSY);
		ring->asked++;
		task_relax(&spin);
	}
}

static void ring_create(struct ring *ring)
{
	rig_create(&ring->rig, 1);
	for (int i = 0; i < GROUPS; i++)
		require(!uiommu_group_create(ring->rig.iommu, &ring->group[i]));
	atomic_store(&ring->over, false);
	atomic_store(&ring->asked, 0);
}

static void ring_destroy(struct ring *ring)
{
	for (int i = 0; i < GROUPS; i++)
		uiommu_group_destroy(ring->group[i]);
	rig_destroy(&ring->rig);
}

static void run(uint64_t seed, void (*const work[])(void *arg), unsigned int n, struct ring *ring)
{
	struct task_set *set;
	struct task *task[3];

	require(!task_set_create(&ring->rig.ctx->alloc, seed, &set));
	for (unsigned int i = 0; i < n; i++)
		require(!task_spawn(set, "racer", work[i], ring, &task[i]));
	for (unsigned int i = 0; i < n; i++)
		task_join(task[i]);
	task_set_destroy(set);
}

static void test_domain_in_use_is_never_freed(void **state)
{
	static void (*const work[])(void *arg) = { wander, poll_free };
	static struct ring ring;
	unsigned long asked = 0;

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		mock_seed((uint64_t)i);
		ring_create(&ring);
		require(!uiommu_attach_group(ring.group[GROUPS - 1], ring.rig.domain[1], NULL));
		run((uint64_t)i, work, 2, &ring);
		asked += ring.asked;
		ring_destroy(&ring);
	}
	assert_true(asked);
}

/* Attached with a handle, and given to who frees it before it is detached. */
static void give_up(void *arg)
{
	struct ring *ring = arg;
	struct rig *r = &ring->rig;

	for (int i = 0; i < ROUNDS / 4 + 2; i++) {
		struct uiommu_domain *mine = mock_domain(r->iommu, UIOMMU_DOMAIN_PAGING);
		struct uiommu_attach_handle handle = { .data = &handle };
		struct task_spin spin = { 0 };

		require(!uiommu_attach_group_handle(r->group, mine, &handle, NULL));
		atomic_store(&ring->given_up, mine);
		choice_interleave(CHOICE_CORE);
		uiommu_detach_group(r->group);
		while (atomic_load(&ring->given_up))
			task_relax(&spin);
	}
	atomic_store(&ring->over, true);
}

/* Frees as soon as it may, while the detach may still be waiting for readers of the handle. */
static void free_it(void *arg)
{
	struct ring *ring = arg;
	struct task_spin spin = { 0 };

	while (!atomic_load(&ring->over)) {
		struct uiommu_domain *domain = atomic_load(&ring->given_up);

		if (domain && !uiommu_domain_free(domain))
			atomic_store(&ring->given_up, NULL);
		task_relax(&spin);
	}
}

static void ask(void *arg)
{
	struct ring *ring = arg;
	struct uiommu_attach_handle *handle;
	struct task_spin spin = { 0 };

	while (!atomic_load(&ring->over)) {
		int err = uiommu_attach_handle_get(ring->rig.group, NO_PASID, UIOMMU_DOMAIN_PAGING, &handle);

		require(!err || err == -ENOENT);
		ring->asked++;
		task_relax(&spin);
	}
}

static void test_handle_type_outlives_domain(void **state)
{
	static void (*const work[])(void *arg) = { give_up, free_it, ask };
	static struct ring ring;
	unsigned long asked = 0;

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		mock_seed((uint64_t)i);
		ring_create(&ring);
		run((uint64_t)i, work, 3, &ring);
		asked += ring.asked;
		ring_destroy(&ring);
	}
	assert_true(asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domain_in_use_is_never_freed),
		cmocka_unit_test(test_handle_type_outlives_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
