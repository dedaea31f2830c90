/* SPDX-License-Identifier: MIT */
/*
 * Churn: a task with a device of its own that makes a domain, attaches, reads, goes
 * back and frees it, over and over. It takes every tag that the scenario's switches
 * give back, at once: a tag that was given back too early shows it another's pages.
 */
#ifndef CLI_CHURN_H
#define CLI_CHURN_H

#include <stdint.h>

struct world;
struct churn;

/* 0 or -errno, reported in the world's error. */
int churn_start(struct world *w, struct churn **churn);
/* Ends it and frees it; adds its bad accesses to *bad. NULL is ignored. */
void churn_stop(struct churn *c, uint64_t *bad);

#endif
