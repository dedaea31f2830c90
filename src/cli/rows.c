/* SPDX-License-Identifier: MIT */
/*
 * Rows of results. What a row claims (the gap class of the report) and what the
 * probes saw are kept apart, so that the one can be held against the other.
 */
#include <string.h>

#include "cli/rows.h"

const char *mode_name(enum uiommu_vtd_mode mode)
{
	return mode == UIOMMU_VTD_LEGACY ? "legacy" : "scalable";
}

enum uiommu_gap row_gap(const struct scenario_opts *opts, const struct scenario_direction *d)
{
	return opts->method == METHOD_REPLACE ? d->gap : UIOMMU_GAP_BLOCKED;
}

static const char *strategy(const struct scenario_opts *opts, const struct scenario_direction *d)
{
	return opts->method == METHOD_REPLACE ? uiommu_strategy_name(d->strategy)
					      : method_names[opts->method];
}

const char *row_blocked(const struct scenario_opts *opts, const struct scenario_direction *d)
{
	if (row_gap(opts, d) == UIOMMU_GAP_UNKNOWN)
		return "maybe";
	if (row_gap(opts, d) != UIOMMU_GAP_NONE)
		return "yes";
	return d->strategy == UIOMMU_STRATEGY_USED_BITS ? "no, in steps" : "no";
}

json_t *row_json(const struct scenario_opts *opts, struct scenario_result *res, unsigned int dir)
{
	struct scenario_direction *d = &res->dir[dir];

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "hw", "vtd",
		"mode", mode_name(opts->mode), "from", kind_names[d->from], "to", kind_names[d->to], "method",
		method_names[opts->method], "gap", uiommu_gap_name(row_gap(opts, d)), "strategy",
		strategy(opts, d), "switches", (json_int_t)d->switches, "dma_right", (json_int_t)d->right,
		"dma_stale", (json_int_t)d->stale, "dma_wrong", (json_int_t)d->wrong, "dma_blocked",
		(json_int_t)d->blocked, "ns_median", (json_int_t)samples_quantile(&d->total, 0.5), "ns_p99",
		(json_int_t)samples_quantile(&d->total, 0.99), "files_equal", res->files_equal);
}

static bool has_blocked_side(const struct scenario_direction *d)
{
	return d->from == KIND_BLOCKED || d->to == KIND_BLOCKED;
}

bool row_honest(const struct scenario_opts *opts, const struct scenario_result *res, unsigned int dir,
		const char **why)
{
	const struct scenario_direction *d = &res->dir[dir];

	*why = NULL;
	if (d->stale || d->wrong || res->bystander_stale || res->bystander_wrong || res->late_writes ||
	    res->churn_bad)
		*why = "an access was translated by neither the old nor the new domain";
	else if (res->bystander_blocked)
		*why = "a bystander was blocked";
	else if (!res->files_equal)
		*why = "the copied file differs from its original";
	else if (row_gap(opts, d) == UIOMMU_GAP_NONE && d->blocked && !has_blocked_side(d))
		*why = "an access was blocked although the report promised no gap";
	return !*why;
}
