/* SPDX-License-Identifier: MIT */
/* Domains of the VT-d driver: what an unmap flushes, the life of tags, allocations that fail. */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

#define M (UINT64_C(1) << 20)

static const enum uiommu_vtd_mode modes[] = { UIOMMU_VTD_SCALABLE, UIOMMU_VTD_LEGACY };

/* ---- unmap ---- */

struct want {
	enum vtd_desc type;
	unsigned int g;
	uint64_t addr;
	unsigned int am;
	bool ih;
};

static void check_desc(const struct rig *rig, uint32_t tag, const struct want *w)
{
	bool first = w->type == VTD_DESC_PIOTLB;

	assert_int_equal(rig->n_desc, 1);
	assert_int_equal(field_get(VTD_ID0_TYPE_LO, rig->desc[0].lo), w->type);
	assert_int_equal(field_get(first ? VTD_PIOTLB0_G : VTD_IOTLB0_G, rig->desc[0].lo), w->g);
	assert_int_equal(field_get(VTD_IOTLB0_DID, rig->desc[0].lo), tag);
	if (!first)
		assert_int_equal(rig->desc[0].lo & (VTD_IOTLB0_DR | VTD_IOTLB0_DW),
				 VTD_IOTLB0_DR | VTD_IOTLB0_DW);
	if (w->g == VTD_IOTLB_G_PAGE) {
		assert_int_equal(rig->desc[0].hi & VTD_IOTLB1_ADDR, w->addr);
		assert_int_equal(field_get(VTD_IOTLB1_AM, rig->desc[0].hi), w->am);
		assert_int_equal(!!(rig->desc[0].hi & VTD_IOTLB1_IH), w->ih);
	}
}

static void unmap_one(struct rig *rig, struct uiommu_domain *d, uint64_t iova, uint64_t size,
		      const struct want *w)
{
	assert_int_equal(uiommu_map(d, iova, 2 * M, size, UIOMMU_READ), 0);
	rig_clear(rig);
	assert_int_equal(uiommu_unmap(d, iova, size), 0);
	check_desc(rig, to_vtdd_domain(d)->tag, w);
}

/* @first: type 6, whose address mask has no bound; else type 2 up to CAP.MAMV. */
static void unmap_flushes(struct rig *rig, bool first)
{
	enum vtd_desc type = first ? VTD_DESC_PIOTLB : VTD_DESC_IOTLB;
	unsigned int page = VTD_IOTLB_G_PAGE;
	struct uiommu_domain *d = rig_paging(rig, first ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND);
	struct uiommu_domain_opts o = { .size = sizeof(o) };
	struct rig_dev dev;

	rig_dev_add(rig, &dev, 0x20);
	/* Nobody attached: nothing to flush, but tables go all the same. */
	assert_int_equal(uiommu_map(d, 0, RAM_BASE, 0x1000, UIOMMU_READ), 0);
	rig_clear(rig);
	assert_int_equal(uiommu_unmap(d, 0, 1024 * M), 0);
	assert_int_equal(rig->n_desc, 0);
	assert_true(rig->tables_freed > 0);
	assert_int_equal(uiommu_attach_group(dev.group, d, NULL), 0);
	assert_int_equal(uiommu_map(d, 0, RAM_BASE, 0x1000, UIOMMU_READ), 0); /* keeps the tables of 0..2M */
	unmap_one(rig, d, 0x1000, 0x1000, &(struct want){ type, page, 0x1000, 0, true });
	unmap_one(rig, d, 0x2000, 0x2000, &(struct want){ type, page, 0x2000, 1, true });
	/* Not aligned to its size: the smallest block that holds it. */
	unmap_one(rig, d, 0x3000, 0x2000, &(struct want){ type, page, 0, 3, true });
	/* A large leaf, and a table that goes with its whole span: paging-structure caches too. */
	unmap_one(rig, d, 4 * M, 2 * M, &(struct want){ type, page, 4 * M, 9, true });
	assert_int_equal(uiommu_map(d, 4 * M, RAM_BASE, 0x1000, UIOMMU_READ), 0);
	rig_clear(rig);
	assert_int_equal(uiommu_unmap(d, 4 * M, 2 * M), 0);
	check_desc(rig, to_vtdd_domain(d)->tag, &(struct want){ type, page, 4 * M, 9, false });
	assert_int_equal(rig->tables_freed, 1);
	/* Beyond MAMV = 18: 2^19 pages. */
	assert_int_equal(uiommu_map(d, 1024 * M, RAM_BASE, 0x1000, UIOMMU_READ), 0);
	rig_clear(rig);
	assert_int_equal(uiommu_unmap(d, 0, 2048 * M), 0);
	check_desc(rig, to_vtdd_domain(d)->tag,
		   &(struct want){ type, first ? page : VTD_IOTLB_G_DOMAIN, 0, 19, false });
	/* Nothing there. */
	rig_clear(rig);
	assert_int_equal(uiommu_unmap(d, 0, 2048 * M), 0);
	assert_int_equal(rig->n_desc, 0);
	/* Refused: it ends inside a large leaf. */
	assert_int_equal(uiommu_map(d, 0, 0x200000, 2 * M, UIOMMU_READ), 0);
	rig_clear(rig);
	assert_int_equal(uiommu_unmap(d, 0, 0x1000), -EINVAL);
	assert_int_equal(rig->n_desc, 0);
	uiommu_detach_group(dev.group);
	rig_domain_free(d);
	rig_dev_remove(&dev);
}

static void unmap_flushes_what_the_list_names(void **state)
{
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	unmap_flushes(&rig, false);
	unmap_flushes(&rig, true);
	rig_end(&rig);
	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY });
	unmap_flushes(&rig, false);
	rig_end(&rig);
}

/* After unmap returned, a device whose caches were warm faults; map needs no invalidation. */
static void unmap_is_seen(void **state)
{
	static const enum uiommu_stage stages[] = { UIOMMU_STAGE_SECOND, UIOMMU_STAGE_FIRST };
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	for (unsigned int s = 0; s < 2; s++) {
		struct uiommu_domain *d = rig_paging(&rig, stages[s]);
		struct rig_dev dev;

		rig_dev_add(&rig, &dev, 0x33);
		assert_int_equal(uiommu_attach_group(dev.group, d, NULL), 0);
		for (uint64_t i = 0; i < 20; i++) {
			assert_int_equal(rig_look(&rig, dev.port), BLOCKED);
			rig_clear(&rig);
			assert_int_equal(uiommu_map(d, RIG_IOVA, RAM_BASE + i * 4096, 4096, UIOMMU_READ), 0);
			assert_int_equal(rig.n_desc, 0);
			assert_int_equal(rig_look(&rig, dev.port), RAM_BASE + i * 4096);
			assert_int_equal(uiommu_unmap(d, RIG_IOVA, 4096), 0);
		}
		uiommu_detach_group(dev.group);
		rig_domain_free(d);
		rig_dev_remove(&dev);
	}
	rig_end(&rig);
}

/* A map that fails half-way was visible to the device for a moment. */
static void failing_map_is_flushed(void **state)
{
	struct uiommu_domain *d;
	struct rig_dev dev;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	d = rig_paging(&rig, UIOMMU_STAGE_SECOND);
	rig_dev_add(&rig, &dev, 0x33);
	assert_int_equal(uiommu_attach_group(dev.group, d, NULL), 0);
	assert_int_equal(uiommu_map(d, 0x2000, RAM_BASE, 0x1000, UIOMMU_READ), 0);
	rig_clear(&rig);
	assert_int_equal(uiommu_map(d, 0x1000, RAM_BASE, 0x2000, UIOMMU_READ), -EEXIST);
	assert_int_equal(rig.n_desc, 1);
	assert_int_equal(uiommu_map(d, UINT64_C(1) << 48, RAM_BASE, 0x1000, UIOMMU_READ), -ERANGE);
	assert_int_equal(uiommu_map(d, 0x1000, UINT64_C(1) << 46, 0x1000, UIOMMU_READ), -ERANGE);
	uiommu_detach_group(dev.group);
	rig_domain_free(d);
	rig_dev_remove(&dev);
	rig_end(&rig);
}

/* ---- what there is ---- */

static int try_domain(struct rig *rig, enum uiommu_domain_type type, enum uiommu_stage stage,
		      unsigned int levels)
{
	struct uiommu_domain_opts o = { .size = sizeof(o), .type = type, .stage = stage, .levels = levels };
	struct uiommu_domain *d;
	int err = uiommu_domain_alloc(rig->iommu, &o, &d);

	if (!err)
		rig_domain_free(d);
	return err;
}

static void capabilities_decide(void **state)
{
	struct rig_opts o = { .mode = UIOMMU_VTD_LEGACY };
	struct rig rig;

	rig_begin(&rig, &o);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_FIRST, 0), -EOPNOTSUPP);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_ANY, 3), 0);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_SECOND, 5), 0);
	rig_end(&rig);
	o = (struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .model.no_pass_through = true };
	rig_begin(&rig, &o);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_IDENTITY, UIOMMU_STAGE_ANY, 0), -EOPNOTSUPP);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_FIRST, 4), 0);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_FIRST, 5), 0);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_FIRST, 3), -EOPNOTSUPP);
	rig_end(&rig);
	o = (struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .model.no_first_stage = true };
	rig_begin(&rig, &o);
	assert_int_equal(try_domain(&rig, UIOMMU_DOMAIN_PAGING, UIOMMU_STAGE_FIRST, 0), -EOPNOTSUPP);
	rig_end(&rig);
	o = (struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .model.no_scalable = true };
	rig_begin_hw(&rig, &o);
	assert_int_equal(rig_create_iommu(&rig, &o), -EOPNOTSUPP);
	o.mode = UIOMMU_VTD_LEGACY;
	assert_int_equal(rig_create_iommu(&rig, &o), 0);
	rig_end(&rig);
}

/* The unit can be handed from one driver to the next, in another mode. */
static void unit_is_left_reusable(void **state)
{
	struct rig_opts o = { .mode = UIOMMU_VTD_SCALABLE };
	struct rig rig;

	rig_begin_hw(&rig, &o);
	for (unsigned int i = 0; i < 4; i++) {
		o.mode = modes[i % 2];
		assert_int_equal(rig_create_iommu(&rig, &o), 0);
		assert_int_equal(rig.hw->ops->read32(rig.hw, VTD_REG_GSTS) & (VTD_G_TE | VTD_G_QIE),
				 VTD_G_TE | VTD_G_QIE);
		uiommu_iommu_destroy(rig.iommu);
		rig.iommu = NULL;
		assert_int_equal(rig.hw->ops->read32(rig.hw, VTD_REG_GSTS) & (VTD_G_TE | VTD_G_QIE), 0);
		assert_int_equal(pool_live(rig.ctx->pool), 0);
	}
	rig_end(&rig);
}

/* ---- tags ---- */

static void tag_lives_with_its_domain(void **state)
{
	struct uiommu_domain *a, *b, *c;
	struct vtdd_iommu *vi;
	struct rig_dev dev;
	uint32_t tag;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	vi = to_vtdd(rig.iommu);
	rig_dev_add(&rig, &dev, 0x33);
	a = rig_paging(&rig, UIOMMU_STAGE_SECOND);
	b = rig_paging(&rig, UIOMMU_STAGE_SECOND);
	assert_int_equal(to_vtdd_domain(a)->tag, VTDD_NO_TAG);
	assert_int_equal(uiommu_attach_group(dev.group, a, NULL), 0);
	tag = to_vtdd_domain(a)->tag;
	assert_true(tag != 0 && tag != VTDD_NO_TAG);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_LIVE);
	assert_int_equal(uiommu_group_replace_domain(dev.group, b, NULL, NULL), 0);
	assert_true(to_vtdd_domain(b)->tag != tag);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_FLUSHED);
	assert_int_equal(uiommu_group_replace_domain(dev.group, a, NULL, NULL), 0);
	assert_int_equal(to_vtdd_domain(a)->tag, tag);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_LIVE);
	uiommu_detach_group(dev.group);
	rig_clear(&rig);
	rig_domain_free(a);
	assert_int_equal(rig.tags_freed, 1);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_FREE);
	c = rig_paging(&rig, UIOMMU_STAGE_SECOND);
	assert_int_equal(uiommu_attach_group(dev.group, c, NULL), 0);
	assert_int_equal(to_vtdd_domain(c)->tag, tag);
	uiommu_detach_group(dev.group);
	rig_domain_free(c);
	rig_domain_free(b);
	rig_dev_remove(&dev);
	rig_end(&rig);
}

/* A default that nobody was on yet has its tag all the same: a detach finds it, whoever took the rest. */
static void default_never_attached_has_a_tag(void **state)
{
	struct uiommu_domain *a, *b, *c;
	struct vtdd_iommu *vi;
	struct rig_dev dev;
	uint64_t wa, wb;
	uint32_t tag;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	vi = to_vtdd(rig.iommu);
	rig_dev_add(&rig, &dev, 0x33);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	b = rig_domain(&rig, D_SECOND_B, &wb);
	c = rig_paging(&rig, UIOMMU_STAGE_SECOND);
	/* Blocked by a call, it does not follow its default. */
	assert_int_equal(uiommu_attach_group(dev.group, a, NULL), 0);
	uiommu_block_group(dev.group);
	assert_int_equal(uiommu_group_set_default_domain(dev.group, b), 0);
	assert_int_equal(to_vtdd_domain(b)->attached, 0);
	assert_int_equal(uiommu_attach_group(dev.group, a, NULL), 0);
	while (!tag_get(&vi->tags, &tag))
		;
	uiommu_detach_group(dev.group);
	assert_int_equal(rig.events[UIOMMU_EVENT_PARKED], 0);
	assert_int_equal(rig_look(&rig, dev.port), wb);
	/* Without a tag it does not become a default. */
	uiommu_block_group(dev.group);
	assert_int_equal(uiommu_group_set_default_domain(dev.group, c), -ENOSPC);
	uiommu_detach_group(dev.group);
	assert_int_equal(rig_look(&rig, dev.port), wb);
	assert_int_equal(uiommu_group_set_default_domain(dev.group, uiommu_blocking_domain(rig.iommu)), 0);
	rig_dev_remove(&dev);
	rig_domain_free(a);
	rig_domain_free(b);
	rig_domain_free(c);
	rig_end(&rig);
}

static void no_tag_left(void **state)
{
	struct uiommu_domain_opts o = { .size = sizeof(o), .type = UIOMMU_DOMAIN_IDENTITY };
	struct uiommu_domain *a, *b, *id;
	struct uiommu_report report;
	struct vtdd_iommu *vi;
	struct rig_dev dev;
	uint64_t want;
	uint32_t tag;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	vi = to_vtdd(rig.iommu);
	rig_dev_add(&rig, &dev, 0x33);
	a = rig_domain(&rig, D_SECOND_A, &want);
	b = rig_paging(&rig, UIOMMU_STAGE_SECOND);
	assert_int_equal(uiommu_attach_group(dev.group, a, NULL), 0);
	while (!tag_get(&vi->tags, &tag))
		;
	rig_clear(&rig);
	assert_int_equal(uiommu_group_replace_domain(dev.group, b, NULL, &report), -ENOSPC);
	assert_non_null(strstr(report.reason, "domain ids"));
	assert_int_equal(uiommu_domain_alloc(rig.iommu, &o, &id), -ENOSPC);
	assert_int_equal(rig.stores + rig.n_desc + rig.list_adds, 0);
	assert_int_equal(rig_look(&rig, dev.port), want);
	/* Blocking needs none, and the way back to a domain that had one neither. */
	uiommu_detach_group(dev.group);
	assert_int_equal(rig_look(&rig, dev.port), BLOCKED);
	assert_int_equal(uiommu_attach_group(dev.group, a, NULL), 0);
	assert_int_equal(rig_look(&rig, dev.port), want);
	uiommu_detach_group(dev.group);
	rig_domain_free(a);
	assert_int_equal(uiommu_attach_group(dev.group, b, NULL), 0);
	uiommu_detach_group(dev.group);
	rig_domain_free(b);
	rig_dev_remove(&dev);
	rig_end(&rig);
}

/* ---- allocations that fail, one after the other ---- */

struct snapshot {
	long live;
	size_t pages;
	uint8_t *root;
};

static void take(struct rig *rig, struct snapshot *s)
{
	s->live = alloc_live(&rig->ctx->alloc);
	s->pages = pool_live(rig->ctx->pool);
	s->root = malloc(4096);
	memcpy(s->root, pool_va(rig->ctx->pool, to_vtdd(rig->iommu)->root), 4096);
}

static void compare(struct rig *rig, struct snapshot *s)
{
	assert_int_equal(alloc_live(&rig->ctx->alloc), s->live);
	assert_int_equal(pool_live(rig->ctx->pool), s->pages);
	assert_memory_equal(pool_va(rig->ctx->pool, to_vtdd(rig->iommu)->root), s->root, 4096);
	free(s->root);
}

/* Runs @call with the n-th allocation failing, for all n until it succeeds. Returns how often it failed. */
static unsigned int fail_each(struct rig *rig, int (*call)(struct rig *rig, void *arg), void *arg)
{
	for (unsigned int n = 1;; n++) {
		struct snapshot s;
		int err;

		take(rig, &s);
		alloc_fail_nth(&rig->ctx->alloc, n);
		err = call(rig, arg);
		alloc_fail_nth(&rig->ctx->alloc, 0);
		if (!err) {
			free(s.root);
			return n - 1;
		}
		assert_int_equal(err, -ENOMEM);
		compare(rig, &s);
	}
}

struct call_arg {
	struct uiommu_group *group;
	struct uiommu_device *dev;
	struct uiommu_domain *domain;
	enum uiommu_stage stage;
};

static int call_device_add(struct rig *rig, void *arg)
{
	struct call_arg *a = arg;

	return uiommu_device_add(a->group, 0x4321, &a->dev);
}

static int call_domain_alloc(struct rig *rig, void *arg)
{
	struct call_arg *a = arg;
	struct uiommu_domain_opts o = { .size = sizeof(o), .type = UIOMMU_DOMAIN_PAGING, .stage = a->stage };

	return uiommu_domain_alloc(rig->iommu, &o, &a->domain);
}

static int call_replace(struct rig *rig, void *arg)
{
	struct call_arg *a = arg;

	return uiommu_group_replace_domain(a->group, a->domain, NULL, NULL);
}

static int call_map(struct rig *rig, void *arg)
{
	struct call_arg *a = arg;
	int err = uiommu_map(a->domain, 0x40000000 - 0x1000, RAM_BASE, 0x2000, UIOMMU_READ);

	/* Empty tables may stay after a failure; an unmap of their span takes them. */
	if (err)
		assert_int_equal(uiommu_unmap(a->domain, 0, UINT64_C(1) << 46), 0);
	return err;
}

static void allocations_fail(void **state)
{
	for (unsigned int m = 0; m < 2; m++) {
		struct call_arg a = { .stage = m ? UIOMMU_STAGE_SECOND : UIOMMU_STAGE_FIRST };
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .mode = modes[m] });
		assert_int_equal(uiommu_group_create(rig.iommu, &a.group), 0);
		assert_true(fail_each(&rig, call_device_add, &a) >= 3);
		assert_true(fail_each(&rig, call_domain_alloc, &a) >= 2);
		assert_true(fail_each(&rig, call_map, &a) >= 3);
		/* Between prepare and commit there is nothing to allocate. */
		assert_int_equal(fail_each(&rig, call_replace, &a), 0);
		uiommu_detach_group(a.group);
		rig_domain_free(a.domain);
		uiommu_device_remove(a.dev);
		uiommu_group_destroy(a.group);
		rig_end(&rig);
	}
}

static void create_allocations_fail(void **state)
{
	for (unsigned int m = 0; m < 2; m++) {
		struct rig_opts o = { .mode = modes[m], .plain = true };
		struct rig rig;
		unsigned int n;
		int err;

		rig_begin_hw(&rig, &o);
		for (n = 1;; n++) {
			long live = alloc_live(&rig.ctx->alloc);

			alloc_fail_nth(&rig.ctx->alloc, n);
			err = rig_create_iommu(&rig, &o);
			alloc_fail_nth(&rig.ctx->alloc, 0);
			if (!err)
				break;
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(alloc_live(&rig.ctx->alloc), live);
			assert_int_equal(pool_live(rig.ctx->pool), 0);
			assert_null(rig.hw->unit_irq);
		}
		assert_true(n > 6);
		rig_end(&rig);
	}
}

/* Tables of a bus come with its first device and go with its last. */
static void tables_follow_devices(void **state)
{
	for (unsigned int m = 0; m < 2; m++) {
		struct rig_dev d[3];
		struct snapshot s;
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .mode = modes[m] });
		take(&rig, &s);
		rig_dev_add(&rig, &d[0], 0x0200);
		rig_dev_add(&rig, &d[1], 0x0201);
		rig_dev_add(&rig, &d[2], 0x02FF);
		assert_int_equal(rig_look(&rig, d[2].port), BLOCKED);
		rig_dev_remove(&d[0]);
		assert_int_equal(rig_look(&rig, d[1].port), BLOCKED);
		rig_dev_remove(&d[2]);
		rig_dev_remove(&d[1]);
		assert_int_equal(pool_live(rig.ctx->pool), s.pages);
		assert_memory_equal(pool_va(rig.ctx->pool, to_vtdd(rig.iommu)->root), s.root, 4096);
		free(s.root);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unmap_flushes_what_the_list_names),
		cmocka_unit_test(unmap_is_seen),
		cmocka_unit_test(failing_map_is_flushed),
		cmocka_unit_test(capabilities_decide),
		cmocka_unit_test(unit_is_left_reusable),
		cmocka_unit_test(tag_lives_with_its_domain),
		cmocka_unit_test(default_never_attached_has_a_tag),
		cmocka_unit_test(no_tag_left),
		cmocka_unit_test(allocations_fail),
		cmocka_unit_test(create_allocations_fail),
		cmocka_unit_test(tables_follow_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
