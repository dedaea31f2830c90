/* SPDX-License-Identifier: MIT */
/* What the tests of this folder share: cmocka's preamble and a generator of numbers. */
#ifndef TESTS_BASE_TEST_H
#define TESTS_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>

/* Any seed is good; the same seed gives the same numbers. */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t rnd_below(uint64_t *state, uint64_t n)
{
	return rnd(state) % n;
}

/*
 * Puts the calling thread on the k-th CPU that the process may use, so that threads
 * meet even on a busy machine, where the scheduler likes to put them one after another
 * on one CPU. Threads that it makes later inherit that and pin themselves elsewhere.
 */
static inline const cpu_set_t *all_cpus(void)
{
	static cpu_set_t all;

	/* The main thread asks first, before it pins itself. */
	if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof(all), &all))
		CPU_SET(0, &all);
	return &all;
}

static inline void pin_thread(unsigned int k)
{
	const cpu_set_t *all = all_cpus();
	cpu_set_t one;
	int cpu;

	k %= (unsigned int)CPU_COUNT(all);
	for (cpu = 0; cpu < CPU_SETSIZE - 1; cpu++)
		if (CPU_ISSET(cpu, all) && !k--)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static inline void unpin_thread(void)
{
	sched_setaffinity(0, sizeof(cpu_set_t), all_cpus());
}

/* A check in a run of random steps: prints the seed with which it can be repeated. */
#define check_seed(cond, seed)								\
	do {										\
		if (!(cond))								\
			fail_msg("%s, seed %llu", #cond, (unsigned long long)(seed));	\
	} while (0)

#endif
