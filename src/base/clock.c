/* SPDX-License-Identifier: MIT */
/*
 * The scale of the CPU's counter. It is a constant of the machine; whoever asks
 * first measures it, and if two ask at once either result is good.
 */
#include "base/clock.h"

#include <stdatomic.h>

#define MEASURE_NS 2000000u

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Nanoseconds per tick, 32.32 fixed point. */
static uint64_t measure(void)
{
	uint64_t ns0 = monotonic_ns(), ticks0 = clock_ticks(), ns, ticks;

	do {
		ns = monotonic_ns() - ns0;
		ticks = clock_ticks() - ticks0;
	} while (ns < MEASURE_NS || !ticks);
	return (uint64_t)(((unsigned __int128)ns << 32) / ticks);
}

uint64_t clock_ns(uint64_t ticks)
{
	static _Atomic uint64_t scale;
	uint64_t s = atomic_load_explicit(&scale, memory_order_relaxed);

	if (!s) {
		s = measure();
		atomic_store_explicit(&scale, s, memory_order_relaxed);
	}
	return (uint64_t)(((unsigned __int128)ticks * s) >> 32);
}
