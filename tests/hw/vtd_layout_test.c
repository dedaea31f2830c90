/* SPDX-License-Identifier: MIT */
/*
 * layout.h and the decoders against vtd_layout_table.h, both ways: every field of the
 * table where layout.h has it, and every name of layout.h in the table; words packed by
 * the one are read by the other; what the decoders do with a bit is what the table says
 * of it: reserved bits fault, ignored ones change nothing, fields come out as put in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "hw/vtd/decode.h"
#include "vtd_layout_table.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORDS 8

/* What layout.h names, extracted when this is built. */
static const char *const names[] = {
#include "hw/layout_names.h"
};

/* ---- bits of a structure, by the table ---- */

static void put_bits(uint64_t *words, const struct field *f, uint64_t val)
{
	for (unsigned int bit = f->lo; bit <= f->hi; bit++, val >>= 1)
		words[bit / 64] = (words[bit / 64] & ~(UINT64_C(1) << bit % 64)) | (val & 1) << bit % 64;
}

static uint64_t get_bits(const uint64_t *words, const struct field *f)
{
	uint64_t val = 0;

	for (unsigned int bit = f->hi + 1; bit-- > f->lo;)
		val = val << 1 | (words[bit / 64] >> bit % 64 & 1);
	return val;
}

static uint64_t mask_in_word(const struct field *f)
{
	uint64_t words[WORDS] = { 0 };

	put_bits(words, f, UINT64_MAX);
	return words[f->lo / 64];
}

static const struct structure *structure(const char *name)
{
	for (size_t i = 0; i < COUNT(structures); i++)
		if (!strcmp(structures[i].name, name))
			return &structures[i];
	fail_msg("no structure %s", name);
	return NULL;
}

static const struct field *field_of(const struct structure *s, const char *name)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (!strcmp(s->field[i].name, name))
			return &s->field[i];
	fail_msg("%s has no field %s", s->name, name);
	return NULL;
}

/* ---- the table against layout.h ---- */

/* The table itself: each bit of a structure once. */
static void bits_add_up(void **state)
{
	for (size_t i = 0; i < COUNT(structures); i++) {
		const struct structure *s = &structures[i];
		unsigned int seen[512] = { 0 }, n = 0;

		for (unsigned int k = 0; k < s->n; k++) {
			const struct field *f = &s->field[k];

			assert_true(f->hi >= f->lo && f->hi < 512);
			for (unsigned int bit = f->lo; bit <= f->hi; bit++) {
				if (seen[bit]++)
					fail_msg("%s: bit %u twice", s->name, bit);
				n++;
			}
		}
		/* Structures of 0 bits are parts of others. */
		if (s->bits && n != s->bits)
			fail_msg("%s: %u of %u bits", s->name, n, s->bits);
	}
}

/* A digit before the second underscore is the word's index: VTD_CE1_DID. */
static bool digit_is(const char *macro, unsigned int word)
{
	const char *end = strchr(macro + strlen("VTD_"), '_');

	return !end || end[-1] < '0' || end[-1] > '9' || (unsigned int)(end[-1] - '0') == word;
}

/* All rows of a macro together are what it says. */
static void macros_are_where_the_table_says(void **state)
{
	for (size_t i = 0; i < COUNT(structures); i++) {
		const struct structure *s = &structures[i];

		for (unsigned int k = 0; k < s->n; k++) {
			const struct field *f = &s->field[k];
			uint64_t all = 0;

			if (!f->macro)
				continue;
			for (unsigned int j = 0; j < s->n; j++) {
				const struct field *other = &s->field[j];

				if (!other->macro || strcmp(other->macro, f->macro))
					continue;
				assert_int_equal(other->lo / 64, f->lo / 64);
				all |= mask_in_word(other);
			}
			if (all != f->mask || !digit_is(f->macro, f->lo / 64))
				fail_msg("%s.%s, %u:%u (%s, revision %s): %s is 0x%llx", s->name, f->name,
					 f->hi, f->lo, s->section, s->revision, f->macro,
					 (unsigned long long)f->mask);
		}
	}
}

static void check_numbers(const struct number *n, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (n[i].is != n[i].must)
			fail_msg("%s is 0x%llx, %s says 0x%llx", n[i].macro, (unsigned long long)n[i].is,
				 n[i].section, (unsigned long long)n[i].must);
}

static void numbers_are_as_in_the_table(void **state)
{
	check_numbers(offsets, COUNT(offsets));
	check_numbers(values, COUNT(values));
	check_numbers(reasons, COUNT(reasons));
}

/* Those with arguments, by examples from the text. */
static const char *const functions[] = {
	"VTD_WHOLE64()", /* no layout: an assertion */
	"VTD_AW_OF_LEVELS()",	"VTD_LEVELS_OF_AW()",	 "VTD_WIDTH_OF_LEVELS()",
	"VTD_PASID_LIMIT()",	"VTD_PASID_DIR_INDEX()", "VTD_PASID_TABLE_INDEX()",
};

static void functions_compute_what_the_text_says(void **state)
{
	static const struct {
		unsigned int levels, width, aw;
	} widths[] = { { 3, 39, 1 }, { 4, 48, 2 }, { 5, 57, 3 } };

	for (size_t i = 0; i < COUNT(widths); i++) {
		assert_int_equal(VTD_AW_OF_LEVELS(widths[i].levels), widths[i].aw);
		assert_int_equal(VTD_LEVELS_OF_AW(widths[i].aw), widths[i].levels);
		assert_int_equal(VTD_WIDTH_OF_LEVELS(widths[i].levels), widths[i].width);
	}
	/* 9.4: 2^(PDTS + 7) directory entries of 64 PASIDs each. */
	for (uint64_t pdts = 0; pdts < 8; pdts++)
		assert_true(VTD_PASID_LIMIT(pdts) == (UINT64_C(128) << pdts) * 64);
	/* 9.5, 9.6: PASID[19:6] and PASID[5:0] */
	assert_int_equal(VTD_PASID_DIR_INDEX(0xABCDEu), 0xABCDE / 64);
	assert_int_equal(VTD_PASID_TABLE_INDEX(0xABCDEu), 0xABCDE % 64);
	assert_int_equal(VTD_PASID_DIR_INDEX(63u), 0);
	assert_int_equal(VTD_PASID_DIR_INDEX(64u), 1);
}

static bool in_numbers(const char *name, const struct number *n, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(n[i].macro, name))
			return true;
	return false;
}

static bool in_table(const char *name)
{
	for (size_t i = 0; i < COUNT(structures); i++)
		for (unsigned int k = 0; k < structures[i].n; k++)
			if (structures[i].field[k].macro && !strcmp(structures[i].field[k].macro, name))
				return true;
	for (size_t i = 0; i < COUNT(functions); i++)
		if (!strcmp(functions[i], name))
			return true;
	return in_numbers(name, offsets, COUNT(offsets)) || in_numbers(name, values, COUNT(values)) ||
	       in_numbers(name, reasons, COUNT(reasons));
}

static void nothing_of_layout_h_is_missing(void **state)
{
	/* Or the extraction found nothing. */
	assert_true(COUNT(names) > 300);
	for (size_t i = 0; i < COUNT(names); i++)
		if (!in_table(names[i]))
			fail_msg("%s is not in the table", names[i]);
}

/* ---- packing ---- */

static uint64_t next_pattern(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Whole structures of random fields: packed by the table, read by the macros, and the other way. */
static void packed_by_one_read_by_the_other(void **state)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < COUNT(structures) * 64; i++) {
		const struct structure *s = &structures[i % COUNT(structures)];
		uint64_t mine[WORDS] = { 0 }, theirs[WORDS] = { 0 };

		for (unsigned int k = 0; k < s->n; k++) {
			const struct field *f = &s->field[k];
			uint64_t val = next_pattern(&seed);

			/* A macro of several pieces is no field of one number. */
			if (!f->macro || mask_in_word(f) != f->mask)
				continue;
			put_bits(mine, f, val);
			theirs[f->lo / 64] |= field_put(f->mask, get_bits(mine, f));
			assert_true(field_get(f->mask, mine[f->lo / 64]) == get_bits(mine, f));
			assert_true(get_bits(theirs, f) == get_bits(mine, f));
		}
		assert_memory_equal(mine, theirs, sizeof(mine));
	}
}

/* ---- decoding ---- */

/* Everything is there: no bit is reserved for want of a capability. */
static const struct vtd_caps rich = { .cap = UINT64_MAX, .ecap = UINT64_MAX, .haw = 52 };

/* A decoder's result as numbers, by the table's names of fields. */
struct result {
	enum vtd_reason reason;
	bool fpd;
	unsigned int n;
	struct {
		const char *field;
		uint64_t val;
	} out[12];
};

static void result_add(struct result *r, const char *field, uint64_t val)
{
	r->out[r->n].field = field;
	r->out[r->n++].val = val;
}

static void decode_root(const struct vtd_caps *caps, const uint64_t *e, struct result *r)
{
	uint64_t table;

	r->reason = vtd_decode_root(caps, e, &table);
	result_add(r, "CTP", table >> 12);
}

static void decode_lower(const struct vtd_caps *caps, const uint64_t *e, struct result *r)
{
	uint64_t table;

	r->reason = vtd_decode_sm_root(caps, e[0], &table);
	result_add(r, "LCTP", table >> 12);
}

static void decode_upper(const struct vtd_caps *caps, const uint64_t *e, struct result *r)
{
	uint64_t table;

	r->reason = vtd_decode_sm_root(caps, e[1], &table);
	result_add(r, "UCTP", table >> 12);
}

static void decode_context(const struct vtd_caps *caps, const uint64_t *e, struct result *r)
{
	struct vtd_context c;

	r->reason = vtd_decode_context(caps, e, &c);
	r->fpd = c.fpd;
	result_add(r, "FPD", c.fpd);
	result_add(r, "TT", c.tt);
	result_add(r, "SSPTPTR", c.ptr >> 12);
	result_add(r, "AW", c.levels ? c.levels - 2u : 0);
	result_add(r, "DID", c.did);
}

static void decode_sm_context(const struct vtd_caps *caps, const uint64_t *e, struct result *r)
{
	struct vtd_sm_context c;
	unsigned int pdts = 0;

	r->reason = vtd_decode_sm_context(caps, e, &c);
	while (c.pasid_limit >> (pdts + 14))
		pdts++;
	r->fpd = c.fpd;
	result_add(r, "FPD", c.fpd);
	result_add(r, "DTE", c.dte);
	result_add(r, "PASIDE", c.paside);
	result_add(r, "PRE", c.pre);
	result_add(r, "PDTS", pdts);
	result_add(r, "PASIDDIRPTR", c.dir >> 12);
	result_add(r, "RID_PASID", c.rid_pasid);
	result_add(r, "RID_PRIV", c.rid_priv);
}

static void decode_pasid_dir(const struct vtd_caps *caps, const uint64_t *e, struct result *r)
{
	struct vtd_pasid_dir d;

	r->reason = vtd_decode_pasid_dir(caps, *e, &d);
	r->fpd = d.fpd;
	result_add(r, "FPD", d.fpd);
	result_add(r, "SMPTBLPTR", d.table >> 12);
}

static void decode_pasid(const struct vtd_caps *caps, const uint64_t *e, struct result *r)
{
	struct vtd_pasid p;

	r->reason = vtd_decode_pasid(caps, e, &p);
	r->fpd = p.fpd;
	result_add(r, "FPD", p.fpd);
	result_add(r, "PGTT", p.pgtt);
	result_add(r, "DID", p.did);
	result_add(r, "PWSNP", p.pwsnp);
	result_add(r, "PGSNP", p.pgsnp);
	if (p.pgtt == 1) {
		result_add(r, "FSPTPTR", p.ptr >> 12);
		result_add(r, "FSPM", p.levels - 4u);
		result_add(r, "SRE", p.sre);
		result_add(r, "WPE", p.wpe);
		result_add(r, "EAFE", p.eafe);
	} else {
		result_add(r, "SSPTPTR", p.ptr >> 12);
		result_add(r, "AW", p.levels ? p.levels - 2u : 0);
		result_add(r, "SSADE", p.ssade);
	}
}

/* One kind of entry: its decoder, and which values make it valid. */
struct kind {
	const char *structure, *label;
	void (*decode)(const struct vtd_caps *caps, const uint64_t *e, struct result *r);
	enum vtd_reason reserved;	/* what a reserved bit gives */
	struct {
		const char *field;
		uint64_t val;
	} fixed[4];			/* what makes it this kind */
	const char *present;
};

static const struct kind kinds[] = {
	{ "Root Entry", "legacy", decode_root, VTD_LRT_3, { { NULL, 0 } }, "P" },
	{ "Scalable Mode Root Entry, lower half", "", decode_lower, VTD_SRT_3, { { NULL, 0 } }, "LP" },
	{ "Scalable Mode Root Entry, upper half", "", decode_upper, VTD_SRT_3, { { NULL, 0 } }, "UP" },
	{ "Context Entry", "untranslated", decode_context, VTD_LCT_3, { { "TT", 0 } }, "P" },
	{ "Context Entry", "all", decode_context, VTD_LCT_3, { { "TT", 1 } }, "P" },
	{ "Scalable Mode Context Entry", "", decode_sm_context, VTD_SCT_3, { { NULL, 0 } }, "P" },
	{ "Scalable Mode PASID Directory Entry", "", decode_pasid_dir, VTD_SPD_3, { { NULL, 0 } }, "P" },
	{ "Scalable Mode PASID Table Entry", "first", decode_pasid, VTD_SPT_3, { { "PGTT", 1 } }, "P" },
	{ "Scalable Mode PASID Table Entry", "second", decode_pasid, VTD_SPT_3, { { "PGTT", 2 } }, "P" },
};

/* Of a field with few valid codes one of them, else any number; addresses within HAW. */
static uint64_t valid_value(const struct kind *k, const struct field *f, uint64_t rnd)
{
	uint64_t bits = f->hi - f->lo == 63 ? UINT64_MAX : (UINT64_C(1) << (f->hi - f->lo + 1)) - 1;

	if (!strcmp(f->name, k->present))
		return 1;
	for (size_t i = 0; i < COUNT(k->fixed) && k->fixed[i].field; i++)
		if (!strcmp(f->name, k->fixed[i].field))
			return k->fixed[i].val;
	if (!strcmp(f->name, "AW"))
		return 1 + rnd % 3;
	if (!strcmp(f->name, "FSPM"))
		return rnd % 2;
	/* Pointers end at bit 63; of those the host address width leaves 40 bits. */
	return rnd & (f->hi % 64 == 63 && f->lo % 64 == 12 ? (UINT64_C(1) << 40) - 1 : bits);
}

static void make_entry(const struct kind *k, uint64_t *seed, uint64_t e[WORDS])
{
	const struct structure *s = structure(k->structure);

	memset(e, 0, WORDS * sizeof(*e));
	for (unsigned int i = 0; i < s->n; i++) {
		const struct field *f = &s->field[i];

		if (f->use == FIELD_)
			put_bits(e, f, valid_value(k, f, next_pattern(seed)));
	}
}

static void decode(const struct kind *k, const struct vtd_caps *caps, const uint64_t e[WORDS],
		   struct result *r)
{
	memset(r, 0, sizeof(*r));
	k->decode(caps, e, r);
}

/* Fields come out of the decoders as the table put them in. */
static void decoded_as_packed(void **state)
{
	uint64_t seed = 2;

	for (size_t i = 0; i < COUNT(kinds) * 200; i++) {
		const struct kind *k = &kinds[i % COUNT(kinds)];
		const struct structure *s = structure(k->structure);
		uint64_t e[WORDS];
		struct result r;

		make_entry(k, &seed, e);
		decode(k, &rich, e, &r);
		assert_int_equal(r.reason, VTD_OK);
		for (unsigned int n = 0; n < r.n; n++)
			if (r.out[n].val != get_bits(e, field_of(s, r.out[n].field)))
				fail_msg("%s (%s): %s is 0x%llx, decoded as 0x%llx", s->name, k->label,
					 r.out[n].field,
					 (unsigned long long)get_bits(e, field_of(s, r.out[n].field)),
					 (unsigned long long)r.out[n].val);
	}
}

static bool same(const struct result *a, const struct result *b)
{
	bool equal = a->reason == b->reason && a->fpd == b->fpd && a->n == b->n;

	for (unsigned int i = 0; equal && i < a->n; i++)
		equal = a->out[i].val == b->out[i].val;
	return equal;
}

/* Each bit by itself: reserved ones fault, ignored ones do nothing. */
static void decoders_know_reserved_from_ignored(void **state)
{
	uint64_t seed = 3;

	for (size_t i = 0; i < COUNT(kinds) * 20; i++) {
		const struct kind *k = &kinds[i % COUNT(kinds)];
		const struct structure *s = structure(k->structure);
		uint64_t e[WORDS];
		struct result plain, r;

		make_entry(k, &seed, e);
		decode(k, &rich, e, &plain);
		for (unsigned int n = 0; n < s->n; n++) {
			const struct field *f = &s->field[n];

			for (unsigned int bit = f->lo; f->use != FIELD_ && bit <= f->hi; bit++) {
				e[bit / 64] ^= UINT64_C(1) << bit % 64;
				decode(k, &rich, e, &r);
				e[bit / 64] ^= UINT64_C(1) << bit % 64;
				if (f->use == RSVD ? r.reason != k->reserved : !same(&r, &plain))
					fail_msg("%s (%s): bit %u is %s, but gives 0x%02x", s->name, k->label,
						 bit, f->name, r.reason);
			}
		}
	}
}

/* Without the capability a field is reserved, with any value but 0. */
static void fields_reserved_without_their_capability(void **state)
{
	uint64_t seed = 4;

	for (size_t i = 0; i < COUNT(kinds) * 20; i++) {
		const struct kind *k = &kinds[i % COUNT(kinds)];
		const struct structure *s = structure(k->structure);

		for (unsigned int n = 0; n < s->n; n++) {
			const struct field *f = &s->field[n];
			struct vtd_caps poor = rich;
			uint64_t e[WORDS];
			struct result r;

			if (!f->unless)
				continue;
			make_entry(k, &seed, e);
			/* What hangs on the same capability: this field alone has it. */
			for (unsigned int j = 0; j < s->n; j++)
				if (s->field[j].unless == f->unless)
					put_bits(e, &s->field[j], 0);
			poor.ecap &= ~f->unless;
			put_bits(e, f, 1);
			decode(k, &poor, e, &r);
			if (r.reason != k->reserved)
				fail_msg("%s (%s): %s without its capability gives 0x%02x", s->name, k->label,
					 f->name, r.reason);
		}
	}
}

/* Address bits that the host does not have are reserved. */
static void addresses_end_at_the_host_width(void **state)
{
	uint64_t seed = 5;

	for (size_t i = 0; i < COUNT(kinds) * 4; i++) {
		const struct kind *k = &kinds[i % COUNT(kinds)];
		const struct structure *s = structure(k->structure);
		struct vtd_caps narrow = rich;

		narrow.haw = 40;
		for (unsigned int n = 0; n < s->n; n++) {
			const struct field *f = &s->field[n];

			if (f->use != FIELD_ || f->lo % 64 != 12 || f->hi % 64 != 63)
				continue;
			for (unsigned int bit = f->lo; bit <= f->hi; bit++) {
				uint64_t e[WORDS];
				struct result r;

				make_entry(k, &seed, e);
				for (unsigned int j = 0; j < s->n; j++)
					if (s->field[j].use == FIELD_ && s->field[j].lo % 64 == 12)
						put_bits(e, &s->field[j], 0);
				e[bit / 64] |= UINT64_C(1) << bit % 64;
				decode(k, &narrow, e, &r);
				assert_int_equal(r.reason, bit % 64 < 40 ? VTD_OK : k->reserved);
			}
		}
	}
}

/* Not present: nothing but FPD counts. */
static void nothing_counts_without_present(void **state)
{
	static const enum vtd_reason absent[] = {
		VTD_LRT_2, VTD_SRT_2, VTD_SRT_2, VTD_LCT_2, VTD_LCT_2,
		VTD_SCT_2, VTD_SPD_2, VTD_SPT_2, VTD_SPT_2,
	};
	uint64_t seed = 6;

	assert_int_equal(COUNT(absent), COUNT(kinds));
	for (size_t i = 0; i < COUNT(kinds) * 50; i++) {
		const struct kind *k = &kinds[i % COUNT(kinds)];
		const struct structure *s = structure(k->structure);
		uint64_t e[WORDS];
		struct result r;
		bool fpd = false;

		for (unsigned int w = 0; w < WORDS; w++)
			e[w] = next_pattern(&seed);
		put_bits(e, field_of(s, k->present), 0);
		for (unsigned int n = 0; n < s->n; n++)
			fpd |= !strcmp(s->field[n].name, "FPD") && get_bits(e, &s->field[n]);
		decode(k, &rich, e, &r);
		assert_int_equal(r.reason, absent[i % COUNT(kinds)]);
		assert_int_equal(r.fpd, fpd);
	}
}

/* ---- paging entries: what a bit means hangs on the level ---- */

/* 9.8, and 9.7 below: what PS, SNP and address bits are at each level. */
static void second_stage_by_level(void **state)
{
	const struct structure *s = structure("Second-Stage Paging Entry");

	for (unsigned int level = 1; level <= 5; level++) {
		for (unsigned int large = 0; large < 2; large++) {
			bool leaf = level == 1 || large;
			unsigned int first = level == 1 ? 12 : 12 + 9 * (level - 1);
			uint64_t base = 3 | (uint64_t)large << 7;

			if (large && (level == 1 || level > 3))
				continue;
			for (unsigned int bit = 2; bit < 64; bit++) {
				struct vtd_pte pte;
				bool rsvd = bit == 62 || (bit == 11 && !leaf) ||
					    (large && bit >= 12 && bit < first) ||
					    (bit >= 46 && bit <= 51) || (bit == 7 && level > 3);

				if (bit == 7 && level > 1 && level <= 3)
					continue;
				vtd_decode_ss(&(struct vtd_caps){ UINT64_MAX, UINT64_MAX, 46 },
					      base | UINT64_C(1) << bit, level, &pte);
				if ((pte.kind == VTD_PTE_RESERVED) != rsvd)
					fail_msg("level %u, large %u: bit %u", level, large, bit);
				if (rsvd)
					continue;
				assert_int_equal(pte.kind, leaf ? VTD_PTE_LEAF : VTD_PTE_TABLE);
				assert_int_equal(pte.addr, bit >= 12 && bit < 46 ? UINT64_C(1) << bit : 0);
				assert_int_equal(pte.a, bit == field_of(s, "A")->lo);
				assert_int_equal(pte.d, leaf && bit == field_of(s, "D")->lo);
			}
		}
	}
}

static void first_stage_by_level(void **state)
{
	const struct structure *s = structure("First-Stage Paging Entry");

	for (unsigned int level = 1; level <= 5; level++) {
		for (unsigned int large = 0; large < 2; large++) {
			bool leaf = level == 1 || large;
			unsigned int first = level == 1 ? 12 : 12 + 9 * (level - 1);
			uint64_t base = 1 | (uint64_t)large << 7;

			if (large && (level == 1 || level > 3))
				continue;
			for (unsigned int bit = 1; bit < 64; bit++) {
				struct vtd_pte pte;
				/* Bit 12 of a large page is PAT. */
				bool rsvd = (large && bit > 12 && bit < first) || (bit >= 46 && bit <= 51) ||
					    (bit == 7 && level > 3);
				bool addr = bit >= 12 && bit < 46 && !(large && bit == 12);

				if (bit == 7 && level > 1 && level <= 3)
					continue;
				vtd_decode_fs(&(struct vtd_caps){ UINT64_MAX, UINT64_MAX, 46 },
					      base | UINT64_C(1) << bit, level, &pte);
				if ((pte.kind == VTD_PTE_RESERVED) != rsvd)
					fail_msg("level %u, large %u: bit %u", level, large, bit);
				if (rsvd)
					continue;
				assert_int_equal(pte.kind, leaf ? VTD_PTE_LEAF : VTD_PTE_TABLE);
				assert_int_equal(pte.addr, addr ? UINT64_C(1) << bit : 0);
				assert_int_equal(pte.w, bit == field_of(s, "R/W")->lo);
				assert_int_equal(pte.user, bit == field_of(s, "U/S")->lo);
				assert_int_equal(pte.a, bit == field_of(s, "A")->lo);
				assert_int_equal(pte.d, leaf && bit == field_of(s, "D")->lo);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_add_up),
		cmocka_unit_test(macros_are_where_the_table_says),
		cmocka_unit_test(numbers_are_as_in_the_table),
		cmocka_unit_test(functions_compute_what_the_text_says),
		cmocka_unit_test(nothing_of_layout_h_is_missing),
		cmocka_unit_test(packed_by_one_read_by_the_other),
		cmocka_unit_test(decoded_as_packed),
		cmocka_unit_test(decoders_know_reserved_from_ignored),
		cmocka_unit_test(fields_reserved_without_their_capability),
		cmocka_unit_test(addresses_end_at_the_host_width),
		cmocka_unit_test(nothing_counts_without_present),
		cmocka_unit_test(second_stage_by_level),
		cmocka_unit_test(first_stage_by_level),
	};

	return cmocka_run_group_tests_name("vtd layout", tests, NULL, NULL);
}
