/* SPDX-License-Identifier: MIT */
/*
 * The instructions behind base/atomic128.h, which includes this file and is the
 * one to include. a128_raw_*() are the accesses; the functions at the end add what
 * TSan must be told.
 */
#ifndef BASE_ATOMIC128_IMPL_H
#define BASE_ATOMIC128_IMPL_H

#include "base/sanitize.h"

#if defined(__x86_64__)

#include <emmintrin.h>

/*
 * Aligned 16-byte SSE moves are single accesses on CPUs that enumerate AVX; Intel
 * (SDM volume 3, "Guaranteed Atomic Operations") and AMD (APM volume 2, "Access
 * Atomicity") promise it. Set by a constructor, constant afterwards. Before it ran it is
 * false, which is right on any CPU.
 */
extern bool a128_moves;

static inline bool a128_raw_cas(struct u128 *p, struct u128 *expected, struct u128 desired)
{
	bool done;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(done), "+m"(*p), "+a"(expected->lo), "+d"(expected->hi)
			 : "b"(desired.lo), "c"(desired.hi)
			 : "memory");
	return done;
}

static inline struct u128 a128_raw_load(const struct u128 *p)
{
	struct u128 v = { 0, 0 };

	if (__builtin_expect(a128_moves, 1)) {
		__m128i x;

		/* x86 loads are acquire loads; the clobber holds the compiler to it. */
		__asm__ volatile("movdqa %1, %0" : "=x"(x) : "m"(*p) : "memory");
		_mm_store_si128((__m128i *)(void *)&v, x);
	} else {
		/* Stores zero if it finds zero, else nothing: the value stays. */
		a128_raw_cas((struct u128 *)(uintptr_t)p, &v, v);
	}
	return v;
}

static inline void a128_raw_store(struct u128 *p, struct u128 v)
{
	if (__builtin_expect(a128_moves, 1)) {
		__m128i x, y;

		/*
		 * x86 stores are release stores. Put together in registers: the compiler would go
		 * over memory, where a load of two halves just stored waits for both.
		 */
		__asm__ volatile("movq %3, %1\n\tmovq %4, %2\n\tpunpcklqdq %2, %1\n\tmovdqa %1, %0"
				 : "=m"(*p), "=&x"(x), "=&x"(y)
				 : "r"(v.lo), "r"(v.hi)
				 : "memory");
	} else {
		struct u128 old = { 0, 0 };

		while (!a128_raw_cas(p, &old, v))
			;
	}
}

#elif defined(__aarch64__)

/* A pair load is single-copy atomic only if a store-exclusive of the same value succeeds. */
static inline struct u128 a128_raw_load(const struct u128 *p)
{
	struct u128 *q = (struct u128 *)(uintptr_t)p;
	struct u128 v;
	uint32_t failed;

	do
		__asm__ volatile("ldaxp %0, %1, %3\n\tstxp %w2, %0, %1, %3"
				 : "=&r"(v.lo), "=&r"(v.hi), "=&r"(failed), "+Q"(*q)
				 :
				 : "memory");
	while (failed);
	return v;
}

static inline void a128_raw_store(struct u128 *p, struct u128 v)
{
	uint64_t lo, hi;
	uint32_t failed;

	do
		__asm__ volatile("ldxp %0, %1, %3\n\tstlxp %w2, %4, %5, %3"
				 : "=&r"(lo), "=&r"(hi), "=&r"(failed), "+Q"(*p)
				 : "r"(v.lo), "r"(v.hi)
				 : "memory");
	while (failed);
}

/*
 * When the comparison fails, what was read is stored back: only then is it known
 * to have been read as one.
 */
static inline bool a128_raw_cas(struct u128 *p, struct u128 *expected, struct u128 desired)
{
	struct u128 v;
	uint64_t lo, hi;
	uint32_t failed;

	do
		__asm__ volatile("ldaxp %0, %1, %5\n\t"
				 "cmp %0, %6\n\tccmp %1, %7, #0, eq\n\t"
				 "csel %2, %8, %0, eq\n\tcsel %3, %9, %1, eq\n\t"
				 "stlxp %w4, %2, %3, %5"
				 : "=&r"(v.lo), "=&r"(v.hi), "=&r"(lo), "=&r"(hi), "=&r"(failed), "+Q"(*p)
				 : "r"(expected->lo), "r"(expected->hi), "r"(desired.lo), "r"(desired.hi)
				 : "cc", "memory");
	while (failed);
	/* Acquire-release exclusives alone let later loads pass the store; the header promises more. */
	__asm__ volatile("dmb ish" : : : "memory");
	if (v.lo == expected->lo && v.hi == expected->hi)
		return true;
	*expected = v;
	return false;
}

#else
#error "16-byte atomics are known for x86-64 and aarch64 only"
#endif

#if BUILD_TSAN

/*
 * TSan cannot see the instructions. An addition of zero is a release operation and
 * an atomic write of a half to it and changes nothing; it comes before a store, the
 * acquiring load comes after a load, so that whoever read a value has the edge.
 */
typedef volatile uint64_t __attribute__((may_alias)) a128_half;

static inline void a128_tsan_release(struct u128 *p)
{
	__atomic_fetch_add((a128_half *)&p->lo, 0, __ATOMIC_ACQ_REL);
	__atomic_fetch_add((a128_half *)&p->hi, 0, __ATOMIC_ACQ_REL);
}

static inline void a128_tsan_acquire(const struct u128 *p)
{
	(void)__atomic_load_n((const a128_half *)&p->lo, __ATOMIC_ACQUIRE);
	(void)__atomic_load_n((const a128_half *)&p->hi, __ATOMIC_ACQUIRE);
}

#else

static inline void a128_tsan_release(struct u128 *p)
{
	(void)p;
}

static inline void a128_tsan_acquire(const struct u128 *p)
{
	(void)p;
}

#endif

static inline struct u128 a128_load(const struct u128 *p)
{
	struct u128 v = a128_raw_load(p);

	a128_tsan_acquire(p);
	return v;
}

static inline void a128_store(struct u128 *p, struct u128 v)
{
	a128_tsan_release(p);
	a128_raw_store(p, v);
}

static inline bool a128_cas(struct u128 *p, struct u128 *expected, struct u128 desired)
{
	bool done;

	a128_tsan_release(p);
	done = a128_raw_cas(p, expected, desired);
	a128_tsan_acquire(p);
	return done;
}

#endif
