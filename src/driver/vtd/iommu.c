/* SPDX-License-Identifier: MIT */
/*
 * Bring-up and tear-down of a remapping unit. Order (3.4, 6.5.2, 11.4.4): fault
 * event, invalidation queue, root table, global invalidations, translation; and
 * backwards. One bit of the global command register changes per write, and its
 * status is waited for before the next.
 */
#include <errno.h>

#include "base/clock.h"
#include "driver/vtd/vtd.h"

#define COMMAND_TIMEOUT_NS UINT64_C(1000000000)
#define COMMAND_TURNS_MAX 100000u /* steered: time does not pass */
#define DMAR_HAW_MAX 52u

/* Waits until a register shows @want in @mask. Turns count in the steered build, time otherwise. */
static int wait_register(struct vtdd_iommu *vi, bool wide, uint32_t off, uint64_t mask, uint64_t want)
{
	uint64_t start = clock_ticks();

	for (unsigned int turns = 1;; turns++) {
		uint64_t val = wide ? vi->ops->read64(vi->hw, off) : vi->ops->read32(vi->hw, off);

		if ((val & mask) == want)
			return 0;
#ifdef UIOMMU_STEERED
		if (turns > COMMAND_TURNS_MAX)
			return -ETIMEDOUT;
		(void)start;
#else
		if (turns % 64 == 0 && clock_ns(clock_ticks() - start) > COMMAND_TIMEOUT_NS)
			return -ETIMEDOUT;
#endif
		vi->ops->relax(vi->hw);
	}
}

/* A level bit of GCMD: the others keep their value, or they would be turned off. */
static int set_level(struct vtdd_iommu *vi, uint32_t bit, bool on)
{
	int err;

	vi->gcmd = on ? vi->gcmd | bit : vi->gcmd & ~bit;
	vi->ops->write32(vi->hw, VTD_REG_GCMD, vi->gcmd);
	err = wait_register(vi, false, VTD_REG_GSTS, bit, on ? bit : 0);
	/* It may be on all the same, and what it uses is about to be freed. */
	if (err && on) {
		vi->gcmd &= ~bit;
		vi->ops->write32(vi->hw, VTD_REG_GCMD, vi->gcmd);
	}
	return err;
}

static int one_shot(struct vtdd_iommu *vi, uint32_t bit)
{
	vi->ops->write32(vi->hw, VTD_REG_GCMD, vi->gcmd | bit);
	return wait_register(vi, false, VTD_REG_GSTS, bit, bit);
}

/*
 * What this driver was written for, NULL if it is there. The rest of the capabilities
 * changes what it offers, not how it works.
 */
static const char *missing_cap(const struct vtdd_iommu *vi)
{
	uint64_t cap = vi->caps.cap, ecap = vi->caps.ecap;
	uint32_t ver = vi->ops->read32(vi->hw, VTD_REG_VER);

	if (!(ecap & VTD_ECAP_QI))
		return "a queue for invalidations (ECAP.QI)";
	if (cap & VTD_CAP_CM)
		return "a unit that caches nothing not present (CAP.CM = 0)";
	if (cap & VTD_CAP_RWBF)
		return "a unit without write buffer (CAP.RWBF = 0)";
	/* The CPU's stores are not flushed from its caches. */
	if (!(ecap & VTD_ECAP_C))
		return "coherent reads of tables (ECAP.C)";
	if (vi->scalable && !(ecap & VTD_ECAP_SMTS))
		return "scalable mode (ECAP.SMTS)";
	if (vi->scalable && !(ecap & VTD_ECAP_SMPWCS))
		return "coherent walks in scalable mode (ECAP.SMPWCS)";
	if (vi->scalable && !(ecap & (VTD_ECAP_SSTS | VTD_ECAP_FSTS)))
		return "a stage of translation (ECAP.SSTS, ECAP.FSTS)";
	/* From version 2 on every IOTLB invalidation drains; before, only where it can be asked for. */
	if (field_get(VTD_VER_MAJ, ver) < 2 && (~cap & (VTD_CAP_DRD | VTD_CAP_DWD)))
		return "draining of reads and writes (CAP.DRD, CAP.DWD)";
	if (field_get(VTD_CAP_ND, cap) > 6)
		return "a number of domain ids that is not reserved (CAP.ND)";
	return NULL;
}

static int check_caps(const struct vtdd_iommu *vi)
{
	const char *missing = missing_cap(vi);

	if (!missing)
		return 0;
	ctx_log(vi->base.ctx, UIOMMU_LOG_ERROR, "vtd: this unit cannot be used; it lacks %s", missing);
	return -EOPNOTSUPP;
}

/* Whoever had the unit before (firmware, another driver) may have left it on. */
static int quiet(struct vtdd_iommu *vi)
{
	int err = 0;

	vi->gcmd = vi->ops->read32(vi->hw, VTD_REG_GSTS) & VTD_G_LEVELS;
	if (vi->gcmd & VTD_G_TE)
		err = set_level(vi, VTD_G_TE, false);
	if (!err && (vi->gcmd & VTD_G_QIE))
		err = set_level(vi, VTD_G_QIE, false);
	return err;
}

static int start_queue(struct vtdd_iommu *vi)
{
	vi->ops->write64(vi->hw, VTD_REG_IQT, 0);
	vi->ops->write64(vi->hw, VTD_REG_IQA, vtdd_queue_address(vi));
	return set_level(vi, VTD_G_QIE, true);
}

static int set_root(struct vtdd_iommu *vi)
{
	unsigned int ttm = vi->scalable ? VTD_TTM_SCALABLE : VTD_TTM_LEGACY;
	struct vtdd_inv inv;
	int err;

	vi->ops->write64(vi->hw, VTD_REG_RTADDR, vi->root | field_put(VTD_RTADDR_TTM, ttm));
	err = one_shot(vi, VTD_G_SRTP);
	if (err || (vi->caps.cap & VTD_CAP_ESRTPS))
		return err;
	/* Caches may hold entries of an earlier root table. In this order the queue executes them anyway. */
	vtdd_inv_init(&inv);
	vtdd_inv_cc_global(&inv);
	if (vi->scalable)
		vtdd_inv_pc_global(&inv);
	vtdd_inv_iotlb_global(&inv);
	return vtdd_queue_run(vi, &inv);
}

static void stop_queue(struct vtdd_iommu *vi)
{
	/* Only an empty queue may be turned off; each batch ends with a wait. */
	if (wait_register(vi, true, VTD_REG_IQH, VTD_IQ_PTR,
			  vi->ops->read64(vi->hw, VTD_REG_IQT) & VTD_IQ_PTR))
		ctx_log(vi->base.ctx, UIOMMU_LOG_WARNING, "vtd: the invalidation queue did not run empty");
	if (set_level(vi, VTD_G_QIE, false))
		ctx_log(vi->base.ctx, UIOMMU_LOG_WARNING, "vtd: the invalidation queue does not stop");
}

static int start(struct vtdd_iommu *vi)
{
	int err;

	err = quiet(vi);
	if (err)
		return err;
	vtdd_fault_init(vi);
	err = start_queue(vi);
	if (err)
		goto mask_faults;
	err = set_root(vi);
	if (err)
		goto queue_off;
	err = set_level(vi, VTD_G_TE, true);
	if (err)
		goto queue_off;
	return 0;

queue_off:
	stop_queue(vi);
mask_faults:
	vtdd_fault_fini(vi);
	return err;
}

static void stop(struct vtdd_iommu *vi)
{
	if (set_level(vi, VTD_G_TE, false))
		ctx_log(vi->base.ctx, UIOMMU_LOG_WARNING, "vtd: translation does not turn off");
	stop_queue(vi);
	vtdd_fault_fini(vi);
	vi->off = true;
}

/* Registers and interrupt have one owner. False: there is another one. */
static bool take_unit(struct uiommu_hw *hw)
{
	return !atomic_exchange_explicit(&hw->driven, true, memory_order_acquire);
}

static void leave_unit(struct uiommu_hw *hw)
{
	atomic_store_explicit(&hw->driven, false, memory_order_release);
}

static void vtdd_destroy(struct uiommu_iommu *iommu)
{
	struct vtdd_iommu *vi = to_vtdd(iommu);
	struct uiommu_ctx *ctx = iommu->ctx;

	stop(vi);
	iommu_unregister(iommu);
	vtdd_put_kept(vi);
	pool_put(ctx->pool, vi->root);
	vtdd_queue_fini(vi);
	tag_space_fini(&vi->tags);
	leave_unit(vi->hw);
	alloc_free(&ctx->alloc, vi);
}

static const struct iommu_ops vtdd_ops = {
	.name = "vtd",
	.domain_alloc = vtdd_domain_alloc,
	.domain_free = vtdd_domain_free,
	.map = vtdd_map,
	.unmap = vtdd_unmap,
	.iova_to_phys = vtdd_iova_to_phys,
	.reserve = vtdd_domain_reserve,
	.probe = vtdd_probe,
	.release = vtdd_release,
	.pasid_probe = vtdd_pasid_probe,
	.pasid_release = vtdd_pasid_release,
	.def_domain_type = vtdd_def_domain_type,
	.resv_regions = vtdd_resv_regions,
	.prepare = vtdd_prepare,
	.abort = vtdd_abort,
	.commit = vtdd_commit,
	.finish = vtdd_finish,
	.park = vtdd_park,
	.show_iommu = vtdd_show_iommu,
	.show_domain = vtdd_show_domain,
	.show_attachment = vtdd_show_attachment,
	.destroy = vtdd_destroy,
};

static int check_opts(const struct uiommu_vtd_opts *opts)
{
	const unsigned char *tail = (const unsigned char *)opts;

	if (opts->size < sizeof(*opts) || opts->mode > UIOMMU_VTD_LEGACY)
		return -EINVAL;
	/* Fields that this library does not know must not ask for anything. */
	for (size_t i = sizeof(*opts); i < opts->size; i++)
		if (tail[i])
			return -E2BIG;
	return 0;
}

static void init(struct vtdd_iommu *vi, struct uiommu_ctx *ctx, struct uiommu_hw *hw,
		 const struct uiommu_vtd_opts *opts)
{
	unsigned int mgaw;

	vi->base.ctx = ctx;
	vi->hw = hw;
	vi->ops = hw->ops;
	vi->scalable = opts->mode == UIOMMU_VTD_SCALABLE;
	vi->caps.cap = vi->ops->read64(hw, VTD_REG_CAP);
	vi->caps.ecap = vi->ops->read64(hw, VTD_REG_ECAP);
	/* The width of host addresses is not in a register; tables of the firmware tell it. */
	mgaw = (unsigned int)field_get(VTD_CAP_MGAW, vi->caps.cap) + 1;
	vi->caps.haw = hw->haw ? hw->haw : mgaw;
	if (vi->caps.haw > DMAR_HAW_MAX)
		vi->caps.haw = DMAR_HAW_MAX;
	vi->plan_caps = opts->any_order ? PLAN_ANY_ORDER : 0;
	if (!opts->no_store128 && a128_available())
		vi->plan_caps |= PLAN_STORE128;
	lock_init(&vi->tables_lock);
	atomic_init(&vi->fault_calls, 0);
}

int uiommu_vtd_create(struct uiommu_ctx *ctx, struct uiommu_hw *hw, const struct uiommu_vtd_opts *opts,
		      struct uiommu_iommu **iommu)
{
	static const struct uiommu_vtd_opts defaults = { .size = sizeof(defaults) };
	struct vtdd_iommu *vi;
	int err;

	if (!ctx || !hw || !iommu)
		return -EINVAL;
	opts = opts ? opts : &defaults;
	err = check_opts(opts);
	if (err)
		return err;
	if (!take_unit(hw))
		return -EBUSY;
	err = -ENOMEM;
	vi = alloc_struct(&ctx->alloc, struct vtdd_iommu);
	if (!vi)
		goto leave;
	init(vi, ctx, hw, opts);
	err = check_caps(vi);
	if (err)
		goto free_iommu;
	vtdd_entry_init(vi);
	/* Domain id 0 is never given: with caching mode it tags what is not present. */
	err = tag_space_init(&vi->tags, &ctx->alloc, 1,
			     (1u << (4 + 2 * (unsigned int)field_get(VTD_CAP_ND, vi->caps.cap))) - 1);
	if (err)
		goto free_iommu;
	err = vtdd_queue_init(vi, vi->scalable);
	if (err)
		goto free_tags;
	err = -ENOMEM;
	vi->root = pool_get(ctx->pool);
	if (!vi->root)
		goto free_queue;
	err = start(vi);
	if (err)
		goto free_root;
	err = iommu_register(&vi->base, ctx, &vtdd_ops);
	if (err)
		goto stop_unit;
	*iommu = &vi->base;
	return 0;

stop_unit:
	stop(vi);
free_root:
	pool_put(ctx->pool, vi->root);
free_queue:
	vtdd_queue_fini(vi);
free_tags:
	tag_space_fini(&vi->tags);
free_iommu:
	alloc_free(&ctx->alloc, vi);
leave:
	leave_unit(hw);
	return err;
}
