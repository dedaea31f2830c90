/* SPDX-License-Identifier: MIT */
/*
 * Devices come and go while they do DMA. What led to a removed device's entry is
 * given back to the pool; whoever has such a page next may have written anything
 * there, so the test writes entries that pass everything through. A request that
 * still walks the page then gets through, which no blocked device may.
 */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

#include "base/task.h"
#include "hw/vtd/layout.h"

#ifdef UIOMMU_STEERED
#define SEEDS 400
#define TURNS 8
#else
#define SEEDS 20
#define TURNS 2000
#endif

#define FOREIGN_TAG 77u
#define RID 0x10u

struct removal {
	struct rig rig;
	bool scalable;
	struct uiommu_port *port;
	struct uiommu_agent *agent;
	_Atomic bool stop;
	_Atomic unsigned int through, blocked;
};

static void store(uint64_t *word, uint64_t val)
{
	atomic_store((_Atomic uint64_t *)word, val);
}

/* As a PASID entry of RID_PASID, or as a context entry of the device. */
static void reuse_page(struct rig *rig, enum hw_note note, uint64_t pa)
{
	bool scalable = to_vtdd(rig->iommu)->scalable;
	uint64_t *p;

	if (note != HW_NOTE_TABLE_FREE)
		return;
	p = pool_va(rig->ctx->pool, pa);
	if (scalable) {
		store(&p[1], FOREIGN_TAG);
		store(&p[0], field_put(VTD_PE0_PGTT, VTD_PGTT_PASS) | VTD_PE0_P);
		return;
	}
	store(&p[2 * RID + 1],
	      field_put(VTD_CE1_AW, VTD_AW_OF_LEVELS(5)) | field_put(VTD_CE1_DID, FOREIGN_TAG));
	store(&p[2 * RID], field_put(VTD_CE0_TT, VTD_TT_PASS) | VTD_CE0_P);
}

static void device_task(void *arg)
{
	struct removal *t = arg;

	while (!atomic_load(&t->stop)) {
		struct task_spin spin = { 0 };
		uint64_t val;
		int err;

		uiommu_agent_begin(t->agent);
		err = uiommu_dma_read(t->port, t->agent, UIOMMU_NO_PASID, RIG_IOVA, &val, 8, NULL);
		uiommu_agent_end(t->agent);
		atomic_fetch_add(err ? &t->blocked : &t->through, 1);
		task_relax(&spin);
	}
}

static void let_run(unsigned int turns)
{
	struct task_spin spin = { 0 };

	while (turns--)
		task_relax(&spin);
}

/* Returns the accesses of a device on no domain that got through. */
static unsigned int run(const struct rig_opts *o, uint64_t seed, uint64_t *blocked)
{
	struct removal *t = calloc(1, sizeof(*t));
	struct uiommu_device *dev;
	struct uiommu_group *group;
	struct task_set *set;
	struct task *task;
	struct alloc a;
	unsigned int through;

	rig_begin(&t->rig, o);
	t->rig.on_note = reuse_page;
	assert_int_equal(uiommu_group_create(t->rig.iommu, &group), 0);
	assert_int_equal(uiommu_device_add(group, RID, &dev), 0);
	assert_int_equal(uiommu_port_create(t->rig.hw, RID, &t->port), 0);
	assert_int_equal(uiommu_agent_create(t->rig.ctx, &t->agent), 0);
	alloc_init(&a, NULL, NULL);
	assert_int_equal(task_set_create(&a, seed, &set), 0);
	assert_int_equal(task_spawn(set, "device", device_task, t, &task), 0);
	let_run(TURNS);
	uiommu_device_remove(dev);
	let_run(TURNS);
	atomic_store(&t->stop, true);
	task_join(task);
	task_set_destroy(set);
	uiommu_port_destroy(t->port);
	uiommu_agent_destroy(t->agent);
	uiommu_group_destroy(group);
	through = t->through;
	*blocked += t->blocked;
	rig_end(&t->rig);
	free(t);
	return through;
}

static void removal_drains_walks(const struct rig_opts *opts)
{
	struct rig_opts o = *opts;
	uint64_t blocked = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		o.accessor = seed & 1;
		if (run(&o, seed, &blocked)) {
			print_error("seed %llu: a removed device got through a freed table\n",
				    (unsigned long long)seed);
			fail();
		}
	}
	assert_true(blocked > SEEDS);
}

static void removal_drains_walks_scalable(void **state)
{
	removal_drains_walks(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true });
}

static void removal_drains_walks_legacy(void **state)
{
	removal_drains_walks(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .plain = true });
}

/*
 * A release whose invalidation fails leaves pointers to the old tables in hardware's
 * caches. The device that comes back has new tables, and must not be stuck on the old ones.
 */
static void added_again_after_refused_release(enum uiommu_vtd_mode mode)
{
	struct rig_dev d, other;
	struct uiommu_domain *a;
	size_t pages;
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &(struct rig_opts){ .mode = mode });
	rig_dev_add(&rig, &other, RID + 1);
	a = rig_domain(&rig, D_SECOND_A, &want);
	rig_dev_add(&rig, &d, RID);
	pages = pool_live(rig.ctx->pool);
	assert_int_equal(rig_look(&rig, d.port), BLOCKED);
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
	rig_dev_remove(&d);
	/* As long as hardware cannot forget them, nothing is put beside what it may hold. */
	if (mode == UIOMMU_VTD_SCALABLE) {
		struct uiommu_device *dev;

		assert_int_equal(uiommu_group_create(rig.iommu, &d.group), 0);
		vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
		assert_int_equal(uiommu_device_add(d.group, RID, &dev), -EIO);
		uiommu_group_destroy(d.group);
	}
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_NONE);
	rig_dev_add(&rig, &d, RID);
	assert_int_equal(pool_live(rig.ctx->pool), pages);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	assert_int_equal(rig_look(&rig, d.port), want);
	uiommu_detach_group(d.group);
	rig_dev_remove(&d);
	rig_dev_remove(&other);
	rig_domain_free(a);
	rig_end(&rig);
}

static void added_again_after_refused_release_scalable(void **state)
{
	added_again_after_refused_release(UIOMMU_VTD_SCALABLE);
}

static void added_again_after_refused_release_legacy(void **state)
{
	added_again_after_refused_release(UIOMMU_VTD_LEGACY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removal_drains_walks_scalable),
		cmocka_unit_test(removal_drains_walks_legacy),
		cmocka_unit_test(added_again_after_refused_release_scalable),
		cmocka_unit_test(added_again_after_refused_release_legacy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
