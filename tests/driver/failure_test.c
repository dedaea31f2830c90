/* SPDX-License-Identifier: MIT */
/*
 * Hardware that fails: each descriptor of a commit refused in turn, also several in
 * a row, and a queue that hangs. Whatever happens, each device is on its old or its
 * new domain or parked, all agree with what the call returned, nothing leaks, and
 * the queue serves who comes next.
 */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

#define DEVS 5

struct group_of {
	struct rig_dev d[DEVS];
	unsigned int n;
};

static void group_begin(struct rig *rig, struct group_of *g, unsigned int n)
{
	g->n = n;
	rig_dev_add(rig, &g->d[0], 0x10);
	for (unsigned int i = 1; i < n; i++)
		rig_dev_join(rig, &g->d[i], &g->d[0], (uint16_t)(0x10 + 0x50 * i));
}

static void group_end(struct group_of *g)
{
	for (unsigned int i = g->n; i--;)
		rig_dev_remove(&g->d[i]);
}

static void all_read(struct rig *rig, struct group_of *g, uint64_t want)
{
	for (unsigned int i = 0; i < g->n; i++) {
		assert_int_equal(rig_look(rig, g->d[i].port), want);
		assert_int_equal(rig_look(rig, g->d[i].fresh), want);
	}
}

/* Old, or blocked if it was parked; the first unit and plain memory agree. */
static unsigned int none_on_new(struct rig *rig, struct group_of *g, uint64_t old)
{
	unsigned int parked = 0;

	for (unsigned int i = 0; i < g->n; i++) {
		uint64_t got = rig_look(rig, g->d[i].port);

		assert_int_equal(rig_look(rig, g->d[i].fresh), got);
		if (got == BLOCKED)
			parked++;
		else
			assert_int_equal(got, old);
	}
	return parked;
}

/* The device that the group's attachment is asked of. */
static struct rig_dev *head(struct group_of *g)
{
	return &g->d[0];
}

/* One replacement with the k-th descriptor refused and @more after it. True if any was. */
static bool refuse(const struct rig_opts *o, uint32_t pasid, enum rig_domain from, enum rig_domain to,
		   unsigned int n, unsigned int k, unsigned int more)
{
	struct uiommu_domain *a, *b;
	struct group_of g;
	unsigned int parked;
	uint64_t wa, wb;
	struct rig rig;
	bool hit;
	int err;

	rig_begin(&rig, o);
	rig.pasid = pasid;
	group_begin(&rig, &g, n);
	a = rig_domain(&rig, from, &wa);
	b = rig_domain(&rig, to, &wb);
	assert_int_equal(rig_replace(&rig, head(&g), a, NULL, NULL), 0);
	all_read(&rig, &g, wa);
	rig.rearm = more;
	rig.rearm_at = 1;
	vtd_model_fail_descriptor(rig.hw, k, VTD_FAIL_IQE);
	err = rig_replace(&rig, head(&g), b, NULL, NULL);
	rig.rearm = 0;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_NONE);
	hit = rig.events[UIOMMU_EVENT_QUEUE_ERROR];
	if (err) {
		assert_true(hit);
		assert_int_equal(err, -EIO);
		parked = none_on_new(&rig, &g, wa);
		assert_int_equal(parked, wa == BLOCKED ? n : rig.events[UIOMMU_EVENT_PARKED]);
		/* Each way back begins right behind what failed: it worked unless that was refused too. */
		if (!rig.refused_in_turn)
			assert_int_equal(rig.events[UIOMMU_EVENT_PARKED], 0);
	} else {
		all_read(&rig, &g, wb);
		assert_int_equal(rig.events[UIOMMU_EVENT_PARKED], 0);
	}
	/* What fails once and not again is no failure, for one device as for many. */
	if (!more)
		assert_int_equal(err, 0);
	assert_int_equal(rig.events[UIOMMU_EVENT_QUARANTINED], 0);
	/* The queue and the group go on. */
	rig_detach(&rig, head(&g));
	assert_int_equal(rig_attach(&rig, head(&g), b, NULL), 0);
	all_read(&rig, &g, wb);
	assert_int_equal(rig_replace(&rig, head(&g), a, NULL, NULL), 0);
	all_read(&rig, &g, wa);
	rig_detach(&rig, head(&g));
	group_end(&g);
	rig_domain_free(a);
	rig_domain_free(b);
	rig_end(&rig);
	return hit;
}

static void each_descriptor_refused(void **state)
{
	static const struct {
		struct rig_opts o;
		enum rig_domain from, to;
	} cases[] = {
		{ { .mode = UIOMMU_VTD_SCALABLE }, D_SECOND_A, D_SECOND_B },
		{ { .mode = UIOMMU_VTD_SCALABLE }, D_FIRST_A, D_SECOND_B },
		{ { .mode = UIOMMU_VTD_SCALABLE }, D_FIRST_A, D_FIRST_B },
		{ { .mode = UIOMMU_VTD_LEGACY }, D_SECOND_A, D_IDENTITY },
		{ { .mode = UIOMMU_VTD_LEGACY, .no_store128 = true }, D_SECOND_A, D_SECOND_B },
		{ { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 128 }, D_SECOND_A, D_SECOND_B },
		{ { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 128 }, D_SECOND_A, D_FIRST_B },
		{ { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 128 }, D_FIRST_A, D_FIRST_B },
	};

	for (unsigned int c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (unsigned int n = 1; n <= DEVS; n += 2)
			for (unsigned int more = 0; more < 3; more++)
				for (unsigned int k = 1;
				     refuse(&cases[c].o, cases[c].o.max_pasids ? 0x55 : UIOMMU_NO_PASID,
					    cases[c].from, cases[c].to, n, k, more);
				     k++)
					assert_true(k < 100);
}

/*
 * A queue error in the first try and another one in the second, each way back being
 * good: the device is on its old domain, and the error is returned.
 */
static void twice_refused_stays_on_old(void **state)
{
	for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
		struct uiommu_domain *a, *b;
		struct uiommu_report report;
		struct group_of g;
		struct rig rig;
		uint64_t wa, wb;

		rig_begin(&rig, &(struct rig_opts){ .mode = (enum uiommu_vtd_mode)mode });
		group_begin(&rig, &g, 1);
		a = rig_domain(&rig, D_SECOND_A, &wa);
		b = rig_domain(&rig, D_SECOND_B, &wb);
		assert_int_equal(uiommu_attach_group(g.d[0].group, a, NULL), 0);
		all_read(&rig, &g, wa);
		/* What replaces the refused one, 2 to the try's end, 4 of the way back: the next try. */
		rig.rearm = 1;
		rig.rearm_at = 8;
		vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
		assert_int_equal(uiommu_group_replace_domain(g.d[0].group, b, NULL, &report), -EIO);
		assert_ptr_equal(report.refused, g.d[0].dev);
		assert_int_equal(rig.refused, 2);
		assert_int_equal(rig.refused_in_turn, 0);
		assert_int_equal(rig.events[UIOMMU_EVENT_PARKED], 0);
		all_read(&rig, &g, wa);
		uiommu_detach_group(g.d[0].group);
		group_end(&g);
		rig_domain_free(a);
		rig_domain_free(b);
		rig_end(&rig);
	}
}

static void look_meanwhile(struct rig *rig, void *opaque)
{
	struct group_of *g = opaque;

	for (unsigned int i = 0; i < g->n; i++)
		rig_look(rig, g->d[i].port);
}

/* Whoever gets a tag next finds nothing cached under it. */
static void tag_is_clean(struct rig *rig, struct group_of *g, uint32_t tag)
{
	struct uiommu_domain *c = rig_paging(rig, UIOMMU_STAGE_SECOND);

	assert_int_equal(uiommu_group_replace_domain(g->d[0].group, c, NULL, NULL), 0);
	assert_int_equal(to_vtdd_domain(c)->tag, tag);
	all_read(rig, g, BLOCKED);
	uiommu_detach_group(g->d[0].group);
	rig_domain_free(c);
}

/* To blocking and to the default nothing may fail: who cannot get there is parked. */
static void detach_refused(unsigned int n, unsigned int k, unsigned int more)
{
	struct uiommu_domain *a, *id;
	struct group_of g;
	uint64_t wa, wi;
	uint32_t tag;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY });
	group_begin(&rig, &g, n);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	id = rig_domain(&rig, D_IDENTITY, &wi);
	assert_int_equal(uiommu_group_set_default_domain(g.d[0].group, id), 0);
	assert_int_equal(uiommu_attach_group(g.d[0].group, a, NULL), 0);
	all_read(&rig, &g, wa);
	tag = to_vtdd_domain(a)->tag;
	rig.after_store = look_meanwhile;
	rig.opaque = &g;
	rig.rearm = more;
	rig.rearm_at = 1;
	vtd_model_fail_descriptor(rig.hw, k, VTD_FAIL_IQE);
	uiommu_detach_group(g.d[0].group);
	rig.rearm = 0;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_NONE);
	rig.after_store = NULL;
	none_on_new(&rig, &g, wi);
	if (!rig.refused_in_turn)
		assert_int_equal(rig.events[UIOMMU_EVENT_PARKED], 0);
	assert_int_equal(rig.events[UIOMMU_EVENT_QUARANTINED], 0);
	assert_int_equal(to_vtdd_domain(a)->attached, 0);
	assert_int_equal(to_vtdd_domain(a)->list.n, 0);
	rig_domain_free(a);
	tag_is_clean(&rig, &g, tag);
	assert_int_equal(uiommu_group_set_default_domain(g.d[0].group, uiommu_blocking_domain(rig.iommu)), 0);
	all_read(&rig, &g, BLOCKED);
	group_end(&g);
	rig_domain_free(id);
	rig_end(&rig);
}

static void detach_with_refusals(void **state)
{
	for (unsigned int n = 1; n <= 3; n += 2)
		for (unsigned int more = 0; more < 3; more++)
			for (unsigned int k = 1; k < 12; k++)
				detach_refused(n, k, more);
}

static void hanging_queue(void **state)
{
	struct uiommu_domain *a, *b;
	struct group_of g;
	uint64_t wa, wb;
	struct rig rig;
	int err;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	to_vtdd(rig.iommu)->queue.timeout_ns = 2000000;
	group_begin(&rig, &g, 2);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	b = rig_domain(&rig, D_SECOND_B, &wb);
	assert_int_equal(uiommu_attach_group(g.d[0].group, a, NULL), 0);
	all_read(&rig, &g, wa);
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_HANG);
	err = uiommu_group_replace_domain(g.d[0].group, b, NULL, NULL);
	assert_int_equal(err, -ETIMEDOUT);
	/* Not even parking worked: hardware may reach both, so both are kept. */
	assert_true(rig.events[UIOMMU_EVENT_QUARANTINED] > 0);
	assert_true(a->quarantined && b->quarantined);
	assert_int_equal(to_vtdd_domain(a)->attached, 2);
	assert_int_equal(to_vtdd_domain(b)->attached, 2);
	assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), -ETIMEDOUT);
	/* It comes back to life: the devices are blocked at last. */
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_NONE);
	uiommu_detach_group(g.d[0].group);
	all_read(&rig, &g, BLOCKED);
	assert_int_equal(to_vtdd_domain(a)->attached, 0);
	assert_int_equal(to_vtdd_domain(b)->attached, 0);
	group_end(&g);
	rig_domain_free(a);
	rig_domain_free(b);
	rig_end(&rig);
}

/* Everything stays hung to the end: what could not be proven free is freed when the unit is off. */
static void hung_for_ever(void **state)
{
	struct uiommu_domain *a;
	struct group_of g;
	struct rig rig;
	uint64_t wa;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	to_vtdd(rig.iommu)->queue.timeout_ns = 1000000;
	group_begin(&rig, &g, 2);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	assert_int_equal(uiommu_attach_group(g.d[0].group, a, NULL), 0);
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_HANG);
	rig.hung = true;
	uiommu_detach_group(g.d[0].group);
	group_end(&g);
	rig_domain_free(a);
	rig_end(&rig);
}

/* The tables of an unmap whose flush was refused are kept until no device can hold them. */
static void unmap_refused(void **state)
{
	struct uiommu_domain *a;
	struct rig_dev d;
	struct rig rig;
	uint64_t wa;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	rig_dev_add(&rig, &d, 0x77);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	assert_int_equal(rig_look(&rig, d.port), wa);
	rig_clear(&rig);
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
	assert_int_equal(uiommu_unmap(a, 0, UINT64_C(1) << 39), -EIO);
	assert_int_equal(rig.tables_freed, 0);
	assert_non_null(strstr(rig.text[UIOMMU_EVENT_QUEUE_ERROR], "reserved field"));
	uiommu_detach_group(d.group);
	rig_domain_free(a);
	assert_true(rig.tables_freed >= 2);
	rig_dev_remove(&d);
	rig_end(&rig);
}

/*
 * After a flush that failed, devices may still reach the pages although nothing is
 * mapped: the next unmap finds nothing, but must not say that all is well before a
 * flush succeeded.
 */
static void unmap_again_flushes_what_failed(void **state)
{
	for (int how = 0; how < 3; how++) {
		struct uiommu_domain *a;
		struct rig_dev d;
		struct rig rig;
		uint64_t wa;

		rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY });
		rig_dev_add(&rig, &d, 0x77);
		a = rig_domain(&rig, D_SECOND_A, &wa);
		assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
		assert_int_equal(rig_look(&rig, d.port), wa);
		vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
		assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), -EIO);
		assert_int_equal(rig_look(&rig, d.port), wa);
		if (how == 1) {
			vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
			assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), -EIO);
		}
		rig_clear(&rig);
		/* Of any range. */
		assert_int_equal(uiommu_unmap(a, how == 2 ? 0 : RIG_IOVA, 4096), 0);
		assert_int_equal(rig_look(&rig, d.port), BLOCKED);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_IOTLB), 1);
		/* And it is over. */
		assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), 0);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_IOTLB), 1);
		uiommu_detach_group(d.group);
		rig_domain_free(a);
		rig_dev_remove(&d);
		rig_end(&rig);
	}
}

/* A map that failed flushes what it had mapped meanwhile; that this failed is the stronger news. */
static void failed_map_tells_of_failed_flush(void **state)
{
	struct uiommu_domain *a;
	struct rig_dev d;
	struct rig rig;
	uint64_t wa;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	rig_dev_add(&rig, &d, 0x77);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	assert_int_equal(uiommu_map(a, RIG_IOVA - 4096, RAM_BASE, 8192, UIOMMU_READ), -EEXIST);
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
	assert_int_equal(uiommu_map(a, RIG_IOVA - 4096, RAM_BASE, 8192, UIOMMU_READ), -EIO);
	rig_clear(&rig);
	assert_int_equal(uiommu_unmap(a, RIG_IOVA - 4096, 4096), 0);
	assert_int_equal(rig_count_desc(&rig, VTD_DESC_IOTLB), 1);
	assert_int_equal(rig_look(&rig, d.port), wa);
	uiommu_detach_group(d.group);
	rig_domain_free(a);
	rig_dev_remove(&d);
	rig_end(&rig);
}

/* A tag whose flush never completed is not given again, not even to the same domain. */
static void tag_without_flush_is_quarantined(void **state)
{
	struct vtdd_domain *dom;
	struct vtdd_iommu *vi;
	struct rig rig;
	uint32_t tag;
	uint64_t wa;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	vi = to_vtdd(rig.iommu);
	dom = to_vtdd_domain(rig_domain(&rig, D_SECOND_A, &wa));
	assert_int_equal(vtdd_domain_join(vi, dom, NULL, 0), 0);
	assert_int_equal(vtdd_domain_join(vi, dom, NULL, 0), 0);
	tag = dom->tag;
	vtdd_domain_leave(vi, dom, NULL, false);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_LIVE);
	vtdd_domain_leave(vi, dom, NULL, true);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_QUARANTINED);
	assert_int_equal(vtdd_domain_join(vi, dom, NULL, 0), 0);
	assert_int_not_equal(dom->tag, tag);
	assert_int_equal(vtdd_entry_tag(vi, dom->entry), dom->tag);
	tag = dom->tag;
	vtdd_domain_leave(vi, dom, NULL, true);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_FLUSHED);
	rig_domain_free(&dom->base);
	assert_int_equal(tag_state(&vi->tags, tag), TAG_FREE);
	rig_end(&rig);
}

/* The tag is as clean as the last submission that has its flush: not before it completed. */
static void tag_is_clean_after_completion_only(void **state)
{
	struct uiommu_domain *a, *b;
	struct vtdd_att *va;
	struct rig_dev d;
	struct rig rig;
	uint64_t wa, wb;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	rig_dev_add(&rig, &d, 0x77);
	a = rig_domain(&rig, D_SECOND_A, &wa);
	b = rig_domain(&rig, D_SECOND_B, &wb);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	va = vtdd_att_of(&d.dev->att);
	assert_int_equal(va->dirty, 1u << va->cur);
	/* Going back flushed what the failed try may have left of b; a stays in use. */
	rig.rearm = 1;
	rig.rearm_at = 8;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
	assert_int_equal(uiommu_group_replace_domain(d.group, b, NULL, NULL), -EIO);
	assert_int_equal(va->dirty, 1u << va->cur);
	assert_int_equal(tag_state(&to_vtdd(rig.iommu)->tags, to_vtdd_domain(b)->tag), TAG_FLUSHED);
	assert_int_equal(uiommu_group_replace_domain(d.group, b, NULL, NULL), 0);
	assert_int_equal(va->dirty, 1u << va->cur);
	assert_int_equal(tag_state(&to_vtdd(rig.iommu)->tags, to_vtdd_domain(a)->tag), TAG_FLUSHED);
	/* Both the change and the parking refused: the tags wait until the next parking flushed them. */
	rig.rearm = 100;
	rig.rearm_at = 1;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
	uiommu_detach_group(d.group);
	rig.rearm = 0;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_NONE);
	if (d.dev->att.stuck) {
		assert_true(va->dirty);
		assert_int_equal(tag_state(&to_vtdd(rig.iommu)->tags, to_vtdd_domain(b)->tag), TAG_LIVE);
		uiommu_detach_group(d.group);
	}
	assert_int_equal(va->dirty, 0);
	assert_int_equal(tag_state(&to_vtdd(rig.iommu)->tags, to_vtdd_domain(b)->tag), TAG_FLUSHED);
	rig_dev_remove(&d);
	rig_domain_free(a);
	rig_domain_free(b);
	rig_end(&rig);
}

/* Pages that a refused invalidation may have left in caches are not reused. */
static void release_refused(void **state)
{
	size_t pages;
	struct rig_dev d;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	pages = pool_live(rig.ctx->pool);
	rig_dev_add(&rig, &d, 0x77);
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
	rig_dev_remove(&d);
	assert_int_equal(pool_live(rig.ctx->pool), pages + 3);
	rig_dev_add(&rig, &d, 0x77);
	assert_int_equal(rig_look(&rig, d.port), BLOCKED);
	rig_dev_remove(&d);
	rig_end(&rig);
}

/* More descriptors than the ring holds, one wait never coming: nobody overwrites what is in flight. */
static void full_queue(void **state)
{
	struct vtdd_iommu *vi;
	struct vtdd_inv inv;
	struct rig rig;
	unsigned int ok = 0;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY });
	vi = to_vtdd(rig.iommu);
	vi->queue.timeout_ns = 500000;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_HANG);
	for (unsigned int round = 0; round < 8; round++) {
		vtdd_inv_init(&inv);
		for (unsigned int i = 0; i < VTDD_INV_MAX; i++)
			vtdd_inv_iotlb_domain(&inv, i);
		assert_int_equal(vtdd_queue_run(vi, &inv), -ETIMEDOUT);
		assert_true(vi->queue.tail - vi->queue.done < VTDD_QUEUE_SIZE);
	}
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_NONE);
	vi->queue.timeout_ns = UINT64_C(5000000000);
	for (unsigned int round = 0; round < 40; round++) {
		vtdd_inv_init(&inv);
		for (unsigned int i = 0; i < VTDD_INV_MAX + 5; i++)
			vtdd_inv_iotlb_domain(&inv, i);
		assert_true(inv.full);
		ok += !vtdd_queue_run(vi, &inv);
	}
	assert_int_equal(ok, 40);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_descriptor_refused),
		cmocka_unit_test(twice_refused_stays_on_old),
		cmocka_unit_test(detach_with_refusals),
		cmocka_unit_test(hanging_queue),
		cmocka_unit_test(hung_for_ever),
		cmocka_unit_test(unmap_refused),
		cmocka_unit_test(unmap_again_flushes_what_failed),
		cmocka_unit_test(failed_map_tells_of_failed_flush),
		cmocka_unit_test(tag_without_flush_is_quarantined),
		cmocka_unit_test(tag_is_clean_after_completion_only),
		cmocka_unit_test(release_refused),
		cmocka_unit_test(full_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
