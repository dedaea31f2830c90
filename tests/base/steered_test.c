/* SPDX-License-Identifier: MIT */
/*
 * The adversary: a seed repeats its run, seeds differ, mistakes of many kinds are
 * found, scripts decide everything, and RCU waits for a fiber that was switched away.
 */
#include "base_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/choice.h"
#include "base/quiesce.h"
#include "base/rcu.h"
#include "base/task.h"

#define LOG_MAX 4000

/* What a run did, in order. */
struct log {
	struct task_set *set;
	unsigned char step[LOG_MAX];
	unsigned int n;
	uint64_t choices, trace;
	unsigned int number;		/* a plain counter for lost updates */
	unsigned int stale;
	_Atomic unsigned int published;
	_Atomic unsigned int freed;
};

static void note(struct log *log, unsigned int what)
{
	if (log->n < LOG_MAX)
		log->step[log->n++] = (unsigned char)what;
}

static void walker(void *opaque)
{
	struct log *log = opaque;

	for (int i = 0; i < 20; i++) {
		note(log, task_set_running(log->set));
		choice_interleave(CHOICE_FETCH);
		note(log, 16 + choose(CHOICE_FETCH_ORDER, 3));
		choice_interleave(CHOICE_WALK);
		note(log, 32 + choose(CHOICE_FILL, 2));
		note(log, 48 + choose(CHOICE_EVICT, 2));
	}
}

static void run(uint64_t seed, struct log *log, void (*fn)(void *), unsigned int tasks, task_pick_fn pick)
{
	struct task *task[8];
	struct alloc a;

	memset(log, 0, sizeof(*log));
	alloc_init(&a, NULL, NULL);
	check_seed(!task_set_create(&a, seed, &log->set), seed);
	task_set_script(log->set, pick, log);
	for (unsigned int i = 0; i < tasks; i++)
		check_seed(!task_spawn(log->set, "walker", fn, log, &task[i]), seed);
	/* Last first: the order of joining is free. */
	for (unsigned int i = tasks; i--;)
		task_join(task[i]);
	log->choices = task_set_choices(log->set);
	log->trace = task_set_trace(log->set);
	task_set_destroy(log->set);
	log->set = NULL;
	check_seed(alloc_live(&a) == 0, seed);
}

static void same_seed_same_run(void **state)
{
	static struct log first, second;
	unsigned int distinct = 0;
	uint64_t last = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		run(seed, &first, walker, 3, NULL);
		run(seed, &second, walker, 3, NULL);
		check_seed(!memcmp(&first, &second, sizeof(first)), seed);
		check_seed(first.choices > 100, seed);
		distinct += first.trace != last;
		last = first.trace;
	}
	assert_int_equal(distinct, 100);
}

/* The unusual answers of hardware: never in some seeds, nearly always in others. */
static void tempers_differ(void **state)
{
	unsigned int never = 0, often = 0, orderly = 0, wild = 0;
	static struct log log;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		unsigned int nofill = 0, switches = 0;

		run(seed, &log, walker, 3, NULL);
		for (unsigned int i = 0, before = 0; i < log.n; i++) {
			nofill += log.step[i] == 33;
			if (log.step[i] < 16) {
				switches += log.step[i] != before;
				before = log.step[i];
			}
		}
		never += nofill == 0;
		often += nofill > 45;
		orderly += switches < 10;
		wild += switches > 30;
	}
	assert_in_range(never, 10, 190);
	assert_in_range(often, 10, 190);
	assert_in_range(orderly, 5, 195);
	assert_in_range(wild, 10, 195);
}

/* An update that is lost only if another task runs between load and store. */
static void lossy(void *opaque)
{
	struct log *log = opaque;

	for (int i = 0; i < 5; i++) {
		unsigned int was = log->number;

		choice_interleave(CHOICE_STORE);
		log->number = was + 1;
	}
}

/*
 * One that needs the reader to stay away while others wait for each other and would
 * pass through it: a task that is held back.
 */
static void slow_reader(struct log *log)
{
	unsigned int got = log->freed;

	choice_interleave(CHOICE_LAND);
	if (log->freed > got + 25)
		log->stale = 1;
}

static void busy_writer(struct log *log)
{
	struct task_spin spin = { 0 };

	for (unsigned int i = 0; i < 30; i++) {
		task_relax(&spin);
		log->freed = i + 1;
	}
}

static void reader_and_writer(void *opaque)
{
	struct log *log = opaque;

	if (task_set_running(log->set) == 1)
		slow_reader(log);
	else
		busy_writer(log);
}

static void finds_mistakes(void **state)
{
	unsigned int lost = 0, stale = 0;
	static struct log log;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		run(seed, &log, lossy, 2, NULL);
		lost += log.number < 10;
		run(seed, &log, reader_and_writer, 2, NULL);
		stale += log.stale;
	}
	assert_in_range(lost, 20, 199);
	assert_in_range(stale, 2, 199);
}

/* Script: task 2 runs to its end at task 1's first store, everything else in order. */
static unsigned int second_at_once(void *opaque, enum choice_point point, bool tasks, unsigned int n)
{
	struct log *log = opaque;

	if (!tasks)
		return 7 % n;
	if (point == CHOICE_STORE && n == 3)
		return 2;
	return task_set_running(log->set);
}

static unsigned int stay(void *opaque, enum choice_point point, bool tasks, unsigned int n)
{
	struct log *log = opaque;

	(void)point;
	(void)n;
	return tasks ? task_set_running(log->set) : 1;
}

static void scripts_decide(void **state)
{
	static struct log log, again;

	(void)state;
	/* Task 1 loads 0; task 2 counts to 5; task 1 stores 1 and goes on to 5. */
	run(1, &log, lossy, 2, second_at_once);
	assert_int_equal(log.number, 5);
	run(1, &log, lossy, 2, stay);
	assert_int_equal(log.number, 10);
	/* The seed has no say. */
	run(2, &log, walker, 3, stay);
	run(3, &again, walker, 3, stay);
	assert_int_equal(log.trace, again.trace);
	assert_memory_equal(log.step, again.step, sizeof(log.step));
	for (unsigned int i = 0; i < log.n; i++)
		assert_true(log.step[i] < 16 || log.step[i] % 16 == 1);
}

/* Readers are switched away inside sections; what they hold must not be freed. */
static void rcu_reader(void *opaque)
{
	struct log *log = opaque;

	for (int i = 0; i < 10; i++) {
		unsigned int got;

		rcu_section_begin();
		got = log->published;
		choice_interleave(CHOICE_WALK);
		rcu_section_begin();
		choice_interleave(CHOICE_WALK);
		rcu_section_end();
		choice_interleave(CHOICE_WALK);
		if (log->freed > got)
			log->stale = 1;
		rcu_section_end();
		choice_interleave(CHOICE_WALK);
	}
}

static void rcu_writer(void *opaque)
{
	struct log *log = opaque;

	for (unsigned int i = 1; i < 10; i++) {
		log->published = i;
		rcu_wait();
		log->freed = i;
		choice_interleave(CHOICE_STORE);
	}
}

static void rcu_mixed(void *opaque)
{
	struct log *log = opaque;

	if (task_set_running(log->set) == 3)
		rcu_writer(log);
	else
		rcu_reader(log);
}

static void rcu_waits_for_fibers(void **state)
{
	static struct log log;

	(void)state;
	/* Without a set there is nobody to wait for, also inside a section. */
	rcu_section_begin();
	rcu_wait();
	rcu_section_end();
	for (uint64_t seed = 0; seed < 200; seed++) {
		run(seed, &log, rcu_mixed, 3, NULL);
		check_seed(!log.stale, seed);
		check_seed(log.freed == 9, seed);
	}
}

/*
 * The drain waits for the end of the batch that it found, not for a moment between two:
 * a fiber whose batches follow on one another without a choice point has none.
 */
struct drains {
	struct quiesce q;
	struct uiommu_agent agent;
	bool called, done;
	unsigned int after;		/* batches that ended between call and return */
};

static void drain_once(void *opaque)
{
	struct drains *d = opaque;

	d->called = true;
	quiesce_drain(&d->q);
	d->done = true;
}

static void drain_needs_one_end(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct task_spin spin = { 0 };
		struct drains d = { 0 };
		struct task_set *set;
		struct task *task;
		struct alloc a;

		alloc_init(&a, NULL, NULL);
		quiesce_init(&d.q);
		quiesce_add(&d.q, &d.agent);
		check_seed(!task_set_create(&a, seed, &set), seed);
		agent_begin(&d.agent);
		check_seed(!task_spawn(set, "drain", drain_once, &d, &task), seed);
		while (!d.called)
			task_relax(&spin);
		for (int i = 0; i < 20; i++)
			task_relax(&spin);
		check_seed(!d.done, seed);
		while (!d.done && d.after++ < 10) {
			agent_end(&d.agent);
			agent_begin(&d.agent);
			task_relax(&spin);
		}
		check_seed(d.done, seed);
		agent_end(&d.agent);
		task_join(task);
		quiesce_del(&d.q, &d.agent);
		task_set_destroy(set);
	}
}

/* An agent that goes while a drain looks at it: it goes only after the drain has. */
static void agent_outlives_drains(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct task_spin spin = { 0 };
		struct drains d = { 0 };
		struct task_set *set;
		struct task *task;
		struct alloc a;

		alloc_init(&a, NULL, NULL);
		quiesce_init(&d.q);
		quiesce_add(&d.q, &d.agent);
		check_seed(!task_set_create(&a, seed, &set), seed);
		agent_begin(&d.agent);
		check_seed(!task_spawn(set, "drain", drain_once, &d, &task), seed);
		while (!d.called)
			task_relax(&spin);
		agent_end(&d.agent);
		quiesce_del(&d.q, &d.agent);
		check_seed(d.done, seed);
		task_join(task);
		task_set_destroy(set);
	}
}

/* A fiber has room for what the floors put on a stack. */
static unsigned int deep(unsigned int n)
{
	volatile char room[4096];

	memset((void *)(uintptr_t)room, (int)n, sizeof(room));
	return n ? deep(n - 1) + (unsigned char)room[17] : (unsigned char)room[17];
}

static void use_stack(void *opaque)
{
	struct log *log = opaque;

	log->number += deep(16);
}

static void stacks_are_large(void **state)
{
	static struct log log;

	(void)state;
	run(1, &log, use_stack, 2, NULL);
	assert_int_equal(log.number, 2 * 136);
}

/* Who makes a set where one steers already joins it: its tasks are in the same run. */
static void second_set_joins(void **state)
{
	struct task_set *set, *second;
	struct task *task;
	struct alloc a;

	(void)state;
	alloc_init(&a, NULL, NULL);
	assert_int_equal(task_set_create(&a, 0, &set), 0);
	assert_int_equal(task_set_create(&a, 1, &second), 0);
	assert_ptr_equal(set, second);
	assert_int_equal(task_spawn(second, "t", use_stack, &(struct log) { 0 }, &task), 0);
	task_join(task);
	task_set_destroy(second);
	assert_true(alloc_live(&a) > 0);
	assert_true(task_set_choices(set) > 0);
	task_set_destroy(set);
	assert_int_equal(alloc_live(&a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_same_run),
		cmocka_unit_test(tempers_differ),
		cmocka_unit_test(finds_mistakes),
		cmocka_unit_test(scripts_decide),
		cmocka_unit_test(rcu_waits_for_fibers),
		cmocka_unit_test(drain_needs_one_end),
		cmocka_unit_test(agent_outlives_drains),
		cmocka_unit_test(stacks_are_large),
		cmocka_unit_test(second_set_joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
