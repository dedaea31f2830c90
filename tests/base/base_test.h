/* SPDX-License-Identifier: MIT */
/* What the tests of this folder share: cmocka's preamble and a generator of numbers. */
#ifndef TESTS_BASE_TEST_H
#define TESTS_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* A check in a run of random steps: prints the seed with which it can be repeated. */
#define check_seed(cond, seed)								\
	do {										\
		if (!(cond))								\
			fail_msg("%s, seed %llu", #cond, (unsigned long long)(seed));	\
	} while (0)

#endif
