/* SPDX-License-Identifier: MIT */
/* Names of the deliberate mistakes, and the selected one of a thread in the steered build. */
#include "update/mutant.h"

#include <stddef.h>
#include <string.h>

static const char *const names[MUTANT_COUNT] = {
	[MUTANT_NONE] = "none",
	[MUTANT_NO_CONFIG_INV] = "no-config-inv",
	[MUTANT_NO_IOTLB_INV] = "no-iotlb-inv",
	[MUTANT_SWAP_INV] = "swap-inv",
	[MUTANT_TAG_BEFORE_POINTER] = "tag-before-pointer",
	[MUTANT_TAG_REUSE_EARLY] = "tag-reuse-early",
	[MUTANT_NO_DRAIN] = "no-drain",
	[MUTANT_LIST_ADD_LATE] = "list-add-late",
	[MUTANT_LIST_DEL_EARLY] = "list-del-early",
	[MUTANT_TABLE_FREE_EARLY] = "table-free-early",
	[MUTANT_WRONG_IH] = "wrong-ih",
};

const char *mutant_name(enum mutant m)
{
	return (unsigned int)m < MUTANT_COUNT ? names[m] : "?";
}

enum mutant mutant_by_name(const char *name)
{
	for (unsigned int m = 0; m < MUTANT_COUNT; m++)
		if (!strcmp(name, names[m]))
			return (enum mutant)m;
	return MUTANT_NONE;
}

#ifdef UIOMMU_STEERED

/* The tasks of a set are fibers of one thread: what it selected holds for all of them. */
static _Thread_local enum mutant selected;

void mutant_select(enum mutant m)
{
	selected = m;
}

bool mutant(enum mutant m)
{
	return m != MUTANT_NONE && selected == m;
}

#endif
