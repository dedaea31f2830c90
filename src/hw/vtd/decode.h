/* SPDX-License-Identifier: MIT */
/*
 * Pure decoders of VT-d's tables: words of an entry in, meaning or fault reason
 * out. The model walks with them, the driver derives used bits from them, the
 * checker judges with them; none of them decodes by itself.
 *
 * Invariants:
 * 1. *out is written wholly, padding zeroed, whatever is returned: two entries
 *    mean the same to hardware if and only if reason and memory of *out are equal.
 *    A field that the entry's kind ignores is 0 in *out.
 * 2. On a reason other than VTD_OK everything in *out but fpd is 0. FPD counts
 *    even in an entry that is not present (7.1.3).
 * 3. Within one entry: P, then reserved bits (also those reserved by a missing
 *    capability), then values (9.6: 5Ah before 5Bh).
 */
#ifndef HW_VTD_DECODE_H
#define HW_VTD_DECODE_H

#include <stdbool.h>

#include "hw/vtd/layout.h"

/* What the decoders need to know of a unit: its capability registers and host address width. */
struct vtd_caps {
	uint64_t cap;
	uint64_t ecap;
	unsigned int haw;
};

struct vtd_context {
	uint64_t ptr;		/* second-stage table; 0 for pass-through */
	uint16_t did;
	uint8_t tt;		/* VTD_TT_* */
	uint8_t levels;		/* of second stage: 3, 4, 5 */
	uint8_t width;		/* input bits */
	bool fpd;
};

struct vtd_sm_context {
	uint64_t dir;		/* PASID directory */
	uint32_t rid_pasid;	/* PASID of requests without one */
	uint32_t pasid_limit;	/* PASIDs are below it */
	bool paside;		/* requests with PASID allowed */
	bool dte, pre;
	bool rid_priv;
	bool fpd;
};

struct vtd_pasid_dir {
	uint64_t table;		/* PASID table */
	bool fpd;
};

struct vtd_pasid {
	uint64_t ptr;		/* first- or second-stage table by pgtt; 0 for pass-through */
	uint16_t did;
	uint8_t pgtt;		/* enum vtd_pgtt; never nested: a unit of this model has no nesting */
	uint8_t levels;
	uint8_t width;		/* input bits */
	bool pwsnp, pgsnp;
	bool ssade;
	bool sre, wpe, eafe;
	bool fpd;
};

/* A paging entry. */
enum vtd_pte_kind {
	VTD_PTE_NONE,		/* not present */
	VTD_PTE_RESERVED,	/* a reserved bit is set */
	VTD_PTE_TABLE,		/* leads to a table of the next lower level */
	VTD_PTE_LEAF,		/* maps 4K << 9 * (level - 1) */
};

struct vtd_pte {
	enum vtd_pte_kind kind;
	uint64_t addr;		/* table or page */
	bool r, w;		/* of this entry alone */
	bool user;		/* first stage: U/S */
	bool a, d;		/* flags found set */
};

/* Context: any. Pure. Return the reason that the fault table gives, or VTD_OK. */
enum vtd_reason vtd_decode_root(const struct vtd_caps *caps, const uint64_t e[2], uint64_t *table);
/* @half: word 0 of a scalable root entry for devfn below 128, else word 1. */
enum vtd_reason vtd_decode_sm_root(const struct vtd_caps *caps, uint64_t half, uint64_t *table);
enum vtd_reason vtd_decode_context(const struct vtd_caps *caps, const uint64_t e[2], struct vtd_context *out);
enum vtd_reason vtd_decode_sm_context(const struct vtd_caps *caps, const uint64_t e[4],
				      struct vtd_sm_context *out);
enum vtd_reason vtd_decode_pasid_dir(const struct vtd_caps *caps, uint64_t e, struct vtd_pasid_dir *out);
enum vtd_reason vtd_decode_pasid(const struct vtd_caps *caps, const uint64_t e[VTD_PE_WORDS],
				 struct vtd_pasid *out);

/* @level: 5 to 1, 1 maps 4 KiB. */
void vtd_decode_ss(const struct vtd_caps *caps, uint64_t e, unsigned int level, struct vtd_pte *out);
void vtd_decode_fs(const struct vtd_caps *caps, uint64_t e, unsigned int level, struct vtd_pte *out);

/* Whether a second stage of so many levels is supported (CAP.SAGAW). */
bool vtd_levels_ok(const struct vtd_caps *caps, unsigned int levels);
/*
 * Whether effective FPD suppresses the record of this reason: true for qualified
 * reasons (7.1.3); the others are recorded always.
 */
bool vtd_reason_qualified(enum vtd_reason reason);
/* A sentence for logs. Static. "unknown" for numbers outside the table. */
const char *vtd_reason_text(unsigned int reason);

/* Bits of an address beyond the host address width. */
static inline uint64_t vtd_beyond_haw(const struct vtd_caps *caps)
{
	return ~UINT64_C(0) << caps->haw;
}

#endif
