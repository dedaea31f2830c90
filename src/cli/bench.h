/* SPDX-License-Identifier: MIT */
/* Rows of `uiommu bench`: figure, peer, limit, goal; printed as they are, also when they are bad. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <jansson.h>

#include "cli/cli.h"

enum bench_goal { GOAL_NONE, GOAL_MAX, GOAL_MIN, GOAL_MAX_RATIO, GOAL_MIN_RATIO };

/* NAN: there is none. A ratio goal is ours / peer. */
struct bench_row {
	char id[48];
	const char *unit;
	double ours, peer, limit, goal;
	enum bench_goal goal_is;
};

enum { BENCH_ROWS_MAX = 128, BENCH_ROUNDS_MAX = 7 };

struct bench_table {
	struct bench_row row[BENCH_ROWS_MAX];
	unsigned int n;
	unsigned int rounds; /* to take, at most BENCH_ROUNDS_MAX */
};

struct bench_row *bench_add(struct bench_table *t, const char *unit, const char *id, ...)
	__attribute__((format(printf, 3, 4)));
bool bench_met(const struct bench_row *row);
/* Rows as JSON or as a table, to stdout. */
void bench_print(const struct bench_table *t, bool json, const struct cli_term *term);

/* `bench replace`: fills the table. 0 or -errno, reported. */
int bench_replace(struct bench_table *t, struct cli_term *term);
/* `bench translate`, likewise. */
int bench_translate(struct bench_table *t, struct cli_term *term);
/* Before measuring: whether charts can be drawn into @dir. The exit status; what is wrong is reported. */
int bench_plot_check(const char *dir);
/* Charts of the rows that are there, into a directory. The exit status. */
int bench_plot(const struct bench_table *t, const char *dir);

#endif
