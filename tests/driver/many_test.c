/* SPDX-License-Identifier: MIT */
/*
 * More devices, PASIDs and domains at once than one batch of invalidations can name: the
 * driver names all then, and nothing that was cached survives.
 */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

enum { MANY = VTDD_INV_MAX + 10 };

struct many {
	struct rig rig;
	struct rig_dev dev[MANY];
	struct uiommu_domain *dom[MANY];
	uint64_t want[MANY];
};

static void all_read(struct many *m, uint64_t want)
{
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(rig_look(&m->rig, m->dev[i].port), want);
}

/* One group of many devices goes from kind to kind; caches are warm before. */
static void group_of_many(enum uiommu_vtd_mode mode, enum rig_domain from, enum rig_domain to)
{
	struct rig_opts opts = { .mode = mode };
	struct many *m = calloc(1, sizeof(*m));
	struct uiommu_domain *a, *b;
	uint64_t want_a, want_b;

	rig_begin(&m->rig, &opts);
	rig_dev_add(&m->rig, &m->dev[0], 0x100);
	for (unsigned int i = 1; i < MANY; i++)
		rig_dev_join(&m->rig, &m->dev[i], &m->dev[0], (uint16_t)(0x100 + i));
	a = rig_domain(&m->rig, from, &want_a);
	b = rig_domain(&m->rig, to, &want_b);
	for (unsigned int turn = 0; turn < 2; turn++) {
		assert_int_equal(uiommu_group_replace_domain(m->dev[0].group, a, NULL, NULL), 0);
		all_read(m, want_a);
		rig_clear(&m->rig);
		assert_int_equal(uiommu_group_replace_domain(m->dev[0].group, b, NULL, NULL), 0);
		assert_true(m->rig.n_desc < MANY);
		all_read(m, want_b);
	}
	uiommu_block_group(m->dev[0].group);
	all_read(m, BLOCKED);
	for (unsigned int i = MANY - 1; i; i--)
		rig_dev_remove(&m->dev[i]);
	rig_dev_remove(&m->dev[0]);
	rig_domain_free(a);
	rig_domain_free(b);
	rig_end(&m->rig);
	free(m);
}

static void groups_of_many_devices(void **state)
{
	group_of_many(UIOMMU_VTD_LEGACY, D_SECOND_A, D_SECOND_B);
	group_of_many(UIOMMU_VTD_LEGACY, D_IDENTITY, D_SECOND_A);
	group_of_many(UIOMMU_VTD_SCALABLE, D_SECOND_A, D_SECOND_B);
	group_of_many(UIOMMU_VTD_SCALABLE, D_SECOND_A, D_FIRST_A);
	group_of_many(UIOMMU_VTD_SCALABLE, D_FIRST_A, D_FIRST_B);
	(void)state;
}

/* Many groups leave as many domains, in one transaction: a flush for each tag is too much. */
static void leave_many_domains(enum uiommu_vtd_mode mode, bool two_waits)
{
	struct rig_opts opts = { .mode = mode };
	struct many *m = calloc(1, sizeof(*m));
	struct uiommu_replace_target target[MANY];
	struct uiommu_domain *to;
	struct uiommu_txn *txn;
	uint64_t want;

	rig_begin(&m->rig, &opts);
	to_vtdd(m->rig.iommu)->two_waits = two_waits;
	to = rig_domain(&m->rig, D_IDENTITY, &want);
	for (unsigned int i = 0; i < MANY; i++) {
		rig_dev_add(&m->rig, &m->dev[i], (uint16_t)(0x100 + i));
		m->dom[i] = rig_domain(&m->rig, D_SECOND_A, &m->want[i]);
		assert_int_equal(uiommu_attach_group(m->dev[i].group, m->dom[i], NULL), 0);
		assert_int_equal(rig_look(&m->rig, m->dev[i].port), m->want[i]);
		target[i] = (struct uiommu_replace_target){
			.group = m->dev[i].group,
			.pasid = UIOMMU_NO_PASID,
			.domain = to,
		};
	}
	assert_int_equal(uiommu_replace_prepare(m->rig.ctx, target, MANY, NULL, &txn, NULL), 0);
	rig_clear(&m->rig);
	assert_int_equal(uiommu_replace_commit(txn, NULL), 0);
	assert_true(m->rig.n_desc < MANY);
	all_read(m, want);
	for (unsigned int i = 0; i < MANY; i++) {
		uiommu_block_group(m->dev[i].group);
		rig_dev_remove(&m->dev[i]);
		rig_domain_free(m->dom[i]);
	}
	rig_domain_free(to);
	rig_end(&m->rig);
	free(m);
}

static void many_domains_are_left_at_once(void **state)
{
	for (int two_waits = 0; two_waits <= 1; two_waits++) {
		leave_many_domains(UIOMMU_VTD_SCALABLE, two_waits);
		leave_many_domains(UIOMMU_VTD_LEGACY, two_waits);
	}
	(void)state;
}

/* One first-stage domain for many PASIDs: an unmap would have to name each of them. */
static void unmap_under_many_pasids(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 1 << 10 };
	struct many *m = calloc(1, sizeof(*m));
	struct uiommu_domain *dom;
	uint64_t want;

	rig_begin(&m->rig, &opts);
	rig_dev_add(&m->rig, &m->dev[0], 0x100);
	dom = rig_domain(&m->rig, D_FIRST_A, &want);
	for (uint32_t pasid = 1; pasid <= MANY; pasid++) {
		assert_int_equal(uiommu_attach_pasid(m->dev[0].group, pasid, dom, NULL, NULL), 0);
		assert_int_equal(rig_read_pasid(&m->rig, m->dev[0].port, pasid, RIG_IOVA), want);
	}
	rig_clear(&m->rig);
	assert_int_equal(uiommu_unmap(dom, RIG_IOVA & ~UINT64_C(0xFFF), UIOMMU_PAGE_SIZE), 0);
	assert_int_equal(m->rig.n_desc, 1);
	for (uint32_t pasid = 1; pasid <= MANY; pasid++)
		assert_int_equal(rig_read_pasid(&m->rig, m->dev[0].port, pasid, RIG_IOVA), BLOCKED);
	for (uint32_t pasid = 1; pasid <= MANY; pasid++)
		uiommu_detach_pasid(m->dev[0].group, pasid);
	rig_dev_remove(&m->dev[0]);
	rig_domain_free(dom);
	rig_end(&m->rig);
	free(m);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_of_many_devices),
		cmocka_unit_test(many_domains_are_left_at_once),
		cmocka_unit_test(unmap_under_many_pasids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
