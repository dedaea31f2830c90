/* SPDX-License-Identifier: MIT */
/*
 * The context as the floors see it. One allocator, one memory map, one page pool,
 * one quiescence domain; nothing in uiommu is global.
 */
#ifndef BASE_CTX_H
#define BASE_CTX_H

#include <stdarg.h>
#include <uiommu/ctx.h>

#include "base/alloc.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/quiesce.h"

struct uiommu_ctx {
	struct alloc alloc;
	struct mem *mem;		/* physical address space; the pool is one of its regions */
	struct pool *pool;		/* IO page tables, entries, queues */
	struct quiesce quiesce;		/* the agents that do DMA */
	_Atomic uint64_t units;		/* models made so far: their numbers */
	void (*log)(void *opaque, enum uiommu_log_level level, const char *text);
	void (*event)(void *opaque, const struct uiommu_event *event);
	void *opaque;
};

/* Formats and hands a line to the log callback; nothing without one. */
void ctx_log(struct uiommu_ctx *ctx, enum uiommu_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Hands an event to the callback. @event->text is set from the format; the rest
 * is the caller's. Never allocates; may be called in a DMA batch.
 */
void ctx_event(struct uiommu_ctx *ctx, const struct uiommu_event *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
