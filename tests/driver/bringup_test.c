/* SPDX-License-Identifier: MIT */
/*
 * Bring-up and tear-down of a unit that does not do as it is told: what it says of its state is
 * changed on the way to the driver. In the steered build, where waiting is counted in turns
 * and not in time.
 */
#include "rig.h"

#include <errno.h>

#include "base/task.h"

static uint32_t gsts_never, gsts_always;
static bool head_stands;
static const struct hw_ops *real;
static char lines[1024];

static uint32_t changed_read32(struct uiommu_hw *hw, uint32_t off)
{
	uint32_t val = real->read32(hw, off);

	return off == VTD_REG_GSTS ? (val & ~gsts_never) | gsts_always : val;
}

static uint64_t changed_read64(struct uiommu_hw *hw, uint32_t off)
{
	uint64_t val = real->read64(hw, off);

	return off == VTD_REG_IQH && head_stands ? val ^ 32 : val;
}

static void on_log(void *opaque, enum uiommu_log_level level, const char *text)
{
	size_t n = strlen(lines);

	snprintf(lines + n, sizeof(lines) - n, "%s\n", text);
	(void)opaque;
	(void)level;
}

struct unit {
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct hw_ops ops;
	struct uiommu_iommu *iommu;
	struct task_set *tasks;
	long live;		/* allocations of an empty context */
};

static void unit_begin(struct unit *u)
{
	struct uiommu_ctx_opts ctx_opts = { .size = sizeof(ctx_opts), .log = on_log };

	memset(u, 0, sizeof(*u));
	lines[0] = '\0';
	gsts_never = gsts_always = 0;
	head_stands = false;
	assert_int_equal(uiommu_ctx_create(&ctx_opts, &u->ctx), 0);
	u->live = alloc_live(&u->ctx->alloc);
	assert_int_equal(task_set_create(&u->ctx->alloc, 1, &u->tasks), 0);
	assert_int_equal(uiommu_vtd_model_create(u->ctx, NULL, &u->hw), 0);
	real = u->hw->ops;
	u->ops = *real;
	u->ops.read32 = changed_read32;
	u->ops.read64 = changed_read64;
	u->hw->ops = &u->ops;
}

/* Nothing is left, whatever failed. */
static void unit_end(struct unit *u)
{
	uiommu_iommu_destroy(u->iommu);
	assert_int_equal(pool_live(u->ctx->pool), 0);
	uiommu_hw_destroy(u->hw);
	task_set_destroy(u->tasks);
	assert_int_equal(alloc_live(&u->ctx->alloc), u->live);
	uiommu_ctx_destroy(u->ctx);
}

static int unit_create(struct unit *u, enum uiommu_vtd_mode mode)
{
	struct uiommu_vtd_opts opts = { .size = sizeof(opts), .mode = mode };

	return uiommu_vtd_create(u->ctx, u->hw, &opts, &u->iommu);
}

/* A command whose status never comes: -ETIMEDOUT, and the unit can be tried again. */
static void commands_that_are_not_done(void **state)
{
	static const uint32_t bits[] = { VTD_G_QIE, VTD_G_SRTP, VTD_G_TE };

	for (unsigned int i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
			struct unit u;

			unit_begin(&u);
			gsts_never = bits[i];
			assert_int_equal(unit_create(&u, (enum uiommu_vtd_mode)mode), -ETIMEDOUT);
			assert_null(u.iommu);
			assert_int_equal(pool_live(u.ctx->pool), 0);
			gsts_never = 0;
			assert_int_equal(unit_create(&u, (enum uiommu_vtd_mode)mode), 0);
			unit_end(&u);
		}
	}
	(void)state;
}

/* The end cannot fail: what hardware does not do is logged. */
static void ends_that_are_not_done(void **state)
{
	static const struct {
		uint32_t always;
		bool head;
		const char *says;
	} cases[] = {
		{ VTD_G_TE, false, "translation does not turn off" },
		{ VTD_G_QIE, false, "the invalidation queue does not stop" },
		{ 0, true, "the invalidation queue did not run empty" },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unit u;

		unit_begin(&u);
		assert_int_equal(unit_create(&u, UIOMMU_VTD_SCALABLE), 0);
		gsts_always = cases[i].always;
		head_stands = cases[i].head;
		uiommu_iommu_destroy(u.iommu);
		u.iommu = NULL;
		assert_non_null(strstr(lines, cases[i].says));
		unit_end(&u);
	}
	(void)state;
}

/* Firmware left queue and translation on: both are turned off before anything else is done. */
static void unit_that_was_left_on(void **state)
{
	struct uiommu_domain *dom;
	struct uiommu_domain_opts identity = { .size = sizeof(identity), .type = UIOMMU_DOMAIN_IDENTITY };
	struct unit u;
	uiommu_pa_t root, ring;

	unit_begin(&u);
	root = pool_get(u.ctx->pool);
	ring = pool_get(u.ctx->pool);
	real->write64(u.hw, VTD_REG_IQT, 0);
	real->write64(u.hw, VTD_REG_IQA, ring);
	real->write32(u.hw, VTD_REG_GCMD, VTD_G_QIE);
	real->write64(u.hw, VTD_REG_RTADDR, root);
	real->write32(u.hw, VTD_REG_GCMD, VTD_G_QIE | VTD_G_SRTP);
	real->write32(u.hw, VTD_REG_GCMD, VTD_G_QIE | VTD_G_TE);
	assert_int_equal(real->read32(u.hw, VTD_REG_GSTS) & (VTD_G_QIE | VTD_G_TE), VTD_G_QIE | VTD_G_TE);
	/* Translation that does not turn off is the end of it; nothing was touched. */
	gsts_always = VTD_G_TE;
	assert_int_equal(unit_create(&u, UIOMMU_VTD_SCALABLE), -ETIMEDOUT);
	gsts_always = 0;
	assert_int_equal(unit_create(&u, UIOMMU_VTD_SCALABLE), 0);
	assert_int_equal(uiommu_domain_alloc(u.iommu, &identity, &dom), 0);
	assert_int_equal(uiommu_domain_free(dom), 0);
	pool_put(u.ctx->pool, ring);
	pool_put(u.ctx->pool, root);
	unit_end(&u);
	(void)state;
}

/* Options of a later library: what this one does not know must ask for nothing. */
static void options_of_another_size(void **state)
{
	struct {
		struct uiommu_vtd_opts opts;
		unsigned char later[8];
	} o = { .opts = { .size = sizeof(o) } };
	struct uiommu_vtd_opts small = { .size = sizeof(small) - 1 };
	struct unit u;

	unit_begin(&u);
	assert_int_equal(uiommu_vtd_create(u.ctx, u.hw, &small, &u.iommu), -EINVAL);
	o.later[7] = 1;
	assert_int_equal(uiommu_vtd_create(u.ctx, u.hw, &o.opts, &u.iommu), -E2BIG);
	o.later[7] = 0;
	/* Firmware tells a width that no table can hold: 52 bits are what there is. */
	u.hw->haw = 60;
	assert_int_equal(uiommu_vtd_create(u.ctx, u.hw, &o.opts, &u.iommu), 0);
	assert_int_equal(to_vtdd(u.iommu)->caps.haw, 52);
	unit_end(&u);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_that_are_not_done),
		cmocka_unit_test(ends_that_are_not_done),
		cmocka_unit_test(unit_that_was_left_on),
		cmocka_unit_test(options_of_another_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
