/* SPDX-License-Identifier: MIT */
/*
 * Making and ending a remapping unit and its ports; what its capability registers
 * say; the entry stores of the driver's side.
 */
#include <errno.h>
#include <string.h>

#include "base/choice.h"
#include "hw/vtd/access.h"
#include "hw/vtd/front.h"
#include "hw/vtd/vtd_model.h"

/* ---- the driver's memory operations ---- */

static void vtd_store64(struct uiommu_hw *hw, uiommu_pa_t pa, uint64_t val)
{
	int err;

	choice_interleave(CHOICE_STORE);
	err = vtd_own_store64(hw->ctx, pa, val);
	if (err)
		vtd_misuse(vtd_model(hw), "store to 0x%llx: no such memory", (unsigned long long)pa);
	choice_interleave(CHOICE_STORE);
}

static void vtd_store128(struct uiommu_hw *hw, uiommu_pa_t pa, struct u128 val)
{
	int err;

	choice_interleave(CHOICE_STORE);
	err = vtd_own_store128(hw->ctx, pa, val);
	if (err)
		vtd_misuse(vtd_model(hw), "store to 0x%llx: no such memory", (unsigned long long)pa);
	choice_interleave(CHOICE_STORE);
}

static uint64_t vtd_load64(struct uiommu_hw *hw, uiommu_pa_t pa)
{
	uint64_t val = UINT64_MAX;

	if (vtd_own_load64(hw->ctx, pa, &val))
		vtd_misuse(vtd_model(hw), "load from 0x%llx: no such memory", (unsigned long long)pa);
	return val;
}

static uint32_t vtd_load32(struct uiommu_hw *hw, uiommu_pa_t pa)
{
	uint32_t val = UINT32_MAX;

	if (vtd_own_load32(hw->ctx, pa, &val))
		vtd_misuse(vtd_model(hw), "load from 0x%llx: no such memory", (unsigned long long)pa);
	return val;
}

static void vtd_relax(struct uiommu_hw *hw)
{
	struct vtd_model *m = vtd_model(hw);
	struct task_spin spin;

	/* The queue may wait for somebody to take it up after an error was cleared. */
	if (!m->queue.task && vtd_queue_run(m))
		return;
	spin.turns = atomic_fetch_add_explicit(&m->relaxed, 1, memory_order_relaxed);
	task_relax(&spin);
}

static void vtd_note(struct uiommu_hw *hw, enum hw_note note, uint64_t a, uint64_t b)
{
	/* For checkers: a unit knows nothing of its driver's bookkeeping. */
	(void)hw;
	(void)note;
	(void)a;
	(void)b;
}

/* ---- ports ---- */

static int vtd_port_create(struct uiommu_hw *hw, uint16_t rid, struct uiommu_port **out)
{
	struct vtd_model *m = vtd_model(hw);
	struct alloc *a = &hw->ctx->alloc;
	struct vtd_port *port = alloc_aligned(a, _Alignof(struct vtd_port), sizeof(*port));
	struct vtd_bus *bus = alloc_struct(a, struct vtd_bus);
	int err = -ENOMEM;

	if (!port || !bus)
		goto out_free;
	port->port.hw = hw;
	port->port.rid = rid;
	lock_take(&m->ports_lock);
	if (!m->bus[rid >> 8]) {
		m->bus[rid >> 8] = bus;
		bus = NULL;
	}
	err = -EEXIST;
	if (!m->bus[rid >> 8]->port[rid & 0xFF]) {
		m->bus[rid >> 8]->port[rid & 0xFF] = port;
		*out = &port->port;
		port = NULL;
		err = 0;
	}
	lock_drop(&m->ports_lock);
out_free:
	alloc_free(a, bus);
	alloc_free_aligned(a, port);
	return err;
}

static void vtd_port_destroy(struct uiommu_port *port)
{
	struct vtd_model *m = vtd_model(port->hw);

	lock_take(&m->ports_lock);
	m->bus[port->rid >> 8]->port[port->rid & 0xFF] = NULL;
	lock_drop(&m->ports_lock);
	alloc_free_aligned(&m->hw.ctx->alloc, port);
}

/* ---- the unit ---- */

static void vtd_destroy(struct uiommu_hw *hw)
{
	struct vtd_model *m = vtd_model(hw);
	struct alloc *a = &hw->ctx->alloc;

	vtd_queue_fini(m);
	for (unsigned int i = 0; i < 256; i++)
		alloc_free(a, m->bus[i]);
	cache_fini(&m->cache, a);
	vtd_regs_fini(m);
	alloc_free(a, m);
}

static const struct hw_ops vtd_ops = {
	.read32 = vtd_read32,
	.write32 = vtd_write32,
	.read64 = vtd_read64,
	.write64 = vtd_write64,
	.store64 = vtd_store64,
	.store128 = vtd_store128,
	.load64 = vtd_load64,
	.load32 = vtd_load32,
	.relax = vtd_relax,
	.note = vtd_note,
	.destroy = vtd_destroy,
	.port_create = vtd_port_create,
	.port_destroy = vtd_port_destroy,
	.translate = vtd_translate,
	.translate_list = vtd_translate_list,
};

/*
 * What is there and no more. VER is 1.0, so that drains must be asked for. Not there:
 * caching mode, write buffer, protected regions, zero-length reads, posted interrupts,
 * commands; device TLBs, interrupt remapping, memory types, nesting, page requests,
 * supervisor requests, second-stage A/D, abort mode.
 */
static void set_caps(struct vtd_model *m, const struct uiommu_vtd_model_opts *o)
{
	uint64_t cap, ecap;

	cap = field_put(VTD_CAP_ND, 6) |
	      field_put(VTD_CAP_SAGAW, VTD_SAGAW_39 | VTD_SAGAW_48 | VTD_SAGAW_57) |
	      field_put(VTD_CAP_MGAW, 57 - 1) | field_put(VTD_CAP_FRO, VTD_FRCD_OFFSET / 16) |
	      field_put(VTD_CAP_SSLPS, VTD_SSLPS_2M | VTD_SSLPS_1G) | VTD_CAP_PSI |
	      field_put(VTD_CAP_NFR, o->fault_records - 1) | field_put(VTD_CAP_MAMV, 18) | VTD_CAP_DWD |
	      VTD_CAP_DRD;
	ecap = VTD_ECAP_C | VTD_ECAP_QI | VTD_ECAP_SC | field_put(VTD_ECAP_IRO, VTD_IOTLB_REG_OFFSET / 16);
	if (!o->no_pass_through)
		ecap |= VTD_ECAP_PT;
	if (!o->no_scalable)
		ecap |= VTD_ECAP_SMTS | VTD_ECAP_SSTS | VTD_ECAP_SMPWCS | VTD_ECAP_RPS | VTD_ECAP_PASID |
			field_put(VTD_ECAP_PSS, 20 - 1);
	if (!o->no_scalable && !o->no_first_stage) {
		cap |= VTD_CAP_FS1GP | VTD_CAP_FS5LP;
		ecap |= VTD_ECAP_FSTS;
	}
	m->caps = (struct vtd_caps) { .cap = cap, .ecap = ecap, .haw = o->haw };
}

/* Where the specification lets hardware do less than all, by preset (docs/architecture.md). */
static void set_freedoms(struct vtd_model *m)
{
	bool weak = m->preset == UIOMMU_PRESET_WEAKEST || m->preset == UIOMMU_PRESET_ANY_ORDER;

	m->cache_pass = weak;
	m->context_by_did = weak;
	m->drain_by_kind = weak;
	m->cache.second_by_did = weak;
	m->cache.tables = weak;
}

static int read_opts(const struct uiommu_vtd_model_opts *in, struct uiommu_vtd_model_opts *o)
{
	memset(o, 0, sizeof(*o));
	if (in) {
		if (in->size < sizeof(in->size) || in->size > sizeof(*o))
			return -EINVAL;
		memcpy(o, in, in->size);
	}
	if (!o->haw)
		o->haw = 46;
	if (!o->fault_records)
		o->fault_records = 8;
	if ((unsigned int)o->preset > UIOMMU_PRESET_QEMU || o->haw < 36 || o->haw > 52 ||
	    o->fault_records > VTD_FRCD_MAX)
		return -EINVAL;
	return 0;
}

int uiommu_vtd_model_create(struct uiommu_ctx *ctx, const struct uiommu_vtd_model_opts *opts,
			    struct uiommu_hw **hw)
{
	struct uiommu_vtd_model_opts o;
	struct vtd_model *m;
	uint64_t unit;
	int err = read_opts(opts, &o);

	if (err)
		return err;
	m = alloc_struct(&ctx->alloc, struct vtd_model);
	if (!m)
		return -ENOMEM;
	m->hw.ops = &vtd_ops;
	m->hw.ctx = ctx;
	m->hw.haw = o.haw;
	m->hw.msi = o.msi;
	m->hw.msi_opaque = o.msi_opaque;
	m->preset = o.preset;
	m->caching = o.preset != UIOMMU_PRESET_QEMU;
	unit = atomic_fetch_add_explicit(&ctx->units, 1, memory_order_relaxed) + 1;
	m->unit = unit < FRONT_UNITS ? (uint32_t)unit : 0;
	lock_init(&m->ports_lock);
	set_caps(m, &o);
	err = vtd_regs_init(m, o.fault_records);
	if (err)
		goto err_model;
	err = cache_init(&m->cache, &ctx->alloc);
	if (err)
		goto err_regs;
	set_freedoms(m);
	err = vtd_queue_init(m, o.own_thread);
	if (err)
		goto err_cache;
	*hw = &m->hw;
	return 0;

err_cache:
	cache_fini(&m->cache, &ctx->alloc);
err_regs:
	vtd_regs_fini(m);
err_model:
	alloc_free(&ctx->alloc, m);
	return err;
}
