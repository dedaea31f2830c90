/* SPDX-License-Identifier: MIT */
/*
 * Steered build: what rcu.c and the task sources share about fibers. Everything here
 * belongs to one thread; no field is atomic.
 */
#ifndef BASE_FIBER_H
#define BASE_FIBER_H

#include <stddef.h>

#include "base/choice.h"
#include "base/task.h"

#define CHOICE_POINTS (CHOICE_WAIT + 1)

struct task {
	struct task_set *set;
	struct task *next;		/* in order of creation */
	unsigned int number;		/* as scripts name it */
	bool ended;
	void (*fn)(void *arg);		/* NULL: the creator of the set */
	void *arg;
	char name[16];
	void *sp;			/* while another one runs: top of its saved registers */
	char *stack;			/* lowest address; the guard page is below it */
	size_t stack_size;
	void *asan_fake_stack;
	void *tsan_fiber;
	uint64_t ran;			/* clock when it last got control */
	uint64_t held_until;		/* the adversary leaves it alone until then, if it can */
	unsigned int rcu_nest;
	uint64_t rcu_section;		/* number of its outermost section */
};

/* What the seed decided about the adversary; probabilities in 1/65536. */
struct adversary {
	uint64_t state;				/* of the generator */
	uint32_t p_switch[CHOICE_POINTS];
	uint32_t p_zero[CHOICE_POINTS];		/* choose(): answer 0 */
	uint32_t p_burst;			/* after a switch: the next points do not switch */
	uint32_t p_hold;			/* who is switched away from stays away for long */
	unsigned int burst_left;
};

struct task_set {
	struct alloc *alloc;
	struct task *first;		/* the creator */
	struct task *running;
	unsigned int users;		/* task_set_create() calls that it serves */
	unsigned int spawned;		/* including the creator */
	struct adversary adversary;
	task_pick_fn pick;
	void *pick_opaque;
	uint64_t clock;			/* choices made */
	uint64_t relaxed;		/* turns of wait loops */
	uint64_t trace;
	uint64_t rcu_sections;		/* begun so far */
};

/* The set that steers the calling thread, or NULL. */
struct task_set *fiber_set(void);
/* Runs another task; returns when the calling one is chosen again. t is not the running one. */
void fiber_switch(struct task_set *set, struct task *t);
/* Makes t ready to run fiber_main() on a stack of its own. -ENOMEM. */
int fiber_prepare(struct task *t);
/* Frees what fiber_prepare() took. Not on the fiber itself. */
void fiber_release(struct task *t);
/* Binds or, with NULL, unbinds the calling thread. */
void fiber_bind(struct task_set *set);
/* The life of a task: runs it, marks its end and leaves for good. task_steered.c. */
void fiber_main(struct task *t);
/* Leaves the running fiber, which is never resumed. */
void fiber_leave(struct task_set *set, struct task *t) __attribute__((noreturn));

void adversary_init(struct adversary *adv, uint64_t seed);
uint64_t adversary_below(struct adversary *adv, uint64_t n);
bool adversary_chance(struct adversary *adv, uint32_t p);

#endif
