/* SPDX-License-Identifier: MIT */
/*
 * What the CPU offers for 16-byte atomics. Detected once, before main(): it is a
 * constant of the machine, not state.
 */
#include "base/atomic128.h"

#if defined(__x86_64__)

#include <cpuid.h>

bool a128_moves;

/* AVX as CPUID enumerates it; whether the OS enabled its registers does not matter for SSE moves. */
static void __attribute__((constructor)) a128_detect(void)
{
	unsigned int a, b, c, d;

	a128_moves = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AVX);
}

bool a128_available(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_CMPXCHG16B);
}

#else

/* ldxp and stxp are part of every aarch64. */
bool a128_available(void)
{
	return true;
}

#endif
