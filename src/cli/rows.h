/* SPDX-License-Identifier: MIT */
/* Rows of results: JSON, and words that people understand. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <jansson.h>

#include "cli/cli.h"
#include "cli/scenario.h"

/* One row of `uiommu demo --json` for a direction; a new reference. Sorts its samples. */
json_t *row_json(const struct scenario_opts *opts, struct scenario_result *res, unsigned int dir);
/* "no", "no, in steps", "yes", "maybe": was DMA blocked meanwhile, by the report and what was seen? */
const char *row_blocked(const struct scenario_opts *opts, const struct scenario_direction *d);
/* Gap class of the row; detach-attach and remap block by construction. */
enum uiommu_gap row_gap(const struct scenario_opts *opts, const struct scenario_direction *d);
/*
 * Whether what was seen agrees with what was claimed: nothing stale or wrong, files
 * equal, and nothing blocked where the gap is none. *why is set when not.
 */
bool row_honest(const struct scenario_opts *opts, const struct scenario_result *res, unsigned int dir,
		const char **why);
const char *mode_name(enum uiommu_vtd_mode mode);

#endif
