/* SPDX-License-Identifier: MIT */
/*
 * A driver without hardware, for tests of the core. It keeps its own record of
 * what each device can reach and of the nodes on each domain's list, checks at
 * every call that the core keeps its promises to drivers, and fails on demand.
 */
#ifndef TESTS_CORE_MOCK_H
#define TESTS_CORE_MOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

#define MOCK_DEVS 32	/* RIDs 0 to 31 */
#define MOCK_PASIDS 36	/* PASIDs 1 to 35: some share a bucket */
#define MOCK_PAGES 64	/* pages that domains keep account of */

/* One bit per RID. */
struct mock_faults {
	_Atomic uint32_t probe, prepare, commit, back, park;
	_Atomic uint32_t lost;		/* a failing commit or way back loses the device */
	_Atomic uint32_t batch_lost;	/* devices behind a failing one that are lost with it */
};

struct mock_domain {
	struct uiommu_domain base;
	uint8_t nodes[MOCK_DEVS];	/* invalidation list: nodes per device */
	uint8_t pasid_nodes[MOCK_DEVS][MOCK_PASIDS];
	bool page[MOCK_PAGES];		/* mapped, with account_maps */
	_Atomic unsigned int maps;
};

/* Hardware of a RID or PASID and its bookkeeping. */
struct mock_hw {
	struct uiommu_device *dev;	/* NULL: not probed */
	struct uiommu_domain *reach[2];	/* what hardware may reach; [1] is NULL when it is certain */
	struct uiommu_domain *kept[2];	/* whose lists kept nodes when parking failed */
	bool prepared, committing;
	bool foreign;			/* a previous owner's translation is in use */
};

struct mock_iommu {
	struct uiommu_iommu base;
	struct lock lock;
	struct mock_faults faults;
	struct mock_faults pasid_faults;	/* the same for PASIDs, by RID; faults is for RIDs */
	struct mock_hw hw[MOCK_DEVS];
	struct mock_hw pasid_hw[MOCK_DEVS][MOCK_PASIDS];
	uint32_t hw_pasids;		/* what hardware can do */
	enum uiommu_default def_type[MOCK_DEVS];
	const struct uiommu_resv_region *resv[MOCK_DEVS];	/* one that the driver tells, or NULL */
	bool account_maps;		/* map, unmap and iova_to_phys keep account of pages */
	int map_fails_at;		/* page, or -1 */
	enum uiommu_gap gap[MOCK_DEVS], best_gap;	/* what prepare reports */
	bool no_reserve;		/* reserve fails */
	unsigned int reserves;
	unsigned int prepares, commits, backs, aborts, finishes, parks, maps;
	unsigned int commit_slots;	/* of the last commit */
	bool saw_opts;
	enum uiommu_gap demand;
	uiommu_iova_t equal_start, equal_last;
	bool off, no_domains, no_blocking, no_identity;
};

struct mock_events {
	_Atomic unsigned int parked, unwind_failed, quarantined, direct_blocked;
	void *_Atomic data;		/* of the last fault */
};

/* A context whose events are counted. Aborts the test when it cannot be made. */
struct uiommu_ctx *mock_ctx(struct mock_events *events);
/* A registered IOMMU, ended by uiommu_iommu_destroy(). NULL: no memory. */
struct uiommu_iommu *mock_iommu(struct uiommu_ctx *ctx);
static inline struct mock_iommu *to_mock(struct uiommu_iommu *iommu)
{
	return (struct mock_iommu *)iommu;
}

/*
 * Compares the core's view with the record: reach, nodes, no slot left over.
 * Call while no transaction is prepared and nobody else uses the IOMMU.
 */
void mock_check(struct uiommu_iommu *iommu);
void mock_clear_faults(struct mock_iommu *m);
struct uiommu_domain *mock_domain(struct uiommu_iommu *iommu, enum uiommu_domain_type type);
struct uiommu_device *mock_add(struct uiommu_group *group, uint16_t rid);
/* One that can do PASIDs. */
struct uiommu_device *mock_add_pasids(struct uiommu_group *group, uint16_t rid);

/* Prints and aborts: also from threads, where cmocka's assertions do not work. */
#define require(cond) \
	do { if (!(cond)) mock_die(#cond, __FILE__, __LINE__); } while (0)
void mock_die(const char *cond, const char *file, int line) __attribute__((noreturn));
/* Printed by mock_die(), so that a failure can be repeated. */
void mock_seed(uint64_t seed);

/* xorshift64*; *state must not be 0. */
static inline uint32_t rnd(uint64_t *state, uint32_t n)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(2685821657736338717)) >> 32) % n;
}

/* True with a probability of one in n. */
static inline bool one_in(uint64_t *state, uint32_t n)
{
	return !rnd(state, n);
}

#endif
