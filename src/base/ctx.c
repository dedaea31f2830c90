/* SPDX-License-Identifier: MIT */
/* The context: its parts are made in the order of their dependence and end in reverse. */
#include "base/ctx.h"

#include <errno.h>
#include <stdio.h>

#define TEXT_SIZE 256
#define POOL_BYTES ((size_t)1 << 30)
#define POOL_BASE (UINT64_C(1) << 40)

/* The context lies in memory of the allocator that it holds: the first copy bootstraps it. */
static struct uiommu_ctx *ctx_alloc(const struct uiommu_ctx_opts *opts)
{
	struct alloc first;
	struct uiommu_ctx *ctx;

	alloc_init(&first, opts->alloc_ops, opts->opaque);
	ctx = alloc_struct(&first, struct uiommu_ctx);
	if (ctx)
		alloc_init(&ctx->alloc, opts->alloc_ops, opts->opaque);
	return ctx;
}

static void ctx_free(struct uiommu_ctx *ctx)
{
	struct alloc last;

	alloc_init(&last, ctx->alloc.ops, ctx->alloc.opaque);
	alloc_free(&last, ctx);
}

int uiommu_ctx_create(const struct uiommu_ctx_opts *opts, struct uiommu_ctx **ctx)
{
	struct uiommu_ctx_opts o = { .size = sizeof(o) };
	struct uiommu_ctx *c;
	int err;

	if (opts) {
		if (opts->size != sizeof(o))
			return -EINVAL;
		o = *opts;
	}
	if (o.alloc_ops && (!o.alloc_ops->zalloc || !o.alloc_ops->free))
		return -EINVAL;
	c = ctx_alloc(&o);
	if (!c)
		return -ENOMEM;
	c->log = o.log;
	c->event = o.event;
	c->opaque = o.opaque;
	quiesce_init(&c->quiesce);
	err = mem_create(&c->alloc, &c->quiesce, &c->mem);
	if (err)
		goto out_free;
	err = pool_create(&c->alloc, c->mem, o.pool_base ? o.pool_base : POOL_BASE,
			  o.pool_bytes ? o.pool_bytes : POOL_BYTES, &c->pool);
	if (err)
		goto out_mem;
	*ctx = c;
	return 0;

out_mem:
	mem_destroy(c->mem);
out_free:
	ctx_free(c);
	return err;
}

void uiommu_ctx_destroy(struct uiommu_ctx *ctx)
{
	if (!ctx)
		return;
	pool_destroy(ctx->pool);
	mem_destroy(ctx->mem);
	ctx_free(ctx);
}

void ctx_log(struct uiommu_ctx *ctx, enum uiommu_log_level level, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	if (!ctx->log)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctx->log(ctx->opaque, level, text);
}

void ctx_event(struct uiommu_ctx *ctx, const struct uiommu_event *event, const char *fmt, ...)
{
	struct uiommu_event e = *event;
	char text[TEXT_SIZE];
	va_list ap;

	if (!ctx->event)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e.text = text;
	ctx->event(ctx->opaque, &e);
}

int uiommu_mem_add_pointer(struct uiommu_ctx *ctx, uiommu_pa_t base, uint64_t size, void *host)
{
	return mem_add_pointer(ctx->mem, base, size, host);
}

int uiommu_mem_add_accessor(struct uiommu_ctx *ctx, uiommu_pa_t base, uint64_t size,
			    const struct uiommu_mem_ops *ops, void *opaque)
{
	return mem_add_accessor(ctx->mem, base, size, ops, opaque);
}

int uiommu_mem_remove(struct uiommu_ctx *ctx, uiommu_pa_t base)
{
	return mem_remove(ctx->mem, base);
}
