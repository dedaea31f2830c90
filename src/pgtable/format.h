/* SPDX-License-Identifier: MIT */
/*
 * What is common to the formats of this floor: 8-byte entries, 512 of them in a
 * table; and what pgtable.c knows of one, its operations and its limits. Private to
 * this floor.
 */
#ifndef PGTABLE_FORMAT_H
#define PGTABLE_FORMAT_H

#include "pgtable/pgtable.h"

enum {
	PGTABLE_LG2_ENTRIES = 9,
	PGTABLE_ENTRIES = 1 << PGTABLE_LG2_ENTRIES,
	PGTABLE_LG2_PAGE = 12,
	PGTABLE_MAX_LEVELS = 5,
};

struct pgtable_limits {
	const struct pgtable_ops *ops;
	unsigned int min_levels, max_levels;
	unsigned int features;		/* those that the format knows */
};

/* An entry in memory: hardware and other threads look at it at any time. */
typedef _Atomic uint64_t pgtable_slot;

/* log2 of the bytes that an entry of this level covers. */
static inline unsigned int pgtable_shift(unsigned int level)
{
	return PGTABLE_LG2_PAGE - PGTABLE_LG2_ENTRIES + PGTABLE_LG2_ENTRIES * level;
}

static inline unsigned int pgtable_index(uiommu_iova_t iova, unsigned int level)
{
	return (iova >> pgtable_shift(level)) & (PGTABLE_ENTRIES - 1);
}

/* One constant per format, in its instantiation file. */
extern const struct pgtable_limits vtdss_limits;
extern const struct pgtable_limits x86_64_limits;

#endif
