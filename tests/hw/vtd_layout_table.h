/* SPDX-License-Identifier: MIT */
/*
 * A second description of VT-d's layouts: structure, field, highest and lowest bit,
 * section, revision; typed from the specification's tables (Intel Virtualization
 * Technology for Directed I/O) without a look at src/hw. Bits are counted through the
 * whole structure, as there: bit 64 is bit 0 of the second word.
 */
#ifndef TESTS_HW_VTD_LAYOUT_TABLE_H
#define TESTS_HW_VTD_LAYOUT_TABLE_H

#include "hw/vtd/layout.h"

enum use {
	FIELD_,	 /* has a meaning */
	RSVD,	 /* must be 0 in what software writes and hardware reads */
	IGN,	 /* software's: hardware must not look */
};

struct field {
	const char *name;
	const char *macro;	/* NULL: layout.h has no use for it */
	uint64_t mask;		/* what that macro says */
	unsigned int hi, lo;
	enum use use;
	uint64_t unless;	/* reserved without this bit of ECAP */
};

struct structure {
	const char *name;
	const char *section, *revision;
	unsigned int bits;
	const struct field *field;
	unsigned int n;
};

#define F(name, macro, hi, lo) { name, #macro, macro, hi, lo, FIELD_, 0 }
#define CAP(name, macro, hi, lo, cap) { name, #macro, macro, hi, lo, FIELD_, UINT64_C(1) << (cap) }
#define R(macro, hi, lo) { "reserved", #macro, macro, hi, lo, RSVD, 0 }
#define I(macro, hi, lo) { "ignored", #macro, macro, hi, lo, IGN, 0 }
/* No macro of its own. */
#define NOF(name, hi, lo) { name, NULL, 0, hi, lo, FIELD_, 0 }
#define NOR(hi, lo) { "reserved", NULL, 0, hi, lo, RSVD, 0 }

static const struct field ver[] = {
	F("MIN", VTD_VER_MIN, 3, 0),
	F("MAX", VTD_VER_MAJ, 7, 4),
	NOR(31, 8),
};

static const struct field cap[] = {
	F("ND", VTD_CAP_ND, 2, 0),
	F("AFL", VTD_CAP_AFL, 3, 3),
	F("RWBF", VTD_CAP_RWBF, 4, 4),
	F("PLMR", VTD_CAP_PLMR, 5, 5),
	F("PHMR", VTD_CAP_PHMR, 6, 6),
	F("CM", VTD_CAP_CM, 7, 7),
	F("SAGAW", VTD_CAP_SAGAW, 12, 8),
	R(VTD_CAP_RSVD, 15, 13),
	F("MGAW", VTD_CAP_MGAW, 21, 16),
	F("ZLR", VTD_CAP_ZLR, 22, 22),
	R(VTD_CAP_RSVD, 23, 23),
	F("FRO", VTD_CAP_FRO, 33, 24),
	F("SSLPS", VTD_CAP_SSLPS, 37, 34),
	R(VTD_CAP_RSVD, 38, 38),
	F("PSI", VTD_CAP_PSI, 39, 39),
	F("NFR", VTD_CAP_NFR, 47, 40),
	F("MAMV", VTD_CAP_MAMV, 53, 48),
	F("DWD", VTD_CAP_DWD, 54, 54),
	F("DRD", VTD_CAP_DRD, 55, 55),
	F("FS1GP", VTD_CAP_FS1GP, 56, 56),
	R(VTD_CAP_RSVD, 58, 57),
	F("PI", VTD_CAP_PI, 59, 59),
	F("FS5LP", VTD_CAP_FS5LP, 60, 60),
	F("ECMDS", VTD_CAP_ECMDS, 61, 61),
	F("ESIRTPS", VTD_CAP_ESIRTPS, 62, 62),
	F("ESRTPS", VTD_CAP_ESRTPS, 63, 63),
};

static const struct field ecap[] = {
	F("C", VTD_ECAP_C, 0, 0),
	F("QI", VTD_ECAP_QI, 1, 1),
	F("DT", VTD_ECAP_DT, 2, 2),
	F("IR", VTD_ECAP_IR, 3, 3),
	F("EIM", VTD_ECAP_EIM, 4, 4),
	R(VTD_ECAP_RSVD, 5, 5),
	F("PT", VTD_ECAP_PT, 6, 6),
	F("SC", VTD_ECAP_SC, 7, 7),
	F("IRO", VTD_ECAP_IRO, 17, 8),
	R(VTD_ECAP_RSVD, 19, 18),
	F("MHMV", VTD_ECAP_MHMV, 23, 20),
	R(VTD_ECAP_RSVD, 24, 24),
	F("MTS", VTD_ECAP_MTS, 25, 25),
	F("NEST", VTD_ECAP_NEST, 26, 26),
	R(VTD_ECAP_RSVD, 28, 27),
	F("PRS", VTD_ECAP_PRS, 29, 29),
	F("ERS", VTD_ECAP_ERS, 30, 30),
	F("SRS", VTD_ECAP_SRS, 31, 31),
	R(VTD_ECAP_RSVD, 32, 32),
	F("NWFS", VTD_ECAP_NWFS, 33, 33),
	F("EAFS", VTD_ECAP_EAFS, 34, 34),
	F("PSS", VTD_ECAP_PSS, 39, 35),
	F("PASID", VTD_ECAP_PASID, 40, 40),
	F("DIT", VTD_ECAP_DIT, 41, 41),
	F("PDS", VTD_ECAP_PDS, 42, 42),
	F("SMTS", VTD_ECAP_SMTS, 43, 43),
	F("VCS", VTD_ECAP_VCS, 44, 44),
	F("SSADS", VTD_ECAP_SSADS, 45, 45),
	F("SSTS", VTD_ECAP_SSTS, 46, 46),
	F("FSTS", VTD_ECAP_FSTS, 47, 47),
	F("SMPWCS", VTD_ECAP_SMPWCS, 48, 48),
	F("RPS", VTD_ECAP_RPS, 49, 49),
	R(VTD_ECAP_RSVD, 50, 50),
	F("PMS", VTD_ECAP_PMS, 51, 51),
	F("ADMS", VTD_ECAP_ADMS, 52, 52),
	F("RPRIVS", VTD_ECAP_RPRIVS, 53, 53),
	R(VTD_ECAP_RSVD, 57, 54),
	F("SMS", VTD_ECAP_SMS, 58, 58),
	R(VTD_ECAP_RSVD, 63, 59),
};

/* Command and status have the same numbers; the status' names are TES, RTPS, ... */
static const struct field gcmd[] = {
	R(VTD_G_RSVD, 22, 0),
	F("CFI", VTD_G_CFI, 23, 23),
	F("SIRTP", VTD_G_SIRTP, 24, 24),
	F("IRE", VTD_G_IRE, 25, 25),
	F("QIE", VTD_G_QIE, 26, 26),
	F("WBF", VTD_G_WBF, 27, 27),
	F("EAFL", VTD_G_EAFL, 28, 28),
	F("SFL", VTD_G_SFL, 29, 29),
	F("SRTP", VTD_G_SRTP, 30, 30),
	F("TE", VTD_G_TE, 31, 31),
};

static const struct field rtaddr[] = {
	R(VTD_RTADDR_RSVD, 9, 0),
	F("TTM", VTD_RTADDR_TTM, 11, 10),
	F("RTA", VTD_RTADDR_RTA, 63, 12),
};

static const struct field fsts[] = {
	F("PFO", VTD_FSTS_PFO, 0, 0),
	F("PPF", VTD_FSTS_PPF, 1, 1),
	NOF("AFO", 2, 2),
	NOF("APF", 3, 3),
	F("IQE", VTD_FSTS_IQE, 4, 4),
	F("ICE", VTD_FSTS_ICE, 5, 5),
	F("ITE", VTD_FSTS_ITE, 6, 6),
	NOR(7, 7),
	F("FRI", VTD_FSTS_FRI, 15, 8),
	NOR(31, 16),
};

static const struct field fectl[] = {
	NOR(29, 0),
	F("IP", VTD_ECTL_IP, 30, 30),
	F("IM", VTD_ECTL_IM, 31, 31),
};

static const struct field fedata[] = {
	F("IMD", VTD_EDATA_MASK, 15, 0),
	NOR(31, 16),
};

static const struct field feaddr[] = {
	NOR(1, 0),
	F("MA", VTD_EADDR_MASK, 31, 2),
};

static const struct field iqt[] = {
	NOR(3, 0),
	F("QT", VTD_IQ_PTR, 18, 4),
	NOR(63, 19),
};

static const struct field iqa[] = {
	F("QS", VTD_IQA_QS, 2, 0),
	R(VTD_IQA_RSVD, 10, 3),
	F("DW", VTD_IQA_DW, 11, 11),
	F("IQA", VTD_IQA_IQA, 63, 12),
};

static const struct field ics[] = {
	F("IWC", VTD_ICS_IWC, 0, 0),
	NOR(31, 1),
};

static const struct field iqercd[] = {
	F("IQEI", VTD_IQERCD_IQEI, 3, 0),
	NOR(31, 4),
	F("ITESID", VTD_IQERCD_ITESID, 47, 32),
	F("ICESID", VTD_IQERCD_ICESID, 63, 48),
};

static const struct field frcd[] = {
	R(VTD_FRCD0_RSVD, 11, 0),
	F("FI", VTD_FRCD0_FI, 63, 12),
	F("SID", VTD_FRCD1_SID, 79, 64),
	R(VTD_FRCD1_RSVD, 91, 80),
	F("T2", VTD_FRCD1_T2, 92, 92),
	F("PRIV", VTD_FRCD1_PRIV, 93, 93),
	F("EXE", VTD_FRCD1_EXE, 94, 94),
	F("PP", VTD_FRCD1_PP, 95, 95),
	F("FR", VTD_FRCD1_FR, 103, 96),
	F("PV", VTD_FRCD1_PV, 123, 104),
	F("AT", VTD_FRCD1_AT, 125, 124),
	F("T1", VTD_FRCD1_T1, 126, 126),
	F("F", VTD_FRCD1_F, 127, 127),
};

/* ---- tables in memory ---- */

static const struct field root[] = {
	F("P", VTD_RE0_P, 0, 0),
	R(VTD_RE0_RSVD, 11, 1),
	F("CTP", VTD_RE0_CTP, 63, 12),
	NOR(127, 64),
};

static const struct field sm_root_lower[] = {
	F("LP", VTD_SRE_P, 0, 0),
	R(VTD_SRE_RSVD, 11, 1),
	F("LCTP", VTD_SRE_CTP, 63, 12),
};

static const struct field sm_root_upper[] = {
	F("UP", VTD_SRE_P, 64, 64),
	R(VTD_SRE_RSVD, 75, 65),
	F("UCTP", VTD_SRE_CTP, 127, 76),
};

static const struct field context[] = {
	F("P", VTD_CE0_P, 0, 0),
	F("FPD", VTD_CE0_FPD, 1, 1),
	F("TT", VTD_CE0_TT, 3, 2),
	R(VTD_CE0_RSVD, 11, 4),
	F("SSPTPTR", VTD_CE0_SSPTPTR, 63, 12),
	F("AW", VTD_CE1_AW, 66, 64),
	I(VTD_CE1_IGN, 70, 67),
	R(VTD_CE1_RSVD, 71, 71),
	F("DID", VTD_CE1_DID, 87, 72),
	R(VTD_CE1_RSVD, 127, 88),
};

static const struct field sm_context[] = {
	F("P", VTD_SCE0_P, 0, 0),
	F("FPD", VTD_SCE0_FPD, 1, 1),
	CAP("DTE", VTD_SCE0_DTE, 2, 2, 2),
	CAP("PASIDE", VTD_SCE0_PASIDE, 3, 3, 40),
	CAP("PRE", VTD_SCE0_PRE, 4, 4, 29),
	R(VTD_SCE0_RSVD, 8, 5),
	F("PDTS", VTD_SCE0_PDTS, 11, 9),
	F("PASIDDIRPTR", VTD_SCE0_PASIDDIRPTR, 63, 12),
	CAP("RID_PASID", VTD_SCE1_RID_PASID, 83, 64, 49),
	CAP("RID_PRIV", VTD_SCE1_RID_PRIV, 84, 84, 53),
	R(VTD_SCE1_RSVD, 127, 85),
	NOR(255, 128),
};

static const struct field pasid_dir[] = {
	F("P", VTD_PDE_P, 0, 0),
	F("FPD", VTD_PDE_FPD, 1, 1),
	R(VTD_PDE_RSVD, 11, 2),
	F("SMPTBLPTR", VTD_PDE_SMPTBLPTR, 63, 12),
};

static const struct field pasid_entry[] = {
	F("P", VTD_PE0_P, 0, 0),
	F("FPD", VTD_PE0_FPD, 1, 1),
	CAP("AW", VTD_PE0_AW, 4, 2, 46),
	R(VTD_PE0_RSVD, 5, 5),
	F("PGTT", VTD_PE0_PGTT, 8, 6),
	CAP("SSADE", VTD_PE0_SSADE, 9, 9, 45),
	R(VTD_PE0_RSVD, 11, 10),
	CAP("SSPTPTR", VTD_PE0_SSPTPTR, 63, 12, 46),
	F("DID", VTD_PE1_DID, 79, 64),
	R(VTD_PE1_RSVD, 86, 80),
	CAP("PWSNP", VTD_PE1_PWSNP, 87, 87, 48),
	CAP("PGSNP", VTD_PE1_PGSNP, 88, 88, 7),
	CAP("CD", VTD_PE1_CD, 89, 89, 25),
	CAP("EMTE", VTD_PE1_EMTE, 90, 90, 25),
	R(VTD_PE1_RSVD, 95, 91),
	CAP("PAT", VTD_PE1_PAT, 127, 96, 25),
	CAP("SRE", VTD_PE2_SRE, 128, 128, 31),
	R(VTD_PE2_RSVD, 129, 129),
	F("FSPM", VTD_PE2_FSPM, 131, 130),
	F("WPE", VTD_PE2_WPE, 132, 132),
	I(VTD_PE2_IGN, 134, 133),
	CAP("EAFE", VTD_PE2_EAFE, 135, 135, 34),
	R(VTD_PE2_RSVD, 139, 136),
	F("FSPTPTR", VTD_PE2_FSPTPTR, 191, 140),
	NOR(511, 192),
};

/* What the entry's kind or level makes of PS, SNP, A and D is tested in its own place. */
static const struct field second_stage[] = {
	F("R", VTD_SS_R, 0, 0),
	F("W", VTD_SS_W, 1, 1),
	I(VTD_SS_IGN, 6, 2),
	F("PS", VTD_SS_PS, 7, 7),
	F("A", VTD_SS_A, 8, 8),
	F("D", VTD_SS_D, 9, 9),
	I(VTD_SS_IGN, 10, 10),
	F("SNP", VTD_SS_SNP, 11, 11),
	F("ADDR", VTD_SS_ADDR, 51, 12),
	I(VTD_SS_IGN, 61, 52),
	R(VTD_SS_RSVD, 62, 62),
	I(VTD_SS_IGN, 63, 63),
};

static const struct field first_stage[] = {
	F("P", VTD_FS_P, 0, 0),
	F("R/W", VTD_FS_RW, 1, 1),
	F("U/S", VTD_FS_US, 2, 2),
	F("PWT", VTD_FS_PWT, 3, 3),
	F("PCD", VTD_FS_PCD, 4, 4),
	F("A", VTD_FS_A, 5, 5),
	F("D", VTD_FS_D, 6, 6),
	F("PS", VTD_FS_PS, 7, 7),
	I(VTD_FS_IGN, 9, 8),
	F("EA", VTD_FS_EA, 10, 10),
	I(VTD_FS_IGN, 11, 11),
	F("ADDR", VTD_FS_ADDR, 51, 12),
	I(VTD_FS_IGN, 63, 52),
};

/* Of a large page bit 12 is no address: its own structure, or it would be there twice. */
static const struct field first_stage_large[] = {
	F("PAT", VTD_FS_LARGE_PAT, 12, 12),
};

/* ---- descriptors ---- */

#define TYPE { "Type[3:0]", "VTD_ID0_TYPE", VTD_ID0_TYPE, 3, 0, FIELD_, 0 }, \
	{ "Type[6:4]", "VTD_ID0_TYPE", VTD_ID0_TYPE, 11, 9, FIELD_, 0 }

static const struct field desc_type[] = {
	F("Type[3:0]", VTD_ID0_TYPE_LO, 3, 0),
	F("Type[6:4]", VTD_ID0_TYPE_HI, 11, 9),
};

static const struct field cc_inv[] = {
	TYPE,
	F("G", VTD_CC0_G, 5, 4),
	R(VTD_CC0_RSVD, 8, 6),
	R(VTD_CC0_RSVD, 15, 12),
	F("DID", VTD_CC0_DID, 31, 16),
	F("SID", VTD_CC0_SID, 47, 32),
	F("FM", VTD_CC0_FM, 49, 48),
	R(VTD_CC0_RSVD, 63, 50),
	NOR(127, 64),
};

static const struct field iotlb_inv[] = {
	TYPE,
	F("G", VTD_IOTLB0_G, 5, 4),
	F("DW", VTD_IOTLB0_DW, 6, 6),
	F("DR", VTD_IOTLB0_DR, 7, 7),
	R(VTD_IOTLB0_RSVD, 8, 8),
	R(VTD_IOTLB0_RSVD, 15, 12),
	F("DID", VTD_IOTLB0_DID, 31, 16),
	R(VTD_IOTLB0_RSVD, 63, 32),
	F("AM", VTD_IOTLB1_AM, 69, 64),
	F("IH", VTD_IOTLB1_IH, 70, 70),
	R(VTD_IOTLB1_RSVD, 75, 71),
	F("ADDR", VTD_IOTLB1_ADDR, 127, 76),
};

static const struct field inv_wait[] = {
	TYPE,
	F("IF", VTD_WAIT0_IF, 4, 4),
	F("SW", VTD_WAIT0_SW, 5, 5),
	F("FN", VTD_WAIT0_FN, 6, 6),
	F("PD", VTD_WAIT0_PD, 7, 7),
	R(VTD_WAIT0_RSVD, 8, 8),
	R(VTD_WAIT0_RSVD, 31, 12),
	F("Status Data", VTD_WAIT0_DATA, 63, 32),
	R(VTD_WAIT1_RSVD, 65, 64),
	F("Status Address", VTD_WAIT1_ADDR, 127, 66),
};

static const struct field p_iotlb_inv[] = {
	TYPE,
	F("G", VTD_PIOTLB0_G, 5, 4),
	R(VTD_PIOTLB0_RSVD, 8, 6),
	R(VTD_PIOTLB0_RSVD, 15, 12),
	F("DID", VTD_PIOTLB0_DID, 31, 16),
	F("PASID", VTD_PIOTLB0_PASID, 51, 32),
	R(VTD_PIOTLB0_RSVD, 63, 52),
	F("AM", VTD_PIOTLB1_AM, 69, 64),
	F("IH", VTD_PIOTLB1_IH, 70, 70),
	R(VTD_PIOTLB1_RSVD, 75, 71),
	F("ADDR", VTD_PIOTLB1_ADDR, 127, 76),
};

static const struct field pc_inv[] = {
	TYPE,
	F("G", VTD_PC0_G, 5, 4),
	R(VTD_PC0_RSVD, 8, 6),
	R(VTD_PC0_RSVD, 15, 12),
	F("DID", VTD_PC0_DID, 31, 16),
	F("PASID", VTD_PC0_PASID, 51, 32),
	R(VTD_PC0_RSVD, 63, 52),
	NOR(127, 64),
};

#define S(name, section, revision, bits, array) \
	{ name, section, revision, bits, array, sizeof(array) / sizeof(array[0]) }

static const struct structure structures[] = {
	S("Version Register", "11.4.1", "4.1", 32, ver),
	S("Capability Register", "11.4.2", "4.1", 64, cap),
	S("Extended Capability Register", "11.4.3", "4.1", 64, ecap),
	S("Global Command and Status Registers", "11.4.4", "4.1", 32, gcmd),
	S("Root Table Address Register", "11.4.5", "4.1", 64, rtaddr),
	S("Fault Status Register", "11.4.7.1", "4.1", 32, fsts),
	S("Fault and Invalidation Event Control", "11.4.7.2", "4.1", 32, fectl),
	S("Fault and Invalidation Event Data", "11.4.7.3", "4.1", 32, fedata),
	S("Fault and Invalidation Event Address", "11.4.7.4", "4.1", 32, feaddr),
	S("Fault Recording Registers", "11.4.7.6", "4.1", 128, frcd),
	S("Invalidation Queue Head and Tail", "11.4.9.1", "4.1", 64, iqt),
	S("Invalidation Queue Address Register", "11.4.9.3", "4.1", 64, iqa),
	S("Invalidation Completion Status", "11.4.9.4", "4.1", 32, ics),
	S("Invalidation Queue Error Record", "11.4.9.9", "4.1", 64, iqercd),
	S("Root Entry", "9.1", "4.1", 128, root),
	S("Scalable Mode Root Entry, lower half", "9.2", "4.1", 64, sm_root_lower),
	S("Scalable Mode Root Entry, upper half", "9.2", "4.1", 64, sm_root_upper),
	S("Context Entry", "9.3", "4.1", 128, context),
	S("Scalable Mode Context Entry", "9.4", "4.1", 256, sm_context),
	S("Scalable Mode PASID Directory Entry", "9.5", "4.1", 64, pasid_dir),
	S("Scalable Mode PASID Table Entry", "9.6", "4.1", 512, pasid_entry),
	S("First-Stage Paging Entry", "9.7", "4.1", 64, first_stage),
	S("First-Stage Paging Entry, large page", "9.7", "4.1", 0, first_stage_large),
	S("Second-Stage Paging Entry", "9.8", "4.1", 64, second_stage),
	S("Invalidation Descriptor, type", "6.5.2", "4.1", 0, desc_type),
	S("Context-cache Invalidate Descriptor", "6.5.2.1", "4.1", 128, cc_inv),
	S("PASID-cache Invalidate Descriptor", "6.5.2.2", "4.1", 128, pc_inv),
	S("IOTLB Invalidate Descriptor", "6.5.2.3", "4.1", 128, iotlb_inv),
	S("PASID-based IOTLB Invalidate Descriptor", "6.5.2.4", "4.1", 128, p_iotlb_inv),
	S("Invalidation Wait Descriptor", "6.5.2.8", "4.1", 128, inv_wait),
};

/* ---- numbers ---- */

struct number {
	const char *macro;
	uint64_t is, must;
	const char *section;
};

#define N(macro, must, section) { #macro, (uint64_t)(macro), UINT64_C(must), section }

static const struct number offsets[] = {
	N(VTD_REG_VER, 0x000, "11.4.1"),    N(VTD_REG_CAP, 0x008, "11.4.2"),
	N(VTD_REG_ECAP, 0x010, "11.4.3"),   N(VTD_REG_GCMD, 0x018, "11.4.4"),
	N(VTD_REG_GSTS, 0x01C, "11.4.4"),   N(VTD_REG_RTADDR, 0x020, "11.4.5"),
	N(VTD_REG_CCMD, 0x028, "11.4.6"),   N(VTD_REG_FSTS, 0x034, "11.4.7.1"),
	N(VTD_REG_FECTL, 0x038, "11.4.7.2"), N(VTD_REG_FEDATA, 0x03C, "11.4.7.3"),
	N(VTD_REG_FEADDR, 0x040, "11.4.7.4"), N(VTD_REG_FEUADDR, 0x044, "11.4.7.5"),
	N(VTD_REG_PMEN, 0x064, "11.4.8"),   N(VTD_REG_IQH, 0x080, "11.4.9.1"),
	N(VTD_REG_IQT, 0x088, "11.4.9.2"),  N(VTD_REG_IQA, 0x090, "11.4.9.3"),
	N(VTD_REG_ICS, 0x09C, "11.4.9.4"),  N(VTD_REG_IECTL, 0x0A0, "11.4.9.5"),
	N(VTD_REG_IEDATA, 0x0A4, "11.4.9.6"), N(VTD_REG_IEADDR, 0x0A8, "11.4.9.7"),
	N(VTD_REG_IEUADDR, 0x0AC, "11.4.9.8"), N(VTD_REG_IQERCD, 0x0B0, "11.4.9.9"),
	N(VTD_REG_IRTA, 0x0B8, "11.4.10"),  N(VTD_REG_PQH, 0x0C0, "11.4.11"),
	N(VTD_REG_PQT, 0x0C8, "11.4.11"),   N(VTD_REG_PQA, 0x0D0, "11.4.11"),
	N(VTD_REG_PRS, 0x0DC, "11.4.11"),   N(VTD_REG_PECTL, 0x0E0, "11.4.11"),
	N(VTD_REG_PAGE, 4096, "11.4"),
};

static const struct number values[] = {
	N(VTD_PAGE_SHIFT, 12, "9"),	    N(VTD_LEVEL_BITS, 9, "9.7"),
	N(VTD_INTERRUPT_BASE, 0xFEE00000, "3.14"), N(VTD_INTERRUPT_MASK, 0xFFFFFFFFFFF00000, "3.14"),
	N(VTD_SAGAW_39, 2, "11.4.2"),	    N(VTD_SAGAW_48, 4, "11.4.2"),
	N(VTD_SAGAW_57, 8, "11.4.2"),	    N(VTD_SSLPS_2M, 1, "11.4.2"),
	N(VTD_SSLPS_1G, 2, "11.4.2"),	    N(VTD_G_LEVELS, 0x96FFFFFF, "11.4.4"),
	N(VTD_TTM_LEGACY, 0, "11.4.5"),	    N(VTD_TTM_SCALABLE, 1, "11.4.5"),
	N(VTD_TTM_RSVD, 2, "11.4.5"),	    N(VTD_TTM_ABORT, 3, "11.4.5"),
	N(VTD_TT_UNTRANSLATED, 0, "9.3"),   N(VTD_TT_ALL, 1, "9.3"),
	N(VTD_TT_PASS, 2, "9.3"),	    N(VTD_TT_RSVD, 3, "9.3"),
	N(VTD_AW_39, 1, "9.3"),		    N(VTD_AW_48, 2, "9.3"),
	N(VTD_AW_57, 3, "9.3"),		    N(VTD_PE_WORDS, 8, "9.6"),
	N(VTD_PGTT_FIRST, 1, "9.6"),	    N(VTD_PGTT_SECOND, 2, "9.6"),
	N(VTD_PGTT_NESTED, 3, "9.6"),	    N(VTD_PGTT_PASS, 4, "9.6"),
	N(VTD_ROOT_ENTRY_SIZE, 16, "9.1"),  N(VTD_CONTEXT_ENTRY_SIZE, 16, "9.3"),
	N(VTD_SM_CONTEXT_ENTRY_SIZE, 32, "9.4"), N(VTD_PASID_DIR_ENTRY_SIZE, 8, "9.5"),
	N(VTD_PASID_ENTRY_SIZE, 64, "9.6"), N(VTD_PASID_MASK, 0xFFFFF, "9.6"),
	N(VTD_DESC_CC, 1, "6.5.2.1"),	    N(VTD_DESC_IOTLB, 2, "6.5.2.3"),
	N(VTD_DESC_DEV_TLB, 3, "6.5.2.5"),  N(VTD_DESC_IEC, 4, "6.5.2.7"),
	N(VTD_DESC_WAIT, 5, "6.5.2.8"),	    N(VTD_DESC_PIOTLB, 6, "6.5.2.4"),
	N(VTD_DESC_PC, 7, "6.5.2.2"),	    N(VTD_DESC_PDEV_TLB, 8, "6.5.2.6"),
	N(VTD_DESC_PAGE_RESPONSE, 9, "7.7.1"),
	N(VTD_CC_G_GLOBAL, 1, "6.5.2.1"),   N(VTD_CC_G_DOMAIN, 2, "6.5.2.1"),
	N(VTD_CC_G_DEVICE, 3, "6.5.2.1"),   N(VTD_IOTLB_G_GLOBAL, 1, "6.5.2.3"),
	N(VTD_IOTLB_G_DOMAIN, 2, "6.5.2.3"), N(VTD_IOTLB_G_PAGE, 3, "6.5.2.3"),
	N(VTD_PIOTLB_G_PASID, 2, "6.5.2.4"), N(VTD_PIOTLB_G_PAGE, 3, "6.5.2.4"),
	N(VTD_PC_G_DOMAIN, 0, "6.5.2.2"),   N(VTD_PC_G_PASID, 1, "6.5.2.2"),
	N(VTD_PC_G_GLOBAL, 3, "6.5.2.2"),
	N(VTD_IQEI_NONE, 0, "11.4.9.9"),    N(VTD_IQEI_TAIL, 1, "11.4.9.9"),
	N(VTD_IQEI_FETCH, 2, "11.4.9.9"),   N(VTD_IQEI_TYPE, 3, "11.4.9.9"),
	N(VTD_IQEI_RSVD, 4, "11.4.9.9"),    N(VTD_IQEI_WIDTH, 5, "11.4.9.9"),
	N(VTD_IQEI_TAIL_ALIGN, 6, "11.4.9.9"), N(VTD_IQEI_TTM, 7, "11.4.9.9"),
};

/* The labels of the table of fault reasons: LRT.2 is VTD_LRT_2. */
static const struct number reasons[] = {
	N(VTD_OK, 0, ""),
	N(VTD_LRT_2, 0x01, "7.1.3"), N(VTD_LCT_2, 0x02, "7.1.3"), N(VTD_LCT_4, 0x03, "7.1.3"),
	N(VTD_LGN_1, 0x04, "7.1.3"), N(VTD_LGN_2, 0x05, "7.1.3"), N(VTD_LGN_3, 0x06, "7.1.3"),
	N(VTD_LSS_1, 0x07, "7.1.3"), N(VTD_LRT_1, 0x08, "7.1.3"), N(VTD_LCT_1, 0x09, "7.1.3"),
	N(VTD_LRT_3, 0x0A, "7.1.3"), N(VTD_LCT_3, 0x0B, "7.1.3"), N(VTD_LSS_2, 0x0C, "7.1.3"),
	N(VTD_LCT_5, 0x0D, "7.1.3"), N(VTD_LGN_4, 0x0E, "7.1.3"), N(VTD_INT_RANGE, 0x29, "7.1.3"),
	N(VTD_RTA_1, 0x30, "7.1.3"), N(VTD_RTA_2, 0x31, "7.1.3"), N(VTD_RTA_3, 0x32, "7.1.3"),
	N(VTD_RTA_4, 0x33, "7.1.3"), N(VTD_SRT_1, 0x38, "7.1.3"), N(VTD_SRT_2, 0x39, "7.1.3"),
	N(VTD_SRT_3, 0x3A, "7.1.3"), N(VTD_SCT_1, 0x40, "7.1.3"), N(VTD_SCT_2, 0x41, "7.1.3"),
	N(VTD_SCT_3, 0x42, "7.1.3"), N(VTD_SCT_4, 0x43, "7.1.3"), N(VTD_SCT_5, 0x44, "7.1.3"),
	N(VTD_SCT_6, 0x45, "7.1.3"), N(VTD_SCT_7, 0x46, "7.1.3"), N(VTD_SCT_8, 0x47, "7.1.3"),
	N(VTD_SCT_9, 0x48, "7.1.3"), N(VTD_SPD_1, 0x50, "7.1.3"), N(VTD_SPD_2, 0x51, "7.1.3"),
	N(VTD_SPD_3, 0x52, "7.1.3"), N(VTD_SPT_1, 0x58, "7.1.3"), N(VTD_SPT_2, 0x59, "7.1.3"),
	N(VTD_SPT_3, 0x5A, "7.1.3"), N(VTD_SPT_4, 0x5B, "7.1.3"), N(VTD_SPT_6, 0x5D, "7.1.3"),
	N(VTD_SFS_1, 0x70, "7.1.3"), N(VTD_SFS_2, 0x71, "7.1.3"), N(VTD_SFS_3, 0x72, "7.1.3"),
	N(VTD_SFS_4, 0x73, "7.1.3"), N(VTD_SSS_1, 0x78, "7.1.3"), N(VTD_SSS_2, 0x79, "7.1.3"),
	N(VTD_SSS_3, 0x7A, "7.1.3"), N(VTD_SSS_4, 0x7B, "7.1.3"), N(VTD_SSS_5, 0x7C, "7.1.3"),
	N(VTD_SSS_6, 0x7D, "7.1.3"), N(VTD_SGN_1, 0x80, "7.1.3"), N(VTD_SGN_2, 0x81, "7.1.3"),
	N(VTD_SGN_4, 0x83, "7.1.3"), N(VTD_SGN_5, 0x84, "7.1.3"), N(VTD_SGN_6, 0x85, "7.1.3"),
	N(VTD_SGN_7, 0x86, "7.1.3"), N(VTD_SGN_8, 0x87, "7.1.3"), N(VTD_SFS_9, 0x90, "7.1.3"),
	N(VTD_SFS_10, 0x91, "7.1.3"),
};

#undef F
#undef CAP
#undef R
#undef I
#undef NOF
#undef NOR
#undef S
#undef N
#undef TYPE

#endif
