/* SPDX-License-Identifier: MIT */
/*
 * VT-d second-stage paging entries, 64 bits, 3 to 5 levels.
 * Specification: Intel VT-d, rev 4.1, sections 3.7 (translation) and 9.8 (entries).
 */
#ifndef PGTABLE_VTDSS_H
#define PGTABLE_VTDSS_H

#include <errno.h>

#include "base/bits.h"
#include "pgtable/format.h"

/* Section 9.8, SS-PML5E to SS-PTE. An entry is present if R or W is set; then reserved bits are checked. */
enum vtdss_bits {
	VTDSS_R = BIT64(0),		/* and-ed over the levels */
	VTDSS_W = BIT64(1),
	VTDSS_PS = BIT64(7),		/* leaf at level 2 or 3; reserved at 4 and 5; ignored at 1 */
	VTDSS_SNP = BIT64(11),		/* leaf: snoop; reserved if ECAP.SC = 0 and in non-leaf entries */
	VTDSS_ADDR = FIELD(51, 12),	/* reserved from the host address width on */
};

static inline unsigned int vtdss_iova_bits(unsigned int levels)
{
	return PGTABLE_LG2_PAGE + PGTABLE_LG2_ENTRIES * levels;
}

/* The bits of a leaf that do not depend on address and level. */
static inline int vtdss_leaf_bits(unsigned int prot, unsigned int features, uint64_t *bits)
{
	*bits = (prot & UIOMMU_READ ? VTDSS_R : 0) | (prot & UIOMMU_WRITE ? VTDSS_W : 0) |
		(features & PGTABLE_SNOOP ? VTDSS_SNP : 0);
	return 0;
}

static inline uint64_t vtdss_make_leaf(uint64_t bits, uiommu_pa_t pa, unsigned int level)
{
	return bits | pa | (level > 1 ? VTDSS_PS : 0);
}

static inline uint64_t vtdss_make_table(uiommu_pa_t pa)
{
	return VTDSS_R | VTDSS_W | pa;
}

static inline bool vtdss_is_present(uint64_t entry)
{
	return entry & (VTDSS_R | VTDSS_W);
}

/* Of a present entry. */
static inline bool vtdss_is_leaf(uint64_t entry, unsigned int level)
{
	return level == 1 || (entry & VTDSS_PS);
}

/* Of any entry above level 1. */
static inline bool vtdss_is_table(uint64_t entry)
{
	return (entry & (VTDSS_R | VTDSS_W | VTDSS_PS)) == (VTDSS_R | VTDSS_W);
}

/* Of a table or a leaf of any size: in ours the reserved low address bits are 0. */
static inline uiommu_pa_t vtdss_address(uint64_t entry)
{
	return entry & VTDSS_ADDR;
}

static inline unsigned int vtdss_permissions(uint64_t entry)
{
	return (entry & VTDSS_R ? UIOMMU_READ : 0) | (entry & VTDSS_W ? UIOMMU_WRITE : 0);
}

#endif
