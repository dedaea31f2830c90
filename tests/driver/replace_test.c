/* SPDX-License-Identifier: MIT */
/*
 * Every pair of domains, in both modes, with and without 16-byte stores: after each
 * single store to the entry, a device with warm caches and one that reads memory
 * see the old or the new translation and nothing else where no gap was announced;
 * bystanders on both domains see only their own; the report says what was planned.
 */
#include "rig.h"

#include <errno.h>

/* What the device that changes is on beside: the RID, or another PASID (same table, another table). */
#define BESIDE 3

struct pair {
	struct rig_dev dev, on_old, on_new;
	uint64_t old, new;
	uint32_t beside[BESIDE]; /* PASIDs of dev, on a third domain; with PASIDs only */
	uint64_t other;
	bool gap;
};

struct expected {
	enum uiommu_gap gap;
	enum uiommu_strategy strategy;
	unsigned int syncs;
};

static bool is_first(enum rig_domain d)
{
	return d == D_FIRST_A || d == D_FIRST_B;
}

/* hitless.md 2.2 for the strategies that are built. */
static struct expected expect(const struct rig_opts *o, enum rig_domain from, enum rig_domain to)
{
	struct expected e = { UIOMMU_GAP_NONE, UIOMMU_STRATEGY_SINGLE_STORE, 1 };
	bool first = is_first(from) || is_first(to);

	if (from == D_BLOCKED || to == D_BLOCKED) {
		/* Into an entry that is not present: no sync but for any-order fetches. */
		e.syncs = (to == D_BLOCKED) + (o->any_order && first);
		e.strategy = first || o->no_store128 ? UIOMMU_STRATEGY_USED_BITS : e.strategy;
		return e;
	}
	if (o->no_store128 || (is_first(from) && is_first(to)))
		return (struct expected){ UIOMMU_GAP_BLOCKED, UIOMMU_STRATEGY_BREAK,
					  1 + (o->any_order && first) };
	if (first)
		return (struct expected){ UIOMMU_GAP_NONE, UIOMMU_STRATEGY_USED_BITS, 2 };
	return e;
}

static void look_at(struct rig *rig, struct pair *p, struct uiommu_port *port)
{
	uint64_t got = rig_look(rig, port);

	if (got == p->old || got == p->new || (p->gap && got == BLOCKED))
		return;
	print_error("device sees 0x%llx, old 0x%llx, new 0x%llx\n", (unsigned long long)got,
		    (unsigned long long)p->old, (unsigned long long)p->new);
	fail();
}

static void check_all(struct rig *rig, void *opaque)
{
	struct pair *p = opaque;

	look_at(rig, p, p->dev.port);
	look_at(rig, p, p->dev.fresh);
	assert_int_equal(rig_look(rig, p->on_old.port), p->old);
	assert_int_equal(rig_look(rig, p->on_new.port), p->new);
	assert_int_equal(rig_look(rig, p->on_old.fresh), p->old);
	assert_int_equal(rig_look(rig, p->on_new.fresh), p->new);
	for (unsigned int i = 0; i < BESIDE && p->other; i++)
		for (unsigned int fresh = 0; fresh < 2; fresh++)
			assert_int_equal(rig_read_pasid(rig, fresh ? p->dev.fresh : p->dev.port, p->beside[i],
							RIG_IOVA),
					 p->other);
}

/* Attachments of the same device that take no part. */
static void put_beside(struct rig *rig, struct pair *p, struct uiommu_domain *domain)
{
	uint32_t pasid = rig->pasid;

	for (unsigned int i = 0; i < BESIDE; i++) {
		rig->pasid = p->beside[i] = i == 0 ? UIOMMU_NO_PASID : i == 1 ? pasid ^ 1 : pasid ^ 64;
		if (domain)
			assert_int_equal(rig_attach(rig, &p->dev, domain, NULL), 0);
		else
			rig_detach(rig, &p->dev);
	}
	rig->pasid = pasid;
}

static void check_report(const struct rig_opts *o, enum rig_domain from, enum rig_domain to,
			 const struct uiommu_report *r, const struct rig *rig)
{
	struct expected e = expect(o, from, to);

	if (r->gap != e.gap || (r->strategy != e.strategy && to != D_BLOCKED) || r->config_syncs != e.syncs ||
	    r->stores != rig->stores)
		print_error("mode %d no128 %d any %d: %d to %d: gap %d strategy %d syncs %u stores %u (%u)\n",
			    (int)o->mode, o->no_store128, o->any_order, (int)from, (int)to, (int)r->gap,
			    (int)r->strategy, r->config_syncs, r->stores, rig->stores);
	assert_int_equal(r->gap, e.gap);
	/* With 8-byte stores the way to blocked needs one store for P, and may clear the rest as it likes. */
	if (to != D_BLOCKED)
		assert_int_equal(r->strategy, e.strategy);
	assert_int_equal(r->config_syncs, e.syncs);
	assert_int_equal(r->stores, rig->stores);
	assert_int_equal(r->tag_flushes, from != D_BLOCKED);
	assert_int_equal(r->reason[0] != 0, r->gap > UIOMMU_GAP_NONE);
	assert_true(r->cpu_ns > 0);
}

static void one_pair(struct rig *rig, const struct rig_opts *o, enum rig_domain from, enum rig_domain to)
{
	struct pair p = { .gap = expect(o, from, to).gap > UIOMMU_GAP_NONE };
	struct uiommu_domain *a = rig_domain(rig, from, &p.old), *b = rig_domain(rig, to, &p.new), *c = NULL;
	struct uiommu_report report;

	if (!a || !b)
		goto out;
	rig_dev_add(rig, &p.dev, 0x0108);
	rig_dev_add(rig, &p.on_old, 0x0181);
	rig_dev_add(rig, &p.on_new, 0x0110);
	if (rig->pasid != UIOMMU_NO_PASID) {
		c = rig_paging(rig, to & 1 ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND);
		p.other = RAM_BASE + 0xA0000;
		assert_int_equal(uiommu_map(c, RIG_IOVA, p.other, 4096, UIOMMU_READ), 0);
		put_beside(rig, &p, c);
	}
	assert_int_equal(rig_replace(rig, &p.dev, a, NULL, NULL), 0);
	assert_int_equal(rig_replace(rig, &p.on_old, a, NULL, NULL), 0);
	assert_int_equal(rig_replace(rig, &p.on_new, b, NULL, NULL), 0);
	assert_int_equal(rig_look(rig, p.dev.port), p.old);
	check_all(rig, &p);
	rig_clear(rig);
	rig->after_store = check_all;
	rig->opaque = &p;
	assert_int_equal(rig_replace(rig, &p.dev, b, NULL, &report), 0);
	rig->after_store = NULL;
	/* Detaching a PASID tells nothing. */
	if (rig->pasid == UIOMMU_NO_PASID || to != D_BLOCKED)
		check_report(o, from, to, &report, rig);
	p.old = p.new;
	look_at(rig, &p, p.dev.port);
	look_at(rig, &p, p.dev.fresh);
	assert_int_equal(rig_look(rig, p.dev.port), p.new);
	rig_detach(rig, &p.dev);
	assert_int_equal(rig_look(rig, p.dev.port), BLOCKED);
	rig_detach(rig, &p.on_old);
	rig_detach(rig, &p.on_new);
	if (c)
		put_beside(rig, &p, NULL);
	rig_dev_remove(&p.dev);
	rig_dev_remove(&p.on_old);
	rig_dev_remove(&p.on_new);
out:
	rig_domain_free(a);
	rig_domain_free(b);
	rig_domain_free(c);
}

static void all_pairs_of(const struct rig_opts *o, uint32_t pasid)
{
	struct rig rig;

	rig_begin(&rig, o);
	rig.pasid = pasid;
	for (int from = 0; from < RIG_KINDS; from++)
		for (int to = 0; to < RIG_KINDS; to++)
			if (from != to)
				one_pair(&rig, o, (enum rig_domain)from, (enum rig_domain)to);
	rig_end(&rig);
}

static void all_pairs(const struct rig_opts *o)
{
	all_pairs_of(o, UIOMMU_NO_PASID);
}

static void pairs_scalable(void **state)
{
	all_pairs(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
}

static void pairs_legacy(void **state)
{
	all_pairs(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY });
}

static void pairs_accessor_memory(void **state)
{
	all_pairs(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .accessor = true });
	all_pairs(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .accessor = true });
}

static void pairs_without_store128(void **state)
{
	all_pairs(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .no_store128 = true });
	all_pairs(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .no_store128 = true });
}

static void pairs_any_order(void **state)
{
	struct rig_opts o = {
		.mode = UIOMMU_VTD_SCALABLE,
		.any_order = true,
		.model.preset = UIOMMU_PRESET_ANY_ORDER,
	};

	all_pairs(&o);
	o.no_store128 = true;
	all_pairs(&o);
}

/* PASIDs have entries of the same form, and so the same plans; the RID and other PASIDs notice nothing. */
static void pairs_of_pasids(void **state)
{
	struct rig_opts o = { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 14 };

	all_pairs_of(&o, 2);
	all_pairs_of(&o, (1 << 14) - 1);
	o.no_store128 = true;
	all_pairs_of(&o, 0x77);
}

static void pairs_of_pasids_any_order(void **state)
{
	struct rig_opts o = {
		.mode = UIOMMU_VTD_SCALABLE,
		.any_order = true,
		.max_pasids = 1 << 14,
		.model.preset = UIOMMU_PRESET_ANY_ORDER,
	};

	all_pairs_of(&o, 0x1040);
}

/* The planner's own proof, with this driver's formats, masks and entries. */
static void prove(struct vtdd_iommu *vi, unsigned int caps, enum vtdd_kind from, enum vtdd_kind to)
{
	uint64_t a[ENTRY_WORDS_MAX], b[ENTRY_WORDS_MAX];
	struct plan_violation bad;
	struct plan plan;

	for (unsigned int levels = 3; levels <= 5; levels++) {
		vtdd_entry_build(vi, from, 0x10000, levels < 4 && from == VTDD_KIND_FIRST ? 4 : levels, a);
		vtdd_entry_build(vi, to, 0x2F000, 4, b);
		if (from != VTDD_KIND_BLOCKED)
			vtdd_entry_set_tag(vi, a, 0x1234);
		if (to != VTDD_KIND_BLOCKED)
			vtdd_entry_set_tag(vi, b, 0x00F1);
		plan_make(&vi->fmt, caps, a, &vi->used[from], b, &vi->used[to], &plan);
		if (plan_verify(&vi->fmt, caps, a, b, &plan, &bad)) {
			print_error("%s caps %u: kind %d to %d, step %u: %s\n", vi->fmt.name, caps, (int)from,
				    (int)to, bad.step, bad.what);
			fail();
		}
	}
}

static void plans_are_proven(void **state)
{
	for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
		struct rig_opts o = { .mode = (enum uiommu_vtd_mode)mode };
		unsigned int kinds = mode == UIOMMU_VTD_SCALABLE ? VTDD_KINDS : VTDD_KIND_FIRST;
		struct rig rig;

		rig_begin(&rig, &o);
		for (unsigned int caps = 0; caps < 4; caps++)
			for (unsigned int from = 0; from < kinds; from++)
				for (unsigned int to = 0; to < kinds; to++)
					prove(to_vtdd(rig.iommu), caps, (enum vtdd_kind)from,
					      (enum vtdd_kind)to);
		rig_end(&rig);
	}
}

/* A demand that cannot be met leaves everything as it was. */
static void demand_not_met(void **state)
{
	struct rig_opts o = { .mode = UIOMMU_VTD_SCALABLE };
	struct uiommu_replace_opts demand = { .size = sizeof(demand), .worst_gap = UIOMMU_GAP_NONE };
	struct uiommu_domain *a, *b;
	struct uiommu_report report;
	struct rig_dev d;
	uint64_t wa, wb;
	struct rig rig;

	rig_begin(&rig, &o);
	rig_dev_add(&rig, &d, 0x10);
	a = rig_domain(&rig, D_FIRST_A, &wa);
	b = rig_domain(&rig, D_FIRST_B, &wb);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	rig_clear(&rig);
	assert_int_equal(uiommu_group_replace_domain(d.group, b, &demand, &report), -EOPNOTSUPP);
	assert_int_equal(report.gap, UIOMMU_GAP_BLOCKED);
	assert_non_null(strstr(report.reason, "first-stage"));
	assert_int_equal(rig.stores, 0);
	assert_int_equal(rig.n_desc, 0);
	assert_int_equal(to_vtdd_domain(b)->attached, 0);
	assert_int_equal(to_vtdd_domain(b)->list.n, 0);
	assert_int_equal(rig_look(&rig, d.port), wa);
	uiommu_detach_group(d.group);
	rig_domain_free(a);
	rig_domain_free(b);
	rig_dev_remove(&d);
	rig_end(&rig);
}

/* Devices of a group go in one batch: what they share is invalidated once. */
static void group_in_one_batch(void **state)
{
	for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
		struct rig_opts o = { .mode = (enum uiommu_vtd_mode)mode };
		struct uiommu_domain *a, *b;
		struct rig_dev d[8];
		uint64_t wa, wb;
		struct rig rig;

		rig_begin(&rig, &o);
		rig_dev_add(&rig, &d[0], 0x10);
		for (unsigned int i = 1; i < 8; i++)
			rig_dev_join(&rig, &d[i], &d[0], (uint16_t)(0x10 + 0x40 * i));
		a = rig_domain(&rig, D_SECOND_A, &wa);
		b = rig_domain(&rig, D_SECOND_B, &wb);
		assert_int_equal(uiommu_attach_group(d[0].group, a, NULL), 0);
		for (unsigned int i = 0; i < 8; i++)
			assert_int_equal(rig_look(&rig, d[i].port), wa);
		rig_clear(&rig);
		assert_int_equal(uiommu_group_replace_domain(d[0].group, b, NULL, NULL), 0);
		assert_int_equal(rig.stores, 8);
		assert_int_equal(rig.n_waits, 1);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_IOTLB), 1);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_PC), mode == UIOMMU_VTD_SCALABLE);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_CC), mode == UIOMMU_VTD_SCALABLE ? 0 : 8);
		for (unsigned int i = 0; i < 8; i++)
			assert_int_equal(rig_look(&rig, d[i].port), wb);
		uiommu_detach_group(d[0].group);
		for (unsigned int i = 8; i--;)
			rig_dev_remove(&d[i]);
		rig_domain_free(a);
		rig_domain_free(b);
		rig_end(&rig);
	}
}

/* More devices than a batch can name: everything is invalidated, in two batches where one will not do. */
static void large_groups(void **state)
{
	static struct rig_dev d[VTDD_INV_MAX + 10];

	for (unsigned int n = VTDD_INV_MAX - 1; n < VTDD_INV_MAX + 3; n++) {
		struct uiommu_domain *a, *b;
		uint64_t wa, wb;
		struct rig rig;

		rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY });
		to_vtdd(rig.iommu)->two_waits = n % 4 == 1;
		rig_dev_add(&rig, &d[0], 0x10);
		for (unsigned int i = 1; i < n; i++)
			rig_dev_join(&rig, &d[i], &d[0], (uint16_t)(0x10 + 3 * i));
		a = rig_domain(&rig, D_SECOND_A, &wa);
		b = rig_domain(&rig, D_SECOND_B, &wb);
		assert_int_equal(uiommu_attach_group(d[0].group, a, NULL), 0);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(rig_look(&rig, d[i].port), wa);
		rig_clear(&rig);
		assert_int_equal(uiommu_group_replace_domain(d[0].group, b, NULL, NULL), 0);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_CC), n > VTDD_INV_MAX ? 1 : n);
		assert_int_equal(rig_count_desc(&rig, VTD_DESC_IOTLB), 1);
		assert_int_equal(rig.n_waits, 1 + (n % 4 == 1 || n == VTDD_INV_MAX));
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(rig_look(&rig, d[i].port), wb);
		uiommu_detach_group(d[0].group);
		for (unsigned int i = n; i--;)
			rig_dev_remove(&d[i]);
		rig_domain_free(a);
		rig_domain_free(b);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_scalable),	  cmocka_unit_test(pairs_legacy),
		cmocka_unit_test(pairs_without_store128), cmocka_unit_test(pairs_any_order),
		cmocka_unit_test(pairs_accessor_memory),  cmocka_unit_test(pairs_of_pasids),
		cmocka_unit_test(pairs_of_pasids_any_order),
		cmocka_unit_test(plans_are_proven),	  cmocka_unit_test(demand_not_met),
		cmocka_unit_test(group_in_one_batch),	  cmocka_unit_test(large_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
