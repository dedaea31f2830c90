/* SPDX-License-Identifier: MIT */
/*
 * Mistakes that the steered test build can be told to make, to show that the tests
 * find them. In production mutant() is a constant false and nothing of it remains.
 * The choice belongs to the running task set.
 */
#ifndef UPDATE_MUTANT_H
#define UPDATE_MUTANT_H

#include <stdbool.h>

enum mutant {
	MUTANT_NONE,
	MUTANT_NO_CONFIG_INV,	   /* no context- or PASID-cache invalidation */
	MUTANT_NO_IOTLB_INV,	   /* no IOTLB invalidation */
	MUTANT_SWAP_INV,	   /* IOTLB before configuration */
	MUTANT_TAG_BEFORE_POINTER, /* two 64-bit stores, domain id first */
	MUTANT_TAG_REUSE_EARLY,	   /* tag free before its flush completed */
	MUTANT_NO_DRAIN,	   /* IOTLB invalidation without drain bits */
	/* Those above show in replacements alone; those below need unmaps at the same time. */
	MUTANT_SCENARIO_COUNT,
	MUTANT_LIST_ADD_LATE = MUTANT_SCENARIO_COUNT, /* on the new domain's list after the entry is live */
	MUTANT_LIST_DEL_EARLY,	 /* off the old domain's list before the entry changed */
	MUTANT_TABLE_FREE_EARLY, /* tables taken out are free before the flush of the unmap */
	MUTANT_WRONG_IH,	 /* an unmap that took tables out says that only leaves changed (IH = 1) */
	MUTANT_COUNT,
};

/* Names as on a command line, "no-config-inv" etc.; "?" for anything else. Static. */
const char *mutant_name(enum mutant m);
/* MUTANT_NONE if unknown. */
enum mutant mutant_by_name(const char *name);

#ifdef UIOMMU_STEERED
/* For the calling thread and the tasks of its task set, until the next call. MUTANT_NONE: no mistakes. */
void mutant_select(enum mutant m);
/* Whether to make mistake @m here. */
bool mutant(enum mutant m);
#else
static inline bool mutant(enum mutant m)
{
	(void)m;
	return false;
}
#endif
#endif
