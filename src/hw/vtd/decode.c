/* SPDX-License-Identifier: MIT */
/*
 * Decoders of VT-d's tables. See decode.h for the invariants they keep; each
 * function names the section of the specification that it follows.
 */
#include "hw/vtd/decode.h"

#include <string.h>

bool vtd_levels_ok(const struct vtd_caps *caps, unsigned int levels)
{
	if (levels < 3 || levels > 5)
		return false;
	return field_get(VTD_CAP_SAGAW, caps->cap) & BIT64(levels - 2);
}

/* Bits of a 16-bit domain id field that a unit with fewer bits reserves. */
static uint64_t did_reserved(const struct vtd_caps *caps)
{
	unsigned int bits = 4 + 2 * (unsigned int)field_get(VTD_CAP_ND, caps->cap);

	return bits >= 16 ? 0 : FIELD(15, bits);
}

/* 9.1 Root Entry */
enum vtd_reason vtd_decode_root(const struct vtd_caps *caps, const uint64_t e[2], uint64_t *table)
{
	*table = 0;
	if (!(e[0] & VTD_RE0_P))
		return VTD_LRT_2;
	if ((e[0] & (VTD_RE0_RSVD | vtd_beyond_haw(caps))) || e[1])
		return VTD_LRT_3;
	*table = e[0] & VTD_RE0_CTP;
	return VTD_OK;
}

/* 9.2 Scalable Mode Root Entry: only the half that is used is checked. */
enum vtd_reason vtd_decode_sm_root(const struct vtd_caps *caps, uint64_t half, uint64_t *table)
{
	*table = 0;
	if (!(half & VTD_SRE_P))
		return VTD_SRT_2;
	if (half & (VTD_SRE_RSVD | vtd_beyond_haw(caps)))
		return VTD_SRT_3;
	*table = half & VTD_SRE_CTP;
	return VTD_OK;
}

/* 9.3 Context Entry */
enum vtd_reason vtd_decode_context(const struct vtd_caps *caps, const uint64_t e[2], struct vtd_context *out)
{
	unsigned int tt = (unsigned int)field_get(VTD_CE0_TT, e[0]);
	unsigned int levels = VTD_LEVELS_OF_AW((unsigned int)field_get(VTD_CE1_AW, e[1]));

	memset(out, 0, sizeof(*out));
	out->fpd = e[0] & VTD_CE0_FPD;
	if (!(e[0] & VTD_CE0_P))
		return VTD_LCT_2;
	/* "ignored by hardware when TT is 10b": the pointer, its bits beyond HAW included */
	if ((e[0] & VTD_CE0_RSVD) || (tt != VTD_TT_PASS && (e[0] & vtd_beyond_haw(caps))))
		return VTD_LCT_3;
	if ((e[1] & VTD_CE1_RSVD) || (field_get(VTD_CE1_DID, e[1]) & did_reserved(caps)))
		return VTD_LCT_3;
	if (tt == VTD_TT_RSVD || (tt == VTD_TT_ALL && !(caps->ecap & VTD_ECAP_DT)) ||
	    (tt == VTD_TT_PASS && !(caps->ecap & VTD_ECAP_PT)))
		return VTD_LCT_4;
	if (!vtd_levels_ok(caps, levels))
		return VTD_LCT_4;
	out->tt = (uint8_t)tt;
	out->did = (uint16_t)field_get(VTD_CE1_DID, e[1]);
	if (tt == VTD_TT_PASS)
		return VTD_OK;
	out->levels = (uint8_t)levels;
	out->width = (uint8_t)VTD_WIDTH_OF_LEVELS(levels);
	out->ptr = e[0] & VTD_CE0_SSPTPTR;
	return VTD_OK;
}

static uint64_t reserved_unless(const struct vtd_caps *caps, uint64_t capability, uint64_t bits)
{
	return caps->ecap & capability ? 0 : bits;
}

/* 9.4 Scalable Mode Context Entry */
enum vtd_reason vtd_decode_sm_context(const struct vtd_caps *caps, const uint64_t e[4],
				      struct vtd_sm_context *out)
{
	uint64_t rsvd0 = VTD_SCE0_RSVD | vtd_beyond_haw(caps);
	uint64_t rsvd1 = VTD_SCE1_RSVD;

	memset(out, 0, sizeof(*out));
	out->fpd = e[0] & VTD_SCE0_FPD;
	if (!(e[0] & VTD_SCE0_P))
		return VTD_SCT_2;
	rsvd0 |= reserved_unless(caps, VTD_ECAP_DT, VTD_SCE0_DTE);
	rsvd0 |= reserved_unless(caps, VTD_ECAP_PASID, VTD_SCE0_PASIDE);
	rsvd0 |= reserved_unless(caps, VTD_ECAP_PRS, VTD_SCE0_PRE);
	rsvd1 |= reserved_unless(caps, VTD_ECAP_RPS, VTD_SCE1_RID_PASID);
	rsvd1 |= reserved_unless(caps, VTD_ECAP_RPRIVS, VTD_SCE1_RID_PRIV);
	if ((e[0] & rsvd0) || (e[1] & rsvd1) || e[2] || e[3])
		return VTD_SCT_3;
	out->dir = e[0] & VTD_SCE0_PASIDDIRPTR;
	out->rid_pasid = (uint32_t)field_get(VTD_SCE1_RID_PASID, e[1]);
	out->pasid_limit = (uint32_t)VTD_PASID_LIMIT(field_get(VTD_SCE0_PDTS, e[0]));
	out->paside = e[0] & VTD_SCE0_PASIDE;
	out->dte = e[0] & VTD_SCE0_DTE;
	out->pre = e[0] & VTD_SCE0_PRE;
	out->rid_priv = e[1] & VTD_SCE1_RID_PRIV;
	return VTD_OK;
}

/* 9.5 Scalable Mode PASID Directory Entry */
enum vtd_reason vtd_decode_pasid_dir(const struct vtd_caps *caps, uint64_t e, struct vtd_pasid_dir *out)
{
	memset(out, 0, sizeof(*out));
	out->fpd = e & VTD_PDE_FPD;
	if (!(e & VTD_PDE_P))
		return VTD_SPD_2;
	if (e & (VTD_PDE_RSVD | vtd_beyond_haw(caps)))
		return VTD_SPD_3;
	out->table = e & VTD_PDE_SMPTBLPTR;
	return VTD_OK;
}

static bool pasid_reserved(const struct vtd_caps *caps, const uint64_t e[VTD_PE_WORDS])
{
	uint64_t rsvd0 = VTD_PE0_RSVD | vtd_beyond_haw(caps);
	uint64_t rsvd1 = VTD_PE1_RSVD | did_reserved(caps);
	uint64_t rsvd2 = VTD_PE2_RSVD | vtd_beyond_haw(caps);
	uint64_t rest = 0;

	rsvd0 |= reserved_unless(caps, VTD_ECAP_SSTS, VTD_PE0_AW | VTD_PE0_SSPTPTR);
	rsvd0 |= reserved_unless(caps, VTD_ECAP_SSADS, VTD_PE0_SSADE);
	rsvd1 |= reserved_unless(caps, VTD_ECAP_SMPWCS, VTD_PE1_PWSNP);
	rsvd1 |= reserved_unless(caps, VTD_ECAP_SC, VTD_PE1_PGSNP);
	rsvd1 |= reserved_unless(caps, VTD_ECAP_MTS, VTD_PE1_CD | VTD_PE1_EMTE | VTD_PE1_PAT);
	rsvd2 |= reserved_unless(caps, VTD_ECAP_SRS, VTD_PE2_SRE);
	rsvd2 |= reserved_unless(caps, VTD_ECAP_EAFS, VTD_PE2_EAFE);
	for (unsigned int i = 3; i < VTD_PE_WORDS; i++)
		rest |= e[i];
	return (e[0] & rsvd0) || (e[1] & rsvd1) || (e[2] & rsvd2) || rest;
}

static bool pasid_first(const struct vtd_caps *caps, const uint64_t e[VTD_PE_WORDS], struct vtd_pasid *out)
{
	unsigned int fspm = (unsigned int)field_get(VTD_PE2_FSPM, e[2]);

	if (!(caps->ecap & VTD_ECAP_FSTS) || fspm > 1 || (fspm == 1 && !(caps->cap & VTD_CAP_FS5LP)))
		return false;
	out->levels = (uint8_t)(4 + fspm);
	out->ptr = e[2] & VTD_PE2_FSPTPTR;
	out->sre = e[2] & VTD_PE2_SRE;
	out->wpe = e[2] & VTD_PE2_WPE;
	out->eafe = e[2] & VTD_PE2_EAFE;
	return true;
}

static bool pasid_second(const struct vtd_caps *caps, const uint64_t e[VTD_PE_WORDS], struct vtd_pasid *out)
{
	unsigned int levels = VTD_LEVELS_OF_AW((unsigned int)field_get(VTD_PE0_AW, e[0]));

	if (!(caps->ecap & VTD_ECAP_SSTS) || !vtd_levels_ok(caps, levels))
		return false;
	out->levels = (uint8_t)levels;
	out->ptr = e[0] & VTD_PE0_SSPTPTR;
	out->ssade = e[0] & VTD_PE0_SSADE;
	return true;
}

/* 9.6 Scalable Mode PASID Table Entry */
enum vtd_reason vtd_decode_pasid(const struct vtd_caps *caps, const uint64_t e[VTD_PE_WORDS],
				 struct vtd_pasid *out)
{
	unsigned int pgtt = (unsigned int)field_get(VTD_PE0_PGTT, e[0]);
	bool ok;

	memset(out, 0, sizeof(*out));
	out->fpd = e[0] & VTD_PE0_FPD;
	if (!(e[0] & VTD_PE0_P))
		return VTD_SPT_2;
	if (pasid_reserved(caps, e))
		return VTD_SPT_3;
	switch (pgtt) {
	case VTD_PGTT_FIRST:
		ok = pasid_first(caps, e, out);
		break;
	case VTD_PGTT_SECOND:
		ok = pasid_second(caps, e, out);
		break;
	case VTD_PGTT_PASS:
		ok = caps->ecap & VTD_ECAP_PT;
		break;
	default:
		ok = false;
	}
	if (!ok)
		return VTD_SPT_4;
	out->pgtt = (uint8_t)pgtt;
	out->did = (uint16_t)field_get(VTD_PE1_DID, e[1]);
	out->pgsnp = e[1] & VTD_PE1_PGSNP;
	if (pgtt == VTD_PGTT_PASS)
		return VTD_OK;
	out->width = (uint8_t)VTD_WIDTH_OF_LEVELS(out->levels);
	out->pwsnp = e[1] & VTD_PE1_PWSNP;
	return VTD_OK;
}

/* Address bits of an entry below 2^52 that must be zero: beyond HAW, and below the size of a large page. */
static uint64_t addr_reserved(const struct vtd_caps *caps, unsigned int level, bool large)
{
	uint64_t rsvd = vtd_beyond_haw(caps) & VTD_SS_ADDR;

	if (large)
		rsvd |= FIELD(VTD_PAGE_SHIFT + VTD_LEVEL_BITS * (level - 1) - 1, VTD_PAGE_SHIFT);
	return rsvd;
}

/* 9.8 Second-Stage Paging Entries */
void vtd_decode_ss(const struct vtd_caps *caps, uint64_t e, unsigned int level, struct vtd_pte *out)
{
	uint64_t sslps = field_get(VTD_CAP_SSLPS, caps->cap);
	bool large = level > 1 && (e & VTD_SS_PS);
	bool leaf = level == 1 || large;
	uint64_t rsvd = VTD_SS_RSVD | addr_reserved(caps, level, large);

	memset(out, 0, sizeof(*out));
	if (!(e & (VTD_SS_R | VTD_SS_W)))
		return;
	if (level > 3 || (level == 3 && !(sslps & VTD_SSLPS_1G)) || (level == 2 && !(sslps & VTD_SSLPS_2M)))
		rsvd |= VTD_SS_PS;
	if (!leaf || !(caps->ecap & VTD_ECAP_SC))
		rsvd |= VTD_SS_SNP;
	if (e & rsvd) {
		out->kind = VTD_PTE_RESERVED;
		return;
	}
	out->kind = leaf ? VTD_PTE_LEAF : VTD_PTE_TABLE;
	out->addr = e & VTD_SS_ADDR;
	out->r = e & VTD_SS_R;
	out->w = e & VTD_SS_W;
	out->a = e & VTD_SS_A;
	out->d = leaf && (e & VTD_SS_D);
}

/* 9.7 First-Stage Paging Entries */
void vtd_decode_fs(const struct vtd_caps *caps, uint64_t e, unsigned int level, struct vtd_pte *out)
{
	bool large = level > 1 && (e & VTD_FS_PS);
	bool leaf = level == 1 || large;
	uint64_t rsvd = addr_reserved(caps, level, large);

	memset(out, 0, sizeof(*out));
	if (!(e & VTD_FS_P))
		return;
	if (level > 3 || (level == 3 && !(caps->cap & VTD_CAP_FS1GP)))
		rsvd |= VTD_FS_PS;
	if (large)
		rsvd &= ~VTD_FS_LARGE_PAT;
	if (e & rsvd) {
		out->kind = VTD_PTE_RESERVED;
		return;
	}
	out->kind = leaf ? VTD_PTE_LEAF : VTD_PTE_TABLE;
	out->addr = e & VTD_FS_ADDR & (large ? ~VTD_FS_LARGE_PAT : ~UINT64_C(0));
	out->r = true;
	out->w = e & VTD_FS_RW;
	out->user = e & VTD_FS_US;
	out->a = e & VTD_FS_A;
	out->d = leaf && (e & VTD_FS_D);
}

bool vtd_reason_qualified(enum vtd_reason reason)
{
	switch ((unsigned int)reason) {
	case VTD_LRT_2:
	case VTD_LRT_1:
	case VTD_LCT_1:
	case VTD_LRT_3:
	case VTD_INT_RANGE:
	case VTD_RTA_1:
	case VTD_RTA_2:
	case VTD_RTA_3:
	case VTD_RTA_4:
	case VTD_SRT_1:
	case VTD_SRT_2:
	case VTD_SRT_3:
	case VTD_SCT_1:
	case VTD_SPD_1:
	case VTD_SPT_1:
		return false;
	default:
		return true;
	}
}

/* 7.1.3 Fault Reasons, in words */
static const struct {
	uint8_t reason;
	const char *text;
} texts[] = {
	{ VTD_LRT_2, "root entry not present" },
	{ VTD_LCT_2, "context entry not present" },
	{ VTD_LCT_4, "context entry invalid, or its table not readable" },
	{ VTD_LGN_1, "address beyond the address width" },
	{ VTD_LGN_2, "write to a page that is not writable or not present" },
	{ VTD_LGN_3, "read from a page that is not readable or not present" },
	{ VTD_LSS_1, "second-stage entry not readable" },
	{ VTD_LRT_1, "root entry not readable" },
	{ VTD_LCT_1, "context entry not readable" },
	{ VTD_LRT_3, "reserved field in the root entry" },
	{ VTD_LCT_3, "reserved field in the context entry" },
	{ VTD_LSS_2, "reserved field in a second-stage entry" },
	{ VTD_LCT_5, "translation or translated request not allowed" },
	{ VTD_LGN_4, "translated into the interrupt range" },
	{ VTD_INT_RANGE, "request to the interrupt range is no interrupt message" },
	{ VTD_RTA_1, "root table address: translation table mode invalid" },
	{ VTD_RTA_2, "request with PASID in legacy mode" },
	{ VTD_RTA_3, "page request in legacy mode" },
	{ VTD_RTA_4, "abort-DMA mode" },
	{ VTD_SRT_1, "scalable root entry not readable" },
	{ VTD_SRT_2, "scalable root entry not present" },
	{ VTD_SRT_3, "reserved field in the scalable root entry" },
	{ VTD_SCT_1, "scalable context entry not readable" },
	{ VTD_SCT_2, "scalable context entry not present" },
	{ VTD_SCT_3, "reserved field in the scalable context entry" },
	{ VTD_SCT_4, "scalable context entry invalid" },
	{ VTD_SCT_5, "translation or translated request not allowed" },
	{ VTD_SCT_6, "request with PASID not allowed" },
	{ VTD_SCT_7, "PASID beyond the PASID directory" },
	{ VTD_SCT_8, "page request not allowed" },
	{ VTD_SCT_9, "RID_PASID beyond the PASID directory" },
	{ VTD_SPD_1, "PASID directory entry not readable" },
	{ VTD_SPD_2, "PASID directory entry not present" },
	{ VTD_SPD_3, "reserved field in the PASID directory entry" },
	{ VTD_SPT_1, "PASID entry not readable" },
	{ VTD_SPT_2, "PASID entry not present" },
	{ VTD_SPT_3, "reserved field in the PASID entry" },
	{ VTD_SPT_4, "PASID entry: type, width or paging mode invalid" },
	{ VTD_SPT_6, "supervisor request not allowed" },
	{ VTD_SFS_1, "first-stage entry not readable" },
	{ VTD_SFS_2, "first-stage entry not present" },
	{ VTD_SFS_3, "reserved field in a first-stage entry" },
	{ VTD_SFS_4, "top first-stage table not readable" },
	{ VTD_SSS_1, "second-stage entry not readable" },
	{ VTD_SSS_2, "second-stage entry not present" },
	{ VTD_SSS_3, "reserved field in a second-stage entry" },
	{ VTD_SSS_4, "top second-stage table not readable" },
	{ VTD_SSS_5, "second-stage accessed/dirty update needs a snooping walk" },
	{ VTD_SSS_6, "second-stage accessed/dirty update failed" },
	{ VTD_SGN_1, "address not canonical" },
	{ VTD_SGN_2, "user request to a supervisor page" },
	{ VTD_SGN_4, "pass-through address beyond the host address width" },
	{ VTD_SGN_5, "address beyond the address width" },
	{ VTD_SGN_6, "write to a page that is not writable" },
	{ VTD_SGN_7, "read from a page that is not readable" },
	{ VTD_SGN_8, "translated into the interrupt range" },
	{ VTD_SFS_9, "first-stage accessed/dirty update needs a snooping walk" },
	{ VTD_SFS_10, "first-stage accessed/dirty update failed" },
};

const char *vtd_reason_text(unsigned int reason)
{
	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].reason == reason)
			return texts[i].text;
	return "unknown";
}
