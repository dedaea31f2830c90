/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers share. An input is a header of FUZZ_HEADER bytes and then
 * operations of FUZZ_OP bytes each; what is left over is ignored. So every input is a
 * program, mutators move whole operations, and an operation keeps its meaning when
 * others come or go.
 *
 * A fuzzer defines LLVMFuzzerTestOneInput(). libFuzzer calls it, or the main() of
 * replay.c, which needs no special compiler.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_HEADER 8u
#define FUZZ_OP 16u
#define FUZZ_OPS 96u /* operations that are looked at: what bounds the work of one input */

struct fuzz_op {
	uint8_t code, a, b, c;
	uint16_t off, d; /* little endian, as val */
	uint64_t val;
};

/* The next operation of the input, or false. */
static inline bool fuzz_next(const uint8_t **data, size_t *size, struct fuzz_op *op)
{
	const uint8_t *p = *data;

	if (*size < FUZZ_OP)
		return false;
	op->code = p[0];
	op->a = p[1];
	op->b = p[2];
	op->c = p[3];
	op->off = (uint16_t)(p[4] | p[5] << 8);
	op->d = (uint16_t)(p[6] | p[7] << 8);
	op->val = 0;
	for (unsigned int i = 0; i < 8; i++)
		op->val |= (uint64_t)p[8 + i] << (8 * i);
	*data += FUZZ_OP;
	*size -= FUZZ_OP;
	return true;
}

/* A finding: says which rule was broken by which operation, and ends the process. */
#define FUZZ_CHECK(cond, ...)                                                                                \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			fprintf(stderr, "%s:%d: %s\n    ", __FILE__, __LINE__, #cond);                       \
			fprintf(stderr, __VA_ARGS__);                                                        \
			fputc('\n', stderr);                                                                 \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
