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

/* A group that is on one domain, with its RIDs or one PASID, and another domain. */
struct scene {
	struct rig rig;
	struct group_of g;
	struct uiommu_domain *a, *b;
	uint64_t wa, wb;
};

#define SOME_PASID 0x55u

static void scene_begin(struct scene *s, const struct rig_opts *o, enum rig_domain from, enum rig_domain to,
			unsigned int n)
{
	rig_begin(&s->rig, o);
	if (o->max_pasids)
		s->rig.pasid = SOME_PASID;
	group_begin(&s->rig, &s->g, n);
	s->a = rig_domain(&s->rig, from, &s->wa);
	s->b = rig_domain(&s->rig, to, &s->wb);
	assert_int_equal(rig_replace(&s->rig, &s->g.d[0], s->a, NULL, NULL), 0);
	all_read(&s->rig, &s->g, s->wa);
}

static int scene_replace(struct scene *s, struct uiommu_domain *to)
{
	return rig_replace(&s->rig, &s->g.d[0], to, NULL, NULL);
}

static void scene_end(struct scene *s)
{
	rig_detach(&s->rig, &s->g.d[0]);
	group_end(&s->g);
	rig_domain_free(s->a);
	rig_domain_free(s->b);
	rig_end(&s->rig);
}

static const struct rig_opts scalable = { .mode = UIOMMU_VTD_SCALABLE };
static const struct rig_opts legacy = { .mode = UIOMMU_VTD_LEGACY };
static const struct rig_opts with_pasids = { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 128 };

/* One replacement with the k-th descriptor refused and @more after it. True if any was. */
static bool refuse(const struct rig_opts *o, enum rig_domain from, enum rig_domain to, unsigned int n,
		   unsigned int k, unsigned int more)
{
	unsigned int parked;
	struct scene s;
	bool hit;
	int err;

	scene_begin(&s, o, from, to, n);
	s.rig.rearm = more;
	s.rig.rearm_at = 1;
	vtd_model_fail_descriptor(s.rig.hw, k, VTD_FAIL_IQE);
	err = scene_replace(&s, s.b);
	s.rig.rearm = 0;
	vtd_model_fail_descriptor(s.rig.hw, 1, VTD_FAIL_NONE);
	hit = s.rig.events[UIOMMU_EVENT_QUEUE_ERROR];
	if (err) {
		assert_true(hit);
		assert_int_equal(err, -EIO);
		parked = none_on_new(&s.rig, &s.g, s.wa);
		assert_int_equal(parked, s.wa == BLOCKED ? n : s.rig.events[UIOMMU_EVENT_PARKED]);
		/* Each way back begins right behind what failed: it worked unless that was refused too. */
		if (!s.rig.refused_in_turn)
			assert_int_equal(s.rig.events[UIOMMU_EVENT_PARKED], 0);
	} else {
		all_read(&s.rig, &s.g, s.wb);
		assert_int_equal(s.rig.events[UIOMMU_EVENT_PARKED], 0);
	}
	/* What fails once and not again is no failure, for one device as for many. */
	if (!more)
		assert_int_equal(err, 0);
	assert_int_equal(s.rig.events[UIOMMU_EVENT_QUARANTINED], 0);
	/* The queue and the group go on. */
	rig_detach(&s.rig, &s.g.d[0]);
	assert_int_equal(rig_attach(&s.rig, &s.g.d[0], s.b, NULL), 0);
	all_read(&s.rig, &s.g, s.wb);
	assert_int_equal(scene_replace(&s, s.a), 0);
	all_read(&s.rig, &s.g, s.wa);
	scene_end(&s);
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
				     refuse(&cases[c].o, cases[c].from, cases[c].to, n, k, more); k++)
					assert_true(k < 100);
}

/*
 * A queue error in the first try and another one in the second, each way back being
 * good: the device is on its old domain, and the error is returned.
 */
static void twice_refused_stays_on_old(void **state)
{
	static const struct rig_opts *const opts[] = { &scalable, &legacy, &with_pasids };

	for (unsigned int i = 0; i < 3; i++) {
		struct uiommu_report report;
		struct scene s;

		scene_begin(&s, opts[i], D_SECOND_A, D_SECOND_B, 1);
		/* What replaces the refused one, 2 to the try's end, 4 of the way back: the next try. */
		s.rig.rearm = 1;
		s.rig.rearm_at = 8;
		vtd_model_fail_descriptor(s.rig.hw, 1, VTD_FAIL_IQE);
		assert_int_equal(rig_replace(&s.rig, &s.g.d[0], s.b, NULL, &report), -EIO);
		assert_ptr_equal(report.refused, s.g.d[0].dev);
		assert_int_equal(s.rig.refused, 2);
		assert_int_equal(s.rig.refused_in_turn, 0);
		assert_int_equal(s.rig.events[UIOMMU_EVENT_PARKED], 0);
		all_read(&s.rig, &s.g, s.wa);
		scene_end(&s);
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

/*
 * The queue hangs at the k-th descriptor of a replacement: before it, in the middle of a
 * plan, or with the last flush. False: there are no so many.
 */
static bool hang(const struct rig_opts *o, enum rig_domain to, unsigned int k)
{
	struct vtdd_domain *a, *b;
	struct scene s;
	int err;

	scene_begin(&s, o, D_SECOND_A, to, 2);
	to_vtdd(s.rig.iommu)->queue.timeout_ns = 1000000;
	a = to_vtdd_domain(s.a);
	b = to_vtdd_domain(s.b);
	vtd_model_fail_descriptor(s.rig.hw, k, VTD_FAIL_HANG);
	err = scene_replace(&s, s.b);
	if (!err) {
		vtd_model_fail_descriptor(s.rig.hw, 1, VTD_FAIL_NONE);
		all_read(&s.rig, &s.g, s.wb);
		scene_end(&s);
		return false;
	}
	assert_int_equal(err, -ETIMEDOUT);
	/* Not even parking worked: hardware may reach both, so both are kept. */
	assert_true(s.rig.events[UIOMMU_EVENT_QUARANTINED] > 0);
	assert_true(s.a->quarantined && s.b->quarantined);
	assert_int_equal(a->attached, 2);
	assert_int_equal(b->attached, 2);
	assert_int_equal(uiommu_unmap(s.a, RIG_IOVA, 4096), -ETIMEDOUT);
	/* A change that may fail is refused as long as hardware is where it likes. */
	assert_int_equal(scene_replace(&s, s.b), -EIO);
	/* It comes back to life: the devices are blocked at last. */
	vtd_model_fail_descriptor(s.rig.hw, 1, VTD_FAIL_NONE);
	rig_detach(&s.rig, &s.g.d[0]);
	all_read(&s.rig, &s.g, BLOCKED);
	assert_int_equal(a->attached + b->attached, 0);
	assert_int_equal(a->list.n + b->list.n, 0);
	scene_end(&s);
	return true;
}

static void hanging_queue(void **state)
{
	static const struct rig_opts *const opts[] = { &scalable, &legacy, &with_pasids };

	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int to = D_SECOND_B; to <= D_FIRST_A; to++) {
			unsigned int k = 1;

			if (to == D_FIRST_A && opts[i] == &legacy)
				continue;
			while (hang(opts[i], (enum rig_domain)to, k))
				k++;
			/* Context or PASID cache, IOTLB, wait; in steps two rounds. */
			assert_true(k > (to == D_FIRST_A ? 5 : 3));
		}
	}
}

/* Everything stays hung to the end: what could not be proven free is freed when the unit is off. */
static void hung_for_ever(void **state)
{
	static const struct rig_opts *const opts[] = { &scalable, &legacy, &with_pasids };

	for (unsigned int i = 0; i < 3; i++) {
		struct scene s;

		scene_begin(&s, opts[i], D_SECOND_A, D_SECOND_B, 2);
		to_vtdd(s.rig.iommu)->queue.timeout_ns = 1000000;
		vtd_model_fail_descriptor(s.rig.hw, 1, VTD_FAIL_HANG);
		s.rig.hung = true;
		scene_end(&s);
	}
}

/* ---- RIDs and PASIDs of a group in one transaction ---- */

#define PARTS 3 /* the group itself and two PASIDs */

struct mixed {
	struct rig rig;
	struct group_of g;
	struct uiommu_domain *from[PARTS], *to[PARTS];
	uint64_t old[PARTS], new[PARTS];
	struct uiommu_attach_handle handle[PARTS];
};

static const uint32_t parts[PARTS] = { UIOMMU_NO_PASID, SOME_PASID, 0x7F };

static void mixed_begin(struct mixed *m)
{
	static const enum rig_domain from[PARTS] = { D_SECOND_A, D_FIRST_A, D_IDENTITY };
	static const enum rig_domain to[PARTS] = { D_FIRST_B, D_SECOND_B, D_SECOND_A };

	memset(m->handle, 0, sizeof(m->handle));
	rig_begin(&m->rig, &with_pasids);
	group_begin(&m->rig, &m->g, 2);
	for (unsigned int i = 0; i < PARTS; i++) {
		m->from[i] = rig_domain(&m->rig, from[i], &m->old[i]);
		m->to[i] = rig_domain(&m->rig, to[i], &m->new[i]);
		m->rig.pasid = parts[i];
		assert_int_equal(rig_attach(&m->rig, &m->g.d[0], m->from[i], NULL), 0);
	}
}

static void mixed_end(struct mixed *m)
{
	for (unsigned int i = 0; i < PARTS; i++) {
		m->rig.pasid = parts[i];
		rig_detach(&m->rig, &m->g.d[0]);
		all_read(&m->rig, &m->g, BLOCKED);
	}
	group_end(&m->g);
	for (unsigned int i = 0; i < PARTS; i++) {
		assert_int_equal(to_vtdd_domain(m->from[i])->attached, 0);
		assert_int_equal(to_vtdd_domain(m->to[i])->attached, 0);
		rig_domain_free(m->from[i]);
		rig_domain_free(m->to[i]);
	}
	rig_end(&m->rig);
}

static int mixed_replace(struct mixed *m, struct uiommu_report *report)
{
	struct uiommu_replace_target t[PARTS];
	struct uiommu_txn *txn;

	for (unsigned int i = 0; i < PARTS; i++)
		t[i] = (struct uiommu_replace_target){ m->g.d[0].group, parts[i], m->to[i], &m->handle[i] };
	assert_int_equal(uiommu_replace_prepare(m->rig.ctx, t, PARTS, NULL, &txn, report), 0);
	return uiommu_replace_commit(txn, report);
}

/* All parts arrive, or none does: those that are not on their old domain are parked. */
static bool mixed_refuse(unsigned int k, unsigned int more)
{
	struct uiommu_report report;
	unsigned int parked = 0;
	struct mixed m;
	bool hit;
	int err;

	mixed_begin(&m);
	m.rig.rearm = more;
	m.rig.rearm_at = 1;
	vtd_model_fail_descriptor(m.rig.hw, k, VTD_FAIL_IQE);
	err = mixed_replace(&m, &report);
	m.rig.rearm = 0;
	vtd_model_fail_descriptor(m.rig.hw, 1, VTD_FAIL_NONE);
	hit = m.rig.events[UIOMMU_EVENT_QUEUE_ERROR];
	assert_true(hit || !err);
	for (unsigned int i = 0; i < PARTS; i++) {
		m.rig.pasid = parts[i];
		if (err)
			parked += none_on_new(&m.rig, &m.g, m.old[i]);
		else
			all_read(&m.rig, &m.g, m.new[i]);
	}
	assert_int_equal(parked, m.rig.events[UIOMMU_EVENT_PARKED]);
	assert_int_equal(m.rig.events[UIOMMU_EVENT_QUARANTINED], 0);
	if (!more)
		assert_int_equal(err, 0);
	mixed_end(&m);
	return hit;
}

static void mixed_transaction(void **state)
{
	struct uiommu_report report;
	struct mixed m;
	unsigned int k = 1;

	/* Both devices, RIDs and PASIDs: as many waits as the longest plan has syncs. */
	mixed_begin(&m);
	rig_clear(&m.rig);
	assert_int_equal(mixed_replace(&m, &report), 0);
	assert_int_equal(report.gap, UIOMMU_GAP_NONE);
	assert_int_equal(m.rig.n_waits, 2);
	assert_int_equal(report.stores, m.rig.stores);
	mixed_end(&m);
	for (unsigned int more = 0; more < 4; more++, k = 1)
		while (mixed_refuse(k, more))
			k++;
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

static uint32_t device_tlb_bits;

static uint32_t read_with_bits(struct uiommu_hw *hw, uint32_t off)
{
	return vtd_read32(hw, off) | (off == VTD_REG_FSTS ? device_tlb_bits : 0);
}

/* Hardware goes on when software has seen the error. */
static void clear_bits(struct uiommu_hw *hw, uint32_t off, uint32_t val)
{
	if (off == VTD_REG_FSTS && (val & device_tlb_bits)) {
		device_tlb_bits &= ~val;
		vtd_model_fail_descriptor(hw, 1, VTD_FAIL_NONE);
	}
	vtd_write32(hw, off, val);
}

/* ICE and ITE: of device TLBs, which this model does not have. They are told, cleared, and waited behind. */
static void device_tlb_errors_are_cleared(void **state)
{
	static const uint32_t bits[] = { VTD_FSTS_ICE, VTD_FSTS_ITE, VTD_FSTS_ICE | VTD_FSTS_ITE };

	for (unsigned int i = 0; i < 3; i++) {
		struct scene s;

		scene_begin(&s, &with_pasids, D_SECOND_A, D_SECOND_B, 2);
		s.rig.ops.read32 = read_with_bits;
		s.rig.ops.write32 = clear_bits;
		device_tlb_bits = bits[i];
		vtd_model_fail_descriptor(s.rig.hw, 1, VTD_FAIL_HANG);
		assert_int_equal(scene_replace(&s, s.b), 0);
		assert_int_equal(device_tlb_bits, 0);
		all_read(&s.rig, &s.g, s.wb);
		assert_int_equal(s.rig.events[UIOMMU_EVENT_QUEUE_ERROR], 1);
		assert_int_equal(s.rig.last[UIOMMU_EVENT_QUEUE_ERROR].error, -ETIMEDOUT);
		assert_non_null(strstr(s.rig.text[UIOMMU_EVENT_QUEUE_ERROR], "device-TLB"));
		scene_end(&s);
	}
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
		cmocka_unit_test(mixed_transaction),
		cmocka_unit_test(device_tlb_errors_are_cleared),
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
