/* SPDX-License-Identifier: MIT */
/*
 * The invalidation queue: both widths, wrap, waits, interrupts, every kind of queue
 * error and the way out of it, the rules for turning it on and off, the test hook.
 */
#include "rig.h"

#include <string.h>

#include "hw/vtd/vtd_model.h"

#define FSTS_IQE (1u << 4)

static uint32_t rd32(struct rig *r, uint32_t off)
{
	return r->hw->ops->read32(r->hw, off);
}

static uint64_t head(struct rig *r)
{
	return r->hw->ops->read64(r->hw, 0x80);
}

static uint32_t status(struct rig *r)
{
	return __atomic_load_n((uint32_t *)(void *)rig_word(r, RIG_STATUS), __ATOMIC_ACQUIRE);
}

/* Scalable with wide descriptors, legacy with narrow ones. */
static void start(struct rig *r, const struct uiommu_vtd_model_opts *opts, bool wide, bool accessor)
{
	rig_start(r, opts, accessor);
	rig_root(r, RIG_TABLES | (wide ? 1u << 10 : 0));
	rig_queue_on(r, wide);
}

static void test_wrap(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts) };

	for (unsigned int k = 0; k < 16; k++) {
		bool wide = k & 1;
		struct rig r;

		opts.own_thread = k & 2;
		opts.preset = (enum uiommu_preset)(k & 8 ? UIOMMU_PRESET_QEMU : UIOMMU_PRESET_WEAKEST);
		start(&r, &opts, wide, k & 4);
		for (unsigned int i = 0; i < 300; i++) {
			rig_push(&r, 1 | 1u << 4, 0);
			if (wide)
				rig_push(&r, 7 | 3u << 4, 0);
			rig_push(&r, 2 | 1u << 4 | (i & 1) << 7, 0);
			assert_true(rig_sync(&r));
			assert_true(head(&r) == r.tail);
		}
		assert_int_equal(r.misuses, 0);
		rig_stop(&r);
	}
}

static void test_wait_kinds(void **state)
{
	struct rig r;

	start(&r, NULL, true, false);
	/* Neither status nor interrupt: a pure fence. */
	rig_push(&r, 5 | 1u << 6, 0);
	rig_push(&r, 5, 0);
	rig_kick(&r);
	assert_true(head(&r) == r.tail);
	assert_int_equal(r.irqs, 0);
	assert_int_equal(rd32(&r, 0x9C), 0);
	/* Interrupt, masked, then unmasked; with status in the same wait. */
	r.hw->ops->write32(r.hw, 0xA4, 0x41);
	r.hw->ops->write32(r.hw, 0xA8, 0xFEE00000);
	rig_push(&r, 5 | 1u << 4 | 1u << 5 | 77ull << 32, RIG_STATUS + 8);
	rig_kick(&r);
	assert_int_equal(*rig_word(&r, RIG_STATUS + 8), 77);
	assert_int_equal(rd32(&r, 0x9C), 1);
	assert_int_equal(rd32(&r, 0xA0), 3u << 30);
	r.hw->ops->write32(r.hw, 0xA0, 0);
	assert_int_equal(r.irqs, 1);
	assert_int_equal(r.irq_data, 0x41);
	/* IWC still set: no second one. */
	rig_push(&r, 5 | 1u << 4, 0);
	rig_kick(&r);
	assert_int_equal(r.irqs, 1);
	r.hw->ops->write32(r.hw, 0x9C, 1);
	assert_int_equal(rd32(&r, 0x9C), 0);
	rig_push(&r, 5 | 1u << 4, 0);
	rig_kick(&r);
	assert_int_equal(r.irqs, 2);
	/* A status address without memory is the driver's mistake and does not stop the queue. */
	rig_push(&r, 5 | 1u << 5, 0x18000000);
	rig_kick(&r);
	assert_int_equal(r.misuses, 1);
	assert_true(rig_sync(&r));
	rig_stop(&r);
}

struct bad {
	uint64_t w0, w1;
	unsigned int info;
	int wide;	/* -1: both */
};

static const struct bad bads[] = {
	{ 0, 0, 3, -1 },				/* type 0 */
	{ 3, 0, 3, -1 },				/* device TLB */
	{ 4, 0, 3, -1 },				/* interrupt entries */
	{ 6 | 2u << 4, 0, 3, 0 },			/* PASID-based, legacy mode */
	{ 7 | 3u << 4, 0, 3, 0 },
	{ 8, 0, 3, -1 },
	{ 9, 0, 3, -1 },
	{ 15, 0, 3, -1 },
	{ 1 | 1u << 4 | 1u << 9, 0, 3, -1 },		/* type 11h */
	{ 1, 0, 4, -1 },				/* granularity 0 */
	{ 1 | 1u << 4 | 1u << 6, 0, 4, -1 },
	{ 1 | 1u << 4 | 1u << 12, 0, 4, -1 },
	{ 1 | 1u << 4 | 1ull << 50, 0, 4, -1 },
	{ 1 | 1u << 4, 1, 4, -1 },
	{ 2, 0, 4, -1 },
	{ 2 | 1u << 4 | 1u << 8, 0, 4, -1 },
	{ 2 | 1u << 4 | 1ull << 32, 0, 4, -1 },
	{ 2 | 3u << 4, 1u << 7, 4, -1 },
	{ 2 | 3u << 4, 19, 4, -1 },			/* AM > MAMV */
	{ 5 | 1u << 7, 0, 4, -1 },			/* page-request drain */
	{ 5 | 1u << 8, 0, 4, -1 },
	{ 5 | 1u << 12, 0, 4, -1 },
	{ 5, 2, 4, -1 },
	{ 6, 0, 4, 1 },
	{ 6 | 1u << 4, 0, 4, 1 },
	{ 6 | 2u << 4 | 1u << 6, 0, 4, 1 },
	{ 6 | 2u << 4 | 1ull << 52, 0, 4, 1 },
	{ 6 | 3u << 4, 1u << 11, 4, 1 },
	{ 7 | 2u << 4, 0, 4, 1 },
	{ 7 | 1u << 8, 0, 4, 1 },
	{ 7 | 1u << 12, 0, 4, 1 },
	{ 7 | 1ull << 63, 0, 4, 1 },
	{ 7, 1ull << 12, 4, 1 },
};

/* One bad descriptor behind a good wait: the wait completes, the head stays, clearing alone does not help. */
static void check_bad(struct rig *r, const struct bad *b)
{
	uint64_t at;

	rig_push(r, 5 | 1u << 5 | (uint64_t)++r->seq << 32, RIG_STATUS);
	at = r->tail;
	rig_push(r, b->w0, b->w1);
	assert_false(rig_sync(r));
	assert_int_equal(status(r), r->seq - 1);
	assert_true(head(r) == at);
	assert_int_equal(rd32(r, 0xB0), b->info);
	r->hw->ops->write32(r->hw, 0x34, FSTS_IQE);
	r->hw->ops->relax(r->hw);
	assert_true(rd32(r, 0x34) & FSTS_IQE);
	assert_int_equal(status(r), r->seq - 1);
	/* A wait in its place, then clear: the queue goes on. */
	*rig_word(r, RIG_QUEUE + at) = 5;
	*rig_word(r, RIG_QUEUE + at + 8) = 0;
	r->hw->ops->write32(r->hw, 0x34, FSTS_IQE);
	assert_true(head(r) == r->tail);
	assert_int_equal(status(r), r->seq);
	assert_int_equal(rd32(r, 0x34), 0);
	assert_int_equal(rd32(r, 0xB0), 0);
}

static void test_bad_descriptors(void **state)
{
	for (int wide = 0; wide < 2; wide++) {
		struct rig r;

		start(&r, NULL, wide, false);
		for (unsigned int i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
			if (bads[i].wide < 0 || bads[i].wide == wide)
				check_bad(&r, &bads[i]);
		if (wide) {
			/* Words 2 and 3 of a wide descriptor are reserved. */
			rig_push(&r, 5, 0);
			*rig_word(&r, RIG_QUEUE + r.tail - 8) = 1ull << 63;
			rig_kick(&r);
			assert_int_equal(rd32(&r, 0xB0), 4);
		}
		rig_stop(&r);
	}
}

/* Tail errors and errors of the queue as a whole: the head does not move. */
static void test_queue_errors(void **state)
{
	struct rig r;

	start(&r, NULL, true, false);
	rig_push(&r, 5, 0);
	r.hw->ops->write64(r.hw, 0x88, 0x1000);			/* one page: up to FE0h */
	assert_int_equal(rd32(&r, 0xB0), 1);
	assert_int_equal(head(&r), 0);
	r.hw->ops->write64(r.hw, 0x88, 0x10);			/* misaligned */
	r.hw->ops->write32(r.hw, 0x34, FSTS_IQE);
	assert_int_equal(head(&r), 0);
	assert_int_equal(rd32(&r, 0xB0), 6);
	r.hw->ops->write64(r.hw, 0x88, 0x20);
	r.hw->ops->write32(r.hw, 0x34, FSTS_IQE);
	assert_int_equal(head(&r), 0x20);
	rig_stop(&r);
}

/* Descriptor width and translation table mode must fit each other and the unit. */
static void test_width_and_mode(void **state)
{
	struct uiommu_vtd_model_opts legacy_only = { .size = sizeof(legacy_only), .no_scalable = true };
	struct rig r;

	/* Narrow descriptors in scalable mode. */
	rig_start(&r, NULL, false);
	rig_root(&r, RIG_TABLES | 1u << 10);
	rig_queue_on(&r, false);
	rig_push(&r, 5, 0);
	rig_kick(&r);
	assert_int_equal(rd32(&r, 0xB0), 5);
	rig_stop(&r);

	/* Wide ones in legacy mode are fine, but not on a unit without scalable mode. */
	rig_start(&r, NULL, false);
	rig_root(&r, RIG_TABLES);
	rig_queue_on(&r, true);
	assert_true(rig_sync(&r));
	rig_stop(&r);
	rig_start(&r, &legacy_only, false);
	rig_queue_on(&r, true);
	rig_push(&r, 5, 0);
	rig_kick(&r);
	assert_int_equal(rd32(&r, 0xB0), 5);
	rig_stop(&r);

	/* A reserved translation table mode. */
	rig_start(&r, NULL, false);
	rig_root(&r, RIG_TABLES | 2u << 10);
	rig_queue_on(&r, true);
	rig_push(&r, 5, 0);
	rig_kick(&r);
	assert_int_equal(rd32(&r, 0xB0), 7);
	rig_stop(&r);
}

static void test_fetch_error(void **state)
{
	struct rig r;

	rig_start(&r, NULL, true);
	rig_queue_on(&r, false);
	rig_push(&r, 5, 0);
	r.accessor_fails = true;
	rig_kick(&r);
	assert_int_equal(rd32(&r, 0xB0), 2);
	r.accessor_fails = false;
	r.hw->ops->write32(r.hw, 0x34, FSTS_IQE);
	assert_int_equal(head(&r), 0x10);
	rig_stop(&r);
}

static void test_on_off(void **state)
{
	struct rig r;

	start(&r, NULL, true, false);
	assert_true(rig_sync(&r));
	r.hw->ops->write64(r.hw, 0x90, RIG_QUEUE);		/* IQA while on */
	assert_int_equal(r.misuses, 1);
	assert_true(r.hw->ops->read64(r.hw, 0x90) == (RIG_QUEUE | 1u << 11));
	r.hw->ops->write32(r.hw, 0x18, 0);			/* off after a wait: fine */
	assert_int_equal(r.misuses, 1);
	assert_int_equal(head(&r), 0);
	r.hw->ops->write32(r.hw, 0x18, 1u << 26);		/* on with a tail */
	assert_int_equal(r.misuses, 2);
	r.hw->ops->write32(r.hw, 0x18, 0);
	rig_queue_on(&r, true);
	rig_push(&r, 1 | 1u << 4, 0);
	rig_kick(&r);
	r.misuses = 0;
	r.hw->ops->write32(r.hw, 0x18, 0);			/* off without a wait at the end */
	assert_int_equal(r.misuses, 1);
	/* Off: a tail write does nothing. */
	r.hw->ops->write64(r.hw, 0x88, 0x20);
	assert_int_equal(head(&r), 0);
	rig_stop(&r);
}

static void test_hook(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts) };

	for (unsigned int own = 0; own < 2; own++) {
		struct rig r;
		uint32_t at;

		opts.own_thread = own;
		start(&r, &opts, true, false);
		/* The third from now. */
		vtd_model_fail_descriptor(r.hw, 3, VTD_FAIL_IQE);
		rig_push(&r, 1 | 1u << 4, 0);
		rig_push(&r, 7 | 3u << 4, 0);
		at = r.tail;
		rig_push(&r, 2 | 1u << 4, 0);
		assert_false(rig_sync(&r));
		assert_int_equal(head(&r), at);
		/* What is in memory is good: clearing is enough this time. */
		r.hw->ops->write32(r.hw, 0x34, FSTS_IQE);
		while (head(&r) != r.tail || status(&r) != r.seq)
			r.hw->ops->relax(r.hw);
		assert_true(rig_sync(&r));
		/* A wait that does not complete, until the failure is taken back. */
		vtd_model_fail_descriptor(r.hw, 1, VTD_FAIL_HANG);
		rig_push(&r, 5 | 1u << 5 | (uint64_t)++r.seq << 32, RIG_STATUS);
		rig_kick(&r);
		for (unsigned int i = 0; i < 1000; i++)
			r.hw->ops->relax(r.hw);
		assert_int_equal(status(&r), r.seq - 1);
		assert_int_equal(rd32(&r, 0x34), 0);
		vtd_model_fail_descriptor(r.hw, 0, VTD_FAIL_NONE);
		assert_true(rig_sync(&r));
		/* Or until the queue is turned off. */
		vtd_model_fail_descriptor(r.hw, 1, VTD_FAIL_HANG);
		rig_push(&r, 5, 0);
		rig_kick(&r);
		r.hw->ops->write32(r.hw, 0x18, 0);
		rig_queue_on(&r, true);
		vtd_model_fail_descriptor(r.hw, 0, VTD_FAIL_NONE);
		assert_true(rig_sync(&r));
		rig_stop(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap),	     cmocka_unit_test(test_wait_kinds),
		cmocka_unit_test(test_bad_descriptors), cmocka_unit_test(test_queue_errors),
		cmocka_unit_test(test_width_and_mode),
		cmocka_unit_test(test_fetch_error),
		cmocka_unit_test(test_on_off),	     cmocka_unit_test(test_hook),
	};

	return cmocka_run_group_tests_name("vtd queue", tests, NULL, NULL);
}
