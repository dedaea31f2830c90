/* SPDX-License-Identifier: MIT */
/*
 * Litmus tests of the drain (base/quiesce.h, invariants 1 to 3) with real threads. The
 * slots are plain memory on purpose: that the drain orders them is what is tested, and
 * TSan sees it if it does not.
 */
#include "base_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/quiesce.h"
#include "base/sanitize.h"
#include "base/task.h"

#define ROUNDS (BUILD_TSAN ? 20000u : 100000u)
#define SLOTS 4
#define USES 100u			/* reads in a batch: as long as the stores take to become visible */
#define NOISE_WORDS ((size_t)4 << 20)		/* 32 MiB: more than caches hold */

struct litmus {
	struct quiesce q;
	volatile uint64_t slot[SLOTS];		/* generation that lives there; 0: dead */
	_Atomic unsigned int current;		/* which slot agents use */
	_Atomic uint64_t drained;		/* generation whose drain has returned */
	atomic_bool stop;
	_Atomic unsigned int dead, late;
	_Atomic uint64_t batches;
	_Atomic unsigned int pin;		/* CPU of the next agent */
	unsigned int uses;			/* reads in a batch */
	volatile uint64_t *noise;		/* NULL: none */
};

/*
 * Stores that miss the caches. On x86 stores become visible in order, so the
 * announcement of the next batch waits behind them while the batch's loads do not:
 * without the drain's barrier it would be seen too late.
 */
static void make_noise(struct litmus *l, uint64_t *state)
{
	for (int i = 0; l->noise && i < 24; i++)
		l->noise[rnd_below(state, NOISE_WORDS)] = 1;
}

/* A batch uses the slot that it finds, several times; it must live until the end. */
static void *agent_main(void *opaque)
{
	struct uiommu_agent agent = { 0 };
	struct litmus *l = opaque;
	uint64_t random = 0;

	pin_thread(1 + l->pin++);
	quiesce_add(&l->q, &agent);
	while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		unsigned int at;
		uint64_t least;

		least = atomic_load_explicit(&l->drained, memory_order_relaxed);
		make_noise(l, &random);
		agent_begin(&agent);
		at = atomic_load_explicit(&l->current, memory_order_acquire);
		for (unsigned int i = 0; i < l->uses; i++) {
			uint64_t generation = l->slot[at];

			if (!generation)
				atomic_fetch_add(&l->dead, 1);
			else if (generation < least)
				atomic_fetch_add(&l->late, 1);
		}
		agent_end(&agent);
		atomic_fetch_add_explicit(&l->batches, 1, memory_order_relaxed);
	}
	quiesce_del(&l->q, &agent);
	return NULL;
}

/* Until so many batches have been seen, and so many rounds at least. */
static void replace_slots(struct litmus *l, uint64_t rounds, uint64_t batches)
{
	uint64_t generation = l->slot[0];
	unsigned int at = 0;

	for (uint64_t i = 0; i < rounds || atomic_load(&l->batches) < batches; i++) {
		unsigned int next = (at + 1) % SLOTS;

		l->slot[next] = ++generation;
		atomic_store_explicit(&l->current, next, memory_order_release);
		quiesce_drain(&l->q);
		l->slot[at] = 0;
		atomic_store_explicit(&l->drained, generation, memory_order_relaxed);
		at = next;
	}
}

static void litmus(bool asymmetric, bool noise, unsigned int agents)
{
	struct litmus *l = calloc(1, sizeof(*l));
	pthread_t thread[3];

	assert_non_null(l);
	pin_thread(0);
	quiesce_init(&l->q);
	l->q.asymmetric &= asymmetric;
	l->slot[0] = 1;
	/* With more agents than CPUs short ones: the scheduler takes the CPU inside batches. */
	l->uses = agents > 1 ? 20 : USES;
	if (noise) {
		l->noise = malloc(NOISE_WORDS * sizeof(*l->noise));
		assert_non_null(l->noise);
		memset((void *)(uintptr_t)l->noise, 0, NOISE_WORDS * sizeof(*l->noise));
	}
	for (unsigned int i = 0; i < agents; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, agent_main, l), 0);
	replace_slots(l, agents > 1 ? ROUNDS / 20 : ROUNDS, agents > 1 ? ROUNDS / 20 : ROUNDS);
	atomic_store(&l->stop, true);
	for (unsigned int i = 0; i < agents; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(l->dead, 0);
	assert_int_equal(l->late, 0);
	assert_int_equal(atomic_load(&l->q.online), 0);
	free((void *)(uintptr_t)l->noise);
	free(l);
	unpin_thread();
}

static void litmus_membarrier(void **state)
{
	struct quiesce q;

	(void)state;
	quiesce_init(&q);
	if (!q.asymmetric)
		skip();
	litmus(true, true, 1);
}

static void litmus_full_barriers(void **state)
{
	(void)state;
	litmus(false, true, 1);
}

static void litmus_more_agents_than_cores(void **state)
{
	(void)state;
	litmus(true, false, 3);
}

/* The drain waits for a batch that is running, and for no later one. */
static void *drain_once(void *opaque)
{
	struct litmus *l = opaque;

	pin_thread(1);
	quiesce_drain(&l->q);
	atomic_store(&l->drained, 1);
	return NULL;
}

static void waits_for_running_batch(void **state)
{
	struct uiommu_agent agent = { 0 };
	struct litmus l = { 0 };
	struct task_spin spin = { 0 };
	pthread_t thread;

	(void)state;
	for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
		quiesce_init(&l.q);
		l.q.asymmetric &= asymmetric;
		quiesce_add(&l.q, &agent);
		atomic_store(&l.drained, 0);
		agent_begin(&agent);
		assert_int_equal(pthread_create(&thread, NULL, drain_once, &l), 0);
		for (int i = 0; i < 20000; i++) {
			task_relax(&spin);
			assert_int_equal(atomic_load(&l.drained), 0);
		}
		/* One batch follows on another; the drain needs the end of one of them only. */
		while (!atomic_load(&l.drained)) {
			agent_end(&agent);
			agent_begin(&agent);
			task_relax(&spin);
		}
		pthread_join(thread, NULL);
		agent_end(&agent);
		quiesce_del(&l.q, &agent);
		/* With no agent there is nothing to wait for. */
		quiesce_drain(&l.q);
	}
}

/* Agents come and go while others drain; memory of those gone is not touched (ASan, TSan). */
static void *come_and_go(void *opaque)
{
	struct litmus *l = opaque;

	for (unsigned int i = 0; i < ROUNDS / 40; i++) {
		struct uiommu_agent *agent = aligned_alloc(64, sizeof(*agent));

		memset(agent, 0, sizeof(*agent));
		quiesce_add(&l->q, agent);
		agent_begin(agent);
		/* Long enough that drains wait for this agent when it goes. */
		for (int k = 0; k < 1000; k++)
			if (!l->slot[atomic_load_explicit(&l->current, memory_order_acquire)])
				atomic_fetch_add(&l->dead, 1);
		agent_end(agent);
		quiesce_del(&l->q, agent);
		memset(agent, 0xff, sizeof(*agent));
		free(agent);
	}
	return NULL;
}

/* One batch right after the agent was made, again and again. */
static void *newcomer(void *opaque)
{
	struct litmus *l = opaque;

	pin_thread(1);
	while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		struct uiommu_agent agent = { 0 };
		unsigned int at;

		quiesce_add(&l->q, &agent);
		agent_begin(&agent);
		at = atomic_load_explicit(&l->current, memory_order_acquire);
		for (unsigned int i = 0; i < l->uses; i++)
			if (!l->slot[at])
				atomic_fetch_add(&l->dead, 1);
		agent_end(&agent);
		quiesce_del(&l->q, &agent);
		atomic_fetch_add_explicit(&l->batches, 1, memory_order_relaxed);
	}
	return NULL;
}

/*
 * A drain that finds no agent, and an agent that is made meanwhile: the drain's stores
 * lag behind others that miss the caches, and nothing but the newcomer's barrier (or the
 * drain's own, where barriers are not asymmetric) makes the newcomer see them.
 */
static void newcomers(bool asymmetric)
{
	struct litmus *l = calloc(1, sizeof(*l));
	uint64_t random = 1, generation = 1;
	unsigned int at = 0;
	pthread_t thread;

	assert_non_null(l);
	pin_thread(0);
	quiesce_init(&l->q);
	l->q.asymmetric &= asymmetric;
	l->slot[0] = 1;
	l->uses = 10 * USES;
	l->noise = calloc(NOISE_WORDS, sizeof(*l->noise));
	assert_non_null(l->noise);
	assert_int_equal(pthread_create(&thread, NULL, newcomer, l), 0);
	while (atomic_load_explicit(&l->batches, memory_order_relaxed) < ROUNDS / 5) {
		unsigned int next = (at + 1) % SLOTS;

		l->slot[next] = ++generation;
		make_noise(l, &random);
		atomic_store_explicit(&l->current, next, memory_order_release);
		quiesce_drain(&l->q);
		l->slot[at] = 0;
		at = next;
	}
	atomic_store(&l->stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(l->dead, 0);
	free((void *)(uintptr_t)l->noise);
	free(l);
	unpin_thread();
}

static void litmus_newcomers(void **state)
{
	(void)state;
	newcomers(true);
	newcomers(false);
}

static void *drain_until_stopped(void *opaque)
{
	struct litmus *l = opaque;

	while (!atomic_load_explicit(&l->stop, memory_order_relaxed))
		quiesce_drain(&l->q);
	return NULL;
}

static void agents_come_and_go(void **state)
{
	struct litmus *l = calloc(1, sizeof(*l));
	pthread_t thread[3];

	(void)state;
	assert_non_null(l);
	quiesce_init(&l->q);
	l->slot[0] = 1;
	assert_int_equal(pthread_create(&thread[0], NULL, come_and_go, l), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, come_and_go, l), 0);
	assert_int_equal(pthread_create(&thread[2], NULL, drain_until_stopped, l), 0);
	replace_slots(l, ROUNDS / 100, 0);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	atomic_store(&l->stop, true);
	pthread_join(thread[2], NULL);
	assert_int_equal(l->dead, 0);
	assert_null(atomic_load(&l->q.agents));
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_running_batch),
		cmocka_unit_test(litmus_membarrier),
		cmocka_unit_test(litmus_full_barriers),
		cmocka_unit_test(litmus_more_agents_than_cores),
		cmocka_unit_test(agents_come_and_go),
		cmocka_unit_test(litmus_newcomers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
