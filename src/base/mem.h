/* SPDX-License-Identifier: MIT */
/*
 * The physical address space that models and devices see: regions of host
 * pointers or accessors. Readers take no lock: the table of regions is published
 * as a whole and old tables are freed after quiesce_drain() and a grace period.
 * A reader is inside an agent batch or an RCU read section.
 *
 * Errors of all accesses: -EIO when no region covers the range wholly or its
 * accessor fails; -EINVAL when misaligned.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <uiommu/types.h>

#include "base/atomic128.h"

struct alloc;
struct mem;
struct quiesce;
struct uiommu_mem_ops;

/* 0 or -ENOMEM. q must outlive it. */
int mem_create(struct alloc *a, struct quiesce *q, struct mem **mem);
/* Regions that are left need not be removed first. NULL is ignored. Nobody reads any more. */
void mem_destroy(struct mem *mem);
/*
 * As uiommu_mem_add_pointer(), uiommu_mem_add_accessor() and uiommu_mem_remove() in
 * uiommu/ctx.h. They wait for readers: outside batches and RCU sections only.
 */
int mem_add_pointer(struct mem *mem, uiommu_pa_t base, uint64_t size, void *host);
int mem_add_accessor(struct mem *mem, uiommu_pa_t base, uint64_t size, const struct uiommu_mem_ops *ops,
		     void *opaque);
int mem_remove(struct mem *mem, uiommu_pa_t base);

/*
 * Any length and alignment, within one region. Aligned 8-byte words of pointer memory are accessed singly. A
 * write of one such word alone is a release: with it a device publishes what it wrote before.
 */
int mem_read(struct mem *mem, uiommu_pa_t pa, void *buf, size_t len);
int mem_write(struct mem *mem, uiommu_pa_t pa, const void *buf, size_t len);

/* Single-copy atomic on pointer memory, one accessor call otherwise. Naturally aligned. Little endian. */
int mem_load64(struct mem *mem, uiommu_pa_t pa, uint64_t *val);			/* acquire */
int mem_load128(struct mem *mem, uiommu_pa_t pa, struct u128 *val);		/* acquire */
int mem_store32(struct mem *mem, uiommu_pa_t pa, uint32_t val);			/* release */
int mem_store64(struct mem *mem, uiommu_pa_t pa, uint64_t val);			/* release */
int mem_store128(struct mem *mem, uiommu_pa_t pa, struct u128 val);		/* release */
/*
 * Sets bits with one atomic read-modify-write if the word still equals *val;
 * 0 done, -EAGAIN changed meanwhile (*val updated), -EOPNOTSUPP accessor memory.
 */
int mem_cas64(struct mem *mem, uiommu_pa_t pa, uint64_t *val, uint64_t desired);

#endif
