/* SPDX-License-Identifier: MIT */
/*
 * Layouts of VT-d: registers, tables in memory, invalidation descriptors, fault
 * reasons; each once, for model, driver, checker and dumps alike. Specification:
 * Intel Virtualization Technology for Directed I/O, rev 4.1; sections are cited
 * by number and name, since the numbers move between revisions.
 *
 * A field is a mask inside the little-endian 64-bit word (or 32-bit register) in
 * which it lives; a digit in its name is the index of that word in the entry.
 * Reserved bits are named too: each layout asserts that no bit is counted twice
 * and none is forgotten.
 */
#ifndef HW_VTD_LAYOUT_H
#define HW_VTD_LAYOUT_H

#include "base/bits.h"

#define VTD_PAGE_SHIFT 12
#define VTD_LEVEL_BITS 9			/* a paging structure has 512 entries at every level */
#define VTD_INTERRUPT_BASE UINT64_C(0xFEE00000)	/* 3.14 Handling Requests to the Interrupt Address Range */
#define VTD_INTERRUPT_MASK UINT64_C(0xFFFFFFFFFFF00000)

/* The fields of a word add up to all of it: sums of disjoint masks equal their union. */
#define VTD_WHOLE64(what, sum, or_) \
	_Static_assert((sum) == ~UINT64_C(0) && (or_) == ~UINT64_C(0), what ": fields overlap or leave gaps")

/* ---- 11.4 Register Descriptions: offsets ---- */

#define VTD_REG_VER	0x000	/* 32, RO */
#define VTD_REG_CAP	0x008	/* 64, RO */
#define VTD_REG_ECAP	0x010	/* 64, RO */
#define VTD_REG_GCMD	0x018	/* 32, WO */
#define VTD_REG_GSTS	0x01C	/* 32, RO */
#define VTD_REG_RTADDR	0x020	/* 64 */
#define VTD_REG_CCMD	0x028	/* 64 */
#define VTD_REG_FSTS	0x034	/* 32, W1C */
#define VTD_REG_FECTL	0x038	/* 32 */
#define VTD_REG_FEDATA	0x03C	/* 32 */
#define VTD_REG_FEADDR	0x040	/* 32 */
#define VTD_REG_FEUADDR	0x044	/* 32 */
#define VTD_REG_PMEN	0x064	/* 32 */
#define VTD_REG_IQH	0x080	/* 64, RO */
#define VTD_REG_IQT	0x088	/* 64 */
#define VTD_REG_IQA	0x090	/* 64 */
#define VTD_REG_ICS	0x09C	/* 32, W1C */
#define VTD_REG_IECTL	0x0A0	/* 32 */
#define VTD_REG_IEDATA	0x0A4	/* 32 */
#define VTD_REG_IEADDR	0x0A8	/* 32 */
#define VTD_REG_IEUADDR	0x0AC	/* 32 */
#define VTD_REG_IQERCD	0x0B0	/* 64, RO */
#define VTD_REG_IRTA	0x0B8	/* 64 */
#define VTD_REG_PQH	0x0C0	/* 64 */
#define VTD_REG_PQT	0x0C8	/* 64 */
#define VTD_REG_PQA	0x0D0	/* 64 */
#define VTD_REG_PRS	0x0DC	/* 32 */
#define VTD_REG_PECTL	0x0E0	/* 32 */
#define VTD_REG_PAGE	0x1000	/* the register page */

/* 11.4.1 Version Register. Major 1: drains must be asked for; major 2 and later drain always. */
#define VTD_VER_MIN	FIELD(3, 0)
#define VTD_VER_MAJ	FIELD(7, 4)

/* 11.4.2 Capability Register */
#define VTD_CAP_ND	FIELD(2, 0)	/* domain ids have 4 + 2 * ND bits */
#define VTD_CAP_AFL	BIT64(3)
#define VTD_CAP_RWBF	BIT64(4)
#define VTD_CAP_PLMR	BIT64(5)
#define VTD_CAP_PHMR	BIT64(6)
#define VTD_CAP_CM	BIT64(7)
#define VTD_CAP_SAGAW	FIELD(12, 8)	/* VTD_SAGAW_*: second-stage widths */
#define VTD_CAP_MGAW	FIELD(21, 16)	/* width - 1 */
#define VTD_CAP_ZLR	BIT64(22)
#define VTD_CAP_FRO	FIELD(33, 24)	/* offset of FRCD in units of 16 bytes */
#define VTD_CAP_SSLPS	FIELD(37, 34)	/* VTD_SSLPS_* */
#define VTD_CAP_PSI	BIT64(39)
#define VTD_CAP_NFR	FIELD(47, 40)	/* fault records - 1 */
#define VTD_CAP_MAMV	FIELD(53, 48)
#define VTD_CAP_DWD	BIT64(54)
#define VTD_CAP_DRD	BIT64(55)
#define VTD_CAP_FS1GP	BIT64(56)
#define VTD_CAP_PI	BIT64(59)
#define VTD_CAP_FS5LP	BIT64(60)
#define VTD_CAP_ECMDS	BIT64(61)
#define VTD_CAP_ESIRTPS	BIT64(62)
#define VTD_CAP_ESRTPS	BIT64(63)
#define VTD_CAP_RSVD	(FIELD(15, 13) | BIT64(23) | BIT64(38) | FIELD(58, 57))
VTD_WHOLE64("CAP",
	VTD_CAP_ND + VTD_CAP_AFL + VTD_CAP_RWBF + VTD_CAP_PLMR + VTD_CAP_PHMR + VTD_CAP_CM + VTD_CAP_SAGAW +
	VTD_CAP_MGAW + VTD_CAP_ZLR + VTD_CAP_FRO + VTD_CAP_SSLPS + VTD_CAP_PSI + VTD_CAP_NFR + VTD_CAP_MAMV +
	VTD_CAP_DWD + VTD_CAP_DRD + VTD_CAP_FS1GP + VTD_CAP_PI + VTD_CAP_FS5LP + VTD_CAP_ECMDS +
	VTD_CAP_ESIRTPS + VTD_CAP_ESRTPS + VTD_CAP_RSVD,
	VTD_CAP_ND | VTD_CAP_AFL | VTD_CAP_RWBF | VTD_CAP_PLMR | VTD_CAP_PHMR | VTD_CAP_CM | VTD_CAP_SAGAW |
	VTD_CAP_MGAW | VTD_CAP_ZLR | VTD_CAP_FRO | VTD_CAP_SSLPS | VTD_CAP_PSI | VTD_CAP_NFR | VTD_CAP_MAMV |
	VTD_CAP_DWD | VTD_CAP_DRD | VTD_CAP_FS1GP | VTD_CAP_PI | VTD_CAP_FS5LP | VTD_CAP_ECMDS |
	VTD_CAP_ESIRTPS | VTD_CAP_ESRTPS | VTD_CAP_RSVD);

/* Values inside CAP.SAGAW and CAP.SSLPS */
#define VTD_SAGAW_39	BIT64(1)
#define VTD_SAGAW_48	BIT64(2)
#define VTD_SAGAW_57	BIT64(3)
#define VTD_SSLPS_2M	BIT64(0)
#define VTD_SSLPS_1G	BIT64(1)

/* 11.4.3 Extended Capability Register */
#define VTD_ECAP_C	BIT64(0)
#define VTD_ECAP_QI	BIT64(1)
#define VTD_ECAP_DT	BIT64(2)
#define VTD_ECAP_IR	BIT64(3)
#define VTD_ECAP_EIM	BIT64(4)
#define VTD_ECAP_PT	BIT64(6)
#define VTD_ECAP_SC	BIT64(7)
#define VTD_ECAP_IRO	FIELD(17, 8)	/* offset of the IOTLB registers in units of 16 bytes */
#define VTD_ECAP_MHMV	FIELD(23, 20)
#define VTD_ECAP_MTS	BIT64(25)
#define VTD_ECAP_NEST	BIT64(26)
#define VTD_ECAP_PRS	BIT64(29)
#define VTD_ECAP_ERS	BIT64(30)	/* reads 0 since rev 4.0 */
#define VTD_ECAP_SRS	BIT64(31)
#define VTD_ECAP_NWFS	BIT64(33)
#define VTD_ECAP_EAFS	BIT64(34)
#define VTD_ECAP_PSS	FIELD(39, 35)	/* PASID bits - 1 */
#define VTD_ECAP_PASID	BIT64(40)
#define VTD_ECAP_DIT	BIT64(41)
#define VTD_ECAP_PDS	BIT64(42)
#define VTD_ECAP_SMTS	BIT64(43)
#define VTD_ECAP_VCS	BIT64(44)
#define VTD_ECAP_SSADS	BIT64(45)
#define VTD_ECAP_SSTS	BIT64(46)
#define VTD_ECAP_FSTS	BIT64(47)
#define VTD_ECAP_SMPWCS	BIT64(48)
#define VTD_ECAP_RPS	BIT64(49)
#define VTD_ECAP_PMS	BIT64(51)
#define VTD_ECAP_ADMS	BIT64(52)
#define VTD_ECAP_RPRIVS	BIT64(53)
#define VTD_ECAP_SMS	BIT64(58)
#define VTD_ECAP_RSVD \
	(BIT64(5) | FIELD(19, 18) | BIT64(24) | FIELD(28, 27) | BIT64(32) | BIT64(50) | FIELD(57, 54) | \
	 FIELD(63, 59))
VTD_WHOLE64("ECAP",
	VTD_ECAP_C + VTD_ECAP_QI + VTD_ECAP_DT + VTD_ECAP_IR + VTD_ECAP_EIM + VTD_ECAP_PT + VTD_ECAP_SC +
	VTD_ECAP_IRO + VTD_ECAP_MHMV + VTD_ECAP_MTS + VTD_ECAP_NEST + VTD_ECAP_PRS + VTD_ECAP_ERS +
	VTD_ECAP_SRS + VTD_ECAP_NWFS + VTD_ECAP_EAFS + VTD_ECAP_PSS + VTD_ECAP_PASID + VTD_ECAP_DIT +
	VTD_ECAP_PDS + VTD_ECAP_SMTS + VTD_ECAP_VCS + VTD_ECAP_SSADS + VTD_ECAP_SSTS + VTD_ECAP_FSTS +
	VTD_ECAP_SMPWCS + VTD_ECAP_RPS + VTD_ECAP_PMS + VTD_ECAP_ADMS + VTD_ECAP_RPRIVS + VTD_ECAP_SMS +
	VTD_ECAP_RSVD,
	VTD_ECAP_C | VTD_ECAP_QI | VTD_ECAP_DT | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_PT | VTD_ECAP_SC |
	VTD_ECAP_IRO | VTD_ECAP_MHMV | VTD_ECAP_MTS | VTD_ECAP_NEST | VTD_ECAP_PRS | VTD_ECAP_ERS |
	VTD_ECAP_SRS | VTD_ECAP_NWFS | VTD_ECAP_EAFS | VTD_ECAP_PSS | VTD_ECAP_PASID | VTD_ECAP_DIT |
	VTD_ECAP_PDS | VTD_ECAP_SMTS | VTD_ECAP_VCS | VTD_ECAP_SSADS | VTD_ECAP_SSTS | VTD_ECAP_FSTS |
	VTD_ECAP_SMPWCS | VTD_ECAP_RPS | VTD_ECAP_PMS | VTD_ECAP_ADMS | VTD_ECAP_RPRIVS | VTD_ECAP_SMS |
	VTD_ECAP_RSVD);

/* 11.4.4 Global Command and Status Registers. Bits with the same number in both. */
#define VTD_G_TE	0x80000000u	/* TE, TES */
#define VTD_G_SRTP	0x40000000u	/* SRTP, RTPS; one-shot */
#define VTD_G_SFL	0x20000000u
#define VTD_G_EAFL	0x10000000u
#define VTD_G_WBF	0x08000000u	/* one-shot; WBFS is 0 when done */
#define VTD_G_QIE	0x04000000u	/* QIE, QIES */
#define VTD_G_IRE	0x02000000u
#define VTD_G_SIRTP	0x01000000u	/* one-shot */
#define VTD_G_CFI	0x00800000u
#define VTD_G_RSVD	0x007FFFFFu
/* GSTS with the one-shot bits cleared is what a command is built from. */
#define VTD_G_LEVELS	0x96FFFFFFu
_Static_assert((VTD_G_TE | VTD_G_SRTP | VTD_G_SFL | VTD_G_EAFL | VTD_G_WBF | VTD_G_QIE | VTD_G_IRE |
		VTD_G_SIRTP | VTD_G_CFI | VTD_G_RSVD) == UINT32_MAX, "GCMD leaves gaps");
_Static_assert(VTD_G_LEVELS == ~(VTD_G_SRTP | VTD_G_SFL | VTD_G_WBF | VTD_G_SIRTP), "GCMD one-shot bits");

/* 11.4.5 Root Table Address Register */
#define VTD_RTADDR_TTM	FIELD(11, 10)
#define VTD_RTADDR_RTA	FIELD(63, 12)
#define VTD_RTADDR_RSVD	FIELD(9, 0)
#define VTD_TTM_LEGACY	0u
#define VTD_TTM_SCALABLE 1u
#define VTD_TTM_RSVD	2u
#define VTD_TTM_ABORT	3u
VTD_WHOLE64("RTADDR", VTD_RTADDR_TTM + VTD_RTADDR_RTA + VTD_RTADDR_RSVD,
	    VTD_RTADDR_TTM | VTD_RTADDR_RTA | VTD_RTADDR_RSVD);

/* 11.4.7.1 Fault Status Register */
#define VTD_FSTS_PFO	BIT64(0)	/* W1C */
#define VTD_FSTS_PPF	BIT64(1)	/* RO: or of all FRCD.F */
#define VTD_FSTS_IQE	BIT64(4)	/* W1C */
#define VTD_FSTS_ICE	BIT64(5)	/* W1C */
#define VTD_FSTS_ITE	BIT64(6)	/* W1C */
#define VTD_FSTS_FRI	FIELD(15, 8)	/* RO: record of the fault that set PPF */

/* 11.4.7.2-5 Fault Event registers; 11.4.9.5-8 Invalidation Event registers are alike */
#define VTD_ECTL_IM	0x80000000u
#define VTD_ECTL_IP	0x40000000u	/* RO */
#define VTD_EDATA_MASK	0x0000FFFFu
#define VTD_EADDR_MASK	0xFFFFFFFCu

/* 11.4.9.1-3 Invalidation Queue registers */
#define VTD_IQ_PTR	FIELD(18, 4)	/* IQH.QH and IQT.QT: byte offset of a descriptor */
#define VTD_IQA_QS	FIELD(2, 0)	/* the queue has 2^QS pages */
#define VTD_IQA_DW	BIT64(11)	/* 0: 16-byte descriptors, 1: 32-byte */
#define VTD_IQA_IQA	FIELD(63, 12)
#define VTD_IQA_RSVD	FIELD(10, 3)
VTD_WHOLE64("IQA", VTD_IQA_QS + VTD_IQA_DW + VTD_IQA_IQA + VTD_IQA_RSVD,
	    VTD_IQA_QS | VTD_IQA_DW | VTD_IQA_IQA | VTD_IQA_RSVD);

/* 11.4.9.4 Invalidation Completion Status Register */
#define VTD_ICS_IWC	BIT64(0)	/* W1C */

/* 11.4.9.9 Invalidation Queue Error Record Register; a field counts while IQE, ITE, ICE is set */
#define VTD_IQERCD_IQEI	FIELD(3, 0)
#define VTD_IQERCD_ITESID FIELD(47, 32)
#define VTD_IQERCD_ICESID FIELD(63, 48)

enum vtd_iqei {
	VTD_IQEI_NONE,		/* information not available */
	VTD_IQEI_TAIL,		/* tail beyond the queue */
	VTD_IQEI_FETCH,		/* descriptor could not be read */
	VTD_IQEI_TYPE,		/* invalid descriptor type */
	VTD_IQEI_RSVD,		/* reserved field, granularity, address mask */
	VTD_IQEI_WIDTH,		/* descriptor width wrong for the translation table mode */
	VTD_IQEI_TAIL_ALIGN,	/* tail not a multiple of 32 with DW=1 */
	VTD_IQEI_TTM,		/* invalid translation table mode */
};

/* 11.4.7.6 Fault Recording Registers, 16 bytes each at CAP.FRO * 16 */
#define VTD_FRCD0_FI	FIELD(63, 12)
#define VTD_FRCD0_RSVD	FIELD(11, 0)
#define VTD_FRCD1_SID	FIELD(15, 0)
#define VTD_FRCD1_T2	BIT64(28)	/* {T1,T2}: 00 write, 01 page request, 10 read, 11 atomic */
#define VTD_FRCD1_PRIV	BIT64(29)
#define VTD_FRCD1_EXE	BIT64(30)
#define VTD_FRCD1_PP	BIT64(31)	/* the request had a PASID */
#define VTD_FRCD1_FR	FIELD(39, 32)	/* enum vtd_reason */
#define VTD_FRCD1_PV	FIELD(59, 40)	/* PASID */
#define VTD_FRCD1_AT	FIELD(61, 60)
#define VTD_FRCD1_T1	BIT64(62)
#define VTD_FRCD1_F	BIT64(63)	/* W1C */
#define VTD_FRCD1_RSVD	FIELD(27, 16)
VTD_WHOLE64("FRCD1",
	    VTD_FRCD1_SID + VTD_FRCD1_T2 + VTD_FRCD1_PRIV + VTD_FRCD1_EXE + VTD_FRCD1_PP + VTD_FRCD1_FR +
		    VTD_FRCD1_PV + VTD_FRCD1_AT + VTD_FRCD1_T1 + VTD_FRCD1_F + VTD_FRCD1_RSVD,
	    VTD_FRCD1_SID | VTD_FRCD1_T2 | VTD_FRCD1_PRIV | VTD_FRCD1_EXE | VTD_FRCD1_PP | VTD_FRCD1_FR |
		    VTD_FRCD1_PV | VTD_FRCD1_AT | VTD_FRCD1_T1 | VTD_FRCD1_F | VTD_FRCD1_RSVD);

/* ---- 9 Translation structure formats ---- */

/* 9.1 Root Entry: 16 bytes, 256 of them, index bus */
#define VTD_RE0_P	BIT64(0)
#define VTD_RE0_CTP	FIELD(63, 12)
#define VTD_RE0_RSVD	FIELD(11, 1)
VTD_WHOLE64("root entry", VTD_RE0_P + VTD_RE0_CTP + VTD_RE0_RSVD, VTD_RE0_P | VTD_RE0_CTP | VTD_RE0_RSVD);

/*
 * 9.2 Scalable Mode Root Entry: word 0 for devfn 0-127, word 1 for 128-255, alike
 * and independent. Each points to 128 entries of 32 bytes, index devfn & 0x7F.
 */
#define VTD_SRE_P	BIT64(0)
#define VTD_SRE_CTP	FIELD(63, 12)
#define VTD_SRE_RSVD	FIELD(11, 1)
VTD_WHOLE64("scalable root entry", VTD_SRE_P + VTD_SRE_CTP + VTD_SRE_RSVD,
	    VTD_SRE_P | VTD_SRE_CTP | VTD_SRE_RSVD);

/* 9.3 Context Entry: 16 bytes, 256 of them, index devfn */
#define VTD_CE0_P	BIT64(0)
#define VTD_CE0_FPD	BIT64(1)
#define VTD_CE0_TT	FIELD(3, 2)
#define VTD_CE0_SSPTPTR	FIELD(63, 12)
#define VTD_CE0_RSVD	FIELD(11, 4)
#define VTD_CE1_AW	FIELD(2, 0)
#define VTD_CE1_IGN	FIELD(6, 3)
#define VTD_CE1_DID	FIELD(23, 8)
#define VTD_CE1_RSVD	(BIT64(7) | FIELD(63, 24))
#define VTD_TT_UNTRANSLATED 0u	/* untranslated requests go through the second stage */
#define VTD_TT_ALL	1u	/* that, and device TLBs */
#define VTD_TT_PASS	2u	/* pass-through */
#define VTD_TT_RSVD	3u
VTD_WHOLE64("context entry word 0", VTD_CE0_P + VTD_CE0_FPD + VTD_CE0_TT + VTD_CE0_SSPTPTR + VTD_CE0_RSVD,
	    VTD_CE0_P | VTD_CE0_FPD | VTD_CE0_TT | VTD_CE0_SSPTPTR | VTD_CE0_RSVD);
VTD_WHOLE64("context entry word 1", VTD_CE1_AW + VTD_CE1_IGN + VTD_CE1_DID + VTD_CE1_RSVD,
	    VTD_CE1_AW | VTD_CE1_IGN | VTD_CE1_DID | VTD_CE1_RSVD);

/* AW of context and PASID entries: 39, 48, 57 bits for 3, 4, 5 levels */
#define VTD_AW_39	1u
#define VTD_AW_48	2u
#define VTD_AW_57	3u
#define VTD_AW_OF_LEVELS(levels) ((levels) - 2u)
#define VTD_LEVELS_OF_AW(aw) ((aw) + 2u)
#define VTD_WIDTH_OF_LEVELS(levels) (VTD_PAGE_SHIFT + VTD_LEVEL_BITS * (levels))

/* 9.4 Scalable Mode Context Entry: 32 bytes */
#define VTD_SCE0_P	BIT64(0)
#define VTD_SCE0_FPD	BIT64(1)
#define VTD_SCE0_DTE	BIT64(2)	/* reserved if ECAP.DT=0 */
#define VTD_SCE0_PASIDE	BIT64(3)	/* reserved if ECAP.PASID=0 */
#define VTD_SCE0_PRE	BIT64(4)	/* reserved if ECAP.PRS=0 */
#define VTD_SCE0_PDTS	FIELD(11, 9)	/* the directory has 2^(PDTS+7) entries */
#define VTD_SCE0_PASIDDIRPTR FIELD(63, 12)
#define VTD_SCE0_RSVD	FIELD(8, 5)
#define VTD_SCE1_RID_PASID FIELD(19, 0)	/* reserved if ECAP.RPS=0 */
#define VTD_SCE1_RID_PRIV BIT64(20)	/* reserved if ECAP.RPRIVS=0 */
#define VTD_SCE1_RSVD	FIELD(63, 21)	/* words 2 and 3 are reserved wholly */
VTD_WHOLE64("scalable context entry",
	    VTD_SCE0_P + VTD_SCE0_FPD + VTD_SCE0_DTE + VTD_SCE0_PASIDE + VTD_SCE0_PRE + VTD_SCE0_PDTS +
		    VTD_SCE0_PASIDDIRPTR + VTD_SCE0_RSVD,
	    VTD_SCE0_P | VTD_SCE0_FPD | VTD_SCE0_DTE | VTD_SCE0_PASIDE | VTD_SCE0_PRE | VTD_SCE0_PDTS |
		    VTD_SCE0_PASIDDIRPTR | VTD_SCE0_RSVD);
#define VTD_PASID_LIMIT(pdts) (UINT64_C(1) << ((pdts) + 13))

/* 9.5 Scalable Mode PASID Directory Entry: 8 bytes, index PASID[19:6] */
#define VTD_PDE_P	BIT64(0)
#define VTD_PDE_FPD	BIT64(1)
#define VTD_PDE_SMPTBLPTR FIELD(63, 12)
#define VTD_PDE_RSVD	FIELD(11, 2)
VTD_WHOLE64("PASID directory entry", VTD_PDE_P + VTD_PDE_FPD + VTD_PDE_SMPTBLPTR + VTD_PDE_RSVD,
	    VTD_PDE_P | VTD_PDE_FPD | VTD_PDE_SMPTBLPTR | VTD_PDE_RSVD);

/* 9.6 Scalable Mode PASID Table Entry: 64 bytes, 64 of them, index PASID[5:0] */
#define VTD_PE_WORDS	8
#define VTD_PE0_P	BIT64(0)
#define VTD_PE0_FPD	BIT64(1)
#define VTD_PE0_AW	FIELD(4, 2)
#define VTD_PE0_PGTT	FIELD(8, 6)	/* enum vtd_pgtt */
#define VTD_PE0_SSADE	BIT64(9)	/* reserved if ECAP.SSADS=0 */
#define VTD_PE0_SSPTPTR	FIELD(63, 12)
#define VTD_PE0_RSVD	(BIT64(5) | FIELD(11, 10))
#define VTD_PE1_DID	FIELD(15, 0)
#define VTD_PE1_PWSNP	BIT64(23)	/* reserved if ECAP.SMPWCS=0 */
#define VTD_PE1_PGSNP	BIT64(24)	/* reserved if ECAP.SC=0 */
#define VTD_PE1_CD	BIT64(25)	/* reserved if ECAP.MTS=0, as EMTE and PAT */
#define VTD_PE1_EMTE	BIT64(26)
#define VTD_PE1_PAT	FIELD(63, 32)
#define VTD_PE1_RSVD	(FIELD(22, 16) | FIELD(31, 27))
#define VTD_PE2_SRE	BIT64(0)	/* reserved if ECAP.SRS=0 */
#define VTD_PE2_FSPM	FIELD(3, 2)	/* 0: 4 levels, 1: 5 levels */
#define VTD_PE2_WPE	BIT64(4)
#define VTD_PE2_IGN	FIELD(6, 5)	/* NXE and SMEP before rev 4.0 */
#define VTD_PE2_EAFE	BIT64(7)	/* reserved if ECAP.EAFS=0 */
#define VTD_PE2_FSPTPTR	FIELD(63, 12)
#define VTD_PE2_RSVD	(BIT64(1) | FIELD(11, 8))	/* words 3 to 7 are reserved wholly */
VTD_WHOLE64("PASID entry word 0",
	    VTD_PE0_P + VTD_PE0_FPD + VTD_PE0_AW + VTD_PE0_PGTT + VTD_PE0_SSADE + VTD_PE0_SSPTPTR +
		    VTD_PE0_RSVD,
	    VTD_PE0_P | VTD_PE0_FPD | VTD_PE0_AW | VTD_PE0_PGTT | VTD_PE0_SSADE | VTD_PE0_SSPTPTR |
		    VTD_PE0_RSVD);
VTD_WHOLE64("PASID entry word 1",
	    VTD_PE1_DID + VTD_PE1_PWSNP + VTD_PE1_PGSNP + VTD_PE1_CD + VTD_PE1_EMTE + VTD_PE1_PAT +
		    VTD_PE1_RSVD,
	    VTD_PE1_DID | VTD_PE1_PWSNP | VTD_PE1_PGSNP | VTD_PE1_CD | VTD_PE1_EMTE | VTD_PE1_PAT |
		    VTD_PE1_RSVD);
VTD_WHOLE64("PASID entry word 2",
	    VTD_PE2_SRE + VTD_PE2_FSPM + VTD_PE2_WPE + VTD_PE2_IGN + VTD_PE2_EAFE + VTD_PE2_FSPTPTR +
		    VTD_PE2_RSVD,
	    VTD_PE2_SRE | VTD_PE2_FSPM | VTD_PE2_WPE | VTD_PE2_IGN | VTD_PE2_EAFE | VTD_PE2_FSPTPTR |
		    VTD_PE2_RSVD);

enum vtd_pgtt {
	VTD_PGTT_FIRST = 1,
	VTD_PGTT_SECOND = 2,
	VTD_PGTT_NESTED = 3,
	VTD_PGTT_PASS = 4,
};

/* Sizes of the tables that entries live in: bytes per entry. */
#define VTD_ROOT_ENTRY_SIZE	16u
#define VTD_CONTEXT_ENTRY_SIZE	16u
#define VTD_SM_CONTEXT_ENTRY_SIZE 32u
#define VTD_PASID_DIR_ENTRY_SIZE 8u
#define VTD_PASID_ENTRY_SIZE	64u
#define VTD_PASID_MASK		0xFFFFFu
#define VTD_PASID_DIR_INDEX(pasid) ((pasid) >> 6)
#define VTD_PASID_TABLE_INDEX(pasid) ((pasid) & 63u)
_Static_assert(VTD_PE_WORDS * 8 == VTD_PASID_ENTRY_SIZE, "PASID entry");

/* 9.8 Second-Stage Paging Entries. Not present: R and W both 0. */
#define VTD_SS_R	BIT64(0)
#define VTD_SS_W	BIT64(1)
#define VTD_SS_PS	BIT64(7)	/* leaf at levels 3, 2; reserved at 5, 4; ignored at 1 */
#define VTD_SS_A	BIT64(8)	/* with SSADE; else ignored */
#define VTD_SS_D	BIT64(9)	/* likewise */
#define VTD_SS_SNP	BIT64(11)	/* leaf; reserved in tables and if ECAP.SC=0 */
#define VTD_SS_ADDR	FIELD(51, 12)
#define VTD_SS_RSVD	BIT64(62)
#define VTD_SS_IGN	(FIELD(6, 2) | BIT64(10) | FIELD(61, 52) | BIT64(63))
VTD_WHOLE64("second-stage entry",
	    VTD_SS_R + VTD_SS_W + VTD_SS_PS + VTD_SS_A + VTD_SS_D + VTD_SS_SNP + VTD_SS_ADDR + VTD_SS_RSVD +
		    VTD_SS_IGN,
	    VTD_SS_R | VTD_SS_W | VTD_SS_PS | VTD_SS_A | VTD_SS_D | VTD_SS_SNP | VTD_SS_ADDR | VTD_SS_RSVD |
		    VTD_SS_IGN);

/* 9.7 First-Stage Paging Entries */
#define VTD_FS_P	BIT64(0)
#define VTD_FS_RW	BIT64(1)
#define VTD_FS_US	BIT64(2)
#define VTD_FS_PWT	BIT64(3)
#define VTD_FS_PCD	BIT64(4)
#define VTD_FS_A	BIT64(5)
#define VTD_FS_D	BIT64(6)
#define VTD_FS_PS	BIT64(7)	/* leaf at levels 3, 2; reserved at 5, 4; PAT at 1 */
#define VTD_FS_EA	BIT64(10)	/* with EAFE; else ignored */
#define VTD_FS_LARGE_PAT BIT64(12)	/* of a large leaf; address elsewhere */
#define VTD_FS_ADDR	FIELD(51, 12)
#define VTD_FS_IGN	(FIELD(9, 8) | BIT64(11) | FIELD(63, 52))
VTD_WHOLE64("first-stage entry",
	    VTD_FS_P + VTD_FS_RW + VTD_FS_US + VTD_FS_PWT + VTD_FS_PCD + VTD_FS_A + VTD_FS_D + VTD_FS_PS +
		    VTD_FS_EA + VTD_FS_ADDR + VTD_FS_IGN,
	    VTD_FS_P | VTD_FS_RW | VTD_FS_US | VTD_FS_PWT | VTD_FS_PCD | VTD_FS_A | VTD_FS_D | VTD_FS_PS |
		    VTD_FS_EA | VTD_FS_ADDR | VTD_FS_IGN);

/* ---- 6.5.2 Queued Invalidation Interface: descriptors ---- */

/* The type is {word 0 bits 11:9, word 0 bits 3:0}. Words 2 and 3 of 32-byte descriptors are 0. */
#define VTD_ID0_TYPE_LO	FIELD(3, 0)
#define VTD_ID0_TYPE_HI	FIELD(11, 9)
#define VTD_ID0_TYPE	(VTD_ID0_TYPE_LO | VTD_ID0_TYPE_HI)

enum vtd_desc {
	VTD_DESC_CC = 1,		/* 6.5.2.1 Context-cache Invalidate */
	VTD_DESC_IOTLB = 2,		/* 6.5.2.3 IOTLB Invalidate */
	VTD_DESC_DEV_TLB = 3,		/* 6.5.2.5 Device-TLB Invalidate */
	VTD_DESC_IEC = 4,		/* 6.5.2.7 Interrupt Entry Cache Invalidate */
	VTD_DESC_WAIT = 5,		/* 6.5.2.8 Invalidation Wait */
	VTD_DESC_PIOTLB = 6,		/* 6.5.2.4 PASID-based IOTLB Invalidate */
	VTD_DESC_PC = 7,		/* 6.5.2.2 PASID-cache Invalidate */
	VTD_DESC_PDEV_TLB = 8,		/* 6.5.2.6 PASID-based Device-TLB Invalidate */
	VTD_DESC_PAGE_RESPONSE = 9,	/* 7.7.1 Page Group Response */
};

/* Type 1 */
#define VTD_CC0_G	FIELD(5, 4)	/* VTD_CC_G_* */
#define VTD_CC0_DID	FIELD(31, 16)
#define VTD_CC0_SID	FIELD(47, 32)
#define VTD_CC0_FM	FIELD(49, 48)	/* 0: whole SID; 1, 2, 3: ignore its bit 2, 2:1, 2:0 */
#define VTD_CC0_RSVD	(FIELD(8, 6) | FIELD(15, 12) | FIELD(63, 50))	/* word 1 is reserved wholly */
#define VTD_CC_G_GLOBAL	1u
#define VTD_CC_G_DOMAIN	2u
#define VTD_CC_G_DEVICE	3u
VTD_WHOLE64("context-cache invalidate",
	    VTD_ID0_TYPE + VTD_CC0_G + VTD_CC0_DID + VTD_CC0_SID + VTD_CC0_FM + VTD_CC0_RSVD,
	    VTD_ID0_TYPE | VTD_CC0_G | VTD_CC0_DID | VTD_CC0_SID | VTD_CC0_FM | VTD_CC0_RSVD);

/* Type 2 */
#define VTD_IOTLB0_G	FIELD(5, 4)	/* VTD_IOTLB_G_* */
#define VTD_IOTLB0_DW	BIT64(6)	/* drain writes */
#define VTD_IOTLB0_DR	BIT64(7)	/* drain reads */
#define VTD_IOTLB0_DID	FIELD(31, 16)
#define VTD_IOTLB0_RSVD	(BIT64(8) | FIELD(15, 12) | FIELD(63, 32))
#define VTD_IOTLB1_AM	FIELD(5, 0)	/* 2^AM pages */
#define VTD_IOTLB1_IH	BIT64(6)	/* only leaf entries changed */
#define VTD_IOTLB1_ADDR	FIELD(63, 12)
#define VTD_IOTLB1_RSVD	FIELD(11, 7)
#define VTD_IOTLB_G_GLOBAL 1u
#define VTD_IOTLB_G_DOMAIN 2u
#define VTD_IOTLB_G_PAGE 3u
VTD_WHOLE64("IOTLB invalidate",
	    VTD_ID0_TYPE + VTD_IOTLB0_G + VTD_IOTLB0_DW + VTD_IOTLB0_DR + VTD_IOTLB0_DID + VTD_IOTLB0_RSVD,
	    VTD_ID0_TYPE | VTD_IOTLB0_G | VTD_IOTLB0_DW | VTD_IOTLB0_DR | VTD_IOTLB0_DID | VTD_IOTLB0_RSVD);

/* Type 5 */
#define VTD_WAIT0_IF	BIT64(4)	/* set ICS.IWC, raise the invalidation event */
#define VTD_WAIT0_SW	BIT64(5)	/* write the status */
#define VTD_WAIT0_FN	BIT64(6)	/* nothing behind starts before this completes */
#define VTD_WAIT0_PD	BIT64(7)	/* page-request drain; reserved if ECAP.PDS=0 */
#define VTD_WAIT0_DATA	FIELD(63, 32)
#define VTD_WAIT0_RSVD	(BIT64(8) | FIELD(31, 12))
#define VTD_WAIT1_ADDR	FIELD(63, 2)
#define VTD_WAIT1_RSVD	FIELD(1, 0)
VTD_WHOLE64("invalidation wait",
	    VTD_ID0_TYPE + VTD_WAIT0_IF + VTD_WAIT0_SW + VTD_WAIT0_FN + VTD_WAIT0_PD + VTD_WAIT0_DATA +
		    VTD_WAIT0_RSVD,
	    VTD_ID0_TYPE | VTD_WAIT0_IF | VTD_WAIT0_SW | VTD_WAIT0_FN | VTD_WAIT0_PD | VTD_WAIT0_DATA |
		    VTD_WAIT0_RSVD);

/* Type 6; drains reads and writes always */
#define VTD_PIOTLB0_G	FIELD(5, 4)	/* VTD_PIOTLB_G_* */
#define VTD_PIOTLB0_DID	FIELD(31, 16)
#define VTD_PIOTLB0_PASID FIELD(51, 32)
#define VTD_PIOTLB0_RSVD (FIELD(8, 6) | FIELD(15, 12) | FIELD(63, 52))
#define VTD_PIOTLB1_AM	FIELD(5, 0)
#define VTD_PIOTLB1_IH	BIT64(6)
#define VTD_PIOTLB1_ADDR FIELD(63, 12)
#define VTD_PIOTLB1_RSVD FIELD(11, 7)
#define VTD_PIOTLB_G_PASID 2u
#define VTD_PIOTLB_G_PAGE 3u
VTD_WHOLE64("PASID-based IOTLB invalidate",
	    VTD_ID0_TYPE + VTD_PIOTLB0_G + VTD_PIOTLB0_DID + VTD_PIOTLB0_PASID + VTD_PIOTLB0_RSVD,
	    VTD_ID0_TYPE | VTD_PIOTLB0_G | VTD_PIOTLB0_DID | VTD_PIOTLB0_PASID | VTD_PIOTLB0_RSVD);

/* Type 7 */
#define VTD_PC0_G	FIELD(5, 4)	/* VTD_PC_G_* */
#define VTD_PC0_DID	FIELD(31, 16)
#define VTD_PC0_PASID	FIELD(51, 32)
#define VTD_PC0_RSVD	(FIELD(8, 6) | FIELD(15, 12) | FIELD(63, 52))	/* word 1 is reserved wholly */
#define VTD_PC_G_DOMAIN	0u
#define VTD_PC_G_PASID	1u
#define VTD_PC_G_GLOBAL	3u
VTD_WHOLE64("PASID-cache invalidate",
	    VTD_ID0_TYPE + VTD_PC0_G + VTD_PC0_DID + VTD_PC0_PASID + VTD_PC0_RSVD,
	    VTD_ID0_TYPE | VTD_PC0_G | VTD_PC0_DID | VTD_PC0_PASID | VTD_PC0_RSVD);

/* ---- 7.1.3 Fault Reasons. L: legacy mode, S: scalable mode ---- */

enum vtd_reason {
	VTD_OK = 0,
	VTD_LRT_2 = 0x01,	/* L root entry P=0 */
	VTD_LCT_2 = 0x02,	/* L context entry P=0 */
	VTD_LCT_4 = 0x03,	/* L context entry TT or AW invalid; top second-stage table not readable */
	VTD_LGN_1 = 0x04,	/* L address beyond min(MGAW, AW); pass-through beyond HAW */
	VTD_LGN_2 = 0x05,	/* L write without W, or not present */
	VTD_LGN_3 = 0x06,	/* L read without R, or not present */
	VTD_LSS_1 = 0x07,	/* L second-stage entry not readable, below the top table */
	VTD_LRT_1 = 0x08,	/* L root entry not readable */
	VTD_LCT_1 = 0x09,	/* L context entry not readable */
	VTD_LRT_3 = 0x0A,	/* L root entry reserved field */
	VTD_LCT_3 = 0x0B,	/* L context entry reserved field */
	VTD_LSS_2 = 0x0C,	/* L second-stage entry reserved field */
	VTD_LCT_5 = 0x0D,	/* L translation or translated request with TT other than 01 */
	VTD_LGN_4 = 0x0E,	/* L output in the interrupt range */
	VTD_INT_RANGE = 0x29,	/*   request to the interrupt range that is no interrupt message */
	VTD_RTA_1 = 0x30,	/* S root table address: TTM invalid */
	VTD_RTA_2 = 0x31,	/* L request with PASID in legacy mode */
	VTD_RTA_3 = 0x32,	/* L page request in legacy mode */
	VTD_RTA_4 = 0x33,	/*   abort-DMA mode */
	VTD_SRT_1 = 0x38,	/* S root entry not readable */
	VTD_SRT_2 = 0x39,	/* S root entry LP or UP = 0 */
	VTD_SRT_3 = 0x3A,	/* S root entry reserved field */
	VTD_SCT_1 = 0x40,	/* S context entry not readable */
	VTD_SCT_2 = 0x41,	/* S context entry P=0 */
	VTD_SCT_3 = 0x42,	/* S context entry reserved field */
	VTD_SCT_4 = 0x43,	/* S context entry invalid */
	VTD_SCT_5 = 0x44,	/* S translation or translated request, DTE=0 */
	VTD_SCT_6 = 0x45,	/* S request with PASID, PASIDE=0 */
	VTD_SCT_7 = 0x46,	/* S request's PASID beyond the directory */
	VTD_SCT_8 = 0x47,	/* S page request, PRE=0 */
	VTD_SCT_9 = 0x48,	/* S RID_PASID beyond the directory */
	VTD_SPD_1 = 0x50,	/* S PASID directory entry not readable */
	VTD_SPD_2 = 0x51,	/* S PASID directory entry P=0 */
	VTD_SPD_3 = 0x52,	/* S PASID directory entry reserved field */
	VTD_SPT_1 = 0x58,	/* S PASID entry not readable */
	VTD_SPT_2 = 0x59,	/* S PASID entry P=0 */
	VTD_SPT_3 = 0x5A,	/* S PASID entry reserved field */
	VTD_SPT_4 = 0x5B,	/* S PASID entry PGTT, AW or FSPM invalid */
	VTD_SPT_6 = 0x5D,	/* S supervisor request, SRE=0 */
	VTD_SFS_1 = 0x70,	/* S first-stage entry not readable, below the top table */
	VTD_SFS_2 = 0x71,	/* S first-stage entry P=0 */
	VTD_SFS_3 = 0x72,	/* S first-stage entry reserved field */
	VTD_SFS_4 = 0x73,	/* S top first-stage table not readable */
	VTD_SSS_1 = 0x78,	/* S second-stage entry not readable, below the top table */
	VTD_SSS_2 = 0x79,	/* S second-stage entry R=W=0 */
	VTD_SSS_3 = 0x7A,	/* S second-stage entry reserved field */
	VTD_SSS_4 = 0x7B,	/* S top second-stage table not readable */
	VTD_SSS_5 = 0x7C,	/* S second-stage A/D update needed, PWSNP=0 */
	VTD_SSS_6 = 0x7D,	/* S second-stage A/D update failed */
	VTD_SGN_1 = 0x80,	/* S first-stage input not canonical */
	VTD_SGN_2 = 0x81,	/* S user request to a supervisor page */
	VTD_SGN_4 = 0x83,	/* S pass-through address beyond HAW */
	VTD_SGN_5 = 0x84,	/* S second-stage input beyond AW */
	VTD_SGN_6 = 0x85,	/* S write without W */
	VTD_SGN_7 = 0x86,	/* S read without R */
	VTD_SGN_8 = 0x87,	/* S output in the interrupt range */
	VTD_SFS_9 = 0x90,	/* S first-stage A/D update needed, PWSNP=0 */
	VTD_SFS_10 = 0x91,	/* S first-stage A/D update failed */
};

#endif
