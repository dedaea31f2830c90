/* SPDX-License-Identifier: MIT */
/* The picture of `uiommu swap --plot`: switch time against mapping count. */
#ifndef CLI_PLOT_H
#define CLI_PLOT_H

#include "cli/cli.h"
#include "cli/scenario.h"

/*
 * Runs the three methods at growing mapping counts and has gnuplot draw the medians
 * into path (.svg or .png). Returns the exit status.
 */
int plot_swap(const struct scenario_opts *opts, struct cli_term *term, const char *path);

#endif
