/* SPDX-License-Identifier: MIT */
/*
 * Tables of fields for dumps: they know all of an entry, and say what the decoders say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hw/vtd/decode.h"
#include "hw/vtd/decode_fields.h"

static uint64_t seed(void)
{
	const char *s = getenv("UIOMMU_TEST_SEED");

	return s ? strtoull(s, NULL, 0) : 1;
}

static uint64_t next(uint64_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return *r;
}

/* Every bit of every word belongs to one field, and to one alone. */
static void fields_cover_every_bit_once(void **state)
{
	for (unsigned int k = 0; k < VTD_ENTRY_KINDS; k++) {
		const struct vtd_entry_layout *l = vtd_entry_layout((enum vtd_entry_kind)k);
		uint64_t seen[VTD_ENTRY_WORDS_MAX] = { 0 };

		assert_true(l->words <= VTD_ENTRY_WORDS_MAX && l->n <= VTD_ENTRY_FIELDS_MAX);
		for (unsigned int i = 0; i < l->n; i++) {
			const struct vtd_field *f = &l->fields[i];

			assert_true(f->word < l->words && f->mask);
			if (seen[f->word] & f->mask)
				fail_msg("%s: %s overlaps", l->name, f->name);
			seen[f->word] |= f->mask;
		}
		for (unsigned int w = 0; w < l->words; w++)
			if (seen[w] != UINT64_MAX)
				fail_msg("%s: word %u lacks 0x%llx", l->name, w,
					 (unsigned long long)~seen[w]);
	}
	assert_null(vtd_entry_layout(VTD_ENTRY_KINDS));
	(void)state;
}

/* Values put back where they came from make the entry again. */
static void values_make_the_entry(void **state)
{
	uint64_t r = seed() | UINT64_C(1) << 63;

	for (unsigned int turn = 0; turn < 1000; turn++) {
		for (unsigned int k = 0; k < VTD_ENTRY_KINDS; k++) {
			const struct vtd_entry_layout *l = vtd_entry_layout((enum vtd_entry_kind)k);
			uint64_t e[VTD_ENTRY_WORDS_MAX], back[VTD_ENTRY_WORDS_MAX] = { 0 };

			for (unsigned int w = 0; w < VTD_ENTRY_WORDS_MAX; w++)
				e[w] = next(&r);
			for (unsigned int i = 0; i < l->n; i++) {
				const struct vtd_field *f = &l->fields[i];
				uint64_t v = vtd_field_value(f, e), put = field_put(f->mask, v);

				back[f->word] |= (put & f->mask) == (e[f->word] & f->mask) ? put : v;
			}
			assert_memory_equal(e, back, l->words * sizeof(e[0]));
		}
	}
	(void)state;
}

static uint64_t value_of(const struct vtd_entry_layout *l, const char *name, const uint64_t *e)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (!strcmp(l->fields[i].name, name))
			return vtd_field_value(&l->fields[i], e);
	fail_msg("%s has no %s", l->name, name);
	return 0;
}

/* An entry that decodes: its named fields are what the decoder found. */
static void fields_agree_with_the_decoders(void **state)
{
	const struct vtd_entry_layout *pe = vtd_entry_layout(VTD_ENTRY_PASID);
	const struct vtd_entry_layout *ce = vtd_entry_layout(VTD_ENTRY_CONTEXT);
	struct vtd_caps caps = {
		.cap = field_put(VTD_CAP_ND, 6) | field_put(VTD_CAP_SAGAW, VTD_SAGAW_39 | VTD_SAGAW_48),
		.ecap = VTD_ECAP_SSTS | VTD_ECAP_FSTS | VTD_ECAP_PT | VTD_ECAP_SMPWCS,
		.haw = 52,
	};
	uint64_t r = seed() | UINT64_C(1) << 63;
	unsigned int decoded = 0;

	for (unsigned int turn = 0; turn < 20000; turn++) {
		uint64_t e[VTD_PE_WORDS] = {
			(next(&r) & ~(VTD_PE0_RSVD | VTD_PE0_SSADE | FIELD(63, 52))) | VTD_PE0_P,
			next(&r) & (VTD_PE1_DID | VTD_PE1_PWSNP),
			next(&r) & (VTD_PE2_FSPTPTR | VTD_PE2_WPE | VTD_PE2_FSPM) & ~FIELD(63, 52),
		};
		uint64_t c[2] = { e[0] & ~VTD_CE0_RSVD, e[1] << 8 & VTD_CE1_DID };
		struct vtd_context con;
		struct vtd_pasid p;

		if (vtd_decode_pasid(&caps, e, &p) == VTD_OK) {
			decoded++;
			assert_int_equal(value_of(pe, "DID", e), p.did);
			assert_int_equal(value_of(pe, "PGTT", e), p.pgtt);
			if (p.pgtt == VTD_PGTT_SECOND)
				assert_int_equal(value_of(pe, "SSPTPTR", e) << 12, p.ptr);
			if (p.pgtt == VTD_PGTT_FIRST)
				assert_int_equal(value_of(pe, "FSPTPTR", e) << 12, p.ptr);
		}
		c[1] |= field_put(VTD_CE1_AW, VTD_AW_48);
		if (vtd_decode_context(&caps, c, &con) == VTD_OK) {
			decoded++;
			assert_int_equal(value_of(ce, "DID", c), con.did);
			assert_int_equal(value_of(ce, "TT", c), con.tt);
		}
	}
	assert_true(decoded > 1000);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_cover_every_bit_once),
		cmocka_unit_test(values_make_the_entry),
		cmocka_unit_test(fields_agree_with_the_decoders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
