/* SPDX-License-Identifier: MIT */
/* Reset and deferred attach: the rules of uiommu/device.h, over groups of 1 to 8 devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "rig.h"

#define NO_PASID UIOMMU_NO_PASID

static struct uiommu_domain *reach(struct rig *r, unsigned int dev, uint32_t pasid)
{
	struct mock_hw *hw = pasid == NO_PASID ? &r->m->hw[dev] : &r->m->pasid_hw[dev][pasid];

	require(!hw->reach[1]);
	return hw->reach[0];
}

/* Device, PASIDs go to blocking in one batch and come back; the others of the group notice nothing. */
static void test_there_and_back(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= RIG_DEVS; n++) {
		for (unsigned int k = 0; k < n; k++) {
			struct rig r;

			rig_create(&r, n);
			require(!uiommu_attach_group(r.group, r.domain[1], NULL));
			require(!uiommu_attach_pasid(r.group, 1, r.domain[2], &r.handle[0], NULL));
			require(!uiommu_attach_pasid(r.group, 17, r.domain[3], NULL, NULL));
			r.m->commits = 0;
			require(!uiommu_reset_prepare(r.dev[k]));
			require(r.m->commits == 1 && r.m->commit_slots == 3);
			mock_check(r.iommu);
			for (unsigned int i = 0; i < n; i++) {
				require(reach(&r, i, NO_PASID) == (i == k ? r.blocking : r.domain[1]));
				require(reach(&r, i, 1) == (i == k ? r.blocking : r.domain[2]));
				require(reach(&r, i, 17) == (i == k ? r.blocking : r.domain[3]));
				require(uiommu_device_domain(r.dev[i]) == reach(&r, i, NO_PASID));
			}
			require(uiommu_group_domain(r.group) == r.domain[1]);
			require(uiommu_pasid_domain(r.group, 1) == r.domain[2]);
			require(rig_fault(&r, (uint16_t)k, 1) == &r.handle[0]);
			uiommu_reset_done(r.dev[k]);
			for (unsigned int i = 0; i < n; i++) {
				require(reach(&r, i, NO_PASID) == r.domain[1]);
				require(reach(&r, i, 1) == r.domain[2] && reach(&r, i, 17) == r.domain[3]);
			}
			rig_destroy(&r);
		}
	}
}

/* While a device of the group is reset what may fail is refused, what may not goes on without it. */
static void test_meanwhile(void **state)
{
	struct uiommu_replace_target t;
	struct uiommu_device *dev;
	struct uiommu_txn *txn;
	struct rig r;

	(void)state;
	rig_create(&r, 3);
	t = (struct uiommu_replace_target){ r.group, NO_PASID, r.domain[2], NULL };
	require(!uiommu_group_set_default_domain(r.group, r.domain[3]));
	require(!uiommu_attach_group(r.group, r.domain[1], NULL));
	require(!uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL));
	require(!uiommu_replace_prepare(r.ctx, &t, 1, NULL, &txn, NULL));
	require(!uiommu_reset_prepare(r.dev[1]));
	assert_int_equal(uiommu_replace_commit(txn, NULL), -ECANCELED);
	/* Nested calls do nothing. */
	require(!uiommu_reset_prepare(r.dev[1]));
	require(!uiommu_reset_prepare(r.dev[0]));
	uiommu_reset_done(r.dev[0]);
	uiommu_reset_done(r.dev[0]);
	uiommu_reset_done(r.dev[1]);
	assert_ptr_equal(reach(&r, 0, NO_PASID), r.domain[1]);
	assert_ptr_equal(reach(&r, 1, NO_PASID), r.blocking);
	assert_int_equal(uiommu_group_replace_domain(r.group, r.domain[2], NULL, NULL), -EBUSY);
	assert_int_equal(uiommu_attach_group(r.group, r.domain[2], NULL), -EBUSY);
	assert_int_equal(uiommu_replace_prepare(r.ctx, &t, 1, NULL, &txn, NULL), -EBUSY);
	assert_int_equal(uiommu_attach_pasid(r.group, 2, r.domain[2], NULL, NULL), -EBUSY);
	assert_int_equal(uiommu_replace_pasid(r.group, 1, r.domain[2], &r.handle[0], NULL, NULL), -EBUSY);
	assert_int_equal(uiommu_group_claim_dma_owner(r.group, &r), -EBUSY);
	assert_int_equal(uiommu_device_add(r.group, 9, &dev), -EBUSY);
	mock_check(r.iommu);
	uiommu_detach_pasid(r.group, 1);
	assert_null(r.m->pasid_hw[1][1].dev);
	uiommu_detach_group(r.group);
	assert_int_equal(uiommu_group_set_default_domain(r.group, r.domain[2]), -EBUSY);
	assert_ptr_equal(reach(&r, 1, NO_PASID), r.blocking);
	assert_ptr_equal(reach(&r, 2, NO_PASID), r.domain[3]);
	assert_int_equal(domain_users(r.domain[1]), 0);
	uiommu_reset_done(r.dev[1]);
	assert_ptr_equal(reach(&r, 1, NO_PASID), r.domain[3]);
	mock_check(r.iommu);
	assert_int_equal(uiommu_reset_prepare(NULL), -EINVAL);
	uiommu_reset_done(NULL);
	/* Removed in the middle of it. */
	require(!uiommu_reset_prepare(r.dev[2]));
	uiommu_device_remove(r.dev[2]);
	r.dev[2] = NULL;
	require(!uiommu_attach_group(r.group, r.domain[1], NULL));
	rig_destroy(&r);
}

/* Hardware fails: all of the device is where it was, or parked; and nothing is being reset. */
static void test_prepare_fails(void **state)
{
	(void)state;
	for (unsigned int how = 0; how < 16; how++) {
		struct mock_faults *f;
		struct rig r;

		rig_create(&r, 2);
		require(!uiommu_attach_group(r.group, r.domain[1], NULL));
		require(!uiommu_attach_pasid(r.group, 1, r.domain[2], NULL, NULL));
		f = how & 1 ? &r.m->pasid_faults : &r.m->faults;
		if (how & 2)
			atomic_store(&f->prepare, 1);
		else
			atomic_store(&f->commit, 1);
		atomic_store(&f->lost, how & 4 ? 1 : 0);
		atomic_store(&f->park, how & 8 ? 1 : 0);
		require(uiommu_reset_prepare(r.dev[0]) < 0);
		mock_check(r.iommu);
		require(!r.group->resetting && !r.dev[0]->resets);
		if (how & 2 || !(how & 4))
			require(reach(&r, 0, NO_PASID) == r.domain[1] && reach(&r, 0, 1) == r.domain[2]);
		else
			require(how & 8 ? r.events.quarantined : r.events.parked);
		/* A stuck attachment is tried again. */
		mock_clear_faults(r.m);
		require(!uiommu_reset_prepare(r.dev[0]));
		require(reach(&r, 0, NO_PASID) == r.blocking && reach(&r, 0, 1) == r.blocking);
		uiommu_reset_done(r.dev[0]);
		require(reach(&r, 0, NO_PASID) == r.domain[1] && reach(&r, 0, 1) == r.domain[2]);
		rig_destroy(&r);
	}
}

/* Coming back cannot fail: what hardware refuses is parked. */
static void test_done_fails(void **state)
{
	(void)state;
	for (unsigned int how = 0; how < 4; how++) {
		struct mock_faults *f;
		struct rig r;

		rig_create(&r, 2);
		require(!uiommu_attach_group(r.group, r.domain[1], NULL));
		require(!uiommu_attach_pasid(r.group, 1, r.domain[2], NULL, NULL));
		require(!uiommu_reset_prepare(r.dev[1]));
		f = how & 1 ? &r.m->pasid_faults : &r.m->faults;
		atomic_store(how & 2 ? &f->prepare : &f->commit, 2);
		uiommu_reset_done(r.dev[1]);
		mock_check(r.iommu);
		require(r.events.parked == 1 && !r.group->resetting);
		require(reach(&r, 1, how & 1 ? 1 : NO_PASID) == r.blocking);
		require(reach(&r, 1, how & 1 ? NO_PASID : 1) == (how & 1 ? r.domain[1] : r.domain[2]));
		rig_destroy(&r);
	}
}

static struct uiommu_device *add_deferred(struct rig *r, uint16_t rid)
{
	struct uiommu_device_opts opts = {
		.size = sizeof(opts), .max_pasids = UIOMMU_MAX_PASIDS, .deferred = true,
	};
	struct uiommu_device *dev;

	require(!uiommu_device_add_opts(r->group, rid, &opts, &dev));
	return dev;
}

/* Hardware is not touched until the first move away from the default domain, or the first use. */
static void test_deferred(void **state)
{
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
	r.dev[1] = add_deferred(&r, 1);
	r.dev[2] = add_deferred(&r, 2);
	r.dev[3] = add_deferred(&r, 3);
	require(!uiommu_group_set_default_domain(r.group, r.domain[2]));
	uiommu_detach_group(r.group);
	mock_check(r.iommu);
	assert_true(r.m->hw[1].foreign && r.m->hw[2].foreign && r.m->hw[3].foreign);
	assert_ptr_equal(uiommu_device_domain(r.dev[1]), r.blocking);
	assert_int_equal(uiommu_device_attach_deferred(NULL), -EINVAL);
	assert_int_equal(uiommu_device_attach_deferred(r.dev[0]), 0);
	/* Prepare fails: as before. */
	atomic_store(&r.m->faults.prepare, 2);
	assert_int_equal(uiommu_device_attach_deferred(r.dev[1]), -ENOSPC);
	assert_true(r.m->hw[1].foreign);
	mock_clear_faults(r.m);
	assert_int_equal(uiommu_device_attach_deferred(r.dev[1]), 0);
	assert_ptr_equal(reach(&r, 1, NO_PASID), r.domain[2]);
	assert_true(!r.m->hw[1].foreign && r.m->hw[2].foreign);
	mock_check(r.iommu);
	/* Being reset, it is blocked, and comes back attached. */
	require(!uiommu_reset_prepare(r.dev[3]));
	assert_int_equal(uiommu_device_attach_deferred(r.dev[2]), -EBUSY);
	assert_true(!r.m->hw[3].foreign);
	uiommu_reset_done(r.dev[3]);
	assert_ptr_equal(reach(&r, 3, NO_PASID), r.domain[2]);
	/* A domain of a user's takes all along. */
	require(!uiommu_attach_group(r.group, r.domain[3], NULL));
	assert_ptr_equal(reach(&r, 2, NO_PASID), r.domain[3]);
	assert_true(!r.m->hw[2].foreign);
	mock_check(r.iommu);
	/* One that never was attached goes without a word to hardware. */
	uiommu_detach_group(r.group);
	r.dev[4] = add_deferred(&r, 4);
	r.m->commits = r.m->parks = 0;
	uiommu_device_remove(r.dev[4]);
	r.dev[4] = NULL;
	assert_int_equal(r.m->commits + r.m->parks, 0);
	rig_destroy(&r);
}

/* Whoever fails in the middle of a first attach: nothing is left of the previous owner that was touched. */
static void test_deferred_failures(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < 4; k++) {
		for (unsigned int to = 0; to < 3; to++) {
			struct rig r;
			int err;

			rig_create(&r, 0);
			for (unsigned int i = 0; i < 4; i++)
				r.dev[i] = add_deferred(&r, (uint16_t)i);
			/* Going to blocking, which is not the default, touches hardware too. */
			require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
			atomic_store(&r.m->faults.commit, 1u << k);
			if (to == 2) {
				uiommu_block_group(r.group);
				for (unsigned int i = 0; i < 4; i++)
					require(!r.m->hw[i].foreign && reach(&r, i, NO_PASID) == r.blocking);
			} else {
				err = uiommu_group_replace_domain(r.group, to ? r.domain[2] : r.blocking,
								  NULL, NULL);
				require(err == (k & 1 ? -EIO : -ETIMEDOUT));
				for (unsigned int i = 0; i < 4; i++)
					require(r.dev[i]->deferred == (i > k));
				require(r.events.parked == 1);
			}
			mock_check(r.iommu);
			mock_clear_faults(r.m);
			require(!uiommu_group_replace_domain(r.group, r.domain[2], NULL, NULL));
			for (unsigned int i = 0; i < 4; i++)
				require(reach(&r, i, NO_PASID) == r.domain[2]);
			rig_destroy(&r);
		}
	}
}

/* A PASID needs its device attached. */
static void test_deferred_pasid(void **state)
{
	struct rig r;

	(void)state;
	rig_create(&r, 0);
	require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
	r.dev[0] = add_deferred(&r, 0);
	atomic_store(&r.m->faults.prepare, 1);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[2], NULL, NULL), -ENOSPC);
	mock_clear_faults(r.m);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[2], NULL, NULL), 0);
	assert_ptr_equal(reach(&r, 0, NO_PASID), r.domain[1]);
	mock_check(r.iommu);
	rig_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),	cmocka_unit_test(test_meanwhile),
		cmocka_unit_test(test_prepare_fails),	cmocka_unit_test(test_done_fails),
		cmocka_unit_test(test_deferred),	cmocka_unit_test(test_deferred_failures),
		cmocka_unit_test(test_deferred_pasid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
