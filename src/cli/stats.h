/* SPDX-License-Identifier: MIT */
/* Samples of a duration: median, 99th percentile, largest. */
#ifndef CLI_STATS_H
#define CLI_STATS_H

#include <stddef.h>
#include <stdint.h>

/* Keeps every sample up to the capacity, then every 2nd, every 4th, ...: no run is too long. */
struct samples {
	uint64_t *val;
	size_t n, cap;
	uint64_t seen, stride, max;
};

/* 0 or -ENOMEM. */
int samples_init(struct samples *s, size_t cap);
void samples_fini(struct samples *s);
void samples_add(struct samples *s, uint64_t val);
/* q in [0, 1]; sorts. 0 without samples. */
uint64_t samples_quantile(struct samples *s, double q);
double stats_median(double *val, size_t n);

#endif
