/* SPDX-License-Identifier: MIT */
/*
 * Arguments and states that are refused, with everything as it was; and removals in the
 * middle of what a group has.
 */
#include "rig.h"

#include <errno.h>

/* Two IOMMUs of one context, and a third of another. */
static void strangers_are_refused(void **state)
{
	struct uiommu_vtd_opts legacy = { .size = sizeof(legacy), .mode = UIOMMU_VTD_LEGACY };
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 };
	struct uiommu_domain_opts paging = { .size = sizeof(paging), .type = UIOMMU_DOMAIN_PAGING };
	struct uiommu_replace_opts small = { .size = 1 };
	struct uiommu_replace_target target;
	struct uiommu_domain *dom, *strange;
	struct uiommu_iommu *other;
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct uiommu_txn *txn;
	struct rig_dev d;
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &opts);
	rig_dev_add(&rig, &d, 0x18);
	dom = rig_domain(&rig, D_SECOND_A, &want);
	assert_int_equal(uiommu_ctx_create(NULL, &ctx), 0);
	assert_int_equal(uiommu_vtd_model_create(ctx, NULL, &hw), 0);
	assert_int_equal(uiommu_vtd_create(ctx, hw, &legacy, &other), 0);
	assert_int_equal(uiommu_domain_alloc(other, &paging, &strange), 0);
	target = (struct uiommu_replace_target){ d.group, UIOMMU_NO_PASID, dom, NULL };
	assert_int_equal(uiommu_attach_group(d.group, strange, NULL), -EINVAL);
	assert_int_equal(uiommu_attach_pasid(d.group, 5, strange, NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_replace_prepare(ctx, &target, 1, NULL, &txn, NULL), -EINVAL);
	assert_int_equal(uiommu_replace_prepare(rig.ctx, &target, 1, &small, &txn, NULL), -EINVAL);
	assert_null(txn);
	assert_true(uiommu_group_domain(d.group) == uiommu_blocking_domain(rig.iommu));
	assert_int_equal(uiommu_domain_free(strange), 0);
	uiommu_iommu_destroy(other);
	uiommu_hw_destroy(hw);
	uiommu_ctx_destroy(ctx);
	rig_domain_free(dom);
	rig_dev_remove(&d);
	rig_end(&rig);
	(void)state;
}

/* What firmware must reach is not blocked by a transaction, and listed, or not, without a leak. */
static void direct_mappings(void **state)
{
	struct uiommu_resv_region region = { 0x110000, 0x110FFF, UIOMMU_RESV_DIRECT, UIOMMU_READ };
	struct uiommu_device_opts dev_opts = { .size = sizeof(dev_opts), .regions = &region, .n_regions = 1 };
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE };
	struct uiommu_resv_region got[8];
	struct uiommu_replace_target target;
	struct uiommu_group *group;
	struct uiommu_device *dev;
	struct uiommu_domain *dom;
	struct uiommu_txn *txn;
	unsigned int n;
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &opts);
	dom = rig_domain(&rig, D_IDENTITY, &want);
	assert_int_equal(uiommu_group_create(rig.iommu, &group), 0);
	assert_int_equal(uiommu_device_add_opts(group, 0x18, &dev_opts, &dev), 0);
	assert_int_equal(uiommu_attach_group(group, dom, NULL), 0);
	target = (struct uiommu_replace_target){ group, UIOMMU_NO_PASID, uiommu_blocking_domain(rig.iommu),
						 NULL };
	assert_int_equal(uiommu_replace_prepare(rig.ctx, &target, 1, NULL, &txn, NULL), -EINVAL);
	assert_true(uiommu_group_domain(group) == dom);
	alloc_fail_nth(&rig.ctx->alloc, 1);
	assert_int_equal(uiommu_group_resv_regions(group, got, 8, &n), -ENOMEM);
	alloc_fail_nth(&rig.ctx->alloc, 0);
	assert_int_equal(uiommu_group_resv_regions(group, got, 8, &n), 0);
	assert_true(n >= 1);
	uiommu_device_remove(dev);
	uiommu_group_destroy(group);
	rig_domain_free(dom);
	rig_end(&rig);
	(void)state;
}

/* The last device of several leaves while a PASID is attached: the others keep theirs. */
static void device_leaves_with_a_pasid(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 };
	struct uiommu_domain *dom;
	struct rig_dev d[3];
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &opts);
	rig_dev_add(&rig, &d[0], 0x18);
	rig_dev_join(&rig, &d[1], &d[0], 0x19);
	rig_dev_join(&rig, &d[2], &d[0], 0x1A);
	dom = rig_domain(&rig, D_SECOND_A, &want);
	assert_int_equal(uiommu_attach_pasid(d[0].group, 7, dom, NULL, NULL), 0);
	rig_dev_remove(&d[2]);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(rig_read_pasid(&rig, d[i].port, 7, RIG_IOVA), want);
	uiommu_detach_pasid(d[0].group, 7);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(rig_read_pasid(&rig, d[i].port, 7, RIG_IOVA), BLOCKED);
	rig_dev_remove(&d[1]);
	rig_dev_remove(&d[0]);
	rig_domain_free(dom);
	rig_end(&rig);
	(void)state;
}

/* The driver itself answers for each kind, although the core asks it for page tables only. */
static void addresses_of_each_kind(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE };
	struct uiommu_domain *dom;
	uiommu_pa_t pa = 0;
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &opts);
	assert_int_equal(vtdd_iova_to_phys(uiommu_blocking_domain(rig.iommu), 0x1000, &pa), -ENOENT);
	dom = rig_domain(&rig, D_IDENTITY, &want);
	assert_int_equal(vtdd_iova_to_phys(dom, 0x12345, &pa), 0);
	assert_int_equal(pa, 0x12345);
	rig_domain_free(dom);
	rig_end(&rig);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(direct_mappings),
		cmocka_unit_test(device_leaves_with_a_pasid),
		cmocka_unit_test(addresses_of_each_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
