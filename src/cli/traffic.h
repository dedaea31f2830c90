/* SPDX-License-Identifier: MIT */
/*
 * File traffic: a task that copies data through the copy engine, window by window,
 * from scattered 4 KiB pages to scattered 4 KiB pages, compares every pass with the
 * original, and starts over until it is stopped.
 */
#ifndef CLI_TRAFFIC_H
#define CLI_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

struct world;
struct traffic;

/* Starts it; the engine's group must be on a domain that maps the windows. 0 or -errno. */
int traffic_start(struct world *w, struct traffic **traffic);
/* How many whole passes were made; any time. */
uint64_t traffic_passes(const struct traffic *t);
/*
 * Lets the pass in progress end, so that the copy is whole, and joins the task.
 * Frees nothing. equal: every pass gave the original bytes.
 */
void traffic_finish(struct traffic *t, bool *equal, uint64_t *bytes);
/* Ends it wherever it is and frees it. NULL is ignored. */
void traffic_stop(struct traffic *t);

#endif
