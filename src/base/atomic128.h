/* SPDX-License-Identifier: MIT */
/*
 * 16-byte single-copy atomic loads and stores. C11 has no portable ones that do
 * not take a lock in a library, so they are inline: cmpxchg16b (and, where AVX
 * promises it, 16-byte moves) on x86-64, ldxp/stxp on aarch64. Under TSan they
 * are the runtime's, so that it sees them.
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
