/* SPDX-License-Identifier: MIT */
/*
 * A world in which every call is made twice: to the core over two mock IOMMUs and
 * to the model of its rules; results and states are compared after each one.
 *
 * IOMMU 0 has devices (= RIDs) 0 to 15, groups 0 and 1, domains 1 to 7; IOMMU 1
 * has the others. Domain 0 is the blocking domain of either.
 */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H

#include "mock.h"
#include "model.h"

struct world {
	struct model m;
	struct mock_events events;
	struct uiommu_ctx *ctx;
	long live;			/* allocations of the context itself */
	struct uiommu_iommu *iommu[2];
	struct uiommu_group *group[M_GROUPS];
	struct uiommu_domain *domain[M_DOMAINS];	/* [0] unused; NULL: not allocated */
	struct uiommu_device *dev[M_DEVS];
	/* A prepared transaction. */
	struct uiommu_txn *txn;
	struct model_move moves[M_DEVS];
	int n_moves, n_targets;
	struct { int group, domain; bool pinned; struct uiommu_attach_handle *handle; } target[M_GROUPS];
	struct uiommu_attach_handle handle[64];		/* a new one for each target */
	unsigned int handles;
	bool cancelled;
};

struct world *world_create(void);
/* Takes everything apart with all faults cleared; nothing may leak. */
void world_destroy(struct world *w);

int world_iommu_of_domain(int domain);
struct uiommu_domain *world_domain(struct world *w, int group, int domain);
/* Hands the fault flags of the model's devices to the mocks. */
void world_set_faults(struct world *w);
void world_clear_faults(struct world *w);
/* Compares everything. */
void world_compare(struct world *w);

/* Each makes the call, and compares result and state. */
void world_alloc(struct world *w, int domain);
void world_free(struct world *w, int domain);
int world_add(struct world *w, int group, int dev);
void world_remove(struct world *w, int dev);
int world_attach(struct world *w, int group, int domain);
int world_replace(struct world *w, int group, int domain);
void world_detach(struct world *w, int group);
void world_block(struct world *w, int group);
int world_set_default(struct world *w, int group, int domain);
/* Targets are w->target[0..n). */
int world_prepare(struct world *w, int n);
int world_commit(struct world *w);
void world_abort(struct world *w);

#endif
