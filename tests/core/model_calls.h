/* SPDX-License-Identifier: MIT */
/*
 * Calls of the model-based test: drawn from a seed, made to the core and to the rules
 * of model_rules.h, printed. A call is numbers only, so that a sequence stays a
 * sequence when calls are taken out of it: one that makes no sense (a device that is
 * not there) does nothing.
 */
#ifndef TESTS_CORE_MODEL_CALLS_H
#define TESTS_CORE_MODEL_CALLS_H

#include "model_rules.h"

enum { CALL_ARGS = 5 };

struct model_call {
	unsigned int op;
	uint32_t arg[CALL_ARGS];
	uint64_t fail, lose, lose_behind;	/* steps of hardware: md_begin() */
	uint32_t nomem;				/* the n-th allocation fails; 0: none */
};

struct model_side;

struct model_side *model_side_create(void);
/* Makes the call on both sides and compares. NULL, or what is not as the rules say. */
const char *model_call(struct model_side *side, const struct model_call *call);
/* Takes all apart; frees @side only if it returns NULL. */
const char *model_side_end(struct model_side *side);

/* @begin: one of the calls with which a sequence begins. */
void model_call_draw(struct model_call *call, uint64_t *r, bool begin);
/* As C, with what fails behind it. Before the call: what numbers mean depends on what is there. */
void model_call_print(const struct model_side *side, const struct model_call *call);
unsigned int model_ops(void);
const char *model_op_name(unsigned int op);
/* How often each operation was called and returned 0, all in all. */
extern unsigned long model_done[64], model_succeeded[64];

#endif
