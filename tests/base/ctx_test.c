/* SPDX-License-Identifier: MIT */
/* The context's options, its log lines and events, the names of the public enums, the clock. */
#include "base_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/ctx.h"

struct seen {
	unsigned int logs, events;
	enum uiommu_log_level level;
	struct uiommu_event event;
	char text[512];
};

static void on_log(void *opaque, enum uiommu_log_level level, const char *text)
{
	struct seen *s = opaque;

	s->logs++;
	s->level = level;
	snprintf(s->text, sizeof(s->text), "%s", text);
}

static void on_event(void *opaque, const struct uiommu_event *event)
{
	struct seen *s = opaque;

	s->events++;
	s->event = *event;
	snprintf(s->text, sizeof(s->text), "%s", event->text);
}

static void options(void **state)
{
	struct uiommu_alloc_ops half = { 0 };
	struct uiommu_ctx_opts opts = { 0 };
	struct uiommu_ctx *ctx;
	uiommu_pa_t pa;

	(void)state;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), -EINVAL);
	opts.size = sizeof(opts) - 1;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), -EINVAL);
	opts.size = sizeof(opts);
	opts.pool_bytes = 4097;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), -EINVAL);
	opts.pool_bytes = 0;
	opts.pool_base = 1;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), -EINVAL);
	opts.pool_base = UINT64_MAX - 4095;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), -EINVAL);
	opts.pool_base = 0;
	opts.alloc_ops = &half;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), -EINVAL);
	opts.alloc_ops = NULL;
	opts.pool_base = 0x200000;
	opts.pool_bytes = 8192;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), 0);
	pa = pool_get(ctx->pool);
	assert_int_equal(pa, 0x200000);
	pool_put(ctx->pool, pa);
	uiommu_ctx_destroy(ctx);
	uiommu_ctx_destroy(NULL);
	assert_int_equal(uiommu_ctx_create(NULL, &ctx), 0);
	pa = pool_get(ctx->pool);
	assert_int_equal(pa, UINT64_C(1) << 40);
	pool_put(ctx->pool, pa);
	uiommu_ctx_destroy(ctx);
}

static void callbacks(void **state)
{
	struct uiommu_event event = {
		.kind = UIOMMU_EVENT_FAULT, .rid = 0x100, .pasid = UIOMMU_NO_PASID, .iova = 0x4000,
		.reason = 6, .access = UIOMMU_READ, .error = -EFAULT,
	};
	struct uiommu_ctx_opts opts = { .size = sizeof(opts), .log = on_log, .event = on_event };
	struct seen s = { 0 };
	struct uiommu_ctx *ctx;
	char big[1000];

	(void)state;
	opts.opaque = &s;
	assert_int_equal(uiommu_ctx_create(&opts, &ctx), 0);
	ctx_log(ctx, UIOMMU_LOG_WARNING, "%s %d", "line", 7);
	assert_int_equal(s.logs, 1);
	assert_int_equal(s.level, UIOMMU_LOG_WARNING);
	assert_string_equal(s.text, "line 7");
	ctx_event(ctx, &event, "device %x", 0x100);
	assert_int_equal(s.events, 1);
	assert_string_equal(s.text, "device 100");
	s.event.text = event.text;
	assert_memory_equal(&s.event, &event, sizeof(event));
	/* Long ones are cut, not overrun. */
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	ctx_log(ctx, UIOMMU_LOG_DEBUG, "%s", big);
	assert_int_equal(strlen(s.text), 255);
	ctx_event(ctx, &event, "%s", big);
	assert_int_equal(strlen(s.text), 255);
	uiommu_ctx_destroy(ctx);
	/* Without callbacks they are dropped. */
	assert_int_equal(uiommu_ctx_create(NULL, &ctx), 0);
	ctx_log(ctx, UIOMMU_LOG_ERROR, "dropped");
	ctx_event(ctx, &event, "dropped");
	uiommu_ctx_destroy(ctx);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(uiommu_gap_name(UIOMMU_GAP_NONE), "none");
	assert_string_equal(uiommu_gap_name(UIOMMU_GAP_EQUAL), "equal");
	assert_string_equal(uiommu_gap_name(UIOMMU_GAP_BLOCKED), "blocked");
	assert_string_equal(uiommu_gap_name(UIOMMU_GAP_UNKNOWN), "unknown");
	assert_string_equal(uiommu_gap_name((enum uiommu_gap)99), "?");
	assert_string_equal(uiommu_strategy_name(UIOMMU_STRATEGY_NOTHING), "nothing");
	assert_string_equal(uiommu_strategy_name(UIOMMU_STRATEGY_SINGLE_STORE), "single-store");
	assert_string_equal(uiommu_strategy_name(UIOMMU_STRATEGY_USED_BITS), "used-bits");
	assert_string_equal(uiommu_strategy_name(UIOMMU_STRATEGY_BREAK), "break-before-make");
	assert_string_equal(uiommu_strategy_name((enum uiommu_strategy)99), "?");
	assert_string_equal(uiommu_domain_type_name(UIOMMU_DOMAIN_BLOCKED), "blocked");
	assert_string_equal(uiommu_domain_type_name(UIOMMU_DOMAIN_IDENTITY), "identity");
	assert_string_equal(uiommu_domain_type_name(UIOMMU_DOMAIN_PAGING), "paging");
	assert_string_equal(uiommu_domain_type_name((enum uiommu_domain_type)99), "?");
	assert_string_equal(uiommu_version(), UIOMMU_VERSION);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The counter's pauses lie within the system clock's, up to the error of the scale. */
static void clock_agrees(void **state)
{
	uint64_t outer, inner, ticks;

	(void)state;
	clock_ns(1);
	outer = now_ns();
	ticks = clock_ticks();
	inner = now_ns();
	nanosleep(&(struct timespec) { .tv_nsec = 20000000 }, NULL);
	inner = now_ns() - inner;
	ticks = clock_ticks() - ticks;
	outer = now_ns() - outer;
	assert_in_range(clock_ns(ticks), inner - inner / 50, outer + outer / 50);
	assert_int_equal(clock_ns(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options),
		cmocka_unit_test(callbacks),
		cmocka_unit_test(names),
		cmocka_unit_test(clock_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
