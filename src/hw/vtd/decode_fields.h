/* SPDX-License-Identifier: MIT */
/*
 * The fields of VT-d's entries by name, for dumps: the masks are those of layout.h, so
 * that a dump cannot know another layout than model and driver. What an entry means as
 * a whole is said by the decoders of decode.h.
 */
#ifndef HW_VTD_DECODE_FIELDS_H
#define HW_VTD_DECODE_FIELDS_H

#include <stdbool.h>

#include "hw/vtd/layout.h"

enum vtd_entry_kind {
	VTD_ENTRY_ROOT,
	VTD_ENTRY_SM_ROOT,	/* one half: 8 bytes */
	VTD_ENTRY_CONTEXT,
	VTD_ENTRY_SM_CONTEXT,
	VTD_ENTRY_PASID_DIR,
	VTD_ENTRY_PASID,
	VTD_ENTRY_SS,		/* second-stage paging entry */
	VTD_ENTRY_FS,		/* first-stage paging entry */
	VTD_ENTRY_KINDS,
};

/* Enough for each kind. */
#define VTD_ENTRY_WORDS_MAX VTD_PE_WORDS
#define VTD_ENTRY_FIELDS_MAX 32

struct vtd_field {
	const char *name;	/* as the specification has it */
	unsigned int word;	/* index of the 64-bit word */
	uint64_t mask;
	bool reserved;		/* must be 0 */
	bool ignored;		/* may be anything */
};

struct vtd_entry_layout {
	const char *name;	/* "PASID table entry" */
	const char *section;	/* of the specification, "9.6" */
	unsigned int words;
	unsigned int n;		/* fields; all bits of all words are in exactly one */
	const struct vtd_field *fields;
};

/* Pure; the layout is static. NULL for numbers that are no kind. */
const struct vtd_entry_layout *vtd_entry_layout(enum vtd_entry_kind kind);

/* A field's value: shifted down, or, if its bits are not side by side, where they are. */
uint64_t vtd_field_value(const struct vtd_field *field, const uint64_t *entry);

#endif
