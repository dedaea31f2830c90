/* SPDX-License-Identifier: MIT */
/*
 * PASIDs in scalable mode: the size of directories and the growth of tables, what each
 * PASID's invalidations name, which faults PASIDs get, and that what one leaves behind
 * never comes back. The pairs of domains are in replace_test.c, failures in
 * failure_test.c, DMA meanwhile in storm_test.c.
 */
#include "rig.h"

#include <errno.h>

#define PASIDS 3 /* beside the RID */

static const uint32_t some[PASIDS] = { 1, 63, 64 };

static struct uiommu_domain *map_at(struct rig *rig, enum uiommu_stage stage, uint64_t pa)
{
	struct uiommu_domain *d = rig_paging(rig, stage);

	assert_non_null(d);
	assert_int_equal(uiommu_map(d, RIG_IOVA, pa, 4096, UIOMMU_READ), 0);
	return d;
}

/* The RID and all of some[] of a device: onto a domain, or away. */
static void move_all(struct rig *rig, struct rig_dev *d, struct uiommu_domain *domain)
{
	for (unsigned int i = 0; i <= PASIDS; i++) {
		rig->pasid = i < PASIDS ? some[i] : UIOMMU_NO_PASID;
		if (domain)
			assert_int_equal(rig_replace(rig, d, domain, NULL, NULL), 0);
		else
			rig_detach(rig, d);
	}
}

static void all_see(struct rig *rig, struct rig_dev *d, uint64_t want)
{
	for (unsigned int i = 0; i <= PASIDS; i++) {
		rig->pasid = i < PASIDS ? some[i] : UIOMMU_NO_PASID;
		assert_int_equal(rig_look(rig, d->port), want);
		assert_int_equal(rig_look(rig, d->fresh), want);
	}
}

/*
 * An unmap reaches what every device and PASID may have cached, with as few invalidations as
 * hardware's tags allow: first stage one per PASID, second stage one.
 */
static void unmap_reaches_all_pasids(void **state)
{
	for (int stage = UIOMMU_STAGE_FIRST; stage <= UIOMMU_STAGE_SECOND; stage++) {
		bool first = stage == UIOMMU_STAGE_FIRST;
		struct rig_dev d[2];
		struct uiommu_domain *a;
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 });
		rig_dev_add(&rig, &d[0], 0x10);
		rig_dev_add(&rig, &d[1], 0x90);
		a = map_at(&rig, (enum uiommu_stage)stage, RAM_BASE + 0x5000);
		for (unsigned int left = 2; left--;) {
			move_all(&rig, &d[0], a);
			if (left)
				move_all(&rig, &d[1], a);
			all_see(&rig, &d[0], RAM_BASE + 0x5000);
			if (left)
				all_see(&rig, &d[1], RAM_BASE + 0x5000);
			rig_clear(&rig);
			assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), 0);
			assert_int_equal(rig_count_desc(&rig, VTD_DESC_PIOTLB), first ? PASIDS + 1 : 0);
			assert_int_equal(rig_count_desc(&rig, VTD_DESC_IOTLB), !first);
			assert_int_equal(rig.n_waits, 1);
			all_see(&rig, &d[0], BLOCKED);
			all_see(&rig, &d[1], BLOCKED);
			move_all(&rig, &d[0], NULL);
			move_all(&rig, &d[1], NULL);
			assert_int_equal(to_vtdd_domain(a)->list.n, 0);
			assert_int_equal(to_vtdd_domain(a)->attached, 0);
			/* Nobody is on it: nothing to flush. */
			rig_clear(&rig);
			assert_int_equal(uiommu_map(a, RIG_IOVA, RAM_BASE + 0x5000, 4096, UIOMMU_READ), 0);
			assert_int_equal(rig.n_desc, 0);
		}
		rig_dev_remove(&d[1]);
		rig_dev_remove(&d[0]);
		rig_domain_free(a);
		rig_end(&rig);
	}
}

/*
 * What a PASID left under a domain's tag is gone when it has left: the domain is changed
 * while nobody is on it, which costs no flush, and the PASID that comes back sees the change.
 */
static void left_translations_do_not_come_back(void **state)
{
	for (int stage = UIOMMU_STAGE_FIRST; stage <= UIOMMU_STAGE_SECOND; stage++) {
		struct uiommu_domain *a, *b;
		struct rig_dev d;
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 });
		rig_dev_add(&rig, &d, 0x10);
		a = map_at(&rig, (enum uiommu_stage)stage, RAM_BASE + 0x5000);
		b = map_at(&rig, UIOMMU_STAGE_SECOND, RAM_BASE + 0x6000);
		for (uint64_t round = 0; round < 4; round++) {
			move_all(&rig, &d, a);
			all_see(&rig, &d, RAM_BASE + 0x5000 + 0x2000 * round);
			move_all(&rig, &d, round & 1 ? NULL : b);
			assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), 0);
			assert_int_equal(uiommu_map(a, RIG_IOVA, RAM_BASE + 0x7000 + 0x2000 * round, 4096,
						    UIOMMU_READ),
					 0);
			all_see(&rig, &d, round & 1 ? BLOCKED : RAM_BASE + 0x6000);
		}
		move_all(&rig, &d, NULL);
		rig_dev_remove(&d);
		rig_domain_free(a);
		rig_domain_free(b);
		rig_end(&rig);
	}
}

static bool is_desc(const struct u128 *d, enum vtd_desc type, uint64_t g_mask, uint64_t g)
{
	return field_get(VTD_ID0_TYPE_LO, d->lo) == type && field_get(g_mask, d->lo) == g;
}

/* 6.5.3.3: what the replacement of one PASID invalidates: its entry and its tag, by PASID; no more. */
static void invalidations_name_the_pasid(void **state)
{
	for (int from = D_IDENTITY; from <= D_FIRST_A; from += D_FIRST_A - D_IDENTITY) {
		struct uiommu_domain *a, *b;
		struct rig_dev d;
		unsigned int pc = 0;
		uint64_t wa, wb;
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 });
		rig_dev_add(&rig, &d, 0x10);
		rig.pasid = 0x2A7;
		a = rig_domain(&rig, (enum rig_domain)from, &wa);
		b = rig_domain(&rig, D_SECOND_B, &wb);
		assert_int_equal(rig_attach(&rig, &d, a, NULL), 0);
		assert_int_equal(rig_look(&rig, d.port), wa);
		rig_clear(&rig);
		assert_int_equal(rig_replace(&rig, &d, b, NULL, NULL), 0);
		assert_int_equal(rig_look(&rig, d.port), wb);
		for (unsigned int i = 0; i < rig.n_desc; i++) {
			const struct u128 *q = &rig.desc[i];

			/* First stage and pass-through are tagged by both. */
			if (is_desc(q, VTD_DESC_PIOTLB, VTD_PIOTLB0_G, VTD_PIOTLB_G_PASID)) {
				assert_int_equal(field_get(VTD_PIOTLB0_PASID, q->lo), 0x2A7);
				assert_int_equal(field_get(VTD_PIOTLB0_DID, q->lo), to_vtdd_domain(a)->tag);
				continue;
			}
			assert_true(is_desc(q, VTD_DESC_PC, VTD_PC0_G, VTD_PC_G_PASID));
			assert_int_equal(field_get(VTD_PC0_PASID, q->lo), 0x2A7);
			pc++;
		}
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_PIOTLB), 1);
		assert_true(pc > 0);
		/* Second stage is tagged by the domain id alone. */
		rig_clear(&rig);
		rig_detach(&rig, &d);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_PC), 1);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_IOTLB), 1);
		assert_int_equal(rig.n_desc, 2);
		assert_int_equal(field_get(VTD_IOTLB0_DID, rig.desc[1].lo), to_vtdd_domain(b)->tag);
		rig_dev_remove(&d);
		rig_domain_free(a);
		rig_domain_free(b);
		rig_end(&rig);
	}
}

/* Pages come with the first attachment among 64 PASIDs, never with a commit, and go with the device. */
static void tables_grow_when_pasids_appear(void **state)
{
	struct uiommu_domain *a, *b;
	size_t before, pages;
	struct rig_dev d;
	struct rig rig;
	uint64_t wa, wb;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 12 });
	before = pool_live(rig.ctx->pool);
	rig_dev_add(&rig, &d, 0x10);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	b = rig_domain(&rig, D_FIRST_A, &wb);
	for (unsigned int n = 1; n < 200; n++) {
		bool new_table = n % 64 == 0;

		rig.pasid = n;
		pages = pool_live(rig.ctx->pool);
		assert_int_equal(rig_look(&rig, d.port), BLOCKED);
		assert_int_equal(rig_attach(&rig, &d, a, NULL), 0);
		assert_int_equal(pool_live(rig.ctx->pool), pages + new_table);
		assert_int_equal(rig_look(&rig, d.port), wa);
		assert_int_equal(rig_replace(&rig, &d, b, NULL, NULL), 0);
		assert_int_equal(rig_look(&rig, d.port), wb);
		assert_int_equal(pool_live(rig.ctx->pool), pages + new_table);
	}
	for (unsigned int n = 1; n < 200; n++) {
		rig.pasid = n;
		rig_detach(&rig, &d);
		assert_int_equal(rig_look(&rig, d.port), BLOCKED);
		/* And again, into a table that is there. */
		pages = pool_live(rig.ctx->pool);
		assert_int_equal(rig_attach(&rig, &d, a, NULL), 0);
		rig_detach(&rig, &d);
		assert_int_equal(pool_live(rig.ctx->pool), pages);
	}
	rig_domain_free(a);
	rig_domain_free(b);
	rig_dev_remove(&d);
	assert_int_equal(pool_live(rig.ctx->pool), before);
	rig_end(&rig);
}

/* Each allocation fails in turn: nothing is attached, nothing leaks, the next try succeeds. */
static void attach_without_memory(void **state)
{
	struct uiommu_domain *a;
	struct rig_dev d;
	struct rig rig;
	uint64_t wa;
	long n = 1;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 12 });
	rig_dev_add(&rig, &d, 0x10);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	for (int err = -ENOMEM; err; n++) {
		size_t pages = pool_live(rig.ctx->pool);

		rig.pasid = 0x100;
		alloc_fail_nth(&rig.ctx->alloc, n);
		err = rig_attach(&rig, &d, a, NULL);
		alloc_fail_nth(&rig.ctx->alloc, 0);
		assert_int_equal(rig_look(&rig, d.port), err ? BLOCKED : wa);
		assert_true(!err || err == -ENOMEM);
		/* A table may stay: it belongs to the device. */
		assert_true(pool_live(rig.ctx->pool) - pages <= 1);
	}
	assert_true(n > 2);
	rig_detach(&rig, &d);
	rig_domain_free(a);
	rig_dev_remove(&d);
	rig_end(&rig);
}

/* ---- how many PASIDs ---- */

static uint64_t ecap_clear, ecap_set;

static uint64_t changed_read64(struct uiommu_hw *hw, uint32_t off)
{
	uint64_t val = vtd_read64(hw, off);

	return off == VTD_REG_ECAP ? (val & ~ecap_clear) | ecap_set : val;
}

static uint32_t pasids_of(uint32_t wanted, enum uiommu_vtd_mode mode, uint64_t clear, uint64_t set)
{
	struct rig_opts o = { .mode = mode, .max_pasids = wanted, .plain = true };
	struct rig_dev d;
	struct rig rig;
	uint32_t have;

	ecap_clear = clear;
	ecap_set = set;
	rig_begin_hw(&rig, &o);
	rig.ops.read64 = changed_read64;
	assert_int_equal(rig_create_iommu(&rig, &o), 0);
	rig_dev_add(&rig, &d, 0x10);
	have = d.dev->max_pasids;
	rig_dev_remove(&d);
	rig_end(&rig);
	return have;
}

static void max_pasids_by_device_and_hardware(void **state)
{
	static const uint32_t wanted[] = { 1, 2, 100, 8192, 8193, 1u << 19, UIOMMU_MAX_PASIDS };

	for (unsigned int i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(pasids_of(wanted[i], UIOMMU_VTD_LEGACY, 0, 0), 0);
		assert_int_equal(pasids_of(wanted[i], UIOMMU_VTD_SCALABLE, VTD_ECAP_PASID, 0), 0);
		assert_int_equal(pasids_of(wanted[i], UIOMMU_VTD_SCALABLE, 0, 0), wanted[i]);
		for (unsigned int bits = 1; bits <= 20; bits++) {
			uint32_t hardware = 1u << bits;

			assert_int_equal(pasids_of(wanted[i], UIOMMU_VTD_SCALABLE, VTD_ECAP_PSS,
						   field_put(VTD_ECAP_PSS, bits - 1)),
					 wanted[i] < hardware ? wanted[i] : hardware);
		}
	}
	/* No unit has more than 20 bits, whatever the register says. */
	assert_int_equal(pasids_of(UIOMMU_MAX_PASIDS, UIOMMU_VTD_SCALABLE, 0, VTD_ECAP_PSS),
			 UIOMMU_MAX_PASIDS);
}

/* The directory is as large as the last PASID needs, and no request finds its way past its end. */
static void directories_of_all_sizes(void **state)
{
	for (unsigned int lg2 = 1; lg2 <= 20; lg2++) {
		uint32_t last = (1u << lg2) - 1, limit = lg2 < 13 ? 1u << 13 : 1u << lg2;
		struct uiommu_domain *a;
		size_t before, pages;
		struct rig_dev d;
		struct rig rig;
		uint64_t want;

		rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = last + 1 });
		a = rig_domain(&rig, D_FIRST_A, &want);
		before = pool_live(rig.ctx->pool);
		rig_dev_add(&rig, &d, 0x10);
		/* Context table, PASID table, directory. */
		pages = 2 + (limit / 64 * 8 + 4095) / 4096;
		assert_int_equal(pool_live(rig.ctx->pool), before + pages);
		rig.pasid = last;
		assert_int_equal(rig_attach(&rig, &d, a, NULL), 0);
		assert_int_equal(rig_look(&rig, d.port), want);
		assert_int_equal(rig_look(&rig, d.fresh), want);
		if (limit < UIOMMU_MAX_PASIDS) {
			assert_int_equal(rig_read_pasid(&rig, d.port, limit, RIG_IOVA), BLOCKED);
			assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].reason, VTD_SCT_7);
		}
		rig_detach(&rig, &d);
		assert_int_equal(rig_look(&rig, d.port), BLOCKED);
		assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].reason, VTD_SPT_2);
		rig_dev_remove(&d);
		assert_int_equal(pool_live(rig.ctx->pool), before);
		rig_domain_free(a);
		rig_end(&rig);
	}
}

/* A PASID that is not attached is blocked, by the reason that says how far the tables go. */
static void pasids_that_are_not_attached(void **state)
{
	struct uiommu_domain *a;
	struct rig_dev with, without;
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 });
	rig_dev_add(&rig, &with, 0x10);
	rig.max_pasids = 0;
	rig_dev_add(&rig, &without, 0x18);
	a = rig_domain(&rig, D_SECOND_A, &want);
	assert_int_equal(rig_attach(&rig, &with, a, NULL), 0);
	assert_int_equal(rig_attach(&rig, &without, a, NULL), 0);
	assert_int_equal(rig_read_pasid(&rig, with.port, 5, RIG_IOVA), BLOCKED);
	assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].reason, VTD_SPT_2);
	assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].pasid, 5);
	assert_int_equal(rig_read_pasid(&rig, with.port, 64, RIG_IOVA), BLOCKED);
	assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].reason, VTD_SPD_2);
	assert_int_equal(rig_read_pasid(&rig, without.port, 5, RIG_IOVA), BLOCKED);
	assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].reason, VTD_SCT_6);
	assert_int_equal(rig_look(&rig, with.port), want);
	assert_int_equal(rig_look(&rig, without.port), want);
	rig_detach(&rig, &with);
	rig_detach(&rig, &without);
	rig_dev_remove(&without);
	rig_dev_remove(&with);
	rig_domain_free(a);
	rig_end(&rig);
}

/* ---- what else a device needs ---- */

static int keep_region(void *opaque, const struct uiommu_resv_region *region)
{
	*(struct uiommu_resv_region *)opaque = *region;
	return -ENOTSUP;
}

/* 3.14: interrupt messages. What the one who asks says comes back. */
static void interrupt_range_is_reserved(void **state)
{
	for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
		struct uiommu_resv_region region = { 0 };
		struct rig_dev d;
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .mode = (enum uiommu_vtd_mode)mode });
		rig_dev_add(&rig, &d, 0x10);
		assert_int_equal(rig.iommu->ops->resv_regions(d.dev, keep_region, &region), -ENOTSUP);
		assert_int_equal(region.start, 0xFEE00000);
		assert_int_equal(region.last, 0xFEEFFFFF);
		assert_int_equal(region.type, UIOMMU_RESV_MSI);
		rig_dev_remove(&d);
		rig_end(&rig);
	}
}

/* Without pass-through a default domain cannot be identity. */
static void default_type_by_capability(void **state)
{
	for (unsigned int no_pass = 0; no_pass < 2; no_pass++) {
		struct rig_dev d;
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .model.no_pass_through = no_pass });
		rig_dev_add(&rig, &d, 0x10);
		assert_int_equal(rig.iommu->ops->def_domain_type(d.dev),
				 no_pass ? UIOMMU_DEFAULT_PAGING : UIOMMU_DEFAULT_ANY);
		rig_dev_remove(&d);
		rig_end(&rig);
	}
}

/* The driver's region among those that the caller tells, sorted. */
static void regions_of_driver_and_caller(void **state)
{
	static const struct uiommu_resv_region told[] = {
		{ UINT64_C(0x100000000), UINT64_C(0x100000FFF), UIOMMU_RESV_RESERVED, 0 },
		{ RAM_BASE, RAM_BASE + 0x1FFF, UIOMMU_RESV_DIRECT, UIOMMU_READ | UIOMMU_WRITE },
	};
	struct uiommu_device_opts opts = { .size = sizeof(opts), .regions = told, .n_regions = 2 };
	struct uiommu_resv_region region[4];
	struct uiommu_group *group;
	struct uiommu_device *dev;
	struct rig rig;
	unsigned int n;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	assert_int_equal(uiommu_group_create(rig.iommu, &group), 0);
	assert_int_equal(uiommu_device_add_opts(group, 0x10, &opts, &dev), 0);
	assert_int_equal(uiommu_group_resv_regions(group, region, 4, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(region[0].start, RAM_BASE);
	assert_int_equal(region[0].type, UIOMMU_RESV_DIRECT);
	assert_int_equal(region[1].start, 0xFEE00000);
	assert_int_equal(region[1].type, UIOMMU_RESV_MSI);
	assert_int_equal(region[2].type, UIOMMU_RESV_RESERVED);
	uiommu_device_remove(dev);
	uiommu_group_destroy(group);
	rig_end(&rig);
}

/* RID and PASIDs are blocked together while a device is reset, and come back to where they were. */
static void reset_takes_pasids_along(void **state)
{
	struct uiommu_domain *a, *b;
	struct rig_dev d, other;
	struct rig rig;
	uint64_t wa, wb;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 });
	rig_dev_add(&rig, &d, 0x10);
	rig_dev_join(&rig, &other, &d, 0x18);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	b = rig_domain(&rig, D_FIRST_B, &wb);
	move_all(&rig, &d, a);
	all_see(&rig, &d, wa);
	rig_clear(&rig);
	assert_int_equal(uiommu_reset_prepare(d.dev), 0);
	assert_int_equal(rig.n_waits, 1);
	all_see(&rig, &d, BLOCKED);
	all_see(&rig, &other, wa);
	rig.pasid = some[1];
	assert_int_equal(rig_replace(&rig, &d, b, NULL, NULL), -EBUSY);
	/* What they come back to may change meanwhile. */
	assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), 0);
	assert_int_equal(uiommu_map(a, RIG_IOVA, RAM_BASE + 0x3000, 4096, UIOMMU_READ), 0);
	rig_detach(&rig, &d);
	uiommu_reset_done(d.dev);
	assert_int_equal(rig_look(&rig, d.port), BLOCKED);
	assert_int_equal(rig_attach(&rig, &d, a, NULL), 0);
	all_see(&rig, &d, RAM_BASE + 0x3000);
	all_see(&rig, &other, RAM_BASE + 0x3000);
	move_all(&rig, &d, NULL);
	rig_dev_remove(&other);
	rig_dev_remove(&d);
	rig_domain_free(a);
	rig_domain_free(b);
	rig_end(&rig);
}

/* A device of a previous owner is blocked until it is used; what that one had ended with its root table. */
static void deferred_devices_are_blocked(void **state)
{
	for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
		struct uiommu_device_opts opts = { .size = sizeof(opts), .deferred = true };
		struct uiommu_domain *id;
		struct rig_dev d = { 0 };
		struct rig rig;
		uint64_t want;

		rig_begin(&rig, &(struct rig_opts){ .mode = (enum uiommu_vtd_mode)mode });
		id = rig_domain(&rig, D_IDENTITY, &want);
		assert_int_equal(uiommu_group_create(rig.iommu, &d.group), 0);
		assert_int_equal(uiommu_group_set_default_domain(d.group, id), 0);
		assert_int_equal(uiommu_device_add_opts(d.group, 0x10, &opts, &d.dev), 0);
		assert_int_equal(uiommu_port_create(rig.hw, 0x10, &d.port), 0);
		assert_int_equal(rig_look(&rig, d.port), BLOCKED);
		assert_int_equal(uiommu_device_attach_deferred(d.dev), 0);
		assert_int_equal(rig_look(&rig, d.port), want);
		uiommu_port_destroy(d.port);
		uiommu_device_remove(d.dev);
		uiommu_group_destroy(d.group);
		rig_domain_free(id);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unmap_reaches_all_pasids),
		cmocka_unit_test(left_translations_do_not_come_back),
		cmocka_unit_test(invalidations_name_the_pasid),
		cmocka_unit_test(tables_grow_when_pasids_appear),
		cmocka_unit_test(attach_without_memory),
		cmocka_unit_test(max_pasids_by_device_and_hardware),
		cmocka_unit_test(directories_of_all_sizes),
		cmocka_unit_test(pasids_that_are_not_attached),
		cmocka_unit_test(interrupt_range_is_reserved),
		cmocka_unit_test(default_type_by_capability),
		cmocka_unit_test(regions_of_driver_and_caller),
		cmocka_unit_test(reset_takes_pasids_along),
		cmocka_unit_test(deferred_devices_are_blocked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
