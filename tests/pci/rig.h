/* SPDX-License-Identifier: MIT */
/*
 * A copy engine behind the mock IOMMU, with a driver, and data pages that are
 * scattered in one of the two memories. For the tests of the engine.
 */
#ifndef TESTS_PCI_RIG_H
#define TESTS_PCI_RIG_H

#include "pci/copy/client.h"
#include "pci/copy/engine.h"
#include "pci/mock.h"

#define RIG_PAGES 96 /* IOVA pages 0 to 95 hold data */
#define RIG_BYTES ((uint64_t)RIG_PAGES * UIOMMU_PAGE_SIZE)
#define RIG_HOLE (RIG_BYTES) /* IOVA of pages that are not mapped */
#define RIG_RINGS (UINT64_C(400) * UIOMMU_PAGE_SIZE)
#define RIG_RING_PAGES 8

struct rig_opts {
	uiommu_pa_t mem;       /* MOCK_POINTER_PA (default) or MOCK_ACCESSOR_PA */
	unsigned int threads;  /* 0: 1 */
	unsigned int size_lg2; /* 0: 4 */
	uint64_t seed;
	bool retry;
	uint32_t resubmit;
	uint32_t pasid; /* 0: none */
	bool no_client; /* the test programs the engine itself */
};

struct rig {
	struct mock *m;
	struct uiommu_copy *copy;
	struct copy_client *client;
	void *rings;		       /* host side */
	unsigned char data[RIG_BYTES]; /* what should be at IOVA 0 to RIG_BYTES */
	uint64_t rng;
};

struct rig *rig_create(const struct rig_opts *opts);
void rig_destroy(struct rig *rig);

/* Random data everywhere. */
void rig_scramble(struct rig *rig);
/* Compares memory with rig->data. */
void rig_check(struct rig *rig);
/* What the engine should do: executes it on rig->data. */
void rig_execute(struct rig *rig, const struct uiommu_copy_desc *desc, uint64_t bytes);
/* Bit by bit, as the definition says. */
uint32_t rig_crc32c(const unsigned char *p, size_t len);
/* A valid descriptor over data pages; copies do not overlap themselves. */
struct uiommu_copy_desc rig_random_desc(struct rig *rig, uint64_t max_len);

#endif
