/* SPDX-License-Identifier: MIT */
/* See heap.h. */
#include "heap.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "fuzz.h"

#define PAGE ((size_t)4096)
#define LARGE (16 * PAGE)

static void *zalloc(void *opaque, size_t size)
{
	struct fuzz_heap *heap = opaque;
	size_t whole = (size + PAGE - 1) / PAGE * PAGE;
	unsigned int i = 0;
	char *host;

	if (size < LARGE)
		return calloc(1, size);
	while (i < FUZZ_HEAP_LARGE && heap->large[i].host)
		i++;
	if (i == FUZZ_HEAP_LARGE)
		return NULL;
	host = mmap(NULL, whole + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host == MAP_FAILED)
		return NULL;
	FUZZ_CHECK(!mprotect(host + PAGE, whole, PROT_READ | PROT_WRITE), "mprotect");
	heap->large[i].host = host + PAGE;
	heap->large[i].size = whole;
	return host + PAGE;
}

static void heap_free(void *opaque, void *p)
{
	struct fuzz_heap *heap = opaque;

	for (unsigned int i = 0; p && i < FUZZ_HEAP_LARGE; i++) {
		if (heap->large[i].host != p)
			continue;
		munmap((char *)p - PAGE, heap->large[i].size + 2 * PAGE);
		heap->large[i].host = NULL;
		return;
	}
	free(p);
}

const struct uiommu_alloc_ops fuzz_heap_ops = { zalloc, heap_free };

void fuzz_heap_check(const struct fuzz_heap *heap)
{
	for (unsigned int i = 0; i < FUZZ_HEAP_LARGE; i++)
		FUZZ_CHECK(!heap->large[i].host, "%zu bytes were not freed", heap->large[i].size);
}
