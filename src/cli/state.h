/* SPDX-License-Identifier: MIT */
/* The state of an IOMMU as JSON, and that JSON as text: what `uiommu show` shows. */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include <jansson.h>
#include <uiommu/iommu.h>

#include "cli/cli.h"

/*
 * What there is now: {"uiommu", "command", "pid", "iommus": [...]}; a new reference, NULL
 * without memory. @iommu: NULL: none at the moment. Any thread, while others work.
 */
json_t *state_json(const char *command, struct uiommu_iommu *iommu);

/*
 * A sentence when @state is not what state_json() makes (a file can be anything), else
 * NULL. Text of it may go to a terminal: control characters are refused.
 */
const char *state_check(json_t *state);
/* Prints a state that was checked. */
void state_print(const json_t *state, const struct cli_term *term);

#endif
