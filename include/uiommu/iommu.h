/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU core: devices, groups, domains; attach, detach and replace.
 *
 * All functions may be called from any thread unless said otherwise, but not
 * between uiommu_agent_begin() and uiommu_agent_end() of the calling thread.
 * They return 0 or -errno.
 */
#ifndef UIOMMU_IOMMU_H
#define UIOMMU_IOMMU_H

#include <uiommu/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uiommu_iommu;	/* one IOMMU with its driver, e.g. from uiommu_vtd_create() */
struct uiommu_device;	/* one requester, member of exactly one group */
struct uiommu_group;	/* devices that the IOMMU cannot tell apart or that must not be separated */
struct uiommu_domain;	/* a translation */
struct uiommu_txn;	/* a prepared replacement */
struct uiommu_attach_handle;	/* a caller's name for an attachment: uiommu/pasid.h */

#define UIOMMU_REASON_LEN 192

/*
 * Options of a replacement. NULL accepts any gap. Unknown trailing bytes (size
 * larger than the library's) must be zero, else -E2BIG.
 */
struct uiommu_replace_opts {
	size_t size;			/* sizeof(struct uiommu_replace_opts) */
	enum uiommu_gap worst_gap;	/* a worse one is -EOPNOTSUPP, nothing touched */
	/* EQUAL: the range of IOVAs that the caller cares about. Checked for order, not used yet. */
	uiommu_iova_t equal_start;
	uiommu_iova_t equal_last;	/* inclusive */
};

/*
 * What a replacement did, or would do. Filled on success and on failure. For a
 * transaction of several devices: the worst gap, the most expensive strategy,
 * the sum of stores, the most rounds. Flushes are counted per device; devices that
 * leave the same tag share one.
 */
struct uiommu_report {
	enum uiommu_gap gap;
	enum uiommu_strategy strategy;
	enum uiommu_gap best_gap;	/* the best that can be had here */
	unsigned int stores;		/* entry stores that hardware may observe */
	unsigned int config_syncs;	/* rounds of configuration-cache invalidation and wait */
	unsigned int tag_flushes;	/* translation-cache invalidations */
	uint64_t cpu_ns;		/* commit: time of the driver, without draining */
	uint64_t drain_ns;		/* commit: time spent waiting for hardware's completions */
	struct uiommu_device *refused;	/* the first device that refused or failed; NULL if none */
	char reason[UIOMMU_REASON_LEN];	/* why this gap, or why it failed; never empty when gap > NONE */
};

struct uiommu_domain_opts {
	size_t size;			/* sizeof(struct uiommu_domain_opts) */
	enum uiommu_domain_type type;
	enum uiommu_stage stage;	/* paging only */
	unsigned int levels;		/* paging only; 0: the driver chooses. Levels of the table, 3 to 5 */
};

/* A group of its own for @iommu; it starts empty. Destroy after its last device was removed. */
UIOMMU_API int uiommu_group_create(struct uiommu_iommu *iommu, struct uiommu_group **group);
UIOMMU_API void uiommu_group_destroy(struct uiommu_group *group);

/*
 * uiommu_device_add - let the IOMMU know a requester
 * The device joins @group and gets the group's current domain (the default
 * domain if the group was empty). Returns 0, -EEXIST, -EBUSY (a replacement of
 * the group is prepared), -ENOMEM or the driver's error; on error nothing changed.
 * uiommu_device_add_opts() (uiommu/device.h) can say more of a device.
 */
UIOMMU_API int uiommu_device_add(struct uiommu_group *group, uint16_t rid, struct uiommu_device **dev);
/*
 * Takes a device out; its accesses are blocked afterwards. Cannot fail: if hardware
 * does, it is an event, and the RID can be added again once blocking it succeeds
 * (device_add tries). An empty group is on its default domain again.
 */
UIOMMU_API void uiommu_device_remove(struct uiommu_device *dev);
UIOMMU_API uint16_t uiommu_device_rid(const struct uiommu_device *dev);

/*
 * uiommu_domain_alloc - make a translation
 * The caller owns it and frees it while no group uses it. Returns 0, -EINVAL,
 * -EOPNOTSUPP (this hardware has no such stage or level count), -ENOMEM.
 */
UIOMMU_API int uiommu_domain_alloc(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
				   struct uiommu_domain **domain);
/*
 * Frees a domain: 0, or -EBUSY (in use or part of a prepared replacement; nothing
 * changed). A quarantined domain is given up by the caller, its memory is kept.
 */
UIOMMU_API int uiommu_domain_free(struct uiommu_domain *domain);
UIOMMU_API enum uiommu_domain_type uiommu_domain_type(const struct uiommu_domain *domain);
/* The stage of a paging domain; UIOMMU_STAGE_ANY for the others. */
UIOMMU_API enum uiommu_stage uiommu_domain_stage(const struct uiommu_domain *domain);

/*
 * uiommu_map - map [@iova, @iova + @size) to [@pa, @pa + @size)
 * All multiples of 4096, @size > 0, @prot of enum uiommu_prot (at least one bit).
 * Uses the largest entries that fit. Any thread; threads need no common lock on
 * disjoint ranges. Returns 0; -EINVAL; -ERANGE (outside of the domain or of the
 * hardware's address width); -EOPNOTSUPP (write-only, first stage); -EEXIST
 * (something is mapped there); -ENOMEM; on
 * error nothing of the call stays mapped. -EIO, -ETIMEDOUT: it failed for one of
 * the last two reasons, and so did hardware when it was to forget what had been
 * mapped meanwhile: devices may still reach these pages, as after such an error of
 * uiommu_unmap().
 */
UIOMMU_API int uiommu_map(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
			  unsigned int prot);
/*
 * uiommu_unmap - remove all mappings in [@iova, @iova + @size)
 * Holes are allowed. Never allocates. When it returns, no device can reach the
 * pages through the range. -EINVAL, and nothing changed: the range ends inside
 * a large entry, or is not a multiple of 4096. -EIO, -ETIMEDOUT: the mappings are
 * gone, but hardware failed to forget them: devices may still reach the pages, which
 * must not be reused. A later unmap in the domain, of this range or another one,
 * tries again for all, and its 0 says that all of it is forgotten; so does moving
 * every group to another domain without an error.
 */
UIOMMU_API int uiommu_unmap(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size);
/* 0 and *@pa, or -ENOENT. Identity: @iova. Blocked: -ENOENT. */
UIOMMU_API int uiommu_iova_to_phys(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa);

/*
 * A group's default domain (identity or paging, made by the caller, who keeps it
 * alive as long as the group). Only while the group is on its default or blocking
 * domain: -EBUSY otherwise; -EPERM while it is owned or used by drivers (uiommu/owner.h);
 * -EINVAL: identity with an untrusted device, blocking with a device that has direct
 * mappings (uiommu/device.h). Without one the default is the blocking domain. A group
 * that waits on its default moves to the new one, unless it was put on blocking by
 * a call; if that fails nothing changed. What detaching to it needs is reserved
 * here: -ENOSPC, -ENOMEM if it is not there.
 */
UIOMMU_API int uiommu_group_set_default_domain(struct uiommu_group *group, struct uiommu_domain *domain);
UIOMMU_API struct uiommu_domain *uiommu_group_domain(struct uiommu_group *group);
/* The blocking domain that was allocated with the IOMMU. Never freed by callers. */
UIOMMU_API struct uiommu_domain *uiommu_blocking_domain(struct uiommu_iommu *iommu);

/*
 * uiommu_attach_group - put a group on a domain
 * Needs the group on its default or blocking domain (-EBUSY otherwise). NULL is
 * -EINVAL. On error every device is where it was.
 */
UIOMMU_API int uiommu_attach_group(struct uiommu_group *group, struct uiommu_domain *domain,
				   struct uiommu_report *report);
/*
 * Back to the default domain, or to blocking while the group is owned
 * (uiommu/owner.h). Cannot fail: a device whose hardware fails is
 * parked on the blocking domain and reported as an event. A prepared replacement
 * of the group is cancelled. PASIDs stay attached.
 */
UIOMMU_API void uiommu_detach_group(struct uiommu_group *group);
/* The same, to the blocking domain: what taking the DMA ownership of a group does. */
UIOMMU_API void uiommu_block_group(struct uiommu_group *group);

/*
 * uiommu_group_replace_domain - give a group another domain while its DMA runs
 * @domain: any domain of the same IOMMU; NULL is -EINVAL. The current one: 0, nothing done.
 * @opts: what is demanded; NULL accepts any gap
 * @report: what was done or why not; may be NULL
 *
 * -EOPNOTSUPP: the demand cannot be met, nothing was touched. -EBUSY: a replacement
 * is prepared. -EIO with report.refused: parking that device failed earlier; detach
 * tries again. Errors of hardware: every device is back on the old domain, or
 * parked, which is an event; the next replacement brings parked ones along.
 */
UIOMMU_API int uiommu_group_replace_domain(struct uiommu_group *group, struct uiommu_domain *domain,
					   const struct uiommu_replace_opts *opts,
					   struct uiommu_report *report);

struct uiommu_replace_target {
	struct uiommu_group *group;
	uint32_t pasid;			/* of the group, attached; UIOMMU_NO_PASID: the group itself */
	struct uiommu_domain *domain;
	/*
	 * As uiommu_replace_pasid() and uiommu_replace_group_handle() have it; NULL only
	 * without a PASID.
	 */
	struct uiommu_attach_handle *handle;
};

/*
 * uiommu_replace_prepare - reserve all that a replacement may need
 * Groups and PASIDs of groups in any mixture; a group, or a PASID of it, may occur once
 * (-EINVAL). Nothing that hardware can see changes. Each group is pinned, with all its
 * PASIDs, until commit or abort: other attaches and replacements get -EBUSY; detach, also of
 * a PASID, reset and device removal cancel. -EINVAL: a PASID that is not attached, no
 * handle for it, a handle that the attachment has already. The caller owns *@txn and must
 * commit or abort it; on error it is NULL.
 */
UIOMMU_API int uiommu_replace_prepare(struct uiommu_ctx *ctx, const struct uiommu_replace_target *targets,
				      unsigned int n, const struct uiommu_replace_opts *opts,
				      struct uiommu_txn **txn, struct uiommu_report *report);
/* Commits and frees the transaction, whatever it returns. -ECANCELED: a detach came first. */
UIOMMU_API int uiommu_replace_commit(struct uiommu_txn *txn, struct uiommu_report *report);
/* Frees it, everything is as before prepare. NULL is ignored. */
UIOMMU_API void uiommu_replace_abort(struct uiommu_txn *txn);

/* Removes an IOMMU. All groups and domains must be gone. Cannot fail. NULL is ignored. */
UIOMMU_API void uiommu_iommu_destroy(struct uiommu_iommu *iommu);

#ifdef __cplusplus
}
#endif
#endif
