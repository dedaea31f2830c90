/* SPDX-License-Identifier: MIT */
/*
 * All memory comes through here, so that a test can make the n-th allocation
 * fail and can see that nothing leaks. Page allocations count as allocations.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct uiommu_alloc_ops;

struct alloc {
	const struct uiommu_alloc_ops *ops;	/* NULL: calloc, free */
	void *opaque;
	_Atomic long fail_in;	/* n > 0: the n-th allocation from now fails; 0: none */
	_Atomic long live;	/* allocations not freed yet, pages included */
};

/* @ops stays the caller's; NULL: calloc and free. All functions may be called by any thread. */
void alloc_init(struct alloc *a, const struct uiommu_alloc_ops *ops, void *opaque);

/* n * size zeroed bytes or NULL (also on overflow). */
void *alloc_zeroed(struct alloc *a, size_t n, size_t size);
/* NULL is ignored. */
void alloc_free(struct alloc *a, void *p);

/* Arms the failure of the n-th allocation from now (1: the next); 0 disarms. */
void alloc_fail_nth(struct alloc *a, long n);
/* True when this allocation shall fail; for allocators that sit on this one. */
bool alloc_should_fail(struct alloc *a);

/* For allocators that sit on this one: n blocks more (or, negative, fewer) are live. */
void alloc_count(struct alloc *a, long n);
/* Allocations not freed yet, pages included. */
long alloc_live(const struct alloc *a);

/*
 * Zeroed memory with an alignment beyond that of malloc(), a power of two of at least
 * 8, or NULL. One allocation; freed with alloc_free_aligned() only, which ignores NULL.
 */
void *alloc_aligned(struct alloc *a, size_t align, size_t size);
void alloc_free_aligned(struct alloc *a, void *p);

/* One zeroed struct. A type aligned beyond 16 bytes does not compile: alloc_aligned() is for those. */
#define alloc_struct(a, type) \
	((type *)alloc_zeroed((a), 1, sizeof(type) + \
		0 * sizeof(struct { _Static_assert(_Alignof(type) <= 16, "use alloc_aligned()"); char c; })))

#endif
