/* SPDX-License-Identifier: MIT */
/*
 * A device's entry in both modes: how it is built, what hardware makes of it, and
 * which of its bits matter. Legacy: the context entry (9.3). Scalable: the PASID
 * entry of RID_PASID (9.6). Entries are minimal: fields that a kind ignores are 0.
 */
#include <string.h>

#include "driver/vtd/vtd.h"

#define CONTEXT_WORDS (VTD_CONTEXT_ENTRY_SIZE / 8)

static const char apart_reason[] = "the domain id and the first-stage pointer lie in different 16-byte units "
				   "of the PASID entry, and hardware "
				   "fetches those apart; this version cannot change both without a gap";
static const char store_reason[] =
	"without a 16-byte store the pointer and the domain id of the entry cannot change at once";

/* word 0: fault reason; the rest: the decoder's result as it is, 0 wherever the kind ignores a field. */
static void decode_context(const void *arg, const uint64_t *entry, struct entry_decoded *out)
{
	struct vtd_context c;

	_Static_assert(sizeof(c) <= sizeof(out->word) - sizeof(out->word[0]), "room for the decoded entry");
	memset(out, 0, sizeof(*out));
	out->word[0] = vtd_decode_context(arg, entry, &c);
	memcpy(&out->word[1], &c, sizeof(c));
}

static void decode_pasid(const void *arg, const uint64_t *entry, struct entry_decoded *out)
{
	struct vtd_pasid p;

	_Static_assert(sizeof(p) <= sizeof(out->word) - sizeof(out->word[0]), "room for the decoded entry");
	memset(out, 0, sizeof(*out));
	out->word[0] = vtd_decode_pasid(arg, entry, &p);
	memcpy(&out->word[1], &p, sizeof(p));
}

static void build_context(const struct vtdd_iommu *vi, enum vtdd_kind kind, uint64_t ptr, unsigned int levels,
			  uint64_t *e)
{
	if (kind == VTDD_KIND_SECOND) {
		e[0] = ptr | field_put(VTD_CE0_TT, VTD_TT_UNTRANSLATED) | VTD_CE0_P;
		e[1] = field_put(VTD_CE1_AW, VTD_AW_OF_LEVELS(levels));
		return;
	}
	/* Pass-through: the pointer is ignored, AW must be the largest that is supported. */
	for (levels = 5; levels > 3 && !vtd_levels_ok(&vi->caps, levels); levels--)
		;
	e[0] = field_put(VTD_CE0_TT, VTD_TT_PASS) | VTD_CE0_P;
	e[1] = field_put(VTD_CE1_AW, VTD_AW_OF_LEVELS(levels));
}

static void build_pasid(const struct vtdd_iommu *vi, enum vtdd_kind kind, uint64_t ptr, unsigned int levels,
			uint64_t *e)
{
	/* Walks snoop wherever software may choose: tables are written by the CPU without flushing lines. */
	uint64_t snoop = vi->caps.ecap & VTD_ECAP_SMPWCS ? VTD_PE1_PWSNP : 0;

	switch (kind) {
	case VTDD_KIND_SECOND:
		e[0] = ptr | field_put(VTD_PE0_AW, VTD_AW_OF_LEVELS(levels)) |
		       field_put(VTD_PE0_PGTT, VTD_PGTT_SECOND) | VTD_PE0_P;
		e[1] = snoop;
		break;
	case VTDD_KIND_FIRST:
		e[0] = field_put(VTD_PE0_PGTT, VTD_PGTT_FIRST) | VTD_PE0_P;
		e[1] = snoop;
		e[2] = ptr | field_put(VTD_PE2_FSPM, levels == 5);
		break;
	default:
		e[0] = field_put(VTD_PE0_PGTT, VTD_PGTT_PASS) | VTD_PE0_P;
	}
}

void vtdd_entry_build(const struct vtdd_iommu *vi, enum vtdd_kind kind, uint64_t ptr, unsigned int levels,
		      uint64_t entry[ENTRY_WORDS_MAX])
{
	memset(entry, 0, ENTRY_WORDS_MAX * sizeof(entry[0]));
	if (kind == VTDD_KIND_BLOCKED)
		return;
	if (vi->scalable)
		build_pasid(vi, kind, ptr, levels, entry);
	else
		build_context(vi, kind, ptr, levels, entry);
}

void vtdd_entry_set_tag(const struct vtdd_iommu *vi, uint64_t entry[ENTRY_WORDS_MAX], uint32_t tag)
{
	if (vi->scalable)
		entry[1] = (entry[1] & ~VTD_PE1_DID) | field_put(VTD_PE1_DID, tag);
	else
		entry[1] = (entry[1] & ~VTD_CE1_DID) | field_put(VTD_CE1_DID, tag);
}

uint32_t vtdd_entry_tag(const struct vtdd_iommu *vi, const uint64_t entry[ENTRY_WORDS_MAX])
{
	return (uint32_t)(vi->scalable ? field_get(VTD_PE1_DID, entry[1]) : field_get(VTD_CE1_DID, entry[1]));
}

enum vtdd_kind vtdd_entry_kind(const struct vtdd_iommu *vi, const uint64_t entry[ENTRY_WORDS_MAX])
{
	if (!(entry[vi->fmt.present_word] & vi->fmt.present_bit))
		return VTDD_KIND_BLOCKED;
	if (!vi->scalable)
		return field_get(VTD_CE0_TT, entry[0]) == VTD_TT_PASS ? VTDD_KIND_IDENTITY : VTDD_KIND_SECOND;
	switch (field_get(VTD_PE0_PGTT, entry[0])) {
	case VTD_PGTT_FIRST:
		return VTDD_KIND_FIRST;
	case VTD_PGTT_SECOND:
		return VTDD_KIND_SECOND;
	default:
		return VTDD_KIND_IDENTITY;
	}
}

/* Adds the used bits of one entry of a kind, with a domain id of set and of clear bits. */
static void add_used(struct vtdd_iommu *vi, enum vtdd_kind kind, uint64_t ptr, unsigned int levels)
{
	static const uint32_t tags[] = { 0x1, 0x5 };
	uint64_t entry[ENTRY_WORDS_MAX];
	struct entry_used used;

	for (unsigned int i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		vtdd_entry_build(vi, kind, ptr, levels, entry);
		if (kind != VTDD_KIND_BLOCKED)
			vtdd_entry_set_tag(vi, entry, tags[i]);
		plan_derive_used(&vi->fmt, entry, &used);
		for (unsigned int w = 0; w < ENTRY_WORDS_MAX; w++)
			vi->used[kind].mask[w] |= used.mask[w];
	}
}

void vtdd_entry_init(struct vtdd_iommu *vi)
{
	static const uint64_t ptrs[] = { UINT64_C(0x1000), UINT64_C(0xABCDE000) };
	bool first = vi->scalable && (vi->caps.ecap & VTD_ECAP_FSTS);
	bool second = !vi->scalable || (vi->caps.ecap & VTD_ECAP_SSTS);

	vi->fmt = (struct entry_format){
		.name = vi->scalable ? "VT-d PASID entry" : "VT-d context entry",
		.words = vi->scalable ? VTD_PE_WORDS : CONTEXT_WORDS,
		.fetch_words = 2, /* 16-byte units */
		.present_word = 0,
		.present_bit = vi->scalable ? VTD_PE0_P : VTD_CE0_P,
		.decode = vi->scalable ? decode_pasid : decode_context,
		.arg = &vi->caps,
		.apart_reason = apart_reason,
		.store_reason = store_reason,
	};
	memset(vi->used, 0, sizeof(vi->used));
	add_used(vi, VTDD_KIND_BLOCKED, 0, 0);
	if (vi->caps.ecap & VTD_ECAP_PT)
		add_used(vi, VTDD_KIND_IDENTITY, 0, 0);
	for (unsigned int i = 0; i < sizeof(ptrs) / sizeof(ptrs[0]); i++) {
		for (unsigned int levels = 3; levels <= 5; levels++)
			if (second && vtd_levels_ok(&vi->caps, levels))
				add_used(vi, VTDD_KIND_SECOND, ptrs[i], levels);
		if (first)
			add_used(vi, VTDD_KIND_FIRST, ptrs[i], 4);
		if (first && (vi->caps.cap & VTD_CAP_FS5LP))
			add_used(vi, VTDD_KIND_FIRST, ptrs[i], 5);
	}
}
