/* SPDX-License-Identifier: MIT */
/*
 * Measurements in interleaved rounds: each round takes some short chunks of every
 * measurement, one after another, and a figure is the median of all its chunks. So
 * a neighbour that takes the CPU now and then does not move it, and one that stays
 * moves all figures of the run.
 */
#ifndef CLI_BENCH_MEASURE_H
#define CLI_BENCH_MEASURE_H

#include "cli/bench.h"

enum { BENCH_SERIES_MAX = 256 };

struct bench_measure {
	/* One chunk: nanoseconds (or another unit) of one operation into *val. 0 or -errno. */
	int (*chunk)(void *arg, double *val);
	void *arg;
	unsigned int n;
	double val[BENCH_SERIES_MAX];
};

/* @rounds times @chunks of each of the @n. 0 or the first error. @what: for the progress line. */
int bench_rounds(struct bench_measure *m, unsigned int n, unsigned int rounds, unsigned int chunks,
		 struct cli_term *term, const char *what);
/* The median. Sorts. NAN without values. */
double bench_median(struct bench_measure *m);

/* ---- limits of the machine, ns; each one chunk ---- */

double bench_limit_cas64(void);
double bench_limit_cas128(void);  /* NAN: there is none */
double bench_limit_grace(void);	  /* of RCU */
double bench_limit_barrier(void); /* membarrier(2) */

/* A chain of dependent loads, each from another cache line, in random order over @bytes. 0 or -ENOMEM. */
struct bench_chain {
	char *memory, **at;
	uint32_t lines;
};
int bench_chain_make(struct bench_chain *c, size_t bytes);
void bench_chain_end(struct bench_chain *c);
double bench_limit_chain(struct bench_chain *c);

/* A round trip between two threads that spin: what a queue on a thread of its own cannot beat. */
int bench_limit_handoff(double *ns);

/* Numbers 0 to n - 1 in random order; free() it. NULL: no memory. */
uint32_t *bench_permutation(uint32_t n, uint64_t seed);

#endif
