/* SPDX-License-Identifier: MIT */
/*
 * The VT-d driver, as its files see each other. Specification: Intel
 * Virtualization Technology for Directed I/O, rev 4.1; all bits come from
 * hw/vtd/layout.h, all meanings from hw/vtd/decode.h.
 *
 * Invariants:
 * 1. A tag (domain id) is carried by entries of one domain only, and is clean in
 *    all caches while no invalidation list names it. So a domain without
 *    attachments needs no invalidation.
 * 2. An attachment's node (a device's RID, or one PASID of it) is on the list of every
 *    domain that hardware may translate for it: added before the first store, taken
 *    away after the last flush. It names what the flush must name: the tag, and the
 *    PASID where hardware tags translations with it too (6.2).
 * 3. struct vtdd_att.entry is what memory holds: only this driver stores
 *    entries, and each store updates it.
 * 4. Hardware never keeps an entry that is not present (caching mode 0, which the
 *    driver demands): present after not present needs no invalidation.
 * 5. Nothing allocates between prepare and finish, nor in unmap, park, release.
 *
 * A tag is taken when a domain is first attached or becomes a default (an identity
 * domain takes it when it is made) and kept, clean, until the domain is freed: a
 * replacement between two living domains then touches no allocator, and a way back to
 * a default domain never lacks a tag.
 */
#ifndef DRIVER_VTD_VTD_H
#define DRIVER_VTD_VTD_H

#include <uiommu/vtd.h>

#include "core/driver.h"
#include "driver/vtd/queue.h"
#include "hw/hw.h"
#include "hw/vtd/decode.h"
#include "pgtable/pgtable.h"
#include "update/invlist.h"
#include "update/plan.h"
#include "update/tag.h"

#define VTDD_NO_TAG UINT32_MAX
#define VTDD_RID_PASID 0u /* PASID of requests without one; also where ECAP.RPS is 0 */
#define VTDD_DIR_ORDERS 6u /* PASID directories have 2^0 to 2^5 pages (9.4) */
#define VTDD_TABLE_PASIDS 64u /* PASIDs of one PASID table (9.5) */

/* Kinds of an attachment's entry: the context entry in legacy mode, else the PASID entry. */
enum vtdd_kind {
	VTDD_KIND_BLOCKED, /* not present */
	VTDD_KIND_IDENTITY,
	VTDD_KIND_SECOND,
	VTDD_KIND_FIRST,
	VTDD_KINDS,
};

struct vtdd_domain {
	struct uiommu_domain base;
	enum vtdd_kind kind;
	struct inv_list list;		 /* its lock also protects attached, tag, stuck */
	unsigned int attached;		 /* attachments and prepared slots that hold the tag */
	bool unclean;			 /* one of those that left was not flushed; list.lock */
	uint32_t tag;			 /* VTDD_NO_TAG until the first attachment */
	/*
	 * Entry of an attachment to this domain; with the domain id once there is a tag, and
	 * constant from then on: whoever joined reads it without the lock.
	 */
	uint64_t entry[ENTRY_WORDS_MAX];
	uint64_t iova_last;		 /* paging: what hardware can translate */
	struct pgtable pt;		 /* paging */
	/*
	 * Flushes of ranges that failed, and how many of them a later flush of everything
	 * made good. While they differ devices may reach what is not mapped any more.
	 */
	_Atomic uint32_t flushes_failed, flushes_made_good;
	struct pgtable_gather stuck; /* taken out, but the invalidation failed: kept until the domain ends */
};

#define VTDD_STALE_MAX 4

/* What the RID of a device, or one of its PASIDs, is on: an entry of its own. */
struct vtdd_att {
	uint16_t rid;
	uint32_t pasid;			 /* as tables and tags have it: VTDD_RID_PASID for the RID */
	uiommu_pa_t entry_pa;
	uint64_t entry[ENTRY_WORDS_MAX]; /* in memory now (3) */
	struct vtdd_domain *dom;	 /* where it rests */
	struct vtdd_domain *next;	 /* reserved by prepare; kept after a failed park */
	struct core_slot *slot;		 /* between prepare and finish */
	unsigned int cur;		 /* node[cur] is on dom's list, the other is for next */
	struct inv_node node[2];
	/*
	 * By the index of node[], a bit each. dirty: since the domain's last flush that
	 * completed hardware may have kept translations for this attachment. flushing:
	 * the batch under way has a flush of the domain.
	 */
	unsigned int dirty, flushing;
	/* One run of a plan. */
	struct plan plan;
	bool planned; /* by prepare, not used yet */
	enum uiommu_gap gap; /* what prepare reported */
	unsigned int step, syncs_left;
	/* Domain ids that cached copies of the entry may carry: kept until a sync that names them succeeds.
	 */
	unsigned int n_stale;
	uint32_t stale[VTDD_STALE_MAX];
	bool synced; /* the round under way has a sync of this attachment */
};

struct vtdd_device {
	struct vtdd_att att; /* of the RID; first: dev->drv leads to both */
	/* Scalable mode: the PASID directory of 2^dir_lg2 pages; how many of its entries lead to tables. */
	uiommu_pa_t dir;
	unsigned int pdts, dir_lg2, n_tables;
};

struct vtdd_bus {
	uiommu_pa_t table[2]; /* context tables: legacy [0] only; scalable devfn below 128, and above */
	unsigned int users[2];
};

struct vtdd_iommu {
	struct uiommu_iommu base;
	struct uiommu_hw *hw;
	const struct hw_ops *ops; /* hw->ops */
	bool scalable;
	/*
	 * Configuration and IOTLB invalidations of the last sync wait separately.
	 * Not needed, see attach.c; for comparison.
	 */
	bool two_waits;
	bool off; /* translation is off: nothing to invalidate */
	struct vtd_caps caps;
	uint32_t gcmd;		/* level bits as last written */
	unsigned int plan_caps; /* enum plan_caps */
	struct entry_format fmt;
	struct entry_used used[VTDD_KINDS];
	struct tag_space tags;
	struct vtdd_queue queue;
	_Atomic unsigned int fault_calls;
	struct lock tables_lock; /* bus, root; held across invalidations of release */
	uiommu_pa_t root;
	/* Pages that could not be proven free, and PASID directories by size: until forgotten; tables_lock */
	struct pool_list kept, kept_dirs[VTDD_DIR_ORDERS];
	struct vtdd_bus bus[256];
};

static inline struct vtdd_iommu *to_vtdd(struct uiommu_iommu *iommu)
{
	return (struct vtdd_iommu *)iommu;
}

static inline struct vtdd_domain *to_vtdd_domain(struct uiommu_domain *domain)
{
	return (struct vtdd_domain *)domain;
}

static inline struct vtdd_att *vtdd_att_of(struct core_att *att)
{
	return att->pasid == UIOMMU_NO_PASID ? att->dev->drv : att->drv;
}

/* ---- entry.c: entries and what the planner must know of them ---- */

/* Fills fmt and used of an IOMMU whose caps and mode are known. Pure. */
void vtdd_entry_init(struct vtdd_iommu *vi);
/* The entry of a device on a domain of @kind; ptr and levels of paging ones. Without domain id. */
void vtdd_entry_build(const struct vtdd_iommu *vi, enum vtdd_kind kind, uint64_t ptr, unsigned int levels,
		      uint64_t entry[ENTRY_WORDS_MAX]);
/* Puts the domain id in, in place of what was there. */
void vtdd_entry_set_tag(const struct vtdd_iommu *vi, uint64_t entry[ENTRY_WORDS_MAX], uint32_t tag);
uint32_t vtdd_entry_tag(const struct vtdd_iommu *vi, const uint64_t entry[ENTRY_WORDS_MAX]);
enum vtdd_kind vtdd_entry_kind(const struct vtdd_iommu *vi, const uint64_t entry[ENTRY_WORDS_MAX]);

/* ---- device.c: tables that lead to the entries of a device; what is special about it ---- */

int vtdd_probe(struct uiommu_device *dev);
void vtdd_release(struct uiommu_device *dev);
int vtdd_pasid_probe(struct core_att *att);
void vtdd_pasid_release(struct core_att *att);
/* Gives back what releases kept; hardware has forgotten it or does not translate any more. tables_lock. */
void vtdd_put_kept(struct vtdd_iommu *vi);
enum uiommu_default vtdd_def_domain_type(struct uiommu_device *dev);
int vtdd_resv_regions(struct uiommu_device *dev,
		      int (*add)(void *opaque, const struct uiommu_resv_region *region), void *opaque);

/* ---- domain.c ---- */

int vtdd_domain_alloc(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
		      struct uiommu_domain **domain);
void vtdd_domain_free(struct uiommu_domain *domain);
int vtdd_map(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
	     unsigned int prot);
int vtdd_unmap(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size);
int vtdd_iova_to_phys(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa);
/*
 * One attachment more: the domain has a tag and keeps it, and its list has @node (its
 * rid set, it becomes one of @pasid; NULL: another node of the attachment is on the list).
 * 0, -ENOSPC. Takes the list's lock, once for both.
 */
int vtdd_domain_join(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node, uint32_t pasid);
/*
 * One less, and @node off the list. @clean: of what the attachment may have left in
 * caches a flush completed. If that was not so for one of them, the tag is quarantined
 * with the last one, and the domain takes another when it is attached again.
 */
void vtdd_domain_leave(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node, bool clean);
/* A node of an attached domain onto its list, by itself. */
void vtdd_domain_list(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node, uint32_t pasid);
/* A node off the list, before its domain is left. */
void vtdd_domain_unlist(struct vtdd_iommu *vi, struct vtdd_domain *dom, struct inv_node *node);
/* Takes a tag if there is none yet; it stays until the domain is freed. 0, -ENOSPC. */
int vtdd_domain_reserve(struct uiommu_domain *domain);
/*
 * Appends the flush of all translations that an attachment of @pasid may have left under
 * a domain's tag; nothing for blocked ones.
 */
void vtdd_domain_flush(const struct vtdd_iommu *vi, const struct vtdd_domain *dom, uint32_t pasid,
		       struct vtdd_inv *inv);

/* ---- attach.c ---- */

int vtdd_prepare(struct core_slot *slot, struct uiommu_report *report);
void vtdd_abort(struct core_slot *slot);
int vtdd_commit(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
		enum core_direction direction, unsigned int *done, struct uiommu_report *report);
void vtdd_finish(struct core_slot *slot, struct uiommu_domain *where);
int vtdd_park(struct core_att *att);

/* ---- show.c ---- */

void vtdd_show_iommu(struct uiommu_iommu *iommu, struct uiommu_show_iommu *show);
void vtdd_show_domain(struct uiommu_domain *domain, struct uiommu_show_domain *show);
void vtdd_show_attachment(struct core_att *att, const struct uiommu_show_ops *ops, void *opaque);

/* ---- fault.c ---- */

/* Clears what an earlier owner left, programs and unmasks the fault event. */
void vtdd_fault_init(struct vtdd_iommu *vi);
void vtdd_fault_fini(struct vtdd_iommu *vi);
/*
 * Reports all recorded faults as events and frees their records. Any thread, also
 * inside a DMA batch: never waits for the hardware or for another thread.
 */
void vtdd_fault_service(struct vtdd_iommu *vi);

#endif
