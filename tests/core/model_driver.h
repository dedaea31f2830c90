/* SPDX-License-Identifier: MIT */
/*
 * The hardware of the model-based test: a driver that keeps its own record of what
 * each attachment can reach, checks at every call that the core keeps its promises
 * to drivers (core/driver.h), fails at the steps that it is told, and notes to whom
 * that happened. It never looks at what the core believes.
 */
#ifndef TESTS_CORE_MODEL_DRIVER_H
#define TESTS_CORE_MODEL_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/driver.h"

enum { MD_RIDS = 24, MD_PASIDS = 4, MD_DOMAINS = 16, MD_NO_PASID_DOMAIN = 5 };

/* What happened to an attachment during a call; MD_FAILED are failures. */
enum md_hit {
	MD_PREP = 1,		/* prepare failed */
	MD_COMMIT = 2,		/* it was the one at which commit failed */
	MD_LOST = 4,		/* commit, there or back, lost it */
	MD_BACK = 8,		/* it was the one at which the way back failed */
	MD_PARK = 16,		/* parking failed, and did not succeed later */
	MD_SEEN = 32,		/* prepared */
	MD_MOVED = 64,		/* commit put it on the new domain */
	MD_PARKED = 128,	/* parked by hardware */
};

struct md_domain {
	struct uiommu_domain base;
	int id;
	uint64_t pages;				/* mapped 1:1, a bit per page */
	uint8_t nodes[MD_RIDS][MD_PASIDS];
	bool kept;				/* parking failed: it may have to be kept for ever */
};

/* One attachment; [0] of a requester is its RID's. */
struct md_att {
	bool live, prepared, committing, deferred;
	struct uiommu_domain *reach[2];		/* [1] NULL: certain */
	struct uiommu_domain *kept[2];
	struct core_slot *slot;
};

struct md_iommu {
	struct uiommu_iommu base;
	struct md *md;
	int number;
	bool off;
};

/* All IOMMUs of a test together. */
struct md {
	struct md_iommu *iommu[2];
	struct md_att att[MD_RIDS][MD_PASIDS];
	struct md_domain *domain[MD_DOMAINS];	/* those that exist, by id; blocking has none */
	int next_id;				/* of the next domain */
	/* What shall fail: bit n is the n-th step of the call. */
	uint64_t fail, lose, lose_behind;
	unsigned int step;
	bool inside;				/* an operation of the driver runs */
	/* What happened in the call. */
	int err;				/* the first that was returned to a forward step */
	unsigned int hit[MD_RIDS][MD_PASIDS], commits, parks, backs;
	const char *broken;			/* the first promise that was broken; NULL: none */
	int broken_line;
};

int md_create(struct md *md, struct uiommu_ctx *ctx, int number);
void md_begin(struct md *md, uint64_t fail, uint64_t lose, uint64_t lose_behind);
static inline int md_iommu_of(int rid)
{
	return rid >= 16;
}
/* What a driver demands of the default domain of a device. */
static inline enum uiommu_default md_demand(int rid)
{
	return rid == 7 || rid == 20 ? UIOMMU_DEFAULT_IDENTITY :
	       rid == 9 || rid == 21 ? UIOMMU_DEFAULT_PAGING : UIOMMU_DEFAULT_ANY;
}
/* Whether going from one domain to another has a gap. */
static inline bool md_gap(int from, int to)
{
	return (from + to) % 5 == 0;
}

#endif
