/* SPDX-License-Identifier: MIT */
/*
 * The context: everything that would otherwise be global. It holds the memory
 * allocator, the callbacks for log lines and events, the physical memory that
 * models and devices see, and the pool that IO page tables come from.
 */
#ifndef UIOMMU_CTX_H
#define UIOMMU_CTX_H

#include <uiommu/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uiommu_ctx;

enum uiommu_log_level {
	UIOMMU_LOG_ERROR,
	UIOMMU_LOG_WARNING,
	UIOMMU_LOG_INFO,
	UIOMMU_LOG_DEBUG,
};

enum uiommu_event_kind {
	UIOMMU_EVENT_FAULT,		/* an access was blocked and the IOMMU recorded it */
	UIOMMU_EVENT_FAULT_OVERFLOW,	/* faults were lost: the records were full */
	UIOMMU_EVENT_UNWIND_FAILED,	/* going back to the old domain failed; device parked */
	UIOMMU_EVENT_PARKED,		/* device was put on the blocking domain */
	UIOMMU_EVENT_QUARANTINED,	/* tables and tag of a domain are kept for ever */
	UIOMMU_EVENT_QUEUE_ERROR,	/* the invalidation queue reported an error */
	UIOMMU_EVENT_DRIVER_MISUSE,	/* a model saw software break a rule of the specification */
	UIOMMU_EVENT_DIRECT_BLOCKED,	/* a device with direct mappings was blocked all the same */
};

/* A structured record; text is for people and names where, what and what would be right. */
struct uiommu_event {
	enum uiommu_event_kind kind;
	uint16_t rid;			/* requester ID, bus << 8 | devfn */
	uint32_t pasid;			/* UIOMMU_NO_PASID if none */
	uiommu_iova_t iova;		/* faulting address, 4 KiB aligned */
	uint32_t reason;		/* hardware's reason code, 0 if none */
	uint32_t access;		/* UIOMMU_READ or UIOMMU_WRITE of a fault, else 0 */
	int error;			/* -errno that belongs to it, 0 if none */
	/*
	 * Of a fault: the data of the attach handle of its device and PASID, NULL without
	 * one; valid during the callback, like the handle itself.
	 */
	void *data;
	const char *text;		/* valid during the callback only */
};

struct uiommu_alloc_ops {
	/* Zeroed memory of size bytes, or NULL. */
	void *(*zalloc)(void *opaque, size_t size);
	void (*free)(void *opaque, void *p);
};

struct uiommu_ctx_opts {
	size_t size;			/* sizeof(struct uiommu_ctx_opts) */
	/* Allocator; NULL: calloc and free. Called from any thread. */
	const struct uiommu_alloc_ops *alloc_ops;
	/*
	 * Called from any thread, also from one that does DMA: must not call
	 * back into uiommu and must not block for long. NULL: dropped.
	 */
	void (*log)(void *opaque, enum uiommu_log_level level, const char *text);
	void (*event)(void *opaque, const struct uiommu_event *event);
	void *opaque;			/* first argument of all callbacks */
	size_t pool_bytes;		/* upper limit of table memory; 0: 1 GiB. Not memory until used. */
	uiommu_pa_t pool_base;		/* PA of the pool; 0: 1 TiB */
};

/*
 * uiommu_ctx_create - make a context
 * @opts: read during the call only; NULL for defaults
 * @ctx: set on success; the caller owns it and ends it with uiommu_ctx_destroy()
 *
 * Context: any thread. Returns 0, -EINVAL (sizes), -ENOMEM.
 */
UIOMMU_API int uiommu_ctx_create(const struct uiommu_ctx_opts *opts, struct uiommu_ctx **ctx);

/* Ends a context. Everything made in it must have been destroyed. NULL is ignored. */
UIOMMU_API void uiommu_ctx_destroy(struct uiommu_ctx *ctx);

/* Physical memory behind an accessor: no pointers, may fail, no atomic accesses. */
struct uiommu_mem_ops {
	/* len bytes at off from the region's start; 0 or -errno. Called from any thread. */
	int (*read)(void *opaque, uint64_t off, void *buf, size_t len);
	int (*write)(void *opaque, uint64_t off, const void *buf, size_t len);
};

/*
 * uiommu_mem_add_pointer - make host memory appear at physical addresses
 * @base, @size: multiples of 4096; must not overlap another region
 * @host: 16-byte aligned; stays the caller's; must stay valid until removed or until the context ends
 *
 * Context: any thread, also while others do DMA, but not between uiommu_agent_begin()
 * and uiommu_agent_end(): it waits for running batches. Returns 0, -EINVAL, -EEXIST (overlap), -ENOMEM.
 */
UIOMMU_API int uiommu_mem_add_pointer(struct uiommu_ctx *ctx, uiommu_pa_t base, uint64_t size, void *host);

/* The same with an accessor. @ops and @opaque stay the caller's and must stay valid likewise. */
UIOMMU_API int uiommu_mem_add_accessor(struct uiommu_ctx *ctx, uiommu_pa_t base, uint64_t size,
				       const struct uiommu_mem_ops *ops, void *opaque);

/*
 * uiommu_mem_remove - take away the region that starts at @base
 *
 * Waits until no DMA batch that could still see it runs: must not be called
 * between uiommu_agent_begin() and uiommu_agent_end(). Returns 0, -ENOENT, -ENOMEM.
 */
UIOMMU_API int uiommu_mem_remove(struct uiommu_ctx *ctx, uiommu_pa_t base);

#ifdef __cplusplus
}
#endif
#endif
