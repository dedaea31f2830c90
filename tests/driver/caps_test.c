/* SPDX-License-Identifier: MIT */
/*
 * Units that the driver was not written for are refused, and the log says what they
 * lack: registers are changed on their way from the model to the driver.
 */
#include "rig.h"

#include <errno.h>

static uint64_t cap_clear, cap_set, ecap_clear;
static uint32_t version;
static const struct hw_ops *real;
static char line[256];

static uint64_t changed_read64(struct uiommu_hw *hw, uint32_t off)
{
	uint64_t val = real->read64(hw, off);

	if (off == VTD_REG_CAP)
		return (val & ~cap_clear) | cap_set;
	return off == VTD_REG_ECAP ? val & ~ecap_clear : val;
}

static uint32_t changed_read32(struct uiommu_hw *hw, uint32_t off)
{
	return off == VTD_REG_VER && version ? version : real->read32(hw, off);
}

static void on_log(void *opaque, enum uiommu_log_level level, const char *text)
{
	if (level == UIOMMU_LOG_ERROR)
		snprintf(line, sizeof(line), "%s", text);
}

static int create(enum uiommu_vtd_mode mode)
{
	struct uiommu_ctx_opts ctx_opts = { .size = sizeof(ctx_opts), .log = on_log };
	struct uiommu_vtd_opts opts = { .size = sizeof(opts), .mode = mode };
	struct uiommu_iommu *iommu = NULL;
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct hw_ops ops;
	int err;

	line[0] = '\0';
	assert_int_equal(uiommu_ctx_create(&ctx_opts, &ctx), 0);
	assert_int_equal(uiommu_vtd_model_create(ctx, NULL, &hw), 0);
	real = hw->ops;
	ops = *real;
	ops.read64 = changed_read64;
	ops.read32 = changed_read32;
	hw->ops = &ops;
	err = uiommu_vtd_create(ctx, hw, &opts, &iommu);
	if (!err)
		uiommu_iommu_destroy(iommu);
	uiommu_hw_destroy(hw);
	uiommu_ctx_destroy(ctx);
	return err;
}

static void missing_capabilities_are_refused(void **state)
{
	static const struct {
		const char *name;
		uint64_t cap_clear, cap_set, ecap_clear;
		bool legacy_too;
	} cases[] = {
		{ "DRD", VTD_CAP_DRD, 0, 0, true },	  { "DWD", VTD_CAP_DWD, 0, 0, true },
		{ "ECAP.C", 0, 0, VTD_ECAP_C, true },	  { "SMPWCS", 0, 0, VTD_ECAP_SMPWCS, false },
		{ "QI", 0, 0, VTD_ECAP_QI, true },	  { "CM", 0, VTD_CAP_CM, 0, true },
		{ "RWBF", 0, VTD_CAP_RWBF, 0, true },	  { "SMTS", 0, 0, VTD_ECAP_SMTS, false },
		{ "ND", 0, VTD_CAP_ND, 0, true },
		{ "ECAP.SSTS", 0, 0, VTD_ECAP_SSTS | VTD_ECAP_FSTS, false },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cap_clear = cases[i].cap_clear;
		cap_set = cases[i].cap_set;
		ecap_clear = cases[i].ecap_clear;
		for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
			bool refused = mode == UIOMMU_VTD_SCALABLE || cases[i].legacy_too;
			int err = create((enum uiommu_vtd_mode)mode);

			if (err != (refused ? -EOPNOTSUPP : 0) || (refused && !strstr(line, cases[i].name)))
				print_error("%s, mode %d: error %d, log '%s'\n", cases[i].name, mode, err,
					    line);
			assert_int_equal(err, refused ? -EOPNOTSUPP : 0);
			assert_true(!refused || strstr(line, cases[i].name));
		}
	}
	cap_clear = cap_set = ecap_clear = 0;
}

/* From version 2 on draining is not asked for, it is done: the bits need not be there. */
static void later_versions_drain_always(void **state)
{
	cap_clear = VTD_CAP_DRD | VTD_CAP_DWD;
	version = 0x20;
	assert_int_equal(create(UIOMMU_VTD_LEGACY), 0);
	version = 0x15;
	assert_int_equal(create(UIOMMU_VTD_LEGACY), -EOPNOTSUPP);
	version = 0;
	cap_clear = 0;
	assert_int_equal(create(UIOMMU_VTD_LEGACY), 0);
}

/* A unit has one driver at a time: a second one would take the first one's tables and queue away. */
static void second_driver_of_a_unit_is_refused(void **state)
{
	struct uiommu_iommu *first, *second = NULL;
	struct uiommu_domain *a;
	struct rig_dev d;
	struct rig rig;
	uint64_t want;

	for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
		struct rig_opts o = { .mode = (enum uiommu_vtd_mode)mode };

		rig_begin(&rig, &o);
		first = rig.iommu;
		rig_dev_add(&rig, &d, 0x10);
		a = rig_domain(&rig, D_SECOND_A, &want);
		assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
		for (int other = UIOMMU_VTD_SCALABLE; other <= UIOMMU_VTD_LEGACY; other++) {
			struct uiommu_vtd_opts opts = { .size = sizeof(opts) };

			opts.mode = (enum uiommu_vtd_mode)other;
			assert_int_equal(uiommu_vtd_create(rig.ctx, rig.hw, &opts, &second), -EBUSY);
			assert_null(second);
		}
		/* And the first one noticed nothing. */
		assert_int_equal(rig_look(&rig, d.port), want);
		assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), 0);
		assert_int_equal(rig_look(&rig, d.port), BLOCKED);
		assert_int_equal(rig.events[UIOMMU_EVENT_FAULT], 1);
		uiommu_detach_group(d.group);
		rig_dev_remove(&d);
		rig_domain_free(a);
		/* When it is gone the unit is free. */
		uiommu_iommu_destroy(first);
		assert_int_equal(rig_create_iommu(&rig, &o), 0);
		rig_end(&rig);
	}
}

/* A driver that refused a unit leaves it to the next. */
static void refused_unit_is_free(void **state)
{
	struct uiommu_vtd_opts scalable = { .size = sizeof(scalable), .mode = UIOMMU_VTD_SCALABLE };
	struct uiommu_vtd_opts legacy = { .size = sizeof(legacy), .mode = UIOMMU_VTD_LEGACY };
	struct uiommu_vtd_model_opts old = { .size = sizeof(old), .no_scalable = true };
	struct uiommu_iommu *iommu;
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;

	assert_int_equal(uiommu_ctx_create(NULL, &ctx), 0);
	assert_int_equal(uiommu_vtd_model_create(ctx, &old, &hw), 0);
	assert_int_equal(uiommu_vtd_create(ctx, hw, &scalable, &iommu), -EOPNOTSUPP);
	assert_int_equal(uiommu_vtd_create(ctx, hw, &legacy, &iommu), 0);
	uiommu_iommu_destroy(iommu);
	uiommu_hw_destroy(hw);
	uiommu_ctx_destroy(ctx);
}

/* Firmware or a driver that crashed left translation and queue on, with tables of its own. */
static void unit_that_was_left_on_is_taken_over(void **state)
{
	struct rig_opts o = { .mode = UIOMMU_VTD_SCALABLE, .plain = true };
	const struct hw_ops *ops;
	struct uiommu_domain *a;
	struct rig_dev d;
	struct rig rig;
	uiommu_pa_t old;
	uint64_t want;

	rig_begin_hw(&rig, &o);
	ops = rig.real;
	old = pool_get(rig.ctx->pool);
	ops->write64(rig.hw, VTD_REG_IQA, old);
	ops->write32(rig.hw, VTD_REG_GCMD, VTD_G_QIE);
	ops->write64(rig.hw, VTD_REG_RTADDR, old);
	ops->write32(rig.hw, VTD_REG_GCMD, VTD_G_QIE | VTD_G_SRTP);
	ops->write32(rig.hw, VTD_REG_GCMD, VTD_G_QIE | VTD_G_TE);
	assert_int_equal(rig_create_iommu(&rig, &o), 0);
	pool_put(rig.ctx->pool, old);
	rig_dev_add(&rig, &d, 0x10);
	a = rig_domain(&rig, D_SECOND_A, &want);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	assert_int_equal(rig_look(&rig, d.port), want);
	uiommu_detach_group(d.group);
	rig_dev_remove(&d);
	rig_domain_free(a);
	rig_end(&rig);
}

static uint32_t dead_bits;

static uint32_t read_dead_bits(struct uiommu_hw *hw, uint32_t off)
{
	return vtd_read32(hw, off) & ~(off == VTD_REG_GSTS ? dead_bits : 0);
}

/* A command that is never confirmed: an error in time, memory is back, what was turned on is off again. */
static void unit_that_does_not_answer(void **state)
{
	static const uint32_t bits[] = { VTD_G_QIE, VTD_G_SRTP, VTD_G_TE };
	struct rig_opts o = { .mode = UIOMMU_VTD_SCALABLE, .plain = true };

	for (unsigned int i = 0; i < 3; i++) {
		struct rig rig;

		rig_begin_hw(&rig, &o);
		rig.ops.read32 = read_dead_bits;
		dead_bits = bits[i];
		assert_int_equal(rig_create_iommu(&rig, &o), -ETIMEDOUT);
		assert_int_equal(pool_live(rig.ctx->pool), 0);
		assert_int_equal(vtd_read32(rig.hw, VTD_REG_GSTS) & (VTD_G_TE | VTD_G_QIE), 0);
		dead_bits = 0;
		assert_int_equal(rig_create_iommu(&rig, &o), 0);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unit_that_was_left_on_is_taken_over),
		cmocka_unit_test(unit_that_does_not_answer),
		cmocka_unit_test(second_driver_of_a_unit_is_refused),
		cmocka_unit_test(refused_unit_is_free),
		cmocka_unit_test(missing_capabilities_are_refused),
		cmocka_unit_test(later_versions_drain_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
