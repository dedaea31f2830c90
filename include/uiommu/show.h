/* SPDX-License-Identifier: MIT */
/*
 * Looking at a running IOMMU: its domains with their page tables, its groups, devices and
 * attachments, and the entries that hardware reads for them, raw and decoded.
 *
 * Looking takes the lock of one group at a time, for as long as that group's callbacks
 * run, and stores nothing that hardware reads: DMA does not notice it, and a replacement of
 * that group waits for it. So a group is shown as it was at one moment, different groups
 * and domains at different ones.
 */
#ifndef UIOMMU_SHOW_H
#define UIOMMU_SHOW_H

#include <uiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No tag: the domain has not been attached yet, or its type needs none. */
#define UIOMMU_SHOW_NO_TAG UINT32_MAX
/* Levels of page tables are 1 to 5; index 0 is not used. */
#define UIOMMU_SHOW_LEVELS 6

/* Pointers in the structures below are valid during the callback only. */

struct uiommu_show_iommu {
	const char *driver;		/* "vtd" */
	const char *mode;		/* "scalable", "legacy"; "" if there are no modes */
	unsigned int groups, domains;	/* the blocking domain not counted */
};

/* Domains and groups have numbers that are not given twice in the life of the IOMMU. */
struct uiommu_show_domain {
	uint64_t id;			/* 0: the blocking domain */
	enum uiommu_domain_type type;
	enum uiommu_stage stage;
	unsigned int users;		/* groups and PASIDs on it, defaults, prepared replacements */
	bool quarantined;		/* hardware may still reach it: kept for ever */
	uint32_t tag;			/* VT-d: domain id; UIOMMU_SHOW_NO_TAG */
	unsigned int levels;		/* of the page table; 0: there is none */
	uiommu_pa_t root;
	uint64_t tables[UIOMMU_SHOW_LEVELS];
	uint64_t leaves[UIOMMU_SHOW_LEVELS];
	uint64_t mapped;		/* bytes */
};

struct uiommu_show_group {
	uint64_t id;
	uint64_t domain, default_domain; /* ids */
	unsigned int devices;
	bool prepared;			/* a replacement of the group is prepared */
	bool owned;			/* somebody owns its DMA (uiommu/owner.h) */
};

/* What one RID, or one PASID of it, is on. */
struct uiommu_show_attachment {
	uint64_t group;			/* id */
	uint16_t rid;
	uint32_t pasid;			/* UIOMMU_NO_PASID: requests without one */
	uint64_t domain;		/* id; not the group's: the device was parked, or is being reset */
	bool stuck;			/* could not even be parked: hardware is where it likes */
	bool resetting;			/* the device is being reset: blocked meanwhile */
	bool deferred;			/* of a RID: never attached yet, hardware is as it was found */
};

struct uiommu_show_field {
	const char *name;		/* as the specification has it */
	unsigned int word;		/* index of the 64-bit word */
	uint64_t mask;			/* which bits of it */
	uint64_t value;			/* shifted down to bit 0 */
};

/*
 * An entry that hardware reads for an attachment, in the order of its walk, down to the
 * first that is not valid. All fields are there; reserved and ignored ones if they are not 0.
 */
struct uiommu_show_entry {
	uint16_t rid;
	uint32_t pasid;
	const char *name;		/* "PASID table entry" */
	const char *section;		/* "VT-d 9.6" */
	uiommu_pa_t pa;
	unsigned int n_words;
	const uint64_t *words;
	unsigned int n_fields;
	const struct uiommu_show_field *fields;
	const char *meaning;		/* for people: "second stage, 4 levels, ..." or why it is not valid */
};

/*
 * Callbacks; NULL: not wanted. They must not call back into uiommu and should not block:
 * a replacement of the group that is shown, or the freeing of a domain, waits for them.
 */
struct uiommu_show_ops {
	size_t size;			/* sizeof(struct uiommu_show_ops) */
	/* Once, first; then all domains; then each group, its attachments, the entries of each. */
	void (*iommu)(void *opaque, const struct uiommu_show_iommu *iommu);
	void (*domain)(void *opaque, const struct uiommu_show_domain *domain);
	void (*group)(void *opaque, const struct uiommu_show_group *group);
	void (*attachment)(void *opaque, const struct uiommu_show_attachment *attachment);
	void (*entry)(void *opaque, const struct uiommu_show_entry *entry);
};

/*
 * uiommu_show - visit everything that there is
 * @ops: read during the call only; members behind its size count as NULL
 * @opaque: first argument of the callbacks
 *
 * Context: any thread, but not between uiommu_agent_begin() and uiommu_agent_end();
 * also while others attach, replace, map and unmap. @iommu stays during the call.
 * Allocates nothing. Returns 0, -EINVAL (no IOMMU, or no size), -E2BIG (callbacks that this
 * library does not know).
 */
UIOMMU_API int uiommu_show(struct uiommu_iommu *iommu, const struct uiommu_show_ops *ops, void *opaque);

#ifdef __cplusplus
}
#endif
#endif
