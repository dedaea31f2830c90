/* SPDX-License-Identifier: MIT */
/*
 * The world of the core's fuzzer: core, driver and model of VT-d as they are, some
 * memory, ports for all devices, and beside it what the calls so far say must be the
 * case (the shadow), in numbers: -1 is none, domain 0 is blocking.
 */
#ifndef FUZZ_CORE_H
#define FUZZ_CORE_H

#include <stdbool.h>
#include <uiommu/vtd.h>

#include "base/ctx.h"
#include "fuzz.h"
#include "heap.h"

#define N_DOMAINS 7
#define N_GROUPS 4
#define N_DEVS 8
#define N_TXNS 2
#define N_PAGES 16u /* pages that domains map one by one */
#define RAM_BASE UINT64_C(0x100000)
#define RAM_SIZE UINT64_C(0x40000)
#define RAM_PAGES ((unsigned int)(RAM_SIZE / 4096))
#define BIG_IOVA UINT64_C(0x40000000) /* 2 MiB that map PA 0, and so the memory */
#define BIG_SIZE UINT64_C(0x200000)

struct shadow_domain {
	struct uiommu_domain *domain;
	enum uiommu_domain_type type;
	uint64_t pa[N_PAGES];
	unsigned int prot[N_PAGES]; /* 0: not mapped */
	unsigned int big;	    /* protection of the large page, 0: not mapped */
	/* Hardware failed in a map or unmap: devices may still see what was there. */
	bool stale;
};

struct shadow_group {
	struct uiommu_group *group;
	int domain, deflt, txn;
	bool blocked;
};

struct shadow_dev {
	struct uiommu_device *dev;
	struct uiommu_port *port;
	int group;
	/* Told by events, as it cannot be known otherwise. */
	bool parked, stuck;
	bool now_parked; /* during this call */
};

struct shadow_txn {
	struct uiommu_txn *txn;
	unsigned int n;
	int group[N_GROUPS], domain[N_GROUPS];
	bool pins[N_GROUPS]; /* that part was not cancelled */
	bool cancelled;
};

struct world {
	struct fuzz_heap heap; /* the context's opaque pointer */
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct uiommu_iommu *iommu;
	struct uiommu_agent *agent;
	unsigned char *ram;
	bool scalable;
	struct shadow_domain domain[N_DOMAINS];
	struct shadow_group group[N_GROUPS];
	struct shadow_dev dev[N_DEVS];
	struct shadow_txn txn[N_TXNS];
	/* Of the operation that runs: what was made to fail. */
	bool no_memory, bad_hardware, hung;
	unsigned int rearm, rearm_at; /* with each queue error so many more follow */
	bool ever_hung;
	unsigned int page; /* that is looked at: where the operation maps or unmaps */
	unsigned int n;	   /* number of the operation */
	const char *what;  /* its name */
};

extern const uint16_t core_rids[N_DEVS];

/* ---- core_check.c ---- */
/* What failures allow besides @want. */
void check_error(struct world *w, int err, int want);
/* All probes of all devices, and what the core says of itself. */
void check_world(struct world *w);
/* The memory holds what it held at the beginning: no write went astray. */
void ram_init(struct world *w);
void check_ram(struct world *w);

#endif
