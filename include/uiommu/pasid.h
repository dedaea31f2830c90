/* SPDX-License-Identifier: MIT */
/*
 * PASIDs of a group, and attach handles, of PASIDs and of the group itself.
 *
 * A PASID is attached for the whole group: for all its devices that can do PASIDs. It
 * has a domain of its own, beside the one that requests without a PASID use. Attach,
 * replace and detach are made by the same engine as those of groups: all devices are
 * prepared, then committed; if hardware fails, all are back on the old domain.
 *
 * All functions may be called from any thread, but not between uiommu_agent_begin()
 * and uiommu_agent_end() of the calling thread, nor from callbacks. They return 0 or
 * -errno.
 */
#ifndef UIOMMU_PASID_H
#define UIOMMU_PASID_H

#include <uiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* PASIDs have 20 bits. */
#define UIOMMU_MAX_PASIDS (UINT32_C(1) << 20)

/*
 * The caller's name for one attachment; faults of the attachment carry it
 * (uiommu_event.data). It is the caller's memory, given to one attachment from the call
 * that attaches to the return of the call that detaches or replaces it; to be zeroed
 * but for data. Each attach and each replacement needs another one, since a fault
 * may be using the old one until the call returns. When a call has returned after which
 * the attachment is without the handle, nobody uses it any more, whichever call took it
 * away; the one that does waits for a grace period.
 */
struct uiommu_attach_handle {
	struct uiommu_domain *domain;	/* set by the core before the handle can be found */
	void *data;			/* the caller's */
	enum uiommu_domain_type type;	/* of domain; set by the core */
};

/*
 * uiommu_attach_pasid - put one PASID of a group on a domain
 * @pasid: in [1, max_pasids) of every device of the group that can do PASIDs
 * @domain: any of the same IOMMU but blocking
 * @handle: NULL: faults carry none. Stays the caller's, see above
 * @report: what was done or why not; may be NULL
 *
 * Devices of the group that are deferred (uiommu/device.h) are attached first, which
 * stays so if the PASID cannot be. The PASID was blocked before, so there is no old
 * translation to keep; a gap is not reported for that. Errors, with everything else as it
 * was: -EINVAL (pasid, domain); -EOPNOTSUPP (no device of the group can do PASIDs, or the
 * driver cannot use the domain for them); -EBUSY (the PASID is attached; a
 * replacement is prepared; a device is being reset); -ENOMEM, -ENOSPC; -EIO,
 * -ETIMEDOUT (hardware; or hardware would not let go of an earlier attachment of the
 * PASID).
 */
UIOMMU_API int uiommu_attach_pasid(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
				   struct uiommu_attach_handle *handle, struct uiommu_report *report);
/*
 * uiommu_replace_pasid - give one PASID another domain while its DMA runs
 * @domain: as of uiommu_attach_pasid(); the current one: only the handle changes, and
 * neither the driver nor hardware is asked
 * @handle: never NULL, never the one that the PASID has
 * @opts: what is demanded; NULL accepts any gap
 *
 * As uiommu_group_replace_domain(): allocates nothing, its report, its errors. Besides
 * -EINVAL: the PASID is not attached, no handle, or the handle that it has.
 */
UIOMMU_API int uiommu_replace_pasid(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
				    struct uiommu_attach_handle *handle,
				    const struct uiommu_replace_opts *opts, struct uiommu_report *report);
/*
 * Blocks a PASID and forgets it. Cannot fail: what hardware will not block is an event
 * (UIOMMU_EVENT_QUARANTINED) and is tried again when the PASID is attached anew or the
 * device removed. Cancels a prepared replacement of the group. A PASID that is not
 * attached is ignored.
 */
UIOMMU_API void uiommu_detach_pasid(struct uiommu_group *group, uint32_t pasid);

/*
 * The same three for the group of a device, which must be able to do PASIDs itself:
 * besides their errors -EINVAL without a device, -EOPNOTSUPP for one without PASIDs.
 * Also the other devices of the group are attached, replaced, detached.
 */
UIOMMU_API int uiommu_attach_device_pasid(struct uiommu_device *dev, uint32_t pasid,
					  struct uiommu_domain *domain, struct uiommu_attach_handle *handle,
					  struct uiommu_report *report);
UIOMMU_API int uiommu_replace_device_pasid(struct uiommu_device *dev, uint32_t pasid,
					   struct uiommu_domain *domain, struct uiommu_attach_handle *handle,
					   const struct uiommu_replace_opts *opts,
					   struct uiommu_report *report);
UIOMMU_API void uiommu_detach_device_pasid(struct uiommu_device *dev, uint32_t pasid);

/* The domain of a PASID (UIOMMU_NO_PASID: as uiommu_group_domain()); NULL: it is not attached. */
UIOMMU_API struct uiommu_domain *uiommu_pasid_domain(struct uiommu_group *group, uint32_t pasid);

/*
 * As uiommu_attach_group(), with a handle (not NULL, -EINVAL). -EBUSY also if the
 * group has one.
 */
UIOMMU_API int uiommu_attach_group_handle(struct uiommu_group *group, struct uiommu_domain *domain,
					  struct uiommu_attach_handle *handle,
					  struct uiommu_report *report);
/*
 * As uiommu_group_replace_domain(), with a handle that is neither NULL nor the one that
 * the group has (-EINVAL). To the current domain: only the handle changes. On error the
 * old handle stays. All calls without a handle that succeed, uiommu_detach_group() among
 * them, leave the group without one, also if it is on their domain already.
 */
UIOMMU_API int uiommu_replace_group_handle(struct uiommu_group *group, struct uiommu_domain *domain,
					   struct uiommu_attach_handle *handle,
					   const struct uiommu_replace_opts *opts,
					   struct uiommu_report *report);

/*
 * uiommu_attach_handle_get - the handle of an attachment
 * @pasid: UIOMMU_NO_PASID, or 0, which is never attached: of the group itself
 * @type: of the domain that the handle must belong to; a negative number: any
 *
 * Takes no lock. The handle stays valid as long as the caller sees to it that nobody
 * detaches or replaces. Returns 0; -ENOENT: not attached, or without a handle; -EBUSY:
 * the domain is of another type.
 */
UIOMMU_API int uiommu_attach_handle_get(struct uiommu_group *group, uint32_t pasid, int type,
					struct uiommu_attach_handle **handle);

#ifdef __cplusplus
}
#endif
#endif
