/* SPDX-License-Identifier: MIT */
/*
 * Steered build: the adversary's temper. One seed decides how often each choice
 * point switches tasks and how often hardware takes the unusual way, so that some
 * seeds are nearly orderly and others nearly chaotic, and each finds other mistakes.
 */
#ifdef UIOMMU_STEERED

#include "base/fiber.h"

#define ALWAYS 65536u

/* splitmix64: each output is a mix of a counter, so that any seed, also 0, is a good one. */
static uint64_t next(struct adversary *adv)
{
	uint64_t z = adv->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t adversary_below(struct adversary *adv, uint64_t n)
{
	return n ? next(adv) % n : 0;
}

bool adversary_chance(struct adversary *adv, uint32_t p)
{
	return (next(adv) & (ALWAYS - 1)) < p;
}

static uint32_t draw(struct adversary *adv, const uint32_t *from, unsigned int n)
{
	return from[adversary_below(adv, n)];
}

void adversary_init(struct adversary *adv, uint64_t seed)
{
	static const uint32_t switches[] = {
		ALWAYS / 256, ALWAYS / 32, ALWAYS / 8, ALWAYS / 2, ALWAYS / 16 * 15,
	};
	static const uint32_t zeros[] = {
		ALWAYS / 16, ALWAYS / 4, ALWAYS / 2, ALWAYS / 4 * 3, ALWAYS / 16 * 15, ALWAYS,
	};
	static const uint32_t rarely[] = { 0, ALWAYS / 64, ALWAYS / 16, ALWAYS / 4 };
	uint32_t usual;

	*adv = (struct adversary) { .state = seed };
	usual = draw(adv, switches, 5);
	for (unsigned int i = 0; i < CHOICE_POINTS; i++) {
		/* Half of the points as the seed's usual, the others on their own, some never. */
		adv->p_switch[i] = usual;
		if (adversary_chance(adv, ALWAYS / 2))
			adv->p_switch[i] = draw(adv, switches, 5);
		if (adversary_chance(adv, ALWAYS / 16))
			adv->p_switch[i] = 0;
		/* Order has no usual answer. */
		adv->p_zero[i] = 0;
		if (i == CHOICE_FILL || i == CHOICE_EVICT || i == CHOICE_HIT)
			adv->p_zero[i] = draw(adv, zeros, 6);
	}
	/*
	 * Who works without end gives way between its batches (task_pass()), or a probe whose
	 * accesses are blocked before they meet another choice point keeps the CPU for ever.
	 */
	if (adv->p_switch[CHOICE_WAIT] < ALWAYS / 8)
		adv->p_switch[CHOICE_WAIT] = ALWAYS / 8;
	adv->p_burst = draw(adv, rarely, 4);
	adv->p_hold = draw(adv, rarely, 4);
}

#endif
