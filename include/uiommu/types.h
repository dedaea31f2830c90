/* SPDX-License-Identifier: MIT */
/*
 * Types that every part of uiommu speaks: addresses, gap classes, strategies,
 * access kinds. Terms are those of docs/terms.md.
 */
#ifndef UIOMMU_TYPES_H
#define UIOMMU_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define UIOMMU_API __attribute__((visibility("default")))
#else
#define UIOMMU_API
#endif

/* An address that a device puts on the bus: input of a translation. */
typedef uint64_t uiommu_iova_t;
/* A physical address: output of a translation, index into the memory map. */
typedef uint64_t uiommu_pa_t;

/* No PASID: a request without PASID, or the RID's own attachment. */
#define UIOMMU_NO_PASID UINT32_MAX

#define UIOMMU_PAGE_SIZE 4096u

/* Permissions of a mapping, kind of an access. */
enum uiommu_prot {
	UIOMMU_READ = 1,
	UIOMMU_WRITE = 2,
};

/* What an access may see between the call of a replacement and its return. */
enum uiommu_gap {
	/*
	 * Wholly the old or wholly the new translation; after return only the
	 * new. No order is promised among accesses, pages or devices until then.
	 */
	UIOMMU_GAP_NONE,
	/* That, for accesses that translate alike in both domains. No strategy gives it yet. */
	UIOMMU_GAP_EQUAL,
	/* Some accesses may be blocked meanwhile. */
	UIOMMU_GAP_BLOCKED,
	/* The device decides. No hardware that is here does. */
	UIOMMU_GAP_UNKNOWN,
};

/* How the entry of a device was changed. */
enum uiommu_strategy {
	UIOMMU_STRATEGY_NOTHING,	/* old and new entry are the same */
	UIOMMU_STRATEGY_SINGLE_STORE,	/* all differing used bits in one granule */
	UIOMMU_STRATEGY_USED_BITS,	/* fill ignored bits, sync, critical store, sync, clean up */
	UIOMMU_STRATEGY_BREAK,		/* break before make: a gap */
};

enum uiommu_domain_type {
	UIOMMU_DOMAIN_BLOCKED,		/* every access faults */
	UIOMMU_DOMAIN_IDENTITY,		/* IOVA = PA */
	UIOMMU_DOMAIN_PAGING,		/* IO page tables made by uiommu_map() */
};

/* Which IO page table a paging domain uses. */
enum uiommu_stage {
	UIOMMU_STAGE_ANY,		/* the driver chooses */
	UIOMMU_STAGE_FIRST,
	UIOMMU_STAGE_SECOND,
};

/* Names as they are printed: "none", "equal", ...; "?" for anything else. */
UIOMMU_API const char *uiommu_gap_name(enum uiommu_gap gap);
UIOMMU_API const char *uiommu_strategy_name(enum uiommu_strategy strategy);
UIOMMU_API const char *uiommu_domain_type_name(enum uiommu_domain_type type);

/* Library version, "major.minor.patch". The string is static. */
UIOMMU_API const char *uiommu_version(void);

#ifdef __cplusplus
}
#endif
#endif
