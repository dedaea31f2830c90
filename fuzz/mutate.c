/* SPDX-License-Identifier: MIT */
/*
 * Mutation by operations (fuzz.h): copy, move, drop or change whole ones, and splice two
 * inputs at a boundary. libFuzzer only; its own mutators change the bytes of one operation.
 */
#include <stdbool.h>

#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max_out, unsigned int seed);

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static size_t max_ops(size_t max_size)
{
	size_t n = max_size < FUZZ_HEADER ? 0 : (max_size - FUZZ_HEADER) / FUZZ_OP;

	return n < FUZZ_OPS ? n : FUZZ_OPS;
}

/* Makes room for one operation at @at, or drops one: the number of operations then. */
static size_t insert(uint8_t *ops, size_t n, size_t at)
{
	memmove(ops + (at + 1) * FUZZ_OP, ops + at * FUZZ_OP, (n - at) * FUZZ_OP);
	return n + 1;
}

static size_t drop(uint8_t *ops, size_t n, size_t at)
{
	memmove(ops + at * FUZZ_OP, ops + (at + 1) * FUZZ_OP, (n - at - 1) * FUZZ_OP);
	return n - 1;
}

static size_t change(uint8_t *ops, size_t n, size_t max, uint32_t *rnd)
{
	size_t at = n ? next(rnd) % n : 0, other = n ? next(rnd) % n : 0;
	uint8_t op[FUZZ_OP];

	switch (next(rnd) % 8) {
	case 0: /* a new one */
		if (n >= max)
			break;
		n = insert(ops, n, at);
		for (unsigned int i = 0; i < FUZZ_OP; i++)
			ops[at * FUZZ_OP + i] = next(rnd) % 3 ? 0 : (uint8_t)next(rnd);
		ops[at * FUZZ_OP] = (uint8_t)next(rnd);
		break;
	case 1: /* again */
		if (n >= max || !n)
			break;
		memcpy(op, ops + other * FUZZ_OP, FUZZ_OP);
		n = insert(ops, n, at);
		memcpy(ops + at * FUZZ_OP, op, FUZZ_OP);
		break;
	case 2: /* elsewhere */
		if (!n)
			break;
		memcpy(op, ops + other * FUZZ_OP, FUZZ_OP);
		n = drop(ops, n, other);
		at %= n + 1;
		n = insert(ops, n, at);
		memcpy(ops + at * FUZZ_OP, op, FUZZ_OP);
		break;
	case 3:
		if (n > 1)
			n = drop(ops, n, at);
		break;
	case 4: /* one field, small */
		if (n)
			ops[at * FUZZ_OP + next(rnd) % FUZZ_OP] = (uint8_t)next(rnd) % 16;
		break;
	default:
		if (n)
			LLVMFuzzerMutate(ops + at * FUZZ_OP, FUZZ_OP, FUZZ_OP);
	}
	return n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size_t max = max_ops(max_size), n = size < FUZZ_HEADER ? 0 : (size - FUZZ_HEADER) / FUZZ_OP;
	uint32_t rnd = seed;

	if (max_size < FUZZ_HEADER)
		return LLVMFuzzerMutate(data, size, max_size);
	if (size < FUZZ_HEADER)
		memset(data + size, 0, FUZZ_HEADER - size);
	if (n > max)
		n = max;
	if (next(&rnd) % 16 == 0)
		data[next(&rnd) % FUZZ_HEADER] ^= (uint8_t)(1u << next(&rnd) % 8);
	for (unsigned int times = 1 + next(&rnd) % 4; times; times--)
		n = change(data + FUZZ_HEADER, n, max, &rnd);
	return FUZZ_HEADER + n * FUZZ_OP;
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max_out, unsigned int seed)
{
	size_t n = a_size < FUZZ_HEADER ? 0 : (a_size - FUZZ_HEADER) / FUZZ_OP;
	size_t m = b_size < FUZZ_HEADER ? 0 : (b_size - FUZZ_HEADER) / FUZZ_OP;
	size_t max = max_ops(max_out), head, from, tail;
	uint32_t rnd = seed;

	if (!n || !m || !max)
		return 0;
	head = next(&rnd) % (n + 1);
	from = next(&rnd) % m;
	head = head < max ? head : max;
	tail = m - from < max - head ? m - from : max - head;
	memcpy(out, a, FUZZ_HEADER + head * FUZZ_OP);
	memcpy(out + FUZZ_HEADER + head * FUZZ_OP, b + FUZZ_HEADER + from * FUZZ_OP, tail * FUZZ_OP);
	return FUZZ_HEADER + (head + tail) * FUZZ_OP;
}
