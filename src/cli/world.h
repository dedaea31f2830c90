/* SPDX-License-Identifier: MIT */
/*
 * The world of a scenario: memory, a VT-d unit with its driver, the victim's group
 * and the bystanders, and the domains that rotate.
 *
 * Physical memory, in pages from RAM_BASE:
 *   probe pages and the page written to of the identity domains (their PAs are the
 *   probes' IOVAs)
 *   rings of the copy engine, window it copies from, window it copies to
 *   SETS sets of probe pages for paging domains
 *   one page that filler mappings point to, one that churn reads
 * Rings and windows are mapped 1:1 in every paging domain, so that the engine's
 * addresses are right under identity too.
 */
#ifndef CLI_WORLD_H
#define CLI_WORLD_H

#include "base/task.h"
#include "cli/scenario.h"
#include "pci/copy/probe.h"

enum {
	RING_PAGES = 8,
#ifdef UIOMMU_STEERED
	WINDOW_PAGES = 4,		/* steered runs test orders, not amounts */
#else
	WINDOW_PAGES = 256,		/* each of the two windows */
#endif
	PROBE_PAGES = 4,
	SET_PAGES = PROBE_PAGES + 1,	/* and one that probes write to */
	SETS = 12,
	SLOTS = 4,
	BYSTANDERS = 2,
	VICTIM_RID = 0x18,		/* 00:03.0, the copy engine; 00:03.1 probes */
	BYSTANDER_RID = 0x20,		/* 00:04.0, 00:05.0 */
	CHURN_RID = 0x30,		/* 00:06.0, steered build: takes and frees tags all the time */
};

/* No domain has this number: the stamp of memory that was given up. */
#define SLOT_POISON UINT64_C(0xdead00000000dead)
/* What churn's page holds. */
#define CHURN_MARK UINT64_C(0xc0ffee00c0ffee00)

#define RAM_BASE (UINT64_C(4) << 30)

/* A domain of the rotation. */
struct slot {
	enum kind kind;
	struct uiommu_domain *domain;
	struct probe_stamp stamp;
	unsigned int set;		/* which set of probe pages; SETS: none */
	unsigned int uses;		/* since it was made */
};

struct world {
	const struct scenario_opts *opts;
	unsigned int mappings;
	struct uiommu_ctx *ctx;
	struct task_set *tasks;
	struct uiommu_hw *hw;
	struct uiommu_iommu *iommu;
	char *ram;
	size_t ram_pages;
	struct uiommu_group *victim, *bystander[BYSTANDERS];
	struct uiommu_device *victim_dev[2], *bystander_dev[BYSTANDERS];
	struct uiommu_port *port[1 + BYSTANDERS];	/* victim's probe, bystanders */
	struct uiommu_copy *engine;
	struct traffic *traffic;
	struct probe_history victim_history, bystander_history[BYSTANDERS];
	struct probe *victim_probe, *bystander_probe[BYSTANDERS];
	uiommu_iova_t probe_iova[PROBE_PAGES], write_iova;
	uint64_t late_writes;		/* words of given-up pages that changed afterwards */
	struct churn *churn;
	struct slot slot[SLOTS];
	bool set_taken[SETS];
	unsigned int next_set;
	uint64_t next_id, next_generation;
	char *error;
	size_t error_len;
};

int world_create(const struct scenario_opts *opts, struct world **world, char *error, size_t error_len);
void world_destroy(struct world *w);

/* "what failed: reason" into the caller's error text; returns err. */
int world_error(struct world *w, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Makes the slot's domain with all its mappings and a fresh set of probe pages. */
int slot_make(struct world *w, struct slot *s, enum kind kind);
int slot_free(struct world *w, struct slot *s);
/* Nobody is attached: the same domain, other probe pages, a new generation. */
int slot_refresh(struct world *w, struct slot *s);
/* All mappings away, all mappings new: what VMMs do today in place of a replacement. */
int slot_unmap_all(struct world *w, struct slot *s);
int slot_map_all(struct world *w, struct slot *s);
/*
 * Takes the next set of probe pages and stamps it; slot_drop_set() poisons the former
 * set and gives it back.
 */
int slot_take_set(struct world *w, struct slot *s);
void slot_drop_set(struct world *w, unsigned int set);
/* Fills a set that nobody has. */
void slot_poison_set(struct world *w, unsigned int set);
/* Looks at all sets that nobody has; adds to w->late_writes. */
void slot_check_sets(struct world *w);

static inline uiommu_pa_t world_page_pa(unsigned int page)
{
	return RAM_BASE + (uint64_t)page * UIOMMU_PAGE_SIZE;
}

static inline char *world_page(const struct world *w, unsigned int page)
{
	return w->ram + (size_t)page * UIOMMU_PAGE_SIZE;
}

enum {
	FIRST_RING_PAGE = SET_PAGES,
	FIRST_SRC_PAGE = FIRST_RING_PAGE + RING_PAGES,
	FIRST_DST_PAGE = FIRST_SRC_PAGE + WINDOW_PAGES,
	FIRST_SET_PAGE = FIRST_DST_PAGE + WINDOW_PAGES,
	FILLER_PAGE = FIRST_SET_PAGE + SETS * SET_PAGES,
	CHURN_PAGE,
	RAM_PAGES,
	MIN_MAPPINGS = SET_PAGES + RING_PAGES + 2 * WINDOW_PAGES,
};

/* IOVAs of the filler mappings: above everything else, 4 KiB each. */
#define FILLER_IOVA (RAM_BASE + (UINT64_C(1) << 32))

#endif
