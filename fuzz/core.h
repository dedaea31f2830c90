/* SPDX-License-Identifier: MIT */
/*
 * The world of the core's fuzzer: core, driver and model of VT-d as they are, some
 * memory, ports for all devices, and beside it what the calls so far say must be the
 * case (the shadow), in numbers: -1 is none, domain 0 is blocking.
 */
#ifndef FUZZ_CORE_H
#define FUZZ_CORE_H

#include <stdbool.h>
#include <uiommu/device.h>
#include <uiommu/owner.h>
#include <uiommu/pasid.h>
#include <uiommu/vtd.h>

#include "base/ctx.h"
#include "fuzz.h"
#include "heap.h"

#define N_DOMAINS 7
#define N_GROUPS 4
#define N_DEVS 8
#define N_TXNS 2
#define N_PASIDS 5
#define N_ATTS (1 + N_PASIDS) /* of a device or group: 0 is without a PASID */
#define N_HANDLES 1024u	      /* each is used once */
#define MAX_TARGETS 4u
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
	int pasid[N_ATTS]; /* domains, -1: not attached; [0] is not used */
	struct uiommu_attach_handle *handle[N_ATTS];
	int owner;	     /* 0: none */
	unsigned int claims; /* of the owner; without one, uses of the default domain */
};

/* Told by events, as it cannot be known otherwise. */
struct shadow_att {
	bool parked, stuck;
	bool now_parked; /* during this call */
};

struct shadow_dev {
	struct uiommu_device *dev;
	struct uiommu_port *port;
	int group;
	uint32_t max_pasids;
	unsigned int resets;
	struct shadow_att att[N_ATTS];
};

struct shadow_txn {
	struct uiommu_txn *txn;
	unsigned int n;
	int group[MAX_TARGETS], domain[MAX_TARGETS], att[MAX_TARGETS];
	struct uiommu_attach_handle *handle[MAX_TARGETS];
	bool pins[MAX_TARGETS]; /* that part was not cancelled */
	bool cancelled;
};

/* Errors that a call may return now; none: it must succeed. */
struct wants {
	int err[8];
	unsigned int n;
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
	struct uiommu_attach_handle handle[N_HANDLES];
	unsigned int handles;
	const struct uiommu_attach_handle *fault; /* whose fault a probe may meet */
	bool probing;
	/* Of the operation that runs: what was made to fail. */
	bool no_memory, bad_hardware, hung;
	unsigned int rearm, rearm_at; /* with each queue error so many more follow */
	bool ever_hung;
	unsigned int page; /* that is looked at: where the operation maps or unmaps */
	unsigned int n;	   /* number of the operation */
	const char *what;  /* its name */
};

extern const uint16_t core_rids[N_DEVS];
extern const uint32_t core_pasids[N_ATTS]; /* [0]: UIOMMU_NO_PASID */

/* ---- core.c ---- */
/* A domain that is there, or with bad luck -1. */
int pick_domain(const struct world *w, unsigned int k);
struct uiommu_domain *domain_ptr(struct world *w, int k);
/* What the caller demands; NULL: any gap. */
const struct uiommu_replace_opts *pick_opts(unsigned int how, struct uiommu_replace_opts *opts);
/* NULL when all are used up. */
struct uiommu_attach_handle *pick_handle(struct world *w);
bool group_resetting(const struct world *w, int g);
bool att_stuck(const struct world *w, int g, unsigned int att);
bool any_pasid(const struct shadow_group *s);
void txn_end(struct world *w, struct shadow_txn *t);
/* A group takes itself out of its transaction. */
void cancel(struct world *w, int g);
/* A change of an attachment of the group succeeded: devices are there, but for those that an event named. */
void settle(struct world *w, int g, unsigned int att, int to, struct uiommu_attach_handle *handle);
void settle_group(struct world *w, int g, int to, bool to_default, struct uiommu_attach_handle *handle);

/* ---- core_more.c: PASIDs, handles, ownership, reset ---- */
void op_attach_pasid(struct world *w, const struct fuzz_op *op);
void op_replace_pasid(struct world *w, const struct fuzz_op *op);
void op_detach_pasid(struct world *w, const struct fuzz_op *op);
void op_group_handle(struct world *w, const struct fuzz_op *op);
void op_claim(struct world *w, const struct fuzz_op *op);
void op_release(struct world *w, const struct fuzz_op *op);
void op_use(struct world *w, const struct fuzz_op *op);
void op_reset(struct world *w, const struct fuzz_op *op);

/* ---- core_check.c ---- */
/* What failures allow besides @want. */
void check_error(struct world *w, int err, int want);
/* The same with several wants. */
void want(struct wants *wants, bool cond, int err);
void check_wants(struct world *w, int err, const struct wants *wants);
/* A demand may be refused, for reasons that the shadow does not know, and otherwise holds. */
bool refused(const struct uiommu_replace_opts *opts, int err, const struct uiommu_report *report);
void check_report(const struct uiommu_report *r, int err);
/* All probes of all devices, and what the core says of itself. */
void check_world(struct world *w);
/* The memory holds what it held at the beginning: no write went astray. */
void ram_init(struct world *w);
void check_ram(struct world *w);

#endif
