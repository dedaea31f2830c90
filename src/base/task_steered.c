/* SPDX-License-Identifier: MIT */
/*
 * Tasks as fibers of one thread: the steered build. At each choice point the
 * adversary or a script decides who goes on and what hardware does.
 *
 * Invariants:
 * 1. A run is a function of the seed and of the code that runs: no clock, address or
 *    other thread takes part.
 * 2. Every task that has not ended runs again after finitely many turns of the wait
 *    loops of the others.
 */
#ifdef UIOMMU_STEERED

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/fiber.h"

/* Every n-th turn of a wait loop goes to the task that has waited longest (invariant 2). */
#define FAIR_EVERY 64
#define BURST_MAX 256
#define HOLD_MAX 2048

static void note(struct task_set *set, enum choice_point point, bool tasks, unsigned int answer)
{
	uint64_t word = (uint64_t)answer << 8 | (uint64_t)point << 1 | tasks;

	set->clock++;
	set->trace = (set->trace ^ word) * UINT64_C(0x100000001b3);
	set->trace ^= set->trace >> 29;
}

static bool uniform_point(enum choice_point point)
{
	return point != CHOICE_FILL && point != CHOICE_EVICT && point != CHOICE_HIT;
}

unsigned int choose(enum choice_point point, unsigned int n)
{
	struct task_set *set = fiber_set();
	struct adversary *adv;
	unsigned int answer = 0;

	if (!set || n < 2)
		return 0;
	adv = &set->adversary;
	if (set->pick)
		answer = set->pick(set->pick_opaque, point, false, n) % n;
	else if (uniform_point(point))
		answer = (unsigned int)adversary_below(adv, n);
	else if (!adversary_chance(adv, adv->p_zero[point]))
		answer = 1 + (unsigned int)adversary_below(adv, n - 1);
	note(set, point, false, answer);
	return answer;
}

/* The task with that number, or NULL if it has ended. */
static struct task *task_numbered(struct task_set *set, unsigned int number)
{
	struct task *t = set->first;

	while (t && t->number != number)
		t = t->next;
	return t && !t->ended ? t : NULL;
}

/* The next one in order that has not ended; the running one if there is no other. */
static struct task *task_after(struct task_set *set, struct task *t)
{
	do
		t = t->next ? t->next : set->first;
	while (t->ended && t != set->running);
	return t;
}

/* A random one of the others; those that the adversary holds back only if there are no more. */
static struct task *task_random_other(struct task_set *set)
{
	unsigned int n[2] = { 0, 0 };
	unsigned int k;
	bool held;

	for (struct task *t = set->first; t; t = t->next)
		if (!t->ended && t != set->running)
			n[t->held_until > set->clock]++;
	held = !n[false];
	if (!n[held])
		return NULL;
	k = (unsigned int)adversary_below(&set->adversary, n[held]);
	for (struct task *t = set->first; t; t = t->next)
		if (!t->ended && t != set->running && (t->held_until > set->clock) == held && !k--)
			return t;
	return NULL;
}

static struct task *task_longest_waiting(struct task_set *set)
{
	struct task *best = NULL;

	for (struct task *t = set->first; t; t = t->next)
		if (!t->ended && t != set->running && (!best || t->ran < best->ran))
			best = t;
	return best;
}

static struct task *adversary_next(struct task_set *set, enum choice_point point)
{
	struct adversary *adv = &set->adversary;
	struct task *t;

	if (adv->burst_left) {
		adv->burst_left--;
		return set->running;
	}
	if (!adversary_chance(adv, adv->p_switch[point]))
		return set->running;
	t = task_random_other(set);
	if (!t)
		return set->running;
	if (adversary_chance(adv, adv->p_burst))
		adv->burst_left = 1 + (unsigned int)adversary_below(adv, BURST_MAX);
	if (adversary_chance(adv, adv->p_hold))
		set->running->held_until = set->clock + 1 + adversary_below(adv, HOLD_MAX);
	return t;
}

void choice_interleave(enum choice_point point)
{
	struct task_set *set = fiber_set();
	struct task *t;

	if (!set)
		return;
	if (set->pick)
		t = task_numbered(set, set->pick(set->pick_opaque, point, true, set->spawned));
	else
		t = adversary_next(set, point);
	if (!t)
		t = set->running;
	note(set, point, true, t->number);
	if (t != set->running)
		fiber_switch(set, t);
}

void task_relax(struct task_spin *spin)
{
	struct task_set *set = fiber_set();
	struct task *t = NULL;

	spin->turns++;
	if (!set)
		return;
	/* Who waits cannot make use of a burst. */
	set->adversary.burst_left = 0;
	if (++set->relaxed % FAIR_EVERY == 0)
		t = task_longest_waiting(set);
	else if (set->pick)
		t = task_numbered(set, set->pick(set->pick_opaque, CHOICE_WAIT, true, set->spawned));
	else
		t = task_random_other(set);
	if (!t || t == set->running)
		t = task_after(set, set->running);
	note(set, CHOICE_WAIT, true, t->number);
	if (t != set->running)
		fiber_switch(set, t);
}

void task_pass(struct task_spin *spin)
{
	spin->turns++;
	choice_interleave(CHOICE_WAIT);
}

void fiber_main(struct task *t)
{
	struct task_set *set = t->set;
	struct task *to;

	t->fn(t->arg);
	t->ended = true;
	/* The creator has not ended, so there is one. */
	to = set->pick ? task_after(set, t) : task_random_other(set);
	note(set, CHOICE_WAIT, true, to->number);
	fiber_leave(set, to);
}

int task_set_create(struct alloc *a, uint64_t seed, struct task_set **set)
{
	struct task_set *s = fiber_set();

	/* Whoever needs tasks inside a steered run (an engine, a queue) joins that run. */
	if (s) {
		s->users++;
		*set = s;
		return 0;
	}
	s = alloc_struct(a, struct task_set);
	if (!s)
		return -ENOMEM;
	s->first = alloc_struct(a, struct task);
	if (!s->first) {
		alloc_free(a, s);
		return -ENOMEM;
	}
	s->alloc = a;
	s->users = 1;
	s->first->set = s;
	s->running = s->first;
	s->spawned = 1;
	adversary_init(&s->adversary, seed);
	fiber_bind(s);
	*set = s;
	return 0;
}

void task_set_destroy(struct task_set *set)
{
	if (--set->users)
		return;
	fiber_bind(NULL);
	alloc_free(set->alloc, set->first);
	alloc_free(set->alloc, set);
}

int task_spawn(struct task_set *set, const char *name, void (*fn)(void *arg), void *arg, struct task **task)
{
	struct task **tail = &set->first;
	struct task *t = alloc_struct(set->alloc, struct task);
	int err;

	if (!t)
		return -ENOMEM;
	t->set = set;
	t->fn = fn;
	t->arg = arg;
	t->number = set->spawned;
	snprintf(t->name, sizeof(t->name), "%.15s", name);
	err = fiber_prepare(t);
	if (err) {
		alloc_free(set->alloc, t);
		return err;
	}
	set->spawned++;
	while (*tail)
		tail = &(*tail)->next;
	*tail = t;
	*task = t;
	/* The new task may run before the caller's next step. */
	choice_interleave(CHOICE_WAIT);
	return 0;
}

void task_join(struct task *task)
{
	struct task_set *set = task->set;
	struct task **link = &set->first;
	struct task_spin spin = { 0 };

	while (!task->ended)
		task_relax(&spin);
	while (*link != task)
		link = &(*link)->next;
	*link = task->next;
	fiber_release(task);
	alloc_free(set->alloc, task);
}

void task_set_script(struct task_set *set, task_pick_fn pick, void *opaque)
{
	set->pick = pick;
	set->pick_opaque = opaque;
}

unsigned int task_set_running(const struct task_set *set)
{
	return set->running->number;
}

uint64_t task_set_choices(const struct task_set *set)
{
	return set->clock;
}

uint64_t task_set_trace(const struct task_set *set)
{
	return set->trace;
}

#endif
