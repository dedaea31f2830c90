/* SPDX-License-Identifier: MIT */
/*
 * What software should not do, and what a unit does about it: each ends in a report of a
 * misuse or in an error, none in more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hw/vtd/access.h"
#include "hw/vtd/vtd_model.h"
#include "rig.h"

#define NOWHERE (RIG_BASE + RIG_SIZE)

static void stores_and_loads_of_no_memory(void **state)
{
	struct rig r;
	struct u128 val = { 1, 2 };

	rig_start(&r, NULL, false);
	r.hw->ops->store64(r.hw, NOWHERE, 1);
	assert_int_equal(r.misuses, 1);
	r.hw->ops->store128(r.hw, NOWHERE, val);
	assert_int_equal(r.misuses, 2);
	assert_true(r.hw->ops->load64(r.hw, NOWHERE) == UINT64_MAX);
	assert_int_equal(r.misuses, 3);
	assert_true(r.hw->ops->load32(r.hw, NOWHERE) == UINT32_MAX);
	assert_int_equal(r.misuses, 4);
	r.misuses = 0;
	rig_stop(&r);
	(void)state;
}

/* 32 bits out of memory behind an accessor, whose map knows words of 64: the right half. */
static void halves_of_words_behind_an_accessor(void **state)
{
	struct rig r;
	uint32_t val = 0;
	uint64_t pa;

	rig_start(&r, NULL, true);
	pa = rig_page(&r);
	rig_put(&r, pa, UINT64_C(0x1122334455667788));
	assert_int_equal(r.hw->ops->load32(r.hw, pa), 0x55667788);
	assert_int_equal(r.hw->ops->load32(r.hw, pa + 4), 0x11223344);
	assert_int_not_equal(vtd_own_load32(r.ctx, pa + 2, &val), 0);
	assert_int_not_equal(vtd_own_load32(r.ctx, NOWHERE, &val), 0);
	assert_int_equal(val, 0);
	rig_stop(&r);
	(void)state;
}

/* 11.4.9.3: reserved bits of IQA are reported and not kept. */
static void reserved_bits_of_the_queue_address(void **state)
{
	struct rig r;

	rig_start(&r, NULL, false);
	r.hw->ops->write64(r.hw, VTD_REG_IQA, RIG_QUEUE | BIT64(4));
	assert_int_equal(r.misuses, 1);
	assert_int_equal(r.hw->ops->read64(r.hw, VTD_REG_IQA), RIG_QUEUE);
	r.misuses = 0;
	rig_stop(&r);
	(void)state;
}

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct rig *r = opaque;

	assert_int_equal(address, VTD_INTERRUPT_BASE);
	assert_int_equal(data, 0x31);
	r->msis++;
}

/* Nobody took the unit's own interrupts: they go where those of devices go. */
static void faults_interrupt_without_a_driver(void **state)
{
	struct uiommu_port *port;
	uint64_t pa;
	struct rig r;

	rig_start(&r, NULL, false);
	r.hw->unit_irq = NULL;
	r.hw->msi = on_msi;
	r.hw->msi_opaque = &r;
	assert_int_equal(uiommu_port_create(r.hw, 0x18, &port), 0);
	r.hw->ops->write32(r.hw, VTD_REG_FEDATA, 0x31);
	r.hw->ops->write32(r.hw, VTD_REG_FEADDR, (uint32_t)VTD_INTERRUPT_BASE);
	r.hw->ops->write32(r.hw, VTD_REG_FECTL, 0);
	rig_queue_on(&r, false);
	rig_root(&r, rig_page(&r));
	rig_te(&r, true);
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x1000, false, &pa), VTD_LRT_2);
	assert_int_equal(r.msis, 1);
	assert_int_equal(r.irqs, 0);
	rig_te(&r, false);
	uiommu_port_destroy(port);
	r.misuses = 0;
	rig_stop(&r);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_and_loads_of_no_memory),
		cmocka_unit_test(halves_of_words_behind_an_accessor),
		cmocka_unit_test(reserved_bits_of_the_queue_address),
		cmocka_unit_test(faults_interrupt_without_a_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
