/* SPDX-License-Identifier: MIT */
/* The allocator's countdown and count, the host's functions, and a context of which each allocation fails. */
#include "base_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ctx.h"

static void zeroed_and_counted(void **state)
{
	struct alloc a;
	char *p;

	(void)state;
	alloc_init(&a, NULL, NULL);
	p = alloc_zeroed(&a, 10, 100);
	assert_non_null(p);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(alloc_live(&a), 1);
	alloc_free(&a, NULL);
	assert_int_equal(alloc_live(&a), 1);
	alloc_free(&a, p);
	assert_int_equal(alloc_live(&a), 0);
	/* Nothing is not a failure. */
	p = alloc_zeroed(&a, 0, 8);
	assert_non_null(p);
	alloc_free(&a, p);
	assert_null(alloc_zeroed(&a, SIZE_MAX / 2, 3));
	assert_int_equal(alloc_live(&a), 0);
}

static void nth_fails_once(void **state)
{
	struct alloc a;

	(void)state;
	alloc_init(&a, NULL, NULL);
	for (long n = 1; n <= 8; n++) {
		alloc_fail_nth(&a, n);
		for (long i = 1; i <= 10; i++) {
			void *p = alloc_zeroed(&a, 1, 1);

			if (i == n)
				assert_null(p);
			else
				assert_non_null(p);
			alloc_free(&a, p);
		}
	}
	alloc_fail_nth(&a, 1);
	alloc_fail_nth(&a, 0);
	assert_false(alloc_should_fail(&a));
	assert_int_equal(alloc_live(&a), 0);
}

static void *count_failures(void *opaque)
{
	struct alloc *a = opaque;
	size_t failed = 0;

	for (int i = 0; i < 20000; i++)
		failed += alloc_should_fail(a);
	return (void *)failed;
}

static void nth_fails_once_among_threads(void **state)
{
	pthread_t thread[3];
	size_t failed = 0;
	struct alloc a;
	void *n;

	(void)state;
	alloc_init(&a, NULL, NULL);
	alloc_fail_nth(&a, 30000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count_failures, &a), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], &n);
		failed += (size_t)n;
	}
	assert_int_equal(failed, 1);
}

static void aligned_blocks(void **state)
{
	struct alloc a;

	(void)state;
	alloc_init(&a, NULL, NULL);
	for (size_t align = 8; align <= 4096; align *= 2)
		for (size_t size = 1; size < 300; size += 37) {
			char *p = alloc_aligned(&a, align, size);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % align, 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, size);
			alloc_free_aligned(&a, p);
		}
	alloc_free_aligned(&a, NULL);
	assert_null(alloc_aligned(&a, 64, SIZE_MAX));
	alloc_fail_nth(&a, 1);
	assert_null(alloc_aligned(&a, 64, 1));
	assert_int_equal(alloc_live(&a), 0);
}

/* A host's allocator that counts and that fails at a given call. */
struct host {
	long live, calls, fail_at;
};

static void *host_zalloc(void *opaque, size_t size)
{
	struct host *h = opaque;

	if (++h->calls == h->fail_at)
		return NULL;
	h->live++;
	return calloc(1, size);
}

static void host_free(void *opaque, void *p)
{
	struct host *h = opaque;

	h->live--;
	free(p);
}

static const struct uiommu_alloc_ops host_ops = { .zalloc = host_zalloc, .free = host_free };

static void ctx_each_allocation_fails(void **state)
{
	struct uiommu_ctx *ctx;
	int err = -ENOMEM;
	long n;

	(void)state;
	for (n = 1; err; n++) {
		struct host h = { .fail_at = n };
		struct uiommu_ctx_opts opts = { .size = sizeof(opts), .alloc_ops = &host_ops, .opaque = &h };

		ctx = NULL;
		err = uiommu_ctx_create(&opts, &ctx);
		if (!err)
			uiommu_ctx_destroy(ctx);
		else
			assert_int_equal(err, -ENOMEM);
		assert_int_equal(h.live, 0);
		assert_in_range(n, 1, 50);
	}
	assert_true(n > 4);
}

static void agent_allocation_fails(void **state)
{
	struct uiommu_agent *agent;
	struct uiommu_ctx *ctx;
	long live;

	(void)state;
	assert_int_equal(uiommu_ctx_create(NULL, &ctx), 0);
	live = alloc_live(&ctx->alloc);
	alloc_fail_nth(&ctx->alloc, 1);
	assert_int_equal(uiommu_agent_create(ctx, &agent), -ENOMEM);
	assert_int_equal(atomic_load(&ctx->quiesce.online), 0);
	assert_int_equal(uiommu_agent_create(ctx, &agent), 0);
	assert_int_equal(atomic_load(&ctx->quiesce.online), 1);
	uiommu_agent_destroy(agent);
	uiommu_agent_destroy(NULL);
	assert_int_equal(alloc_live(&ctx->alloc), live);
	uiommu_ctx_destroy(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeroed_and_counted),
		cmocka_unit_test(nth_fails_once),
		cmocka_unit_test(nth_fails_once_among_threads),
		cmocka_unit_test(aligned_blocks),
		cmocka_unit_test(ctx_each_allocation_fails),
		cmocka_unit_test(agent_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
