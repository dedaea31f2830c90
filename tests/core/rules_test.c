/* SPDX-License-Identifier: MIT */
/*
 * The rules that the random sequences do not reach: arguments, option structs,
 * demands and reports, transactions that outlive their groups, stuck devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* Group 0 has devices 0 to 2, group 1 has 3, group 2 (IOMMU 1) has 16; domains 1, 2, 3, 8, 9. */
static struct world *populated(void)
{
	struct world *w = world_create();

	for (int d = 1; d <= 3; d++)
		world_alloc(w, d);
	for (int d = 8; d <= 9; d++)
		world_alloc(w, d);
	for (int d = 0; d <= 2; d++)
		world_add(w, 0, d);
	world_add(w, 1, 3);
	world_add(w, 2, 16);
	return w;
}

static void test_arguments(void **state)
{
	struct world *w = populated();
	struct uiommu_group *g = w->group[0];
	struct uiommu_report report;

	(void)state;
	assert_int_equal(uiommu_attach_group(g, NULL, &report), -EINVAL);
	assert_true(report.reason[0]);
	assert_int_equal(uiommu_attach_group(NULL, w->domain[1], NULL), -EINVAL);
	assert_int_equal(uiommu_group_replace_domain(g, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_group_replace_domain(g, w->domain[8], NULL, &report), -EINVAL);
	assert_true(report.reason[0]);
	assert_int_equal(uiommu_group_set_default_domain(g, NULL), -EINVAL);
	assert_int_equal(uiommu_group_set_default_domain(g, w->domain[8]), -EINVAL);
	assert_int_equal(uiommu_group_create(NULL, &g), -EINVAL);
	assert_int_equal(uiommu_device_add(w->group[0], 9, NULL), -EINVAL);
	assert_int_equal(uiommu_domain_free(NULL), -EINVAL);
	assert_int_equal(uiommu_domain_free(uiommu_blocking_domain(w->iommu[0])), -EBUSY);
	assert_int_equal(uiommu_device_rid(w->dev[2]), 2);
	uiommu_group_destroy(NULL);
	uiommu_device_remove(NULL);
	uiommu_iommu_destroy(NULL);
	uiommu_replace_abort(NULL);
	assert_int_equal(uiommu_replace_commit(NULL, NULL), -EINVAL);
	/* A group with devices, an IOMMU with groups: kept rather than left dangling. */
	uiommu_group_destroy(w->group[0]);
	uiommu_iommu_destroy(w->iommu[0]);
	world_compare(w);
	world_destroy(w);
}

static int alloc_domain(struct world *w, size_t size, int type, int stage, unsigned int levels)
{
	struct {
		struct uiommu_domain_opts opts;
		char more[16];
	} o = { .opts = {
		.size = size, .type = (enum uiommu_domain_type)type, .stage = (enum uiommu_stage)stage,
		.levels = levels,
	} };
	struct uiommu_domain *domain = NULL;
	int err;

	if (size == sizeof(o) + 1) {
		o.more[15] = 1;
		o.opts.size--;
	}
	err = uiommu_domain_alloc(w->iommu[0], &o.opts, &domain);
	if (domain)
		assert_int_equal(uiommu_domain_free(domain), 0);
	return err;
}

static void test_domains(void **state)
{
	size_t size = sizeof(struct uiommu_domain_opts);
	struct world *w = world_create();
	struct uiommu_domain_opts opts = { .size = size, .type = UIOMMU_DOMAIN_PAGING };
	struct uiommu_domain *domain, *blocking = uiommu_blocking_domain(w->iommu[0]);
	uiommu_pa_t pa;

	(void)state;
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_ANY, 0), 0);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_FIRST, 5), 0);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_IDENTITY, UIOMMU_STAGE_ANY, 0), 0);
	assert_int_equal(alloc_domain(w, size + 16, UIOMMU_DOMAIN_IDENTITY, UIOMMU_STAGE_ANY, 0), 0);
	assert_int_equal(alloc_domain(w, size + 17, UIOMMU_DOMAIN_IDENTITY, UIOMMU_STAGE_ANY, 0), -E2BIG);
	assert_int_equal(alloc_domain(w, size - 1, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_ANY, 0), -EINVAL);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_BLOCKED, UIOMMU_STAGE_ANY, 0), -EINVAL);
	assert_int_equal(alloc_domain(w, size, 99, UIOMMU_STAGE_ANY, 0), -EINVAL);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_PAGING, 3, 0), -EINVAL);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_PAGING, 0, 2), -EINVAL);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_PAGING, 0, 6), -EINVAL);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_IDENTITY, UIOMMU_STAGE_FIRST, 0), -EINVAL);
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_IDENTITY, UIOMMU_STAGE_ANY, 4), -EINVAL);
	assert_int_equal(uiommu_domain_alloc(w->iommu[0], NULL, &domain), -EINVAL);
	to_mock(w->iommu[0])->no_domains = true;
	assert_int_equal(alloc_domain(w, size, UIOMMU_DOMAIN_PAGING, 0, 0), -EOPNOTSUPP);
	to_mock(w->iommu[0])->no_domains = false;

	assert_int_equal(uiommu_domain_alloc(w->iommu[0], &opts, &domain), 0);
	assert_int_equal(uiommu_domain_type(domain), UIOMMU_DOMAIN_PAGING);
	assert_int_equal(uiommu_domain_stage(domain), UIOMMU_STAGE_SECOND);
	assert_int_equal(uiommu_domain_stage(blocking), UIOMMU_STAGE_ANY);
	assert_int_equal(uiommu_map(domain, 0, 0, 4096, UIOMMU_READ), 0);
	assert_int_equal(uiommu_map(domain, UINT64_MAX - 4095, 0, 4096, UIOMMU_READ | UIOMMU_WRITE), 0);
	assert_int_equal(uiommu_map(domain, 0, 0, 0, UIOMMU_READ), -EINVAL);
	assert_int_equal(uiommu_map(domain, 1, 0, 4096, UIOMMU_READ), -EINVAL);
	assert_int_equal(uiommu_map(domain, 0, 1, 4096, UIOMMU_READ), -EINVAL);
	assert_int_equal(uiommu_map(domain, 0, 0, 4097, UIOMMU_READ), -EINVAL);
	assert_int_equal(uiommu_map(domain, 0, 0, 4096, 0), -EINVAL);
	assert_int_equal(uiommu_map(domain, 0, 0, 4096, 4), -EINVAL);
	assert_int_equal(uiommu_map(domain, UINT64_MAX - 4095, 0, 8192, UIOMMU_READ), -ERANGE);
	assert_int_equal(uiommu_map(domain, 0, UINT64_MAX - 4095, 8192, UIOMMU_READ), -ERANGE);
	assert_int_equal(uiommu_map(blocking, 0, 0, 4096, UIOMMU_READ), -EINVAL);
	assert_int_equal(uiommu_unmap(domain, 0, 4096), 0);
	assert_int_equal(uiommu_unmap(domain, 0, 0), -EINVAL);
	assert_int_equal(uiommu_unmap(domain, 0, 1), -EINVAL);
	assert_int_equal(uiommu_unmap(domain, UINT64_MAX - 4095, 8192), -EINVAL);
	assert_int_equal(uiommu_unmap(blocking, 0, 4096), -EINVAL);
	assert_int_equal(uiommu_iova_to_phys(domain, 0x5000, &pa), 0);
	assert_int_equal(pa, 0x6000);
	assert_int_equal(uiommu_iova_to_phys(blocking, 0x5000, &pa), -ENOENT);
	assert_int_equal(uiommu_domain_free(domain), 0);
	opts.type = UIOMMU_DOMAIN_IDENTITY;
	assert_int_equal(uiommu_domain_alloc(w->iommu[0], &opts, &domain), 0);
	assert_int_equal(uiommu_iova_to_phys(domain, 0x5000, &pa), 0);
	assert_int_equal(pa, 0x5000);
	assert_int_equal(uiommu_domain_free(domain), 0);
	world_destroy(w);
}

static void test_opts(void **state)
{
	struct {
		struct uiommu_replace_opts opts;
		char more[8];
	} o = { .opts = { .size = sizeof(o) } };
	struct world *w = populated();
	struct mock_iommu *m = to_mock(w->iommu[0]);
	struct uiommu_report report;

	(void)state;
	o.more[7] = 1;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], &o.opts, &report), -E2BIG);
	o.more[7] = 0;
	o.opts.size = sizeof(o.opts) - 1;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], &o.opts, &report), -EINVAL);
	o.opts.size = sizeof(o);
	o.opts.worst_gap = (enum uiommu_gap)4;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], &o.opts, &report), -EINVAL);
	o.opts.worst_gap = UIOMMU_GAP_EQUAL;
	o.opts.equal_start = 0x2000;
	o.opts.equal_last = 0x1fff;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], &o.opts, &report), -EINVAL);
	assert_int_equal(m->prepares, 0);
	o.opts.equal_last = 0x2fff;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], &o.opts, &report), 0);
	assert_true(m->saw_opts);
	assert_int_equal(m->demand, UIOMMU_GAP_EQUAL);
	assert_int_equal(m->equal_start, 0x2000);
	assert_int_equal(m->equal_last, 0x2fff);
	/* Nobody keeps a pointer to options that were the caller's. */
	assert_null(w->dev[0]->att.slot.opts);
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], NULL, NULL), 0);
	uiommu_block_group(w->group[0]);
	w->m.group[0].blocked = true;
	world_destroy(w);
}

static void test_demand(void **state)
{
	struct uiommu_replace_opts opts = { .size = sizeof(opts) };
	struct world *w = populated();
	struct mock_iommu *m = to_mock(w->iommu[0]);
	struct uiommu_report report;

	(void)state;
	world_attach(w, 0, 1);
	m->best_gap = UIOMMU_GAP_EQUAL;
	m->gap[1] = UIOMMU_GAP_EQUAL;
	m->gap[2] = UIOMMU_GAP_BLOCKED;
	/* Refused by the first device that is worse than demanded; the reason is that of the worst gap. */
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], &opts, &report), -EOPNOTSUPP);
	assert_int_equal(report.gap, UIOMMU_GAP_BLOCKED);
	assert_int_equal(report.best_gap, UIOMMU_GAP_EQUAL);
	assert_int_equal(report.strategy, UIOMMU_STRATEGY_BREAK);
	assert_ptr_equal(report.refused, w->dev[1]);
	assert_string_equal(report.reason, "gap of device 2");
	assert_int_equal(report.stores, 3);
	assert_int_equal(m->commits, 1);
	world_compare(w);
	opts.worst_gap = UIOMMU_GAP_EQUAL;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], &opts, &report), -EOPNOTSUPP);
	assert_ptr_equal(report.refused, w->dev[2]);
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], &opts, NULL), -EOPNOTSUPP);
	world_compare(w);
	opts.worst_gap = UIOMMU_GAP_BLOCKED;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], &opts, &report), 0);
	assert_int_equal(report.gap, UIOMMU_GAP_BLOCKED);
	assert_null(report.refused);
	assert_int_equal(report.stores, 3);
	assert_int_equal(report.config_syncs, 2);
	assert_int_equal(report.tag_flushes, 9);
	assert_int_equal(report.cpu_ns, 10);
	assert_int_equal(report.drain_ns, 20);
	/* Without a gap: no reason, and the same domain does nothing. */
	m->gap[1] = m->gap[2] = UIOMMU_GAP_NONE;
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], NULL, &report), 0);
	assert_int_equal(report.gap, UIOMMU_GAP_NONE);
	assert_string_equal(report.reason, "");
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[1], NULL, &report), 0);
	assert_int_equal(report.strategy, UIOMMU_STRATEGY_NOTHING);
	assert_int_equal(m->commits, 3);
	world_compare(w);
	world_destroy(w);
}

static void test_failure_report(void **state)
{
	struct world *w = populated();
	struct uiommu_report report;

	(void)state;
	world_attach(w, 0, 1);
	w->m.dev[1].fail = true;
	world_set_faults(w);
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], NULL, &report), -EIO);
	assert_ptr_equal(report.refused, w->dev[1]);
	assert_int_equal(report.gap, UIOMMU_GAP_NONE);
	assert_non_null(strstr(report.reason, "00:00.1"));
	world_compare(w);
	/* The same when a device is parked: its accesses are blocked. */
	w->m.dev[0].fail_back = true;
	world_set_faults(w);
	model_change(&w->m, 0, 2, false, false);
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], NULL, &report), -EIO);
	assert_int_equal(report.gap, UIOMMU_GAP_BLOCKED);
	world_compare(w);
	w->m.dev[2].fail_prepare = true;
	world_set_faults(w);
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], NULL, &report), -ENOSPC);
	assert_ptr_equal(report.refused, w->dev[2]);
	assert_non_null(strstr(report.reason, "told to fail"));
	assert_int_equal(report.stores, 0);
	world_destroy(w);
}

static void test_transactions(void **state)
{
	struct world *w = populated();
	struct uiommu_replace_target t[3] = {
		{ w->group[0], UIOMMU_NO_PASID, w->domain[1], NULL },
		{ w->group[2], UIOMMU_NO_PASID, w->domain[8], NULL },
		{ w->group[0], UIOMMU_NO_PASID, w->domain[1], NULL },
	};
	struct uiommu_replace_opts opts = { .size = sizeof(opts) };
	struct uiommu_report report;
	struct uiommu_txn *other, *txn;
	struct uiommu_device *dev;

	(void)state;
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 3, NULL, &txn, &report), -EINVAL);
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 0, NULL, &txn, &report), -EINVAL);
	t[0].pasid = 5;
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 2, NULL, &txn, &report), -EINVAL);
	t[0].pasid = UIOMMU_NO_PASID;
	t[0].domain = w->domain[8];
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 2, NULL, &txn, &report), -EINVAL);
	t[0].domain = NULL;
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 2, NULL, &txn, &report), -EINVAL);
	t[0].domain = w->domain[1];
	/* Unmet on the second IOMMU: the first is left alone. */
	to_mock(w->iommu[1])->gap[16] = UIOMMU_GAP_BLOCKED;
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 2, &opts, &txn, &report), -EOPNOTSUPP);
	assert_ptr_equal(report.refused, w->dev[16]);
	world_compare(w);
	to_mock(w->iommu[1])->gap[16] = UIOMMU_GAP_NONE;

	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 2, &opts, &txn, &report), 0);
	assert_int_equal(report.stores, 4);
	assert_int_equal(uiommu_attach_group(w->group[0], w->domain[2], NULL), -EBUSY);
	assert_int_equal(uiommu_group_replace_domain(w->group[2], w->domain[9], NULL, NULL), -EBUSY);
	assert_int_equal(uiommu_group_set_default_domain(w->group[0], w->domain[2]), -EBUSY);
	assert_int_equal(uiommu_device_add(w->group[0], 7, &dev), -EBUSY);
	other = txn;
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 1, NULL, &other, &report), -EBUSY);
	assert_null(other);
	assert_int_equal(uiommu_domain_free(w->domain[8]), -EBUSY);
	assert_int_equal(uiommu_replace_commit(txn, &report), 0);
	assert_int_equal(report.cpu_ns, 20);
	assert_int_equal(to_mock(w->iommu[0])->commits, 1);
	assert_int_equal(to_mock(w->iommu[1])->commits, 1);
	w->m.group[0].domain = 1;
	w->m.group[2].domain = 8;
	for (int d = 0; d <= 2; d++)
		w->m.dev[d].domain = 1;
	w->m.dev[16].domain = 8;
	world_compare(w);
	world_destroy(w);
}

/* A transaction outlives the groups that were taken out of it. */
static void test_cancelled_group_destroyed(void **state)
{
	struct world *w = populated();
	struct uiommu_group *group;
	struct uiommu_report report;
	struct uiommu_txn *txn;
	struct uiommu_device *dev;
	struct uiommu_replace_target t[2] = {
		{ NULL, UIOMMU_NO_PASID, w->domain[1], NULL },
		{ w->group[0], UIOMMU_NO_PASID, w->domain[2], NULL },
	};

	(void)state;
	for (int destroy = 0; destroy < 3; destroy++) {
		assert_int_equal(uiommu_group_create(w->iommu[0], &group), 0);
		t[0].group = group;
		dev = mock_add(group, 8);
		assert_int_equal(uiommu_replace_prepare(w->ctx, t, 2, NULL, &txn, NULL), 0);
		uiommu_device_remove(dev);
		uiommu_group_destroy(group);
		/* Of the two domains only the group's that is still pinned is in use. */
		assert_int_equal(uiommu_domain_free(w->domain[1]), 0);
		t[0].domain = w->domain[1] = mock_domain(w->iommu[0], UIOMMU_DOMAIN_PAGING);
		assert_int_equal(uiommu_domain_free(w->domain[2]), -EBUSY);
		if (destroy == 1)
			uiommu_detach_group(w->group[0]);
		if (destroy == 2) {
			uiommu_replace_abort(txn);
		} else {
			assert_int_equal(uiommu_replace_commit(txn, &report), -ECANCELED);
			assert_true(report.reason[0]);
		}
		world_compare(w);
	}
	/* The empty group itself is destroyed while pinned. */
	assert_int_equal(uiommu_group_create(w->iommu[0], &group), 0);
	t[0].group = group;
	assert_int_equal(uiommu_replace_prepare(w->ctx, t, 1, NULL, &txn, NULL), 0);
	uiommu_group_destroy(group);
	assert_int_equal(uiommu_replace_commit(txn, NULL), -ECANCELED);
	world_compare(w);
	world_destroy(w);
}

static void test_register(void **state)
{
	struct mock_events events = { 0 };
	struct uiommu_ctx *ctx = mock_ctx(&events);
	struct mock_iommu m = { .no_blocking = true };
	struct uiommu_iommu *good = mock_iommu(ctx);
	long live = ctx->alloc.live;

	(void)state;
	assert_non_null(good);
	assert_int_equal(iommu_register(&m.base, ctx, good->ops), -ENOSPC);
	assert_int_equal(ctx->alloc.live, live);
	uiommu_iommu_destroy(good);
	uiommu_ctx_destroy(ctx);
}

/* A removed device that could not be blocked keeps its RID until it can be. */
static void test_stuck_removed(void **state)
{
	struct world *w = populated();
	struct uiommu_device *dev;

	(void)state;
	world_attach(w, 0, 1);
	w->m.dev[1].fail = w->m.dev[1].fail_park = true;
	world_set_faults(w);
	world_remove(w, 1);
	world_detach(w, 0);
	/* Given up by its owner, kept for the hardware (the mock would notice). */
	world_free(w, 1);
	assert_int_equal(world_add(w, 1, 1), -ETIMEDOUT);
	/* The probe fails after the old one was parked: its RID is free then. */
	w->m.dev[1].fail_park = false;
	world_set_faults(w);
	atomic_store(&to_mock(w->iommu[0])->faults.probe, 2);
	assert_int_equal(uiommu_device_add(w->group[1], 1, &dev), -ENXIO);
	model_unstick(&w->m, 1);
	world_clear_faults(w);
	assert_int_equal(world_add(w, 1, 1), 0);
	world_destroy(w);

	/* Never parked: freed with the IOMMU, after its hardware was turned off. */
	w = populated();
	world_attach(w, 0, 1);
	w->m.dev[1].fail = w->m.dev[1].fail_park = true;
	world_set_faults(w);
	world_remove(w, 1);
	world_destroy(w);
}

/* A default domain has what detaching to it needs from the beginning, or does not become one. */
static void test_default_is_reserved(void **state)
{
	struct world *w = populated();
	struct mock_iommu *m = to_mock(w->iommu[0]);

	(void)state;
	world_attach(w, 0, 1);
	world_block(w, 0);
	m->no_reserve = true;
	assert_int_equal(uiommu_group_set_default_domain(w->group[0], w->domain[2]), -ENOSPC);
	assert_int_equal(m->reserves, 1);
	world_compare(w);
	m->no_reserve = false;
	assert_int_equal(world_set_default(w, 0, 2), 0);
	assert_int_equal(m->reserves, 2);
	world_detach(w, 0);
	world_destroy(w);
}

/* A stuck device refuses what may fail, and detach tries again. */
static void test_stuck_stays(void **state)
{
	struct world *w = populated();
	struct uiommu_report report;

	(void)state;
	world_attach(w, 0, 1);
	w->m.dev[2].fail = w->m.dev[2].lost = w->m.dev[2].fail_park = true;
	world_set_faults(w);
	assert_int_equal(world_replace(w, 0, 2), -ETIMEDOUT);
	assert_true(w->dev[2]->att.stuck);
	world_clear_faults(w);
	assert_int_equal(uiommu_group_replace_domain(w->group[0], w->domain[2], NULL, &report), -EIO);
	assert_ptr_equal(report.refused, w->dev[2]);
	world_detach(w, 0);
	assert_false(w->dev[2]->att.stuck);
	assert_int_equal(world_replace(w, 0, 2), 0);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_opts),
		cmocka_unit_test(test_demand),
		cmocka_unit_test(test_failure_report),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_cancelled_group_destroyed),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_stuck_removed),
		cmocka_unit_test(test_stuck_stays),
		cmocka_unit_test(test_default_is_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
