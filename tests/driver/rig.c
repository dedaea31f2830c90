/* SPDX-License-Identifier: MIT */
/* The test bench of the VT-d driver; see rig.h. */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

static struct rig *current;

static void after_store(struct rig *rig)
{
	rig->stores++;
	if (!rig->after_store || rig->hooked)
		return;
	rig->hooked = true;
	rig->after_store(rig, rig->opaque);
	rig->hooked = false;
}

static void shim_store64(struct uiommu_hw *hw, uiommu_pa_t pa, uint64_t val)
{
	current->real->store64(hw, pa, val);
	after_store(current);
}

static void shim_store128(struct uiommu_hw *hw, uiommu_pa_t pa, struct u128 val)
{
	current->real->store128(hw, pa, val);
	after_store(current);
}

static void record_descriptors(struct rig *rig, uint64_t from, uint64_t to)
{
	uint64_t iqa = rig->real->read64(rig->hw, VTD_REG_IQA);
	uint64_t size = UINT64_C(4096) << field_get(VTD_IQA_QS, iqa), step = iqa & VTD_IQA_DW ? 32 : 16;

	for (; from != to; from = (from + step) & (size - 1)) {
		struct u128 d;

		assert_int_equal(mem_load64(rig->ctx->mem, (iqa & VTD_IQA_IQA) + from, &d.lo), 0);
		assert_int_equal(mem_load64(rig->ctx->mem, (iqa & VTD_IQA_IQA) + from + 8, &d.hi), 0);
		if (field_get(VTD_ID0_TYPE_LO, d.lo) == VTD_DESC_WAIT)
			rig->n_waits++;
		else if (rig->n_desc < sizeof(rig->desc) / sizeof(rig->desc[0]))
			rig->desc[rig->n_desc++] = d;
	}
}

static void shim_write64(struct uiommu_hw *hw, uint32_t off, uint64_t val)
{
	if (off == VTD_REG_IQT) {
		record_descriptors(current, current->real->read64(hw, VTD_REG_IQT), val);
		current->doorbells++;
	}
	current->real->write64(hw, off, val);
	if (off == VTD_REG_IQT && current->after_doorbell)
		current->after_doorbell(current);
}

static void plain_note(struct uiommu_hw *hw, enum hw_note note, uint64_t a, uint64_t b)
{
	if (current->on_note)
		current->on_note(current, note, a);
	current->real->note(hw, note, a, b);
}

static void shim_note(struct uiommu_hw *hw, enum hw_note note, uint64_t a, uint64_t b)
{
	struct rig *rig = current;

	rig->tags_freed += note == HW_NOTE_TAG_FREE;
	rig->tables_freed += note == HW_NOTE_TABLE_FREE;
	rig->list_adds += note == HW_NOTE_LIST_ADD;
	rig->list_dels += note == HW_NOTE_LIST_DEL;
	plain_note(hw, note, a, b);
}

static void count_refused(struct rig *rig)
{
	if (rig->refused && rig->refused_at == rig->doorbells)
		return;
	rig->refused_in_turn += rig->refused && rig->refused_at + 1 == rig->doorbells;
	rig->refused++;
	rig->refused_at = rig->doorbells;
}

static void on_event(void *opaque, const struct uiommu_event *event)
{
	struct rig *rig = opaque;

	/* Text and fields of the last one only where one thread runs; the counts always. */
	if (atomic_fetch_add(&rig->events[event->kind], 1) == 0 || rig->fresh) {
		rig->last[event->kind] = *event;
		snprintf(rig->text[event->kind], sizeof(rig->text[0]), "%s", event->text);
	}
	if (event->kind == UIOMMU_EVENT_FAULT && rig->on_fault)
		rig->on_fault(rig, event);
	if (event->kind == UIOMMU_EVENT_QUEUE_ERROR && rig->fresh)
		count_refused(rig);
	if (event->kind == UIOMMU_EVENT_QUEUE_ERROR && rig->rearm) {
		rig->rearm--;
		vtd_model_fail_descriptor(rig->hw, rig->rearm_at, VTD_FAIL_IQE);
	}
	if (event->kind == UIOMMU_EVENT_DRIVER_MISUSE)
		print_error("misuse: %s\n", event->text);
}

/* Memory behind an accessor: the same bytes in whole words, but no pointer for the model to keep. */
static int ram_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct rig *rig = opaque;

	if (len == 8 && !(off & 7)) {
		uint64_t val = atomic_load((_Atomic uint64_t *)(void *)(rig->ram + off));

		memcpy(buf, &val, 8);
	} else {
		memcpy(buf, rig->ram + off, len);
	}
	return 0;
}

static int ram_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	struct rig *rig = opaque;
	uint64_t val;

	if (len == 8 && !(off & 7)) {
		memcpy(&val, buf, 8);
		atomic_store((_Atomic uint64_t *)(void *)(rig->ram + off), val);
	} else {
		memcpy(rig->ram + off, buf, len);
	}
	return 0;
}

static void add_ram(struct rig *rig, bool accessor)
{
	static const struct uiommu_mem_ops ops = { .read = ram_read, .write = ram_write };
	int err;

	if (accessor)
		err = uiommu_mem_add_accessor(rig->ctx, RAM_BASE, RAM_SIZE, &ops, rig);
	else
		err = uiommu_mem_add_pointer(rig->ctx, RAM_BASE, RAM_SIZE, rig->ram);
	assert_int_equal(err, 0);
}

/* The unit without caches walks the same tables. */
static void start_fresh(struct rig *rig)
{
	const struct hw_ops *ops = rig->fresh->ops;

	ops->write32(rig->fresh, VTD_REG_GCMD, 0);
	ops->write64(rig->fresh, VTD_REG_RTADDR, rig->real->read64(rig->hw, VTD_REG_RTADDR));
	ops->write32(rig->fresh, VTD_REG_GCMD, VTD_G_SRTP);
	ops->write32(rig->fresh, VTD_REG_GCMD, VTD_G_TE);
}

void rig_begin_hw(struct rig *rig, const struct rig_opts *opts)
{
	struct uiommu_ctx_opts ctx_opts = {
		.size = sizeof(ctx_opts),
		.event = on_event,
		.opaque = rig,
		.pool_bytes = 64 << 20,
	};
	struct uiommu_vtd_model_opts model = opts->model, qemu = { .size = sizeof(qemu) };

	memset(rig, 0, sizeof(*rig));
	rig->pasid = UIOMMU_NO_PASID;
	rig->max_pasids = opts->max_pasids;
	current = rig;
	assert_int_equal(uiommu_ctx_create(&ctx_opts, &rig->ctx), 0);
	rig->ram = aligned_alloc(4096, RAM_SIZE);
	for (uint64_t off = 0; off < RAM_SIZE; off += 8) {
		uint64_t page = (RAM_BASE + off) & ~UINT64_C(0xFFF);

		memcpy(rig->ram + off, &page, 8);
	}
	add_ram(rig, opts->accessor);
	model.size = sizeof(model);
	assert_int_equal(uiommu_vtd_model_create(rig->ctx, &model, &rig->hw), 0);
	assert_int_equal(uiommu_agent_create(rig->ctx, &rig->agent), 0);
	rig->real = rig->hw->ops;
	rig->ops = *rig->real;
	rig->ops.note = plain_note;
	rig->hw->ops = &rig->ops;
	if (opts->plain)
		return;
	qemu.preset = UIOMMU_PRESET_QEMU;
	assert_int_equal(uiommu_vtd_model_create(rig->ctx, &qemu, &rig->fresh), 0);
	rig->ops.store64 = shim_store64;
	rig->ops.store128 = shim_store128;
	rig->ops.write64 = shim_write64;
	rig->ops.note = shim_note;
}

int rig_create_iommu(struct rig *rig, const struct rig_opts *opts)
{
	struct uiommu_vtd_opts o = {
		.size = sizeof(o),
		.mode = opts->mode,
		.no_store128 = opts->no_store128,
		.any_order = opts->any_order,
	};
	int err = uiommu_vtd_create(rig->ctx, rig->hw, &o, &rig->iommu);

	if (!err && rig->fresh)
		start_fresh(rig);
	return err;
}

void rig_begin(struct rig *rig, const struct rig_opts *opts)
{
	rig_begin_hw(rig, opts);
	assert_int_equal(rig_create_iommu(rig, opts), 0);
}

void rig_end(struct rig *rig)
{
	uiommu_iommu_destroy(rig->iommu);
	assert_int_equal(pool_live(rig->ctx->pool), 0);
	uiommu_hw_destroy(rig->fresh);
	uiommu_hw_destroy(rig->hw);
	uiommu_agent_destroy(rig->agent);
	if (!rig->hung)
		assert_int_equal(rig->events[UIOMMU_EVENT_DRIVER_MISUSE], 0);
	assert_int_equal(uiommu_mem_remove(rig->ctx, RAM_BASE), 0);
	uiommu_ctx_destroy(rig->ctx);
	free(rig->ram);
}

static void plug_in(struct rig *rig, struct rig_dev *d, uint16_t rid)
{
	struct uiommu_device_opts opts = { .size = sizeof(opts), .max_pasids = rig->max_pasids };

	assert_int_equal(uiommu_device_add_opts(d->group, rid, rig->max_pasids ? &opts : NULL, &d->dev), 0);
	assert_int_equal(uiommu_port_create(rig->hw, rid, &d->port), 0);
	if (rig->fresh)
		assert_int_equal(uiommu_port_create(rig->fresh, rid, &d->fresh), 0);
}

void rig_dev_add(struct rig *rig, struct rig_dev *d, uint16_t rid)
{
	memset(d, 0, sizeof(*d));
	assert_int_equal(uiommu_group_create(rig->iommu, &d->group), 0);
	plug_in(rig, d, rid);
}

void rig_dev_join(struct rig *rig, struct rig_dev *d, struct rig_dev *first, uint16_t rid)
{
	memset(d, 0, sizeof(*d));
	d->group = first->group;
	plug_in(rig, d, rid);
	d->group = NULL;
}

void rig_dev_remove(struct rig_dev *d)
{
	uiommu_port_destroy(d->port);
	uiommu_port_destroy(d->fresh);
	uiommu_device_remove(d->dev);
	uiommu_group_destroy(d->group);
}

struct uiommu_domain *rig_paging(struct rig *rig, enum uiommu_stage stage)
{
	struct uiommu_domain_opts opts = {
		.size = sizeof(opts),
		.type = UIOMMU_DOMAIN_PAGING,
		.stage = stage,
	};
	struct uiommu_domain *d = NULL;
	int err = uiommu_domain_alloc(rig->iommu, &opts, &d);

	assert_true(!err || err == -EOPNOTSUPP);
	return d;
}

struct uiommu_domain *rig_domain(struct rig *rig, enum rig_domain which, uint64_t *want)
{
	struct uiommu_domain_opts opts = { .size = sizeof(opts), .type = UIOMMU_DOMAIN_IDENTITY };
	struct uiommu_domain *d = NULL;

	switch (which) {
	case D_BLOCKED:
		*want = BLOCKED;
		return uiommu_blocking_domain(rig->iommu);
	case D_IDENTITY:
		*want = RIG_IOVA;
		assert_int_equal(uiommu_domain_alloc(rig->iommu, &opts, &d), 0);
		return d;
	default:
		*want = RAM_BASE + 0x20000 + 0x10000 * (uint64_t)which;
		d = rig_paging(rig, which >= D_FIRST_A ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND);
		if (d)
			assert_int_equal(uiommu_map(d, RIG_IOVA, *want, 4096, UIOMMU_READ | UIOMMU_WRITE), 0);
		return d;
	}
}

void rig_domain_free(struct uiommu_domain *domain)
{
	if (domain && uiommu_domain_type(domain) != UIOMMU_DOMAIN_BLOCKED)
		assert_int_equal(uiommu_domain_free(domain), 0);
}

/* The one that the PASID does not have. */
static struct uiommu_attach_handle *next_handle(struct rig_dev *d)
{
	struct uiommu_attach_handle *handle = &d->handle[d->turn ^= 1];

	*handle = (struct uiommu_attach_handle){ .data = d };
	return handle;
}

int rig_attach(struct rig *rig, struct rig_dev *d, struct uiommu_domain *domain, struct uiommu_report *report)
{
	if (rig->pasid == UIOMMU_NO_PASID)
		return uiommu_attach_group(d->group, domain, report);
	return uiommu_attach_pasid(d->group, rig->pasid, domain, NULL, report);
}

int rig_replace(struct rig *rig, struct rig_dev *d, struct uiommu_domain *domain,
		const struct uiommu_replace_opts *opts, struct uiommu_report *report)
{
	int err;

	if (rig->pasid == UIOMMU_NO_PASID)
		return uiommu_group_replace_domain(d->group, domain, opts, report);
	if (uiommu_domain_type(domain) == UIOMMU_DOMAIN_BLOCKED) {
		uiommu_detach_pasid(d->group, rig->pasid);
		return 0;
	}
	if (uiommu_pasid_domain(d->group, rig->pasid))
		err = uiommu_replace_pasid(d->group, rig->pasid, domain, next_handle(d), opts, report);
	else
		err = uiommu_attach_pasid(d->group, rig->pasid, domain, next_handle(d), report);
	/* After a failure it has the old one. */
	d->turn ^= err != 0;
	return err;
}

void rig_detach(struct rig *rig, struct rig_dev *d)
{
	if (rig->pasid == UIOMMU_NO_PASID)
		uiommu_detach_group(d->group);
	else
		uiommu_detach_pasid(d->group, rig->pasid);
}

uint64_t rig_read(struct rig *rig, struct uiommu_port *port, uiommu_iova_t iova)
{
	return rig_read_pasid(rig, port, rig->pasid, iova);
}

uint64_t rig_read_pasid(struct rig *rig, struct uiommu_port *port, uint32_t pasid, uiommu_iova_t iova)
{
	uint64_t val = 0;
	int err;

	uiommu_agent_begin(rig->agent);
	err = uiommu_dma_read(port, rig->agent, pasid, iova, &val, sizeof(val), NULL);
	uiommu_agent_end(rig->agent);
	assert_true(!err || err == -EFAULT);
	return err ? BLOCKED : val;
}

void rig_clear(struct rig *rig)
{
	rig->stores = 0;
	rig->n_desc = 0;
	rig->n_waits = 0;
	rig->tags_freed = 0;
	rig->tables_freed = 0;
	rig->list_adds = 0;
	rig->list_dels = 0;
}

unsigned int rig_count_desc(const struct rig *rig, enum vtd_desc type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < rig->n_desc; i++)
		n += field_get(VTD_ID0_TYPE_LO, rig->desc[i].lo) == type;
	return n;
}
