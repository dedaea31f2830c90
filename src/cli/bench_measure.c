/* SPDX-License-Identifier: MIT */
/* Rounds and limits: see bench_measure.h. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/membarrier.h>

#include "base/atomic128.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "base/task.h"
#include "cli/bench_measure.h"
#include "cli/stats.h"

enum { LOOPS = 20000, LINE = 64 };

int bench_rounds(struct bench_measure *m, unsigned int n, unsigned int rounds, unsigned int chunks,
		 struct cli_term *term, const char *what)
{
	unsigned int r, i, c;
	double val;
	int err;

	clock_ns(1);
	for (r = 0; r < rounds; r++) {
		for (i = 0; i < n; i++) {
			cli_progress(term, what, r * n + i, rounds * n);
			for (c = 0; c < chunks; c++) {
				err = m[i].chunk(m[i].arg, &val);
				if (err)
					return err;
				if (m[i].n < BENCH_SERIES_MAX)
					m[i].val[m[i].n++] = val;
			}
		}
	}
	return 0;
}

double bench_median(struct bench_measure *m)
{
	return m->n ? stats_median(m->val, m->n) : NAN;
}

double bench_limit_cas64(void)
{
	uint64_t word = 0, expected = 0, start = clock_ticks();
	unsigned int i;

	for (i = 0; i < LOOPS; i++)
		__atomic_compare_exchange_n(&word, &expected, i, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return (double)clock_ns(clock_ticks() - start) / LOOPS;
}

double bench_limit_cas128(void)
{
	struct u128 word = { 0, 0 }, expected = word;
	uint64_t start = clock_ticks();
	unsigned int i;

	if (!a128_available())
		return NAN;
	for (i = 0; i < LOOPS; i++)
		a128_cas(&word, &expected, (struct u128){ i, i });
	return (double)clock_ns(clock_ticks() - start) / LOOPS;
}

double bench_limit_grace(void)
{
	uint64_t start = clock_ticks();
	unsigned int i;

	for (i = 0; i < 200; i++)
		rcu_wait();
	return (double)clock_ns(clock_ticks() - start) / 200;
}

double bench_limit_barrier(void)
{
	uint64_t start = clock_ticks();
	unsigned int i;

	for (i = 0; i < 500; i++)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	return (double)clock_ns(clock_ticks() - start) / 500;
}

uint32_t *bench_permutation(uint32_t n, uint64_t seed)
{
	uint32_t *p = malloc(n * sizeof(*p));
	uint32_t i, k, t;

	for (i = 0; p && i < n; i++)
		p[i] = i;
	for (i = n; p && i > 1; i--) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		k = (uint32_t)((seed >> 33) % i);
		t = p[i - 1];
		p[i - 1] = p[k];
		p[k] = t;
	}
	return p;
}

int bench_chain_make(struct bench_chain *c, size_t bytes)
{
	uint32_t *order, i;

	c->lines = (uint32_t)(bytes / LINE);
	c->memory = aligned_alloc(4096, bytes);
	order = bench_permutation(c->lines, 1);
	for (i = 0; c->memory && order && i < c->lines; i++)
		*(char **)(void *)(c->memory + (size_t)order[i] * LINE) =
			c->memory + (size_t)order[(i + 1) % c->lines] * LINE;
	c->at = (char **)(void *)c->memory;
	free(order);
	return c->memory && order ? 0 : -ENOMEM;
}

void bench_chain_end(struct bench_chain *c)
{
	free(c->memory);
}

static char **follow(char **at, unsigned int n)
{
	while (n--)
		at = *(char ***)at;
	return at;
}

double bench_limit_chain(struct bench_chain *c)
{
	/* Of a chain that fits in a cache all lines are there when it counts. */
	unsigned int n = c->lines < LOOPS ? LOOPS : LOOPS / 4;
	char **at = c->lines < LOOPS ? follow(c->at, c->lines) : c->at;
	uint64_t start = clock_ticks();

	c->at = follow(at, n);
	return (double)clock_ns(clock_ticks() - start) / n;
}

struct handoff {
	_Atomic unsigned int to, from __attribute__((aligned(64)));
};

static void *answer(void *arg)
{
	struct handoff *h = arg;
	unsigned int i;
	struct task_spin spin;

	for (i = 1; i <= LOOPS; i++) {
		memset(&spin, 0, sizeof(spin));
		while (atomic_load_explicit(&h->to, memory_order_acquire) != i)
			task_relax(&spin);
		atomic_store_explicit(&h->from, i, memory_order_release);
	}
	return NULL;
}

int bench_limit_handoff(double *ns)
{
	struct handoff h = { 0 };
	struct task_spin spin;
	pthread_t thread;
	uint64_t start;
	unsigned int i;

	if (pthread_create(&thread, NULL, answer, &h))
		return -EAGAIN;
	start = clock_ticks();
	for (i = 1; i <= LOOPS; i++) {
		memset(&spin, 0, sizeof(spin));
		atomic_store_explicit(&h.to, i, memory_order_release);
		while (atomic_load_explicit(&h.from, memory_order_acquire) != i)
			task_relax(&spin);
	}
	*ns = (double)clock_ns(clock_ticks() - start) / LOOPS;
	pthread_join(thread, NULL);
	return 0;
}
