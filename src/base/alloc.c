/* SPDX-License-Identifier: MIT */
/*
 * The allocator: a count of what is live, a countdown to the failure that a test
 * asked for, and calloc or the host's function behind them.
 */
#include "base/alloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <uiommu/ctx.h>

void alloc_init(struct alloc *a, const struct uiommu_alloc_ops *ops, void *opaque)
{
	a->ops = ops;
	a->opaque = opaque;
	atomic_init(&a->fail_in, 0);
	atomic_init(&a->live, 0);
}

void alloc_fail_nth(struct alloc *a, long n)
{
	atomic_store_explicit(&a->fail_in, n > 0 ? n : 0, memory_order_relaxed);
}

bool alloc_should_fail(struct alloc *a)
{
	long n = atomic_load_explicit(&a->fail_in, memory_order_relaxed);

	/* Several threads may count down; exactly one of them takes the step from 1 to 0. */
	while (n > 0)
		if (atomic_compare_exchange_weak_explicit(&a->fail_in, &n, n - 1, memory_order_relaxed,
							  memory_order_relaxed))
			return n == 1;
	return false;
}

void alloc_count(struct alloc *a, long n)
{
	atomic_fetch_add_explicit(&a->live, n, memory_order_relaxed);
}

long alloc_live(const struct alloc *a)
{
	return atomic_load_explicit(&a->live, memory_order_relaxed);
}

void *alloc_zeroed(struct alloc *a, size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || alloc_should_fail(a))
		return NULL;
	/* An empty array is a valid allocation: NULL means failure and nothing else. */
	if (!bytes)
		bytes = 1;
	p = a->ops ? a->ops->zalloc(a->opaque, bytes) : calloc(1, bytes);
	if (p)
		alloc_count(a, 1);
	return p;
}

void alloc_free(struct alloc *a, void *p)
{
	if (!p)
		return;
	alloc_count(a, -1);
	if (a->ops)
		a->ops->free(a->opaque, p);
	else
		free(p);
}

/* The pointer that the allocator gave lies right below the aligned one. */
void *alloc_aligned(struct alloc *a, size_t align, size_t size)
{
	size_t bytes;
	char *raw;
	void **p;

	if (__builtin_add_overflow(size, align + sizeof(void *), &bytes))
		return NULL;
	raw = alloc_zeroed(a, 1, bytes);
	if (!raw)
		return NULL;
	p = (void **)(((uintptr_t)raw + sizeof(void *) + align - 1) & ~((uintptr_t)align - 1));
	p[-1] = raw;
	return p;
}

void alloc_free_aligned(struct alloc *a, void *p)
{
	if (p)
		alloc_free(a, ((void **)p)[-1]);
}
