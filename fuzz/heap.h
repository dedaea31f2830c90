/* SPDX-License-Identifier: MIT */
/*
 * The allocator of a fuzzer's context: large blocks, which a unit has some of and hardly
 * touches, come zeroed from the kernel between two pages that nobody may touch, since
 * AddressSanitizer would spend most of the time on them; small ones are left to it.
 */
#ifndef FUZZ_HEAP_H
#define FUZZ_HEAP_H

#include <uiommu/ctx.h>

#define FUZZ_HEAP_LARGE 32u

struct fuzz_heap {
	struct {
		char *host; /* NULL: not used */
		size_t size;
	} large[FUZZ_HEAP_LARGE];
};

/* For uiommu_ctx_opts; the context's opaque pointer must be the heap. One thread. */
extern const struct uiommu_alloc_ops fuzz_heap_ops;
/* After the context is gone: nothing may be left. Small blocks are LeakSanitizer's. */
void fuzz_heap_check(const struct fuzz_heap *heap);

#endif
