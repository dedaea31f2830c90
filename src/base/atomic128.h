/* SPDX-License-Identifier: MIT */
/*
 * 16-byte single-copy atomic loads and stores. C11 has no portable ones that do
 * not take a lock in a library, so they are inline: cmpxchg16b (and, where AVX
 * promises it, 16-byte moves) on x86-64, ldaxp/stlxp on aarch64. Under TSan both
 * halves are announced to the runtime as atomic accesses besides. (Its own 128-bit
 * functions are no help: they work under a mutex that 64-bit accesses to the same
 * words do not take.)
 *
 * Invariants:
 * 1. No load sees a mixture of two 16-byte stores; 8-byte atomic accesses of the
 *    halves may be mixed in and none is lost.
 * 2. On x86-64 with AVX a load works on memory mapped read-only. Elsewhere it needs
 *    write access, since it is a compare-and-swap of the value with itself.
 */
#ifndef BASE_ATOMIC128_H
#define BASE_ATOMIC128_H

#include <stdbool.h>
#include <stdint.h>

struct u128 {
	uint64_t lo, hi;
} __attribute__((aligned(16)));

/* Whether this CPU has them (cmpxchg16b). Without it the functions below must not be called. */
bool a128_available(void);

static inline struct u128 a128_load(const struct u128 *p);			/* acquire */
static inline void a128_store(struct u128 *p, struct u128 v);			/* release */
/* Compares with *expected and stores desired; else *expected is what was there. Full barrier. */
static inline bool a128_cas(struct u128 *p, struct u128 *expected, struct u128 desired);

#include "base/atomic128_impl.h"

#endif
