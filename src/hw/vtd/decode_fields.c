/* SPDX-License-Identifier: MIT */
/*
 * Tables of fields, made of the names and masks of layout.h. A mask that is missing in
 * one of them leaves a gap, which tests/hw/vtd_fields_test.c finds.
 */
#include "hw/vtd/decode_fields.h"

#include <stddef.h>

#define F(prefix, w, field) { .name = #field, .word = (w), .mask = VTD_##prefix##_##field }
#define RSVD(w, m) { .name = "reserved", .word = (w), .mask = (m), .reserved = true }
#define IGN(w, m) { .name = "ignored", .word = (w), .mask = (m), .ignored = true }
#define ALL (~UINT64_C(0))

static const struct vtd_field root[] = {
	F(RE0, 0, P), F(RE0, 0, CTP), RSVD(0, VTD_RE0_RSVD), RSVD(1, ALL),
};

static const struct vtd_field sm_root[] = {
	F(SRE, 0, P), F(SRE, 0, CTP), RSVD(0, VTD_SRE_RSVD),
};

static const struct vtd_field context[] = {
	F(CE0, 0, P), F(CE0, 0, FPD), F(CE0, 0, TT), F(CE0, 0, SSPTPTR), RSVD(0, VTD_CE0_RSVD),
	F(CE1, 1, AW), F(CE1, 1, DID), IGN(1, VTD_CE1_IGN), RSVD(1, VTD_CE1_RSVD),
};

static const struct vtd_field sm_context[] = {
	F(SCE0, 0, P), F(SCE0, 0, FPD), F(SCE0, 0, DTE), F(SCE0, 0, PASIDE), F(SCE0, 0, PRE),
	F(SCE0, 0, PDTS), F(SCE0, 0, PASIDDIRPTR), RSVD(0, VTD_SCE0_RSVD),
	F(SCE1, 1, RID_PASID), F(SCE1, 1, RID_PRIV), RSVD(1, VTD_SCE1_RSVD),
	RSVD(2, ALL), RSVD(3, ALL),
};

static const struct vtd_field pasid_dir[] = {
	F(PDE, 0, P), F(PDE, 0, FPD), F(PDE, 0, SMPTBLPTR), RSVD(0, VTD_PDE_RSVD),
};

static const struct vtd_field pasid[] = {
	F(PE0, 0, P), F(PE0, 0, FPD), F(PE0, 0, AW), F(PE0, 0, PGTT), F(PE0, 0, SSADE),
	F(PE0, 0, SSPTPTR), RSVD(0, VTD_PE0_RSVD),
	F(PE1, 1, DID), F(PE1, 1, PWSNP), F(PE1, 1, PGSNP), F(PE1, 1, CD), F(PE1, 1, EMTE),
	F(PE1, 1, PAT), RSVD(1, VTD_PE1_RSVD),
	F(PE2, 2, SRE), F(PE2, 2, FSPM), F(PE2, 2, WPE), F(PE2, 2, EAFE), F(PE2, 2, FSPTPTR),
	IGN(2, VTD_PE2_IGN), RSVD(2, VTD_PE2_RSVD),
	RSVD(3, ALL), RSVD(4, ALL), RSVD(5, ALL), RSVD(6, ALL), RSVD(7, ALL),
};

static const struct vtd_field ss[] = {
	F(SS, 0, R), F(SS, 0, W), F(SS, 0, PS), F(SS, 0, A), F(SS, 0, D), F(SS, 0, SNP), F(SS, 0, ADDR),
	IGN(0, VTD_SS_IGN), RSVD(0, VTD_SS_RSVD),
};

static const struct vtd_field fs[] = {
	F(FS, 0, P), F(FS, 0, RW), F(FS, 0, US), F(FS, 0, PWT), F(FS, 0, PCD), F(FS, 0, A), F(FS, 0, D),
	F(FS, 0, PS), F(FS, 0, EA), F(FS, 0, ADDR), IGN(0, VTD_FS_IGN),
};

#define LAYOUT(title, number, w, table) \
	{ .name = (title), .section = (number), .words = (w), .n = sizeof(table) / sizeof((table)[0]), \
	  .fields = (table) }

static const struct vtd_entry_layout layouts[VTD_ENTRY_KINDS] = {
	[VTD_ENTRY_ROOT] = LAYOUT("root entry", "9.1", 2, root),
	[VTD_ENTRY_SM_ROOT] = LAYOUT("scalable-mode root entry", "9.2", 1, sm_root),
	[VTD_ENTRY_CONTEXT] = LAYOUT("context entry", "9.3", 2, context),
	[VTD_ENTRY_SM_CONTEXT] = LAYOUT("scalable-mode context entry", "9.4", 4, sm_context),
	[VTD_ENTRY_PASID_DIR] = LAYOUT("PASID directory entry", "9.5", 1, pasid_dir),
	[VTD_ENTRY_PASID] = LAYOUT("PASID table entry", "9.6", VTD_PE_WORDS, pasid),
	[VTD_ENTRY_FS] = LAYOUT("first-stage paging entry", "9.7", 1, fs),
	[VTD_ENTRY_SS] = LAYOUT("second-stage paging entry", "9.8", 1, ss),
};

const struct vtd_entry_layout *vtd_entry_layout(enum vtd_entry_kind kind)
{
	return (unsigned int)kind < VTD_ENTRY_KINDS ? &layouts[kind] : NULL;
}

uint64_t vtd_field_value(const struct vtd_field *field, const uint64_t *entry)
{
	uint64_t low = field->mask & -field->mask, bits = entry[field->word] & field->mask;

	/* One run of ones: adding its lowest bit leaves no other bit of it. */
	return (field->mask + low) & field->mask ? bits : bits / low;
}
