/* SPDX-License-Identifier: MIT */
/* The core and its rules side by side, of the model-based test. */
#ifndef TESTS_CORE_MODEL_SIDE_H
#define TESTS_CORE_MODEL_SIDE_H

#include "model_calls.h"

enum { HANDLES = 24, USER_DOMAINS = 8, REGIONS = 2 };

struct model_side {
	struct md md;
	struct rules r;
	struct uiommu_ctx *ctx;
	struct uiommu_group *group[R_GROUPS];
	struct uiommu_device *dev[MD_RIDS];
	struct uiommu_domain *domain[USER_DOMAINS + 1];
	struct uiommu_attach_handle handle[HANDLES];	/* [0] is nobody's */
	struct uiommu_txn *txn;
	struct uiommu_resv_region region[MD_RIDS][REGIONS];
	int regions[MD_RIDS], uses[MD_RIDS];
	/* Of the call. */
	unsigned int allocs, nomem, parked_events;
	bool no_memory;					/* an allocation of the core's failed */
	int result;
	bool skipped;					/* it made no sense */
	unsigned int events;
	long live;					/* allocations of the context itself */
	char text[256];
};

/* The domain with a number; NULL: there is none. */
struct uiommu_domain *side_domain(struct model_side *s, int iommu, int d);
/* Unless @cond, puts down what is not as it should be. Returns !cond. */
bool side_wrong(struct model_side *s, bool cond, const char *what, int a, int b);
/* Whether anything is not as the rules say. */
bool side_compare(struct model_side *s);
/* uiommu_group_resv_regions() with room for @max, compared: sorted by start, then type; merged per type. */
int side_call_regions(struct model_side *s, int g, unsigned int max);

#endif
