/* SPDX-License-Identifier: MIT */
/* A remapping unit with devices, a domain and an agent: what the measurements of `uiommu bench` work on. */
#ifndef CLI_BENCH_UNIT_H
#define CLI_BENCH_UNIT_H

#include <uiommu/vtd.h>

#define BENCH_IOVA (UINT64_C(4) << 30)
#define BENCH_PA (UINT64_C(2) << 30)

enum { BENCH_GROUP = 1000 }; /* at most that many devices in one of the unit's groups */

struct bench_unit {
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct uiommu_iommu *iommu;
	struct uiommu_domain *domain;	     /* second stage; the groups are on it */
	struct uiommu_domain *other, *third; /* likewise */
	struct uiommu_agent *agent;
	unsigned int devices, groups;
	struct uiommu_group **group;
	struct uiommu_device **dev;
	struct uiommu_port **port;
	char *page; /* all that is mapped leads here */
};

struct bench_unit_opts {
	unsigned int devices; /* RIDs from 8 on */
	unsigned int per_group;
	unsigned int pages; /* 4 KiB mappings of each domain, from BENCH_IOVA on */
	bool legacy, own_thread;
};

/* 0 or -errno; end it in any case. @u is zero before. */
int bench_unit_make(struct bench_unit *u, const struct bench_unit_opts *o);
void bench_unit_end(struct bench_unit *u);

#endif
