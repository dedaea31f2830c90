/* SPDX-License-Identifier: MIT */
/*
 * An IOMMU that is as simple as can be, for tests of devices: a page map per domain
 * and one word that says which domain is installed. It checks the rules that a
 * device must keep, counts, faults on demand, and can be told to switch badly.
 */
#ifndef TESTS_PCI_MOCK_H
#define TESTS_PCI_MOCK_H

#include <stdatomic.h>

#include "base/ctx.h"
#include "base/task.h"
#include "hw/hw.h"

#define MOCK_DOMAINS 4
#define MOCK_PAGES 512 /* IOVA pages 0 to 511 */
#define MOCK_POINTER_PA 0x40000000u
#define MOCK_ACCESSOR_PA 0x80000000u
#define MOCK_MEM_PAGES 256 /* in each of the two memories */

struct mock {
	struct uiommu_hw hw;
	struct uiommu_ctx *ctx;
	struct task_set *tasks;
	/* PA of the page | UIOMMU_READ | UIOMMU_WRITE; 0: not mapped. */
	_Atomic uint64_t pte[MOCK_DOMAINS][MOCK_PAGES];
	_Atomic unsigned int current;
	_Atomic uint32_t want_pasid; /* all accesses but MSIs carry it */
	_Atomic uint64_t accesses;   /* translated or faulted, without MSIs */
	_Atomic uint64_t msis;
	_Atomic uint64_t last_msi_addr;
	_Atomic uint32_t last_msi_data;
	_Atomic uint64_t fault_first, fault_last; /* numbers of accesses that fault; from 1 */
	atomic_bool hold;			/* translations wait while it is set */
	_Atomic uint64_t faulted_iova;		  /* of the last fault that was asked for */
	_Atomic uint64_t broken_rules;
	unsigned char *pointer, *backing; /* host side of the two memories */
};

/* seed is the task set's. alloc failures must not be armed yet. */
struct mock *mock_create(uint64_t seed);
/* All devices must be gone. Checks that they kept the rules. */
void mock_destroy(struct mock *m);

/*
 * Teardown of a test: says with which seed a failed test ran (its mock was not
 * destroyed). cmocka jumps out of a failing test, so all else of it is lost.
 */
int mock_report(void **state);
#define seeded_test(f) cmocka_unit_test_teardown(f, mock_report)

/* Host side of a PA of either memory. */
unsigned char *mock_host(struct mock *m, uiommu_pa_t pa);
/* The n-th access from now (1: the next) faults, and count - 1 after it. 0, 0: none. */
void mock_fault(struct mock *m, uint64_t n, uint64_t count);
void mock_map(struct mock *m, unsigned int domain, uiommu_iova_t iova, uiommu_pa_t pa, unsigned int prot);
/* What a device sees at iova in the installed domain; single byte. */
unsigned char *mock_at(struct mock *m, uiommu_iova_t iova);

/* Test's own random numbers. */
uint64_t mock_random(uint64_t *state);

#endif
