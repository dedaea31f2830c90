/* SPDX-License-Identifier: MIT */
/* What holds of tasks in both builds: they all run, waiting works, join waits, each failure is undone. */
#include "base_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/choice.h"
#include "base/lock.h"
#include "base/quiesce.h"
#include "base/task.h"

#ifdef UIOMMU_STEERED
#define SEEDS 200
#else
#define SEEDS 10
#endif
#define TASKS 4
#define ROUNDS 20

struct shared {
	struct lock lock;
	uint64_t guarded;		/* plain: the lock orders it */
	_Atomic unsigned int turn;
	struct quiesce q;
	_Atomic unsigned int seen;
};

struct arg {
	struct shared *s;
	unsigned int self;
};

static void add_under_lock(void *opaque)
{
	struct arg *arg = opaque;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t was;

		lock_take(&arg->s->lock);
		was = arg->s->guarded;
		choice_interleave(CHOICE_CORE);
		arg->s->guarded = was + 1;
		lock_drop(&arg->s->lock);
		choice_interleave(CHOICE_CORE);
	}
}

/* Each task waits for its turn: progress needs all of them. */
static void take_turns(void *opaque)
{
	struct arg *arg = opaque;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct task_spin spin = { 0 };

		while (atomic_load_explicit(&arg->s->turn, memory_order_acquire) % TASKS != arg->self)
			task_relax(&spin);
		choice_interleave(CHOICE_WALK);
		atomic_fetch_add_explicit(&arg->s->turn, 1, memory_order_acq_rel);
	}
}

static void run_all(uint64_t seed, struct shared *s, void (*fn)(void *arg))
{
	struct task *task[TASKS];
	struct arg arg[TASKS];
	struct task_set *set;
	struct alloc a;

	memset(s, 0, sizeof(*s));
	lock_init(&s->lock);
	alloc_init(&a, NULL, NULL);
	check_seed(!task_set_create(&a, seed, &set), seed);
	for (unsigned int i = 0; i < TASKS; i++) {
		arg[i] = (struct arg) { .s = s, .self = i };
		check_seed(!task_spawn(set, "a name that is far too long", fn, &arg[i], &task[i]), seed);
	}
	for (unsigned int i = 0; i < TASKS; i++)
		task_join(task[i]);
	task_set_destroy(set);
	check_seed(alloc_live(&a) == 0, seed);
}

static void lock_excludes(void **state)
{
	struct shared s;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		run_all(seed, &s, add_under_lock);
		check_seed(s.guarded == TASKS * ROUNDS, seed);
		check_seed(!lock_held(&s.lock), seed);
	}
}

static void waiting_makes_progress(void **state)
{
	struct shared s;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		run_all(seed, &s, take_turns);
		check_seed(atomic_load(&s.turn) == TASKS * ROUNDS, seed);
	}
}

static void nothing(void *arg)
{
	(void)arg;
}

static void each_allocation_fails(void **state)
{
	struct task_set *set;
	struct task *task;
	struct alloc a;
	int err = -ENOMEM;
	long n;

	(void)state;
	alloc_init(&a, NULL, NULL);
	for (n = 1; err; n++) {
		alloc_fail_nth(&a, n);
		err = task_set_create(&a, 1, &set);
		if (!err) {
			err = task_spawn(set, "t", nothing, NULL, &task);
			if (!err)
				task_join(task);
			task_set_destroy(set);
		}
		assert_true(err == 0 || err == -ENOMEM);
		assert_int_equal(alloc_live(&a), 0);
		assert_in_range(n, 1, 20);
	}
	assert_true(n > 3);
}

/* Batches and drains work among tasks of either kind. */
static void batch_in_task(void *opaque)
{
	struct arg *arg = opaque;
	struct uiommu_agent agent = { 0 };

	quiesce_add(&arg->s->q, &agent);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t value;

		agent_begin(&agent);
		value = arg->s->turn;
		choice_interleave(CHOICE_LAND);
		/* The drain that follows the change waits for this batch. */
		if (arg->s->seen > value)
			arg->s->guarded = 1;
		agent_end(&agent);
		choice_interleave(CHOICE_CORE);
	}
	quiesce_del(&arg->s->q, &agent);
}

static void drain_waits(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct task *task[2];
		struct shared s = { 0 };
		struct arg arg = { .s = &s };
		struct task_set *set;
		struct alloc a;

		alloc_init(&a, NULL, NULL);
		check_seed(!task_set_create(&a, seed, &set), seed);
		quiesce_init(&s.q);
		for (int i = 0; i < 2; i++)
			check_seed(!task_spawn(set, "agent", batch_in_task, &arg, &task[i]), seed);
		for (unsigned int i = 1; i < ROUNDS; i++) {
			s.turn = i;
			choice_interleave(CHOICE_STORE);
			quiesce_drain(&s.q);
			s.seen = i;
			choice_interleave(CHOICE_STORE);
		}
		for (int i = 0; i < 2; i++)
			task_join(task[i]);
		check_seed(s.guarded == 0, seed);
		task_set_destroy(set);
	}
}

/* Without a task set there is one answer and nobody to switch to. */
static void without_a_set(void **state)
{
	struct task_spin spin = { 0 };

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(choose(CHOICE_FETCH_ORDER, 5), 0);
		choice_interleave(CHOICE_FETCH);
		task_relax(&spin);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_set),
		cmocka_unit_test(lock_excludes),
		cmocka_unit_test(waiting_makes_progress),
		cmocka_unit_test(each_allocation_fails),
		cmocka_unit_test(drain_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
