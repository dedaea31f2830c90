/* SPDX-License-Identifier: MIT */
/*
 * Copies between private buffers and memory that other threads, DMA or a guest may
 * change meanwhile. Aligned 8-byte words of the shared side are accessed singly, the
 * ragged ends byte by byte; no order among the words, and each is accessed once.
 */
#ifndef BASE_MEM_COPY_H
#define BASE_MEM_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/atomic128.h"
#include "base/sanitize.h"

/* Memory is untyped: another part of the program may know it as something else. */
typedef uint64_t __attribute__((may_alias)) mem_word;

/* Runs of at least that many bytes are worth vector moves. */
#define MEM_COPY_RUN 64u

#if defined(__x86_64__) && !BUILD_TSAN && !BUILD_ASAN
#define MEM_COPY_VECTORS 1
#else
/* Sanitizers do not see into assembly. */
#define MEM_COPY_VECTORS 0
#endif

#if MEM_COPY_VECTORS

/* shared is 16-byte aligned; such moves are single accesses where a128_moves says so. */
static inline void mem_copy_run_in(char *buf, const char *shared)
{
	__asm__ volatile("movdqa (%1), %%xmm0\n\tmovdqa 16(%1), %%xmm1\n\t"
			 "movdqa 32(%1), %%xmm2\n\tmovdqa 48(%1), %%xmm3\n\t"
			 "movdqu %%xmm0, (%0)\n\tmovdqu %%xmm1, 16(%0)\n\t"
			 "movdqu %%xmm2, 32(%0)\n\tmovdqu %%xmm3, 48(%0)"
			 : : "r"(buf), "r"(shared) : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
}

static inline void mem_copy_run_out(char *shared, const char *buf)
{
	__asm__ volatile("movdqu (%1), %%xmm0\n\tmovdqu 16(%1), %%xmm1\n\t"
			 "movdqu 32(%1), %%xmm2\n\tmovdqu 48(%1), %%xmm3\n\t"
			 "movdqa %%xmm0, (%0)\n\tmovdqa %%xmm1, 16(%0)\n\t"
			 "movdqa %%xmm2, 32(%0)\n\tmovdqa %%xmm3, 48(%0)"
			 : : "r"(shared), "r"(buf) : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
}

#endif

static inline void mem_copy_in(char *buf, const char *shared, size_t len)
{
	while (len && (uintptr_t)shared % 8) {
		*buf++ = __atomic_load_n(shared++, __ATOMIC_RELAXED);
		len--;
	}
	while (len >= 8) {
		uint64_t word;

#if MEM_COPY_VECTORS
		if (a128_moves && (uintptr_t)shared % 16 == 0)
			for (; len >= MEM_COPY_RUN; len -= MEM_COPY_RUN) {
				mem_copy_run_in(buf, shared);
				buf += MEM_COPY_RUN;
				shared += MEM_COPY_RUN;
			}
		if (len < 8)
			break;
#endif
		word = __atomic_load_n((const mem_word *)(const void *)shared, __ATOMIC_RELAXED);
		memcpy(buf, &word, 8);
		buf += 8;
		shared += 8;
		len -= 8;
	}
	for (; len; len--)
		*buf++ = __atomic_load_n(shared++, __ATOMIC_RELAXED);
}

static inline void mem_copy_out(char *shared, const char *buf, size_t len)
{
	while (len && (uintptr_t)shared % 8) {
		__atomic_store_n(shared++, *buf++, __ATOMIC_RELAXED);
		len--;
	}
	while (len >= 8) {
		uint64_t word;

#if MEM_COPY_VECTORS
		if (a128_moves && (uintptr_t)shared % 16 == 0)
			for (; len >= MEM_COPY_RUN; len -= MEM_COPY_RUN) {
				mem_copy_run_out(shared, buf);
				buf += MEM_COPY_RUN;
				shared += MEM_COPY_RUN;
			}
		if (len < 8)
			break;
#endif
		memcpy(&word, buf, 8);
		__atomic_store_n((mem_word *)(void *)shared, word, __ATOMIC_RELAXED);
		buf += 8;
		shared += 8;
		len -= 8;
	}
	for (; len; len--)
		__atomic_store_n(shared++, *buf++, __ATOMIC_RELAXED);
}

#endif
