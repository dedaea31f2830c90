/* SPDX-License-Identifier: MIT */
/*
 * Samples of durations. The array is thinned when it is full, so that quantiles of
 * long runs stay those of the whole run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/stats.h"

int samples_init(struct samples *s, size_t cap)
{
	memset(s, 0, sizeof(*s));
	s->val = calloc(cap, sizeof(*s->val));
	if (!s->val)
		return -ENOMEM;
	s->cap = cap;
	s->stride = 1;
	return 0;
}

void samples_fini(struct samples *s)
{
	free(s->val);
	s->val = NULL;
}

static void thin(struct samples *s)
{
	size_t i;

	for (i = 0; 2 * i < s->n; i++)
		s->val[i] = s->val[2 * i];
	s->n = i;
	s->stride *= 2;
}

void samples_add(struct samples *s, uint64_t val)
{
	if (val > s->max)
		s->max = val;
	if (s->seen++ % s->stride)
		return;
	if (s->n == s->cap)
		thin(s);
	s->val[s->n++] = val;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t samples_quantile(struct samples *s, double q)
{
	size_t at;

	if (!s->n)
		return 0;
	qsort(s->val, s->n, sizeof(*s->val), compare);
	at = (size_t)(q * (double)(s->n - 1) + 0.5);
	return s->val[at];
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double stats_median(double *val, size_t n)
{
	if (!n)
		return 0;
	qsort(val, n, sizeof(*val), compare_double);
	return n % 2 ? val[n / 2] : (val[n / 2 - 1] + val[n / 2]) / 2;
}
