/* SPDX-License-Identifier: MIT */
/*
 * Faults reach the attach handle of their device and PASID: of several devices, groups
 * and PASIDs, also when many records are read at once; and while handles are replaced,
 * detached and attached no fault uses one that its owner has back. The tasks are threads
 * in the production build (and under TSan), fibers in the steered one.
 */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

#include "base/choice.h"
#include "base/task.h"

#ifdef UIOMMU_STEERED
#define ROUNDS 24
#define SEEDS 40
#else
#define ROUNDS 1000
#define SEEDS 1
#endif

#define GROUPS 2
#define DEVS 2 /* of each group */
#define NOTHING UINT64_C(0x70000000) /* mapped nowhere */
#define LIVE 0x11FE0FA4u
#define DEAD 0xDDDDDDDDu

/* The RID, PASIDs of one table, and one of another; the last one comes and goes. */
static const uint32_t pasids[] = { UIOMMU_NO_PASID, 1, 63, 200 };

#define PASIDS (sizeof(pasids) / sizeof(pasids[0]))

/* Whom a handle belongs to; nobody but its owner touches it when it was taken back. */
struct owner {
	uint32_t magic, pasid;
	unsigned int group;
	struct uiommu_attach_handle handle;
};

struct world {
	struct rig rig; /* first */
	struct rig_dev dev[GROUPS][DEVS];
	struct uiommu_domain *domain[2];
	struct owner owner[GROUPS][PASIDS][2];
	unsigned int turn[GROUPS][PASIDS];
	_Atomic unsigned int swappers;
	_Atomic unsigned int right, none, wrong;
	struct uiommu_agent *agent[GROUPS];
};

static unsigned int group_of(uint16_t rid)
{
	return rid >> 8;
}

static uint16_t rid_of(unsigned int g, unsigned int d)
{
	return (uint16_t)(g << 8 | (0x18 + 0x81 * d));
}

static void on_fault(struct rig *rig, const struct uiommu_event *event)
{
	struct world *w = (struct world *)rig;
	const struct owner *o = event->data;
	bool good;

	/* Only the last PASID is without a handle now and then. */
	if (!o) {
		atomic_fetch_add(event->pasid == pasids[PASIDS - 1] ? &w->none : &w->wrong, 1);
		return;
	}
	good = o->magic == LIVE && o->pasid == event->pasid && o->group == group_of(event->rid);
	choice_interleave(CHOICE_CORE);
	good &= o->magic == LIVE;
	atomic_fetch_add(good ? &w->right : &w->wrong, 1);
}

/* The owner of a key that is not in use. */
static struct uiommu_attach_handle *fresh(struct world *w, unsigned int g, unsigned int p)
{
	struct owner *o = &w->owner[g][p][w->turn[g][p] ^= 1];

	memset(o, 0, sizeof(*o));
	o->magic = LIVE;
	o->pasid = pasids[p];
	o->group = g;
	o->handle.data = o;
	return &o->handle;
}

/* The other one was given back. */
static void bury(struct world *w, unsigned int g, unsigned int p, unsigned int which)
{
	memset(&w->owner[g][p][which], 0xDD, sizeof(struct owner));
}

static int attach(struct world *w, unsigned int g, unsigned int p, unsigned int d)
{
	struct uiommu_attach_handle *handle = fresh(w, g, p);

	return pasids[p] == UIOMMU_NO_PASID ?
		       uiommu_attach_group_handle(w->dev[g][0].group, w->domain[d], handle, NULL) :
		       uiommu_attach_pasid(w->dev[g][0].group, pasids[p], w->domain[d], handle, NULL);
}

static void detach(struct world *w, unsigned int g, unsigned int p)
{
	if (pasids[p] == UIOMMU_NO_PASID)
		uiommu_detach_group(w->dev[g][0].group);
	else
		uiommu_detach_pasid(w->dev[g][0].group, pasids[p]);
	bury(w, g, p, w->turn[g][p]);
}

static int replace(struct world *w, unsigned int g, unsigned int p, unsigned int d)
{
	struct uiommu_attach_handle *handle = fresh(w, g, p);
	int err = pasids[p] == UIOMMU_NO_PASID ?
			  uiommu_replace_group_handle(w->dev[g][0].group, w->domain[d], handle, NULL, NULL) :
			  uiommu_replace_pasid(w->dev[g][0].group, pasids[p], w->domain[d], handle, NULL,
					       NULL);

	bury(w, g, p, !w->turn[g][p]);
	return err;
}

static int look(struct world *w, unsigned int agent, unsigned int g, unsigned int d, unsigned int p)
{
	uint64_t val;
	int err;

	uiommu_agent_begin(w->agent[agent]);
	err = uiommu_dma_read(w->dev[g][d].port, w->agent[agent], pasids[p], NOTHING, &val, 8, NULL);
	uiommu_agent_end(w->agent[agent]);
	return err;
}

static void world_begin(struct world *w, bool plain)
{
	struct rig_opts o = {
		.mode = UIOMMU_VTD_SCALABLE,
		.max_pasids = 1 << 10,
		.plain = plain,
		.model.fault_records = GROUPS * DEVS * PASIDS,
	};

	memset(w, 0, sizeof(*w));
	rig_begin(&w->rig, &o);
	w->rig.on_fault = on_fault;
	for (unsigned int i = 0; i < 2; i++) {
		w->domain[i] = rig_paging(&w->rig, i ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND);
		assert_non_null(w->domain[i]);
	}
	for (unsigned int g = 0; g < GROUPS; g++) {
		assert_int_equal(uiommu_agent_create(w->rig.ctx, &w->agent[g]), 0);
		rig_dev_add(&w->rig, &w->dev[g][0], rid_of(g, 0));
		for (unsigned int d = 1; d < DEVS; d++)
			rig_dev_join(&w->rig, &w->dev[g][d], &w->dev[g][0], rid_of(g, d));
		for (unsigned int p = 0; p < PASIDS; p++)
			assert_int_equal(attach(w, g, p, (g + p) % 2), 0);
	}
}

static void world_end(struct world *w)
{
	for (unsigned int g = GROUPS; g--;) {
		for (unsigned int p = 0; p < PASIDS; p++)
			detach(w, g, p);
		for (unsigned int d = DEVS; d--;)
			rig_dev_remove(&w->dev[g][d]);
		uiommu_agent_destroy(w->agent[g]);
	}
	rig_domain_free(w->domain[0]);
	rig_domain_free(w->domain[1]);
	rig_end(&w->rig);
}

/* ---- one thread ---- */

static void *last_data(struct world *w)
{
	return w->rig.last[UIOMMU_EVENT_FAULT].data;
}

static struct owner *current(struct world *w, unsigned int g, unsigned int p)
{
	return &w->owner[g][p][w->turn[g][p]];
}

static void fault_finds_its_handle(void **state)
{
	static struct world w;

	world_begin(&w, false);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < GROUPS * DEVS * PASIDS; i++) {
			unsigned int g = i % GROUPS, d = i / GROUPS % DEVS, p = i / GROUPS / DEVS;

			assert_int_equal(look(&w, 0, g, d, p), -EFAULT);
			assert_ptr_equal(last_data(&w), current(&w, g, p));
			assert_int_equal(w.rig.last[UIOMMU_EVENT_FAULT].rid, rid_of(g, d));
			assert_int_equal(w.rig.last[UIOMMU_EVENT_FAULT].pasid, pasids[p]);
		}
		for (unsigned int g = 0; g < GROUPS; g++)
			for (unsigned int p = 0; p < PASIDS; p++)
				assert_int_equal(replace(&w, g, p, (g + p + round) % 2), 0);
	}
	assert_int_equal(w.right, 3 * GROUPS * DEVS * PASIDS);
	assert_int_equal(w.wrong, 0);
	world_end(&w);
}

/* Records that pile up while the event is masked: each goes to whom it belongs to. */
static void many_faults_at_once(void **state)
{
	static struct world w;

	world_begin(&w, false);
	for (unsigned int first = 0; first < GROUPS * DEVS * PASIDS; first++) {
		atomic_store(&w.right, 0);
		w.rig.hw->ops->write32(w.rig.hw, VTD_REG_FECTL, VTD_ECTL_IM);
		for (unsigned int k = 0; k < GROUPS * DEVS * PASIDS; k++) {
			unsigned int i = (first + 5 * k) % (GROUPS * DEVS * PASIDS);

			assert_int_equal(look(&w, 0, i % GROUPS, i / GROUPS % DEVS, i / GROUPS / DEVS),
					 -EFAULT);
		}
		assert_int_equal(w.right, 0);
		w.rig.hw->ops->write32(w.rig.hw, VTD_REG_FECTL, 0);
		assert_int_equal(w.right, GROUPS * DEVS * PASIDS);
	}
	assert_int_equal(w.wrong + w.none, 0);
	world_end(&w);
}

/* Without a handle, with one that went, of a device that nobody knows: none; the others keep theirs. */
static void no_handle(void **state)
{
	unsigned int last = PASIDS - 1;
	static struct world w;
	struct uiommu_port *stranger;
	uint64_t val;

	world_begin(&w, false);
	detach(&w, 0, last);
	assert_int_equal(look(&w, 0, 0, 0, last), -EFAULT);
	assert_null(last_data(&w));
	assert_int_equal(look(&w, 0, 0, 0, 1), -EFAULT);
	assert_ptr_equal(last_data(&w), current(&w, 0, 1));
	assert_int_equal(look(&w, 0, 1, 0, last), -EFAULT);
	assert_ptr_equal(last_data(&w), current(&w, 1, last));
	/* The group goes; its PASIDs stay. */
	w.rig.on_fault = NULL;
	detach(&w, 0, 0);
	assert_int_equal(look(&w, 0, 0, 1, 0), -EFAULT);
	assert_null(last_data(&w));
	assert_int_equal(look(&w, 0, 0, 1, 1), -EFAULT);
	assert_ptr_equal(last_data(&w), current(&w, 0, 1));
	/* Attached again, without a handle. */
	assert_int_equal(uiommu_attach_pasid(w.dev[0][0].group, pasids[last], w.domain[0], NULL, NULL), 0);
	assert_int_equal(look(&w, 0, 0, 0, last), -EFAULT);
	assert_null(last_data(&w));
	assert_int_equal(uiommu_port_create(w.rig.hw, 0x4444, &stranger), 0);
	uiommu_agent_begin(w.agent[0]);
	assert_int_equal(uiommu_dma_read(stranger, w.agent[0], UIOMMU_NO_PASID, NOTHING, &val, 8, NULL),
			 -EFAULT);
	uiommu_agent_end(w.agent[0]);
	assert_int_equal(w.rig.last[UIOMMU_EVENT_FAULT].rid, 0x4444);
	assert_null(last_data(&w));
	uiommu_port_destroy(stranger);
	world_end(&w);
}

/* ---- several tasks ---- */

static void faulter(struct world *w, unsigned int agent)
{
	struct task_spin spin = { 0 };

	for (unsigned int i = agent; atomic_load(&w->swappers); i += 3) {
		unsigned int g = i % GROUPS, d = i / GROUPS % DEVS, p = i / GROUPS / DEVS % PASIDS;

		if (look(w, agent, g, d, p) != -EFAULT)
			atomic_fetch_add(&w->wrong, 1);
		task_relax(&spin);
	}
}

static void faulter_0(void *arg)
{
	faulter(arg, 0);
}

static void faulter_1(void *arg)
{
	faulter(arg, 1);
}

static void swapper(struct world *w, unsigned int g)
{
	struct task_spin spin = { 0 };

	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int p = i % PASIDS;
		int err = 0;

		if (p == PASIDS - 1 && i / PASIDS % 3) {
			detach(w, g, p);
			err = attach(w, g, p, i % 2);
		} else {
			/* To the same domain only the handle changes. */
			err = replace(w, g, p, i / (2 * PASIDS) % 2);
		}
		if (err)
			atomic_fetch_add(&w->wrong, 1);
		task_relax(&spin);
	}
	atomic_fetch_sub(&w->swappers, 1);
}

static void swapper_0(void *arg)
{
	swapper(arg, 0);
}

static void swapper_1(void *arg)
{
	swapper(arg, 1);
}

static void handles_are_let_go(void **state)
{
	static void (*const fn[])(void *arg) = { faulter_0, faulter_1, swapper_0, swapper_1 };
	const char *e = getenv("UIOMMU_TEST_SEED");
	uint64_t first = e ? strtoull(e, NULL, 0) : 1;
	static struct world w;
	unsigned int right = 0;

	for (uint64_t seed = first; seed < first + SEEDS; seed++) {
		struct task_set *set;
		struct task *task[4];
		struct alloc a;

		world_begin(&w, true);
		atomic_store(&w.swappers, GROUPS);
		alloc_init(&a, NULL, NULL);
		assert_int_equal(task_set_create(&a, seed, &set), 0);
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(task_spawn(set, "task", fn[i], &w, &task[i]), 0);
		for (unsigned int i = 0; i < 4; i++)
			task_join(task[i]);
		task_set_destroy(set);
		world_end(&w);
		right += w.right;
		if (w.wrong)
			fail_msg("UIOMMU_TEST_SEED=%llu: %u faults with a wrong handle, %u right",
				 (unsigned long long)seed, w.wrong, w.right);
	}
	/* Or there were none. */
	assert_true(right > SEEDS * ROUNDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fault_finds_its_handle),
		cmocka_unit_test(many_faults_at_once),
		cmocka_unit_test(no_handle),
		cmocka_unit_test(handles_are_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
