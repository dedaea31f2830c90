/* SPDX-License-Identifier: MIT */
/* PASIDs and attach handles: the rules of uiommu/pasid.h, over groups of 1 to 8 devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "rig.h"

#define NO_PASID UIOMMU_NO_PASID

static void test_arguments(void **state)
{
	struct rig r;
	struct uiommu_report report;
	struct uiommu_replace_opts opts = { .size = sizeof(opts), .worst_gap = (enum uiommu_gap)99 };

	(void)state;
	rig_create(&r, 2);
	assert_int_equal(uiommu_attach_pasid(NULL, 1, r.domain[1], NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, NULL, NULL, &report), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(r.group, 0, r.domain[1], NULL, &report), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(r.group, NO_PASID, r.domain[1], NULL, &report), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(r.group, UIOMMU_MAX_PASIDS, r.domain[1], NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.blocking, NULL, &report), -EINVAL);
	assert_true(report.reason[0]);
	assert_int_equal(uiommu_attach_pasid(r.group, MOCK_PASIDS, r.domain[1], NULL, &report), -EINVAL);
	assert_ptr_equal(report.refused, r.dev[0]);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[1], &r.handle[0], NULL, &report), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[1], &r.handle[0], &report), 0);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[2], &r.handle[1], &report), -EBUSY);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[2], NULL, NULL, &report), -EINVAL);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[2], &r.handle[0], NULL, &report), -EINVAL);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.blocking, &r.handle[1], NULL, &report), -EINVAL);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[2], &r.handle[1], &opts, NULL), -EINVAL);
	uiommu_detach_pasid(r.group, 2);
	uiommu_detach_pasid(NULL, 1);
	assert_ptr_equal(uiommu_pasid_domain(r.group, 1), r.domain[1]);
	assert_null(uiommu_pasid_domain(r.group, 2));
	assert_ptr_equal(uiommu_pasid_domain(r.group, NO_PASID), r.blocking);
	assert_int_equal(uiommu_domain_free(r.domain[1]), -EBUSY);
	mock_check(r.iommu);
	rig_destroy(&r);
}

/* Devices that cannot do PASIDs are left out; a group of only such ones cannot. */
static void test_capability(void **state)
{
	struct uiommu_device *dev;
	struct rig r;

	(void)state;
	rig_create(&r, 0);
	r.dev[0] = mock_add(r.group, 0);
	assert_int_equal(uiommu_device_max_pasids(r.dev[0]), 0);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL), -EOPNOTSUPP);
	r.dev[1] = mock_add_pasids(r.group, 1);
	r.m->hw_pasids = 3;
	r.dev[2] = mock_add_pasids(r.group, 2);
	assert_int_equal(uiommu_device_max_pasids(r.dev[1]), MOCK_PASIDS);
	assert_int_equal(uiommu_device_max_pasids(r.dev[2]), 3);
	assert_int_equal(uiommu_attach_pasid(r.group, 3, r.domain[1], NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(r.group, 2, r.domain[1], NULL, NULL), 0);
	assert_null(r.m->pasid_hw[0][2].dev);
	assert_ptr_equal(r.m->pasid_hw[1][2].reach[0], r.domain[1]);
	assert_ptr_equal(r.m->pasid_hw[2][2].reach[0], r.domain[1]);
	/* With a PASID attached only devices that cannot do PASIDs may join. */
	r.dev[3] = mock_add(r.group, 3);
	assert_int_equal(uiommu_device_add_opts(r.group, 4, &(struct uiommu_device_opts){
		.size = sizeof(struct uiommu_device_opts), .max_pasids = 2 }, &dev), -EBUSY);
	/* The last device that has it takes it along. */
	uiommu_device_remove(r.dev[1]);
	r.dev[1] = NULL;
	assert_ptr_equal(uiommu_pasid_domain(r.group, 2), r.domain[1]);
	uiommu_device_remove(r.dev[2]);
	r.dev[2] = NULL;
	assert_null(uiommu_pasid_domain(r.group, 2));
	assert_int_equal(domain_users(r.domain[1]), 0);
	rig_destroy(&r);
}

static void expect_all(struct rig *r, uint32_t pasid, struct uiommu_domain *domain)
{
	for (unsigned int i = 0; i < r->n; i++)
		require(r->m->pasid_hw[i][pasid].reach[0] == domain && !r->m->pasid_hw[i][pasid].reach[1]);
	mock_check(r->iommu);
}

/* The RID's domain and other PASIDs do not take part. */
static void test_independence(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= RIG_DEVS; n++) {
		struct uiommu_report report;
		struct rig r;

		rig_create(&r, n);
		require(!uiommu_attach_group(r.group, r.domain[1], NULL));
		require(!uiommu_attach_pasid(r.group, 1, r.domain[2], &r.handle[0], &report));
		require(!uiommu_attach_pasid(r.group, 2, r.domain[3], &r.handle[1], NULL));
		expect_all(&r, 1, r.domain[2]);
		r.m->commits = 0;
		require(!uiommu_replace_pasid(r.group, 1, r.domain[3], &r.handle[2], NULL, &report));
		assert_int_equal(r.m->commits, 1);
		assert_int_equal(r.m->commit_slots, n);
		assert_int_equal(report.stores, n);
		expect_all(&r, 1, r.domain[3]);
		expect_all(&r, 2, r.domain[3]);
		/* The same domain: the driver is not asked, the handle changes. */
		require(!uiommu_replace_pasid(r.group, 1, r.domain[3], &r.handle[3], NULL, &report));
		assert_int_equal(r.m->commits, 1);
		assert_ptr_equal(rig_fault(&r, 0, 1), &r.handle[3]);
		require(!uiommu_group_replace_domain(r.group, r.domain[2], NULL, NULL));
		uiommu_detach_group(r.group);
		expect_all(&r, 1, r.domain[3]);
		uiommu_detach_pasid(r.group, 1);
		expect_all(&r, 2, r.domain[3]);
		require(!r.m->pasid_hw[0][1].dev);
		require(!uiommu_attach_pasid(r.group, 1, r.domain[2], NULL, NULL));
		rig_destroy(&r);
	}
}

/* Hardware fails for device @k, all are where they were; forced calls leave nothing on the domain. */
static void fail_at(unsigned int n, unsigned int k, bool lost, bool back, bool park)
{
	struct uiommu_report report;
	struct rig r;
	int err;

	rig_create(&r, n);
	require(!uiommu_attach_pasid(r.group, 3, r.domain[1], &r.handle[0], NULL));
	atomic_store(&r.m->pasid_faults.commit, 1u << k);
	atomic_store(&r.m->pasid_faults.lost, lost ? 1u << k : 0);
	atomic_store(&r.m->pasid_faults.back, back ? UINT32_MAX : 0);
	atomic_store(&r.m->pasid_faults.park, park ? UINT32_MAX : 0);
	err = uiommu_replace_pasid(r.group, 3, r.domain[2], &r.handle[1], NULL, &report);
	require(err == (k & 1 ? -EIO : -ETIMEDOUT) && report.refused == r.dev[k]);
	require(rig_fault(&r, (uint16_t)k, 3) == &r.handle[0]);
	require(uiommu_pasid_domain(r.group, 3) == r.domain[1]);
	mock_check(r.iommu);
	for (unsigned int i = 0; i < n; i++) {
		struct core_att *att = pasid_att(pasid_find(r.group, 3), r.dev[i]);
		bool gone = i == k ? lost : i < k && back;

		require(att->stuck == (gone && park));
		require(att->domain == (gone ? r.blocking : r.domain[1]));
		require(r.dev[i]->att.domain == r.blocking && !r.dev[i]->att.stuck);
	}
	/* Refused while something is stuck; a detach cannot fail, and drops both domains. */
	if (park && (lost || (back && k)))
		require(uiommu_replace_pasid(r.group, 3, r.domain[2], &r.handle[1], NULL, NULL) == -EIO);
	uiommu_detach_pasid(r.group, 3);
	require(domain_users(r.domain[1]) == 0 && domain_users(r.domain[2]) == 0);
	mock_check(r.iommu);
	/* What is stuck is in the way of the same PASID, and of no other one. */
	if (park && (lost || (back && k))) {
		require(uiommu_attach_pasid(r.group, 3, r.domain[3], NULL, NULL) == -ETIMEDOUT);
		require(r.domain[1]->quarantined);
	}
	atomic_store(&r.m->pasid_faults.commit, 0);
	require(!uiommu_attach_pasid(r.group, 4, r.domain[3], NULL, NULL));
	mock_check(r.iommu);
	mock_clear_faults(r.m);
	require(!uiommu_attach_pasid(r.group, 3, r.domain[3], NULL, NULL));
	expect_all(&r, 3, r.domain[3]);
	rig_destroy(&r);
}

static void test_failures(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= RIG_DEVS; n++)
		for (unsigned int k = 0; k < n; k++)
			for (unsigned int how = 0; how < 8; how++)
				fail_at(n, k, how & 1, how & 2, how & 4);
}

/* An attach that fails leaves nothing; also nothing on hardware that would not block again. */
static void test_attach_failures(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < 4; k++) {
		struct uiommu_report report;
		struct rig r;

		rig_create(&r, 4);
		atomic_store(&r.m->pasid_faults.probe, 1u << k);
		require(uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, &report) == -ENOSPC);
		require(report.reason[0]);
		mock_check(r.iommu);
		mock_clear_faults(r.m);
		atomic_store(&r.m->pasid_faults.prepare, 1u << k);
		require(uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, &report) == -ENOSPC);
		require(report.refused == r.dev[k]);
		mock_check(r.iommu);
		mock_clear_faults(r.m);
		atomic_store(&r.m->pasid_faults.commit, 1u << k);
		require(uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, &report) < 0);
		mock_check(r.iommu);
		require(!r.m->pasid_hw[k][1].dev && !r.events.parked);
		atomic_store(&r.m->pasid_faults.lost, 1u << k);
		atomic_store(&r.m->pasid_faults.park, 1u << k);
		require(uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, &report) < 0);
		require(!uiommu_pasid_domain(r.group, 1) && r.dev[k]->lost_pasids && r.events.quarantined);
		require(domain_users(r.domain[1]) == 0);
		mock_check(r.iommu);
		/* The device takes what it cannot let go of along, and its RID can come back when it can. */
		uiommu_device_remove(r.dev[k]);
		require(uiommu_device_add(r.group, (uint16_t)k, &r.dev[k]) == -ETIMEDOUT);
		mock_check(r.iommu);
		mock_clear_faults(r.m);
		r.dev[k] = mock_add_pasids(r.group, (uint16_t)k);
		rig_destroy(&r);
	}
}

/* What is stuck when the IOMMU ends goes with it. */
static void test_stuck_to_the_end(void **state)
{
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	require(!uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL));
	atomic_store(&r.m->pasid_faults.prepare, 1);
	atomic_store(&r.m->pasid_faults.park, 1);
	uiommu_detach_pasid(r.group, 1);
	uiommu_device_remove(r.dev[0]);
	r.dev[0] = NULL;
	mock_check(r.iommu);
	uiommu_group_destroy(r.group);
	for (unsigned int i = 0; i < RIG_DOMAINS; i++)
		require(!uiommu_domain_free(r.domain[i]));
	uiommu_iommu_destroy(r.iommu);
	assert_int_equal(r.ctx->alloc.live, r.live);
	uiommu_ctx_destroy(r.ctx);
}

/* Parked PASIDs come along with the next replacement. */
static void test_parked(void **state)
{
	struct rig r;

	(void)state;
	rig_create(&r, 3);
	require(!uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL));
	atomic_store(&r.m->pasid_faults.commit, 2);
	atomic_store(&r.m->pasid_faults.lost, 2);
	require(uiommu_replace_pasid(r.group, 1, r.domain[2], &r.handle[0], NULL, NULL) == -EIO);
	assert_int_equal(r.events.parked, 1);
	mock_clear_faults(r.m);
	require(!uiommu_replace_pasid(r.group, 1, r.domain[2], &r.handle[0], NULL, NULL));
	expect_all(&r, 1, r.domain[2]);
	rig_destroy(&r);
}

static void test_group_handles(void **state)
{
	struct uiommu_attach_handle *found;
	struct rig r;

	(void)state;
	rig_create(&r, 2);
	assert_int_equal(uiommu_attach_group_handle(r.group, r.domain[1], NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_replace_group_handle(r.group, r.domain[1], NULL, NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_attach_handle_get(r.group, NO_PASID, -1, &found), -ENOENT);
	assert_null(found);
	assert_int_equal(uiommu_attach_handle_get(NULL, NO_PASID, -1, &found), -EINVAL);
	/* An attach that fails publishes nothing. */
	atomic_store(&r.m->faults.commit, 1);
	assert_int_equal(uiommu_attach_group_handle(r.group, r.domain[1], &r.handle[0], NULL), -ETIMEDOUT);
	assert_null(rig_fault(&r, 0, NO_PASID));
	mock_clear_faults(r.m);
	assert_int_equal(uiommu_attach_group_handle(r.group, r.domain[1], &r.handle[0], NULL), 0);
	assert_ptr_equal(r.handle[0].domain, r.domain[1]);
	assert_ptr_equal(rig_fault(&r, 1, NO_PASID), &r.handle[0]);
	assert_null(rig_fault(&r, 2, NO_PASID));
	assert_null(rig_fault(&r, 0x1234, NO_PASID));
	assert_int_equal(uiommu_attach_handle_get(r.group, NO_PASID, UIOMMU_DOMAIN_PAGING, &found), 0);
	assert_ptr_equal(found, &r.handle[0]);
	assert_int_equal(uiommu_replace_group_handle(r.group, r.domain[2], found, NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_attach_handle_get(r.group, NO_PASID, UIOMMU_DOMAIN_IDENTITY, &found), -EBUSY);
	assert_int_equal(uiommu_attach_handle_get(r.group, 1, -1, &found), -ENOENT);
	/* A replacement that fails leaves the old one. */
	atomic_store(&r.m->faults.commit, 2);
	assert_int_equal(uiommu_replace_group_handle(r.group, r.domain[2], &r.handle[1], NULL, NULL), -EIO);
	assert_ptr_equal(rig_fault(&r, 0, NO_PASID), &r.handle[0]);
	mock_clear_faults(r.m);
	assert_int_equal(uiommu_replace_group_handle(r.group, r.domain[2], &r.handle[1], NULL, NULL), 0);
	assert_ptr_equal(rig_fault(&r, 0, NO_PASID), &r.handle[1]);
	/* Also where the domain stays. */
	assert_int_equal(uiommu_replace_group_handle(r.group, r.domain[2], &r.handle[2], NULL, NULL), 0);
	assert_ptr_equal(rig_fault(&r, 0, NO_PASID), &r.handle[2]);
	uiommu_block_group(r.group);
	assert_null(rig_fault(&r, 0, NO_PASID));
	assert_int_equal(uiommu_attach_group_handle(r.group, r.blocking, &r.handle[3], NULL), 0);
	assert_int_equal(uiommu_attach_group_handle(r.group, r.domain[1], &r.handle[4], NULL), -EBUSY);
	uiommu_detach_group(r.group);
	assert_null(rig_fault(&r, 0, NO_PASID));
	rig_destroy(&r);
}

static void transaction_begin(struct rig *r, struct uiommu_replace_target t[3])
{
	rig_create(r, 3);
	require(!uiommu_attach_pasid(r->group, 1, r->domain[1], &r->handle[0], NULL));
	require(!uiommu_attach_pasid(r->group, 5, r->domain[1], &r->handle[1], NULL));
	t[0] = (struct uiommu_replace_target){ r->group, 5, r->domain[2], &r->handle[2] };
	t[1] = (struct uiommu_replace_target){ r->group, NO_PASID, r->domain[2], NULL };
	t[2] = (struct uiommu_replace_target){ r->group, 1, r->domain[2], &r->handle[3] };
}

static void test_targets(void **state)
{
	struct uiommu_replace_target t[3];
	struct uiommu_report report;
	struct uiommu_txn *txn;
	struct rig r;

	(void)state;
	transaction_begin(&r, t);
	t[2].pasid = 2;
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 3, NULL, &txn, &report), -EINVAL);
	t[2].pasid = 5;
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 3, NULL, &txn, &report), -EINVAL);
	t[2].pasid = 1;
	t[0].handle = &r.handle[1];
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 3, NULL, &txn, &report), -EINVAL);
	t[0].handle = NULL;
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 3, NULL, &txn, &report), -EINVAL);
	t[0].handle = &r.handle[2];
	t[0].domain = r.blocking;
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 3, NULL, &txn, &report), -EINVAL);
	mock_check(r.iommu);
	rig_destroy(&r);
}

/* Groups and PASIDs in one transaction: one commit, one failure, one way back. */
static void test_transaction(void **state)
{
	struct uiommu_replace_target t[3];
	struct uiommu_report report;
	struct uiommu_txn *txn;
	struct rig r;

	(void)state;
	transaction_begin(&r, t);
	r.m->commits = 0;
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 3, NULL, &txn, &report), 0);
	assert_int_equal(report.stores, 9);
	assert_int_equal(uiommu_attach_pasid(r.group, 2, r.domain[1], NULL, NULL), -EBUSY);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[3], &r.handle[4], NULL, NULL), -EBUSY);
	assert_int_equal(uiommu_replace_commit(txn, &report), 0);
	assert_int_equal(r.m->commits, 1);
	expect_all(&r, 1, r.domain[2]);
	expect_all(&r, 5, r.domain[2]);
	assert_ptr_equal(uiommu_group_domain(r.group), r.domain[2]);
	assert_ptr_equal(rig_fault(&r, 2, 5), &r.handle[2]);
	assert_ptr_equal(rig_fault(&r, 2, 1), &r.handle[3]);
	assert_int_equal(domain_users(r.domain[1]), 0);
	/* The PASIDs of device 0 fail after its RID moved. */
	for (unsigned int i = 0; i < 3; i++) {
		t[i].domain = r.domain[3];
		t[i].handle = &r.handle[5 + i];
	}
	atomic_store(&r.m->pasid_faults.commit, 1);
	assert_int_equal(uiommu_replace_prepare(r.ctx, t + 1, 2, NULL, &txn, &report), 0);
	assert_int_equal(uiommu_replace_commit(txn, &report), -ETIMEDOUT);
	expect_all(&r, 1, r.domain[2]);
	assert_ptr_equal(uiommu_group_domain(r.group), r.domain[2]);
	assert_ptr_equal(rig_fault(&r, 2, 1), &r.handle[3]);
	rig_destroy(&r);
}

/* Detaching one PASID cancels all of the group, and leaves the other targets where they were. */
static void test_cancel(void **state)
{
	struct uiommu_replace_target t[3];
	struct uiommu_report report;
	struct uiommu_txn *txn;
	struct rig r;

	(void)state;
	transaction_begin(&r, t);
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 3, NULL, &txn, &report), 0);
	uiommu_detach_pasid(r.group, 1);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[3], NULL, NULL), 0);
	assert_int_equal(uiommu_replace_commit(txn, &report), -ECANCELED);
	assert_int_equal(domain_users(r.domain[2]), 0);
	expect_all(&r, 5, r.domain[1]);
	assert_int_equal(uiommu_replace_prepare(r.ctx, t, 1, NULL, &txn, &report), 0);
	uiommu_replace_abort(txn);
	expect_all(&r, 5, r.domain[1]);
	rig_destroy(&r);
}

/* A demand that one device's PASID cannot meet leaves all as they were. */
static void test_demand(void **state)
{
	struct uiommu_replace_opts opts = { .size = sizeof(opts), .worst_gap = UIOMMU_GAP_NONE };
	struct uiommu_report report;
	struct rig r;

	(void)state;
	rig_create(&r, 4);
	require(!uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL));
	r.m->gap[2] = UIOMMU_GAP_BLOCKED;
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[2], &r.handle[0], &opts, &report),
			 -EOPNOTSUPP);
	assert_ptr_equal(report.refused, r.dev[2]);
	assert_int_equal(report.gap, UIOMMU_GAP_BLOCKED);
	expect_all(&r, 1, r.domain[1]);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[2], &r.handle[0], NULL, &report), 0);
	expect_all(&r, 1, r.domain[2]);
	rig_destroy(&r);
}

/* As many PASIDs as there are buckets and more: each is found by itself. */
static void test_all_pasids(void **state)
{
	struct rig r;

	(void)state;
	rig_create(&r, 2);
	for (uint32_t p = 1; p < MOCK_PASIDS; p++)
		require(!uiommu_attach_pasid(r.group, p, r.domain[p % 3 + 1], &r.handle[p], NULL));
	for (uint32_t p = 1; p < MOCK_PASIDS; p += 2)
		uiommu_detach_pasid(r.group, p);
	for (uint32_t p = 1; p < MOCK_PASIDS; p++)
		require(rig_fault(&r, 1, p) == (p % 2 ? NULL : (void *)&r.handle[p]));
	mock_check(r.iommu);
	rig_destroy(&r);
}

/* Requests with PASID 0 go where those without a PASID go, and so do their faults. */
static void test_fault_with_pasid_0(void **state)
{
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	require(!uiommu_attach_group_handle(r.group, r.domain[1], &r.handle[0], NULL));
	require(!uiommu_attach_pasid(r.group, 1, r.domain[2], &r.handle[1], NULL));
	assert_ptr_equal(rig_fault(&r, 0, NO_PASID), &r.handle[0]);
	assert_ptr_equal(rig_fault(&r, 0, 0), &r.handle[0]);
	assert_ptr_equal(rig_fault(&r, 0, 1), &r.handle[1]);
	assert_null(rig_fault(&r, 0, 2));
	rig_destroy(&r);
}

/* The calls that name a device do the group's. */
static void test_by_device(void **state)
{
	struct uiommu_device *plain;
	struct rig r;

	(void)state;
	rig_create(&r, 2);
	plain = mock_add(r.group, 7);
	assert_int_equal(uiommu_attach_device_pasid(NULL, 1, r.domain[1], &r.handle[0], NULL), -EINVAL);
	assert_int_equal(uiommu_attach_device_pasid(plain, 1, r.domain[1], &r.handle[0], NULL), -EOPNOTSUPP);
	assert_int_equal(uiommu_attach_device_pasid(r.dev[1], 1, r.domain[1], &r.handle[0], NULL), 0);
	assert_ptr_equal(r.m->pasid_hw[0][1].reach[0], r.domain[1]);
	assert_int_equal(uiommu_replace_device_pasid(NULL, 1, r.domain[2], &r.handle[1], NULL, NULL),
			 -EINVAL);
	assert_int_equal(uiommu_replace_device_pasid(plain, 1, r.domain[2], &r.handle[1], NULL, NULL),
			 -EOPNOTSUPP);
	assert_int_equal(uiommu_replace_device_pasid(r.dev[0], 1, r.domain[2], &r.handle[1], NULL, NULL), 0);
	assert_ptr_equal(r.m->pasid_hw[1][1].reach[0], r.domain[2]);
	uiommu_detach_device_pasid(NULL, 1);
	assert_ptr_equal(uiommu_pasid_domain(r.group, 1), r.domain[2]);
	uiommu_detach_device_pasid(r.dev[1], 1);
	assert_null(uiommu_pasid_domain(r.group, 1));
	uiommu_device_remove(plain);
	mock_check(r.iommu);
	rig_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),	cmocka_unit_test(test_capability),
		cmocka_unit_test(test_independence),	cmocka_unit_test(test_failures),
		cmocka_unit_test(test_attach_failures),	cmocka_unit_test(test_stuck_to_the_end),
		cmocka_unit_test(test_parked),		cmocka_unit_test(test_group_handles),
		cmocka_unit_test(test_targets),		cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_cancel),		cmocka_unit_test(test_demand),
		cmocka_unit_test(test_all_pasids),	cmocka_unit_test(test_by_device),
		cmocka_unit_test(test_fault_with_pasid_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
