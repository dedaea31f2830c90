/* SPDX-License-Identifier: MIT */
/*
 * The scenario behind `swap`, `demo` and the steered tests: a victim group of two
 * functions (copy engine with file traffic, probe) whose domain is changed as
 * fast as possible, and two bystanders, one on the old, one on the new domain.
 *
 * Four domains rotate. Whoever is left is given new probe pages with a new
 * generation, or is destroyed and made anew, so that tags, tables and pages are
 * reused as quickly as the rules allow.
 */
#ifndef CLI_SCENARIO_H
#define CLI_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uiommu/vtd.h>

#include "cli/stats.h"

enum kind { KIND_BLOCKED, KIND_IDENTITY, KIND_SECOND, KIND_FIRST };
enum method { METHOD_REPLACE, METHOD_DETACH_ATTACH, METHOD_REMAP };

/* NULL-terminated names: "blocked", ...; "replace", ... */
extern const char *const kind_names[];
extern const char *const method_names[];
extern const char *const preset_names[];

struct scenario_opts {
	enum uiommu_vtd_mode mode;
	enum kind from, to;
	enum method method;
	enum uiommu_preset preset;
	uint64_t switches;		/* stop after so many; 0: no limit */
	double seconds;			/* stop after so long; 0: no limit */
	unsigned int mappings;		/* 4 KiB mappings of each paging domain; raised to what is needed */
	unsigned int threads;		/* engine threads */
	uint64_t seed;
	bool own_thread;		/* the model's queue on a thread of its own */
	bool no_store128;
	bool any_order;
	bool accessor;			/* the memory that devices access is behind an accessor */
	const void *data;		/* what the copy engine copies; borrowed */
	size_t len;			/* 0: no file traffic */
	void *copy;			/* len bytes: where it goes; borrowed */
	void (*progress)(void *opaque, double done, double total);
	/* All devices are on their first domains; and, with NULL, before anything is taken down. */
	void (*running)(void *running_opaque, struct uiommu_iommu *iommu);
	void *running_opaque;
	void *opaque;
};

/* What was seen in one direction: from the start of its switch to the start of the next one. */
struct scenario_direction {
	enum kind from, to;
	enum uiommu_gap gap;		/* the worst that a report said; method replace only */
	enum uiommu_strategy strategy;
	unsigned int stores, config_syncs, tag_flushes;
	char reason[UIOMMU_REASON_LEN];
	uint64_t switches;
	uint64_t right, stale, wrong, blocked;	/* probe accesses */
	struct samples total, cpu, drain;	/* nanoseconds per switch */
};

struct scenario_result {
	struct scenario_direction dir[2];
	unsigned int n_dirs;		/* 1 when both kinds are the same */
	uint64_t bystander_right, bystander_stale, bystander_wrong, bystander_blocked;
	uint64_t churn_bad;		/* steered build: bad accesses of the device that takes freed tags */
	uint64_t late_writes;		/* cells of given-up pages that DMA changed afterwards */
	uint64_t longest_stall_ns;	/* longest single access of a victim's probe */
	uint64_t engine_accesses, engine_blocked;
	uint64_t bytes_copied;		/* by the copy engine */
	uint64_t passes;		/* whole copies of the data, each compared */
	bool files_equal;		/* all of them; true without data */
	double seconds;
	char bad[256];			/* the first access that was stale or wrong; "" if none */
};

/*
 * scenario_run - do it
 * In the steered build everything runs in the calling thread and @opts->seed decides.
 * 0, or -errno with @error (a sentence) filled. @res must be freed by
 * scenario_result_fini() whatever is returned.
 */
int scenario_run(const struct scenario_opts *opts, struct scenario_result *res, char *error,
		 size_t error_len);
void scenario_result_fini(struct scenario_result *res);

/* Accesses, of anybody, that were stale or wrong, late writes included. */
uint64_t scenario_bad(const struct scenario_result *res);

/*
 * A sentence when the combination makes no sense ("first stage needs scalable
 * mode"), NULL when it does.
 */
const char *scenario_check(const struct scenario_opts *opts);

#endif
