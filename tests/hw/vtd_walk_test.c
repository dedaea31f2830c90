/* SPDX-License-Identifier: MIT */
/*
 * The model against the naive one: random tables, most of them nearly right, with
 * reserved bits, missing memory, all page sizes and levels, legacy and scalable, in
 * pointer memory and behind an accessor. Result, fault reason, record, and the A and
 * D bits must agree, on the walk and again when the translation is cached.
 */
#include "naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES 60000
#define MAX_ENTRIES 12
#define NOWHERE 0x18000000ull	/* no memory there, but within every HAW */

struct entry {
	uint64_t pa;
	unsigned int words;
};

struct gen {
	struct rig rig;
	struct naive_unit unit;
	struct uiommu_port *port;
	uint16_t rid;
	uint32_t pasid;		/* of the request */
	uint64_t iova;
	bool write;
	uint64_t seed;
	struct entry entry[MAX_ENTRIES];
	unsigned int n;
	unsigned int seen[256];	/* reasons that occurred; [0]: translations */
};

static uint64_t rnd(struct gen *g, uint64_t n)
{
	return (rig_random(&g->seed) >> 11) % n;
}

static bool chance(struct gen *g, unsigned int percent)
{
	return rnd(g, 100) < percent;
}

static void entry_at(struct gen *g, uint64_t pa, unsigned int words)
{
	g->entry[g->n++] = (struct entry) { pa, words };
}

/* The address of a table, now and then one where there is no memory. */
static uint64_t table(struct gen *g)
{
	return chance(g, 1) ? NOWHERE : rig_page(&g->rig);
}

static uint64_t leaf_address(struct gen *g, unsigned int level)
{
	uint64_t pa = rig_random(&g->seed) & ((1ull << g->unit.haw) - 1);

	if (chance(g, 5))
		pa = 0xFEE00000ull + (pa & 0xFFFFF);
	return pa & ~((4096ull << (9 * (level - 1))) - 1);
}

static uint64_t index_of(struct gen *g, unsigned int level)
{
	return (g->iova >> (12 + 9 * (level - 1))) & 511;
}

static bool put_entry(struct gen *g, uint64_t tbl, uint64_t index, uint64_t val)
{
	if (tbl == NOWHERE)
		return false;
	*rig_word(&g->rig, tbl + 8 * index) = val;
	entry_at(g, tbl + 8 * index, 1);
	return true;
}

static void make_second(struct gen *g, uint64_t tbl, unsigned int levels)
{
	unsigned int leaf = chance(g, 60) ? 1 : (unsigned int)rnd(g, 3) + 1;

	for (unsigned int level = levels; level >= 1; level--) {
		uint64_t e = (rnd(g, 8) ? 3 : rnd(g, 4)) | (rig_random(&g->seed) & 0x3FF0000000000774ull);
		uint64_t next = level == leaf ? leaf_address(g, level) : table(g);

		e |= next;
		if (level == leaf && level > 1)
			e |= 1u << 7;
		if (level == leaf)
			e |= rnd(g, 2) << 11 | (level == 1 ? rnd(g, 2) << 7 : 0);
		if (!put_entry(g, tbl, index_of(g, level), e) || level == leaf)
			return;
		tbl = next;
	}
}

static void make_first(struct gen *g, uint64_t tbl, unsigned int levels)
{
	unsigned int leaf = chance(g, 60) ? 1 : (unsigned int)rnd(g, 3) + 1;

	for (unsigned int level = levels; level >= 1; level--) {
		uint64_t e = (rnd(g, 12) ? 7 : rnd(g, 8)) | (rig_random(&g->seed) & 0xFFF0000000000F18ull);
		uint64_t next = level == leaf ? leaf_address(g, level) : table(g);

		e |= next | (rnd(g, 4) ? 0x60 : rnd(g, 4) << 5);
		if (level == leaf && level > 1)
			e |= 1u << 7 | rnd(g, 2) << 12;
		if (level == leaf && level == 1)
			e |= rnd(g, 2) << 7;
		if (!put_entry(g, tbl, index_of(g, level), e) || level == leaf)
			return;
		tbl = next;
	}
}

static void choose_iova(struct gen *g, unsigned int width, bool sign)
{
	g->iova = rig_random(&g->seed) & ((1ull << (width - (sign ? 1 : 0))) - 1);
	if (sign && rnd(g, 2))
		g->iova = ~g->iova;
	if (chance(g, 3))
		g->iova ^= 1ull << rnd(g, 64);
	if (chance(g, 3))
		g->iova = 0xFEE00000ull + rnd(g, 0x100000);
}

static void make_legacy(struct gen *g)
{
	uint64_t root = rig_page(&g->rig), ctx = table(g), pa = root + 16 * (g->rid >> 8);
	unsigned int levels = 3 + (unsigned int)rnd(g, 3);
	uint64_t ss = table(g), tt = chance(g, 15) ? 2 : 0;

	g->unit.rtaddr = root;
	g->pasid = chance(g, 2) ? (uint32_t)rnd(g, 1u << 20) : UIOMMU_NO_PASID;
	choose_iova(g, tt ? g->unit.haw : 12 + 9 * levels, false);
	*rig_word(&g->rig, pa) = ctx | 1;
	entry_at(g, pa, 2);
	if (ctx == NOWHERE)
		return;
	pa = ctx + 16 * (g->rid & 255);
	*rig_word(&g->rig, pa) = ss | tt << 2 | 1 | (chance(g, 20) ? 2 : 0);
	*rig_word(&g->rig, pa + 8) = (levels - 2) | rnd(g, 16) << 3 | rnd(g, 65536) << 8;
	entry_at(g, pa, 2);
	if (!tt)
		make_second(g, ss, levels);
}

static void make_pasid_entry(struct gen *g, uint64_t pa)
{
	unsigned int pgtt = "\1\1\2\2\4\3"[rnd(g, 6)];
	unsigned int levels = pgtt == 1 ? 4 + (unsigned int)rnd(g, 2) : 3 + (unsigned int)rnd(g, 3);
	uint64_t tbl = table(g), other = rnd(g, 1ull << (g->unit.haw - 12)) << 12;
	uint64_t *q = rig_word(&g->rig, pa);

	choose_iova(g, pgtt == 4 ? g->unit.haw : 12 + 9 * levels, pgtt == 1);
	q[0] = (pgtt == 1 ? other : tbl) | pgtt << 6 | 1 | (chance(g, 15) ? 2 : 0);
	q[0] |= (pgtt == 1 ? rnd(g, 8) : levels - 2) << 2;
	q[1] = rnd(g, 65536) | rnd(g, 2) << 24 | (chance(g, 85) ? 1ull << 23 : 0);
	q[2] = (pgtt == 1 ? tbl : other) | rnd(g, 4) << 5 | rnd(g, 2) << 4;
	q[2] |= (pgtt == 1 ? levels - 4 : rnd(g, 4)) << 2;
	entry_at(g, pa, 8);
	if (pgtt == 1)
		make_first(g, tbl, levels);
	if (pgtt == 2)
		make_second(g, tbl, levels);
}

static void make_scalable(struct gen *g)
{
	uint64_t root = rig_page(&g->rig), ctx = table(g), dir, tbl = table(g), pa;
	uint32_t pdts = (uint32_t)rnd(g, 2);
	uint32_t pasid = (uint32_t)rnd(g, chance(g, 90) ? 1u << (13 + pdts) : 1u << 20);

	dir = chance(g, 1) ? NOWHERE : rig_pages(&g->rig, 2);
	g->unit.rtaddr = root | 1u << 10;
	g->pasid = rnd(g, 2) ? UIOMMU_NO_PASID : pasid;
	choose_iova(g, 48, false);
	pa = root + 16 * (g->rid >> 8) + (g->rid & 0x80 ? 8 : 0);
	*rig_word(&g->rig, pa) = ctx | 1;
	entry_at(g, pa, 1);
	if (ctx == NOWHERE)
		return;
	pa = ctx + 32 * (g->rid & 0x7F);
	*rig_word(&g->rig, pa) = dir | pdts << 9 | 1 | (chance(g, 10) ? 2 : 0) | (chance(g, 90) ? 8 : 0);
	*rig_word(&g->rig, pa + 8) = g->pasid == UIOMMU_NO_PASID ? pasid : rnd(g, 1u << 20);
	entry_at(g, pa, 4);
	if (dir == NOWHERE || pasid >> (13 + pdts))
		return;
	*rig_word(&g->rig, dir + 8 * (pasid >> 6)) = tbl | 1 | (chance(g, 10) ? 2 : 0);
	entry_at(g, dir + 8 * (pasid >> 6), 1);
	if (tbl != NOWHERE)
		make_pasid_entry(g, tbl + 64 * (pasid & 63));
}

/* Something goes wrong in one entry. */
static void corrupt(struct gen *g)
{
	struct entry e = g->entry[rnd(g, g->n)];
	uint64_t *word = rig_word(&g->rig, e.pa + 8 * rnd(g, e.words));

	switch (rnd(g, 6)) {
	case 0:
	case 1:
	case 2:
		*word ^= 1ull << rnd(g, 64);
		break;
	case 3:
		*word ^= 1ull << rnd(g, 12);
		break;
	case 4:
		*word = rig_random(&g->seed);
		break;
	default:
		*rig_word(&g->rig, e.pa) &= ~1ull;
	}
}

static void check_record(struct gen *g, const struct naive_result *want)
{
	const struct hw_ops *ops = g->rig.hw->ops;
	uint32_t fsts = ops->read32(g->rig.hw, 0x34), off;
	uint64_t lo, hi, pv = g->pasid == UIOMMU_NO_PASID ? 0 : 1ull << 31 | (uint64_t)g->pasid << 40;

	if (!naive_records(want)) {
		assert_int_equal(fsts, 0);
		return;
	}
	assert_true(fsts & 2);
	off = 16 * (uint32_t)((ops->read64(g->rig.hw, 0x08) >> 24) & 0x3FF) + 16 * (fsts >> 8);
	lo = ops->read64(g->rig.hw, off);
	hi = ops->read64(g->rig.hw, off + 8);
	assert_true(lo == (g->iova & ~0xFFFull));
	pv |= 1ull << 63 | (g->write ? 0 : 1ull << 62) | (uint64_t)want->reason << 32;
	assert_true(hi == (pv | g->rid));
	ops->write32(g->rig.hw, off + 12, 1u << 31);
	assert_int_equal(ops->read32(g->rig.hw, 0x34), 0);
}

static void compare(struct gen *g, unsigned int number, bool caching)
{
	struct naive_result want;
	uint64_t pa = 0, before[5];
	uint32_t reason;

	naive_translate(&g->rig, &g->unit, g->rid, g->pasid, g->iova, g->write, &want);
	for (unsigned int i = 0; i < want.n_updates; i++)
		before[i] = *rig_word(&g->rig, want.update_pa[i]);
	reason = rig_translate(&g->rig, g->port, g->pasid, g->iova, g->write, &pa);
	if (reason != want.reason || (!reason && pa != want.pa))
		fail_msg("case %u: reason 0x%02x, must be 0x%02x; pa 0x%llx, must be 0x%llx", number, reason,
			 want.reason, (unsigned long long)pa, (unsigned long long)want.pa);
	g->seen[reason]++;
	check_record(g, &want);
	for (unsigned int i = 0; !reason && i < want.n_updates; i++)
		assert_true(*rig_word(&g->rig, want.update_pa[i]) == (before[i] | want.update_bits[i]));
	if (!caching || reason)
		return;
	/* Again: cached now, and unmapped in memory. */
	*rig_word(&g->rig, g->entry[g->n - 1].pa) = 0;
	assert_int_equal(rig_translate(&g->rig, g->port, g->pasid, g->iova, g->write, &pa), 0);
	assert_true(pa == want.pa);
}

static void run(const struct uiommu_vtd_model_opts *opts, bool accessor, unsigned int cases, uint64_t seed,
		unsigned int seen[256])
{
	struct gen *g = calloc(1, sizeof(*g));
	bool caching = opts->preset != UIOMMU_PRESET_QEMU;

	assert_non_null(g);
	print_message("# seed %llu\n", (unsigned long long)seed);
	g->seed = seed;
	g->unit = (struct naive_unit) { opts->haw, !opts->no_scalable, !opts->no_pass_through,
					!opts->no_scalable && !opts->no_first_stage, 0 };
	rig_start(&g->rig, opts, accessor);
	g->rid = (uint16_t)rig_random(&g->seed);
	assert_int_equal(uiommu_port_create(g->rig.hw, g->rid, &g->port), 0);
	rig_te(&g->rig, true);
	for (unsigned int i = 0; i < cases; i++) {
		rig_reset_pages(&g->rig);
		g->n = 0;
		g->write = rnd(g, 2);
		if (rnd(g, 3) == 0)
			make_legacy(g);
		else
			make_scalable(g);
		if (chance(g, 40))
			corrupt(g);
		if (chance(g, 1))
			g->unit.rtaddr = (g->unit.rtaddr & ~0xC00ull) | rnd(g, 4) << 10;
		rig_te(&g->rig, false);
		rig_root(&g->rig, g->unit.rtaddr);
		if (caching) {
			rig_queue_on(&g->rig, !opts->no_scalable && ((g->unit.rtaddr >> 10) & 3) == 1);
			if (((g->unit.rtaddr >> 10) & 3) < (opts->no_scalable ? 1 : 2))
				rig_flush(&g->rig);
			g->rig.hw->ops->write32(g->rig.hw, 0x18, 0);	/* queue off */
			g->rig.hw->ops->write64(g->rig.hw, 0x88, 0);
		}
		rig_te(&g->rig, true);
		compare(g, i, caching && ((g->unit.rtaddr >> 10) & 3) < (opts->no_scalable ? 1 : 2));
	}
	for (unsigned int i = 0; i < 256; i++)
		seen[i] += g->seen[i];
	uiommu_port_destroy(g->port);
	rig_stop(&g->rig);
	free(g);
}

static void test_pointer_memory(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .preset = UIOMMU_PRESET_QEMU, .haw = 46 };
	/* Every reason that these parts know, but for missing memory under the root (below) and accessors. */
	static const uint8_t all[] = {
		0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0A, 0x0B, 0x0C, 0x0E, 0x29,
		0x30, 0x31, 0x39, 0x3A, 0x40, 0x41, 0x42, 0x45, 0x46, 0x48, 0x50, 0x51, 0x52, 0x58, 0x59,
		0x5A, 0x5B, 0x70, 0x71, 0x72, 0x73, 0x78, 0x79, 0x7A, 0x7B, 0x80, 0x81, 0x83, 0x84, 0x85,
		0x86, 0x87, 0x90,
	};
	unsigned int seen[256] = { 0 };

	run(&opts, false, CASES, 1, seen);
	opts.haw = 36;
	run(&opts, false, CASES / 4, 2, seen);
	for (unsigned int i = 0; i < sizeof(all); i++)
		if (!seen[all[i]])
			fail_msg("reason 0x%02x never occurred", all[i]);
}

static void test_accessor_memory(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .preset = UIOMMU_PRESET_QEMU, .haw = 52 };
	unsigned int seen[256] = { 0 };

	run(&opts, true, CASES, 3, seen);
	assert_true(seen[0x91] > 0);
	assert_true(seen[0] > CASES / 10);
}

static void test_cached(void **state)
{
	static const enum uiommu_preset presets[] = { UIOMMU_PRESET_WEAKEST, UIOMMU_PRESET_ANY_ORDER };
	unsigned int seen[256] = { 0 };

	for (unsigned int i = 0; i < 2; i++) {
		struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .preset = presets[i], .haw = 46 };

		run(&opts, i == 1, CASES / 4, 4 + i, seen);
	}
}

static void test_without_capabilities(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .preset = UIOMMU_PRESET_QEMU, .haw = 46 };
	unsigned int seen[256] = { 0 };

	opts.no_pass_through = true;
	run(&opts, false, CASES / 8, 6, seen);
	opts.no_first_stage = true;
	run(&opts, false, CASES / 8, 7, seen);
	opts.no_scalable = true;
	run(&opts, false, CASES / 8, 8, seen);
}

static void test_root_not_readable(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .haw = 46 };
	struct uiommu_port *port;
	struct rig r;
	uint64_t pa;

	rig_start(&r, &opts, false);
	assert_int_equal(uiommu_port_create(r.hw, 0x1234, &port), 0);
	rig_root(&r, NOWHERE);
	rig_te(&r, true);
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x1000, false, &pa), 0x08);
	rig_te(&r, false);
	rig_root(&r, NOWHERE | 1u << 10);
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x1000, false, &pa), 0);	/* TES=0 */
	assert_true(pa == 0x1000);
	rig_te(&r, true);
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x1000, false, &pa), 0x38);
	uiommu_port_destroy(port);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pointer_memory),	     cmocka_unit_test(test_accessor_memory),
		cmocka_unit_test(test_cached),		     cmocka_unit_test(test_without_capabilities),
		cmocka_unit_test(test_root_not_readable),
	};

	return cmocka_run_group_tests_name("vtd walk", tests, NULL, NULL);
}
