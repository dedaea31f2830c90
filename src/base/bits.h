/* SPDX-License-Identifier: MIT */
/*
 * Bit fields of registers and table entries, named once: FIELD(hi, lo) is a mask,
 * field_get() and field_put() move values in and out of it.
 */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdint.h>

#define BIT64(n) (UINT64_C(1) << (n))
#define FIELD(hi, lo) ((~UINT64_C(0) >> (63 - (hi))) & (~UINT64_C(0) << (lo)))

static inline uint64_t field_get(uint64_t mask, uint64_t word)
{
	return (word & mask) >> __builtin_ctzll(mask);
}

/* val must fit. */
static inline uint64_t field_put(uint64_t mask, uint64_t val)
{
	return (val << __builtin_ctzll(mask)) & mask;
}

#endif
