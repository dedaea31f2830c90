/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of all calls of the core, with failures at every step of hardware
 * and every allocation, against the rules of model_rules.h. A sequence that fails is
 * made as short as it goes, and printed with its seed.
 *
 * Sequences run in a child, so that one that crashes is made shorter too.
 * UIOMMU_TEST_STEPS: calls in all. UIOMMU_TEST_SEED: of the first sequence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model_calls.h"

enum { BEGIN = 20, LENGTH = 100, STEPS = 50000, RULES = 300 };

/* What the child tells. */
struct told {
	uint64_t seed; /* of the sequence that runs */
	int at;	       /* the call that runs; LENGTH: the end */
	char text[256];
	unsigned long done[64], succeeded[64], steps;
};

struct sequence {
	struct model_call call[LENGTH];
	int n;
};

static struct told *told;

static void sequence_draw(struct sequence *q, uint64_t seed)
{
	uint64_t r = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;

	q->n = LENGTH;
	for (int i = 0; i < q->n; i++)
		model_call_draw(&q->call[i], &r, i < BEGIN);
}

/* In a child. True: all is as the rules say. */
static bool sequence_run(const struct sequence *q, bool print)
{
	struct model_side *side = model_side_create();
	const char *text = NULL;

	for (told->at = 0; told->at < q->n && !text; told->at++) {
		if (print) {
			model_call_print(side, &q->call[told->at]);
			fflush(stdout);
		}
		text = model_call(side, &q->call[told->at]);
	}
	if (!text)
		text = model_side_end(side);
	if (text)
		snprintf(told->text, sizeof(told->text), "%s", text);
	told->steps += (unsigned long)q->n;
	return !text;
}

static bool child_ok(pid_t pid)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	if (WIFSIGNALED(status))
		snprintf(told->text, sizeof(told->text), "signal %d", WTERMSIG(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Quietly: sanitizers have said it once. */
static bool fails(const struct sequence *q, bool print)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		alarm(20);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		_exit(sequence_run(q, print) ? 0 : 1);
	}
	return !child_ok(pid);
}

/* Takes out as many calls as possible: chunks, then single ones. */
static void shorten(struct sequence *q)
{
	for (int chunk = q->n / 2; chunk; chunk = chunk > 1 ? chunk / 2 : 0) {
		for (int at = q->n - chunk; at >= 0; at--) {
			struct sequence shorter = *q;

			if (at + chunk > q->n)
				continue;
			memmove(&shorter.call[at], &shorter.call[at + chunk],
				(size_t)(q->n - at - chunk) * sizeof(q->call[0]));
			shorter.n -= chunk;
			if (fails(&shorter, false))
				*q = shorter;
		}
	}
}

static bool try_call(struct sequence *q, int i, const struct model_call *call)
{
	struct sequence simpler = *q;

	if (!memcmp(&q->call[i], call, sizeof(*call)))
		return false;
	simpler.call[i] = *call;
	if (!fails(&simpler, false))
		return false;
	*q = simpler;
	return true;
}

/* Fewer failures, smaller numbers. */
static void simplify(struct sequence *q)
{
	for (int i = 0; i < q->n; i++) {
		struct model_call c = q->call[i];

		c.fail = c.lose = c.lose_behind = 0;
		c.nomem = 0;
		try_call(q, i, &c);
		for (unsigned int bit = 0; bit < 64; bit++) {
			c = q->call[i];
			c.fail &= ~(UINT64_C(1) << bit);
			try_call(q, i, &c);
		}
		c = q->call[i];
		c.lose = 0;
		try_call(q, i, &c);
		c = q->call[i];
		c.lose_behind = 0;
		try_call(q, i, &c);
		for (unsigned int a = 0; a < CALL_ARGS; a++) {
			for (uint32_t v = 0; v < 4 && v < q->call[i].arg[a]; v++) {
				c = q->call[i];
				c.arg[a] = v;
				if (try_call(q, i, &c))
					break;
			}
			for (unsigned int bit = 32; bit--;) {
				c = q->call[i];
				c.arg[a] &= ~(UINT32_C(1) << bit);
				try_call(q, i, &c);
			}
		}
	}
}

static void report(uint64_t seed)
{
	struct sequence q;
	char first[sizeof(told->text)];

	sequence_draw(&q, seed);
	memcpy(first, told->text, sizeof(first));
	printf("# UIOMMU_TEST_SEED=%llu: call %d: %s\n", (unsigned long long)seed, told->at, first);
	for (int n = q.n + 1; n > q.n;) {
		n = q.n;
		shorten(&q);
		simplify(&q);
	}
	printf("# the shortest sequence that fails:\n");
	printf(fails(&q, true) ? "# %s\n" : "# (and did not again)\n", told->text);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *given = getenv(name);

	return given && *given ? strtoull(given, NULL, 0) : otherwise;
}

static void child(uint64_t seed, uint64_t steps)
{
	struct sequence q;

	for (; told->steps < steps; seed++) {
		told->seed = seed;
		sequence_draw(&q, seed);
		alarm(20);
		if (!sequence_run(&q, false))
			_exit(1);
	}
	memcpy(told->done, model_done, sizeof(told->done));
	memcpy(told->succeeded, model_succeeded, sizeof(told->succeeded));
	_exit(0);
}

static void test_sequences(void **state)
{
	uint64_t seed = number("UIOMMU_TEST_SEED", 1);
	uint64_t steps = number("UIOMMU_TEST_STEPS", STEPS);
	unsigned int seldom = 0;
	pid_t pid;

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(told != MAP_FAILED);
	fflush(NULL);
	pid = fork();
	if (!pid)
		child(seed, steps);
	if (!child_ok(pid)) {
		report(told->seed);
		fail();
	}
	/* Each call was made, and succeeded, often enough to mean something. */
	for (unsigned int i = 0; i < model_ops(); i++) {
		printf("# %-34s %8lu of %8lu\n", model_op_name(i), told->succeeded[i], told->done[i]);
		seldom += told->succeeded[i] * 50000 < steps;
	}
	munmap(told, sizeof(*told));
	assert_int_equal(seldom, 0);
}

/* Lines that are neither empty nor comment. */
static void test_rules_are_short(void **state)
{
	static const char file[] = __FILE__;
	char line[256], path[1024];
	bool comment = false;
	FILE *rules;
	int n = 0;

	/* The compiler was told this file's place from the build directory. */
	snprintf(path, sizeof(path), "%.*smodel_rules.h", (int)(strrchr(file, '/') + 1 - file), file);
	rules = fopen(path, "r");
	if (!rules) {
		print_message("# %s is not there: not run from the build directory\n", path);
		skip();
	}
	while (fgets(line, sizeof(line), rules)) {
		const char *p = line + strspn(line, " \t");

		comment |= !strncmp(p, "/*", 2);
		n += !comment && *p != '\n';
		comment &= !strstr(p, "*/");
	}
	fclose(rules);
	print_message("# %d lines\n", n);
	assert_in_range(n, 100, RULES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_are_short),
		cmocka_unit_test(test_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
