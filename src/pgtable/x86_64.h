/* SPDX-License-Identifier: MIT */
/*
 * First-stage paging entries of VT-d: those of x86-64, 64 bits, 4 or 5 levels.
 * Specification: Intel VT-d, rev 4.1, sections 3.6 (translation) and 9.7 (entries).
 */
#ifndef PGTABLE_X86_64_H
#define PGTABLE_X86_64_H

#include <errno.h>

#include "base/bits.h"
#include "pgtable/format.h"

/* Section 9.7, FS-PML5E to FS-PTE. Nothing else is checked while P = 0. */
enum x86_64_bits {
	X86_64_P = BIT64(0),
	X86_64_RW = BIT64(1),		/* and-ed over the levels */
	X86_64_US = BIT64(2),		/* and-ed; requests of devices are user's */
	X86_64_A = BIT64(5),		/* hardware sets it at every level if it is 0 */
	X86_64_D = BIT64(6),		/* leaf: hardware sets it on a write if it is 0 */
	X86_64_PS = BIT64(7),		/* leaf at level 2 or 3; reserved at 4 and 5; PAT at 1 */
	X86_64_ADDR = FIELD(51, 12),	/* bit 12 of a large leaf is PAT, 0 in ours */
};

/*
 * Input addresses are canonical (section 3.6). The upper half would need sign-extended
 * IOVAs, so the table covers the lower half.
 */
static inline unsigned int x86_64_iova_bits(unsigned int levels)
{
	return PGTABLE_LG2_PAGE + PGTABLE_LG2_ENTRIES * levels - 1;
}

/* The bits of a leaf that do not depend on address and level. P grants reads. */
static inline int x86_64_leaf_bits(unsigned int prot, unsigned int features, uint64_t *bits)
{
	if (!(prot & UIOMMU_READ))
		return -EOPNOTSUPP;
	*bits = X86_64_P | X86_64_US | X86_64_A | X86_64_D | (prot & UIOMMU_WRITE ? X86_64_RW : 0);
	return 0;
}

static inline uint64_t x86_64_make_leaf(uint64_t bits, uiommu_pa_t pa, unsigned int level)
{
	return bits | pa | (level > 1 ? X86_64_PS : 0);
}

/* A is preset here too; D is ignored in entries that point to tables. */
static inline uint64_t x86_64_make_table(uiommu_pa_t pa)
{
	return X86_64_P | X86_64_RW | X86_64_US | X86_64_A | pa;
}

static inline bool x86_64_is_present(uint64_t entry)
{
	return entry & X86_64_P;
}

/* Of a present entry. */
static inline bool x86_64_is_leaf(uint64_t entry, unsigned int level)
{
	return level == 1 || (entry & X86_64_PS);
}

/* Of any entry above level 1. */
static inline bool x86_64_is_table(uint64_t entry)
{
	return (entry & (X86_64_P | X86_64_PS)) == X86_64_P;
}

/* Of a table or a leaf of any size: ours have 0 in the low address bits. */
static inline uiommu_pa_t x86_64_address(uint64_t entry)
{
	return entry & X86_64_ADDR;
}

static inline unsigned int x86_64_permissions(uint64_t entry)
{
	return (entry & X86_64_P ? UIOMMU_READ : 0) | (entry & X86_64_RW ? UIOMMU_WRITE : 0);
}

#endif
