/* SPDX-License-Identifier: MIT */
/* Fault events of the VT-d driver: fields, text, overflow, faults beside a queue error. */
#include "rig.h"

#include <errno.h>

static void no_event_yet(struct rig *rig)
{
	for (unsigned int i = 0; i < sizeof(rig->events) / sizeof(rig->events[0]); i++)
		atomic_store(&rig->events[i], 0);
}

static void fields(void **state)
{
	struct uiommu_event *e;
	struct uiommu_domain *a;
	uint64_t want, val = 1;
	struct rig_dev d;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	e = &rig.last[UIOMMU_EVENT_FAULT];
	rig_dev_add(&rig, &d, 0x1A2B);
	assert_int_equal(rig_read(&rig, d.port, 0x123456788), BLOCKED);
	assert_int_equal(rig.events[UIOMMU_EVENT_FAULT], 1);
	assert_int_equal(e->rid, 0x1A2B);
	assert_int_equal(e->iova, 0x123456000);
	assert_int_equal(e->reason, VTD_SPT_2);
	assert_int_equal(e->access, UIOMMU_READ);
	assert_int_equal(e->pasid, UIOMMU_NO_PASID);
	assert_string_equal(rig.text[UIOMMU_EVENT_FAULT], "read by 1a:05.3 at IOVA 0x123456000 was blocked: "
							  "reason 0x59 (PASID entry not present)");
	/* A read-only page. */
	a = rig_paging(&rig, UIOMMU_STAGE_SECOND);
	assert_int_equal(uiommu_map(a, 0x5000, RAM_BASE, 4096, UIOMMU_READ), 0);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	uiommu_agent_begin(rig.agent);
	assert_int_equal(uiommu_dma_write(d.port, rig.agent, UIOMMU_NO_PASID, 0x5010, &val, 8, NULL),
			 -EFAULT);
	/* A PASID that the context entry does not allow. */
	assert_int_equal(uiommu_dma_read(d.port, rig.agent, 0x77, 0x5010, &want, 8, NULL), -EFAULT);
	uiommu_agent_end(rig.agent);
	assert_int_equal(rig.events[UIOMMU_EVENT_FAULT], 3);
	assert_int_equal(e->pasid, 0x77);
	assert_int_equal(e->reason, VTD_SCT_6);
	assert_non_null(strstr(rig.text[UIOMMU_EVENT_FAULT], "with PASID 119"));
	uiommu_agent_begin(rig.agent);
	assert_int_equal(uiommu_dma_write(d.port, rig.agent, UIOMMU_NO_PASID, 0x5010, &val, 8, NULL),
			 -EFAULT);
	uiommu_agent_end(rig.agent);
	assert_int_equal(e->access, UIOMMU_WRITE);
	assert_int_equal(e->reason, VTD_SGN_6);
	assert_int_equal(e->iova, 0x5000);
	uiommu_detach_group(d.group);
	rig_domain_free(a);
	rig_dev_remove(&d);
	rig_end(&rig);
}

static void legacy_reasons(void **state)
{
	struct rig_dev d;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY });
	rig_dev_add(&rig, &d, 0x0008);
	assert_int_equal(rig_read(&rig, d.port, 0x9000), BLOCKED);
	assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].reason, VTD_LCT_2);
	rig_dev_remove(&d);
	rig_end(&rig);
}

/* With the event masked, faults pile up; unmasked, all that were kept come in order, and that some were lost.
 */
static void overflow(void **state)
{
	struct rig_opts o = { .mode = UIOMMU_VTD_SCALABLE, .model.fault_records = 3 };
	struct rig_dev d;
	struct rig rig;

	rig_begin(&rig, &o);
	rig_dev_add(&rig, &d, 0x10);
	for (unsigned int round = 1; round <= 4; round++) {
		no_event_yet(&rig);
		rig.hw->ops->write32(rig.hw, VTD_REG_FECTL, VTD_ECTL_IM);
		for (uint64_t i = 0; i < 3 + round; i++)
			assert_int_equal(rig_read(&rig, d.port, i << 12), BLOCKED);
		assert_int_equal(rig.events[UIOMMU_EVENT_FAULT], 0);
		rig.hw->ops->write32(rig.hw, VTD_REG_FECTL, 0);
		assert_int_equal(rig.events[UIOMMU_EVENT_FAULT], 3);
		assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].iova, 0x2000);
		assert_int_equal(rig.events[UIOMMU_EVENT_FAULT_OVERFLOW], 1);
		/* And none is stuck: the next one is reported at once. */
		assert_int_equal(rig_read(&rig, d.port, 0x77000), BLOCKED);
		assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].iova, 0x77000);
	}
	rig_dev_remove(&d);
	rig_end(&rig);
}

static struct rig_dev blocked;

static void fault_now(struct rig *rig)
{
	rig->after_doorbell = NULL;
	assert_int_equal(rig_read(rig, blocked.port, 0x66000), BLOCKED);
}

/* A fault that comes while the queue is in error raises no interrupt, and is reported all the same. */
static void fault_beside_queue_error(void **state)
{
	struct uiommu_domain *a;
	struct rig_dev d;
	uint64_t want;
	struct rig rig;

	rig_begin(&rig, &(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE });
	rig_dev_add(&rig, &d, 0x10);
	rig_dev_add(&rig, &blocked, 0x18);
	a = rig_domain(&rig, D_SECOND_A, &want);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	no_event_yet(&rig);
	rig.after_doorbell = fault_now;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_IQE);
	assert_int_equal(uiommu_unmap(a, RIG_IOVA, 4096), -EIO);
	assert_int_equal(rig.events[UIOMMU_EVENT_FAULT], 1);
	assert_int_equal(rig.last[UIOMMU_EVENT_FAULT].iova, 0x66000);
	assert_int_equal(rig.events[UIOMMU_EVENT_QUEUE_ERROR], 1);
	uiommu_detach_group(d.group);
	rig_domain_free(a);
	rig_dev_remove(&blocked);
	rig_dev_remove(&d);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(legacy_reasons),
		cmocka_unit_test(overflow),
		cmocka_unit_test(fault_beside_queue_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
