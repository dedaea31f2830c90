/* SPDX-License-Identifier: MIT */
/*
 * Who may use the DMA of a group, and what a group falls back to.
 *
 * A group is used by kernel-like drivers, through its default domain, or it is owned by
 * somebody who gives it domains of its own (a VMM); not both. Nothing else asks for an
 * owner: attach and replace do not, who calls them must know.
 *
 * Context and returns as in uiommu/iommu.h.
 */
#ifndef UIOMMU_OWNER_H
#define UIOMMU_OWNER_H

#include <uiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * uiommu_group_claim_dma_owner - become the owner of a group's DMA
 * @owner: not NULL; an address that names the owner, never followed
 *
 * The group goes to blocking, and detaching leads there as long as it is owned. -EINVAL
 * (no owner; a device with direct mappings, which must not be blocked); -EPERM (owned, by
 * whomever, or in use by drivers); -EBUSY (not on its default domain, a PASID is
 * attached, a replacement is prepared, a device is being reset); errors of hardware. On
 * error nothing changed.
 */
UIOMMU_API int uiommu_group_claim_dma_owner(struct uiommu_group *group, const void *owner);
/*
 * Gives all claims up: the group goes to its default domain, which cannot fail, as
 * uiommu_detach_group(). -EINVAL: not owned. -EBUSY: a PASID is attached, it stays owned.
 */
UIOMMU_API int uiommu_group_release_dma_owner(struct uiommu_group *group);
/*
 * The same for the group of a device, but shared: a claim by the owner that the group has
 * is counted, and the last release gives it up. A claim by another is -EPERM.
 */
UIOMMU_API int uiommu_device_claim_dma_owner(struct uiommu_device *dev, const void *owner);
UIOMMU_API int uiommu_device_release_dma_owner(struct uiommu_device *dev);
/* Whether the group is owned, or in use by drivers. */
UIOMMU_API bool uiommu_group_dma_owner_claimed(struct uiommu_group *group);

/*
 * uiommu_device_use_default_domain - a driver begins to use a device's DMA
 * Nobody can own the group until the last uiommu_device_unuse_default_domain(). -EAGAIN:
 * the group has no default domain but blocking yet. -EBUSY: owned, on another domain than
 * its default one, or a PASID is attached.
 */
UIOMMU_API int uiommu_device_use_default_domain(struct uiommu_device *dev);
UIOMMU_API void uiommu_device_unuse_default_domain(struct uiommu_device *dev);

/* Types of default domains. */
enum uiommu_default {
	UIOMMU_DEFAULT_ANY,		/* as devices need, else as uiommu_iommu_set_default_type() says */
	UIOMMU_DEFAULT_IDENTITY,
	UIOMMU_DEFAULT_PAGING,
};

/*
 * What groups whose devices do not care get: UIOMMU_DEFAULT_PAGING from the beginning.
 * -EINVAL: neither paging nor identity. Changes no group.
 */
UIOMMU_API int uiommu_iommu_set_default_type(struct uiommu_iommu *iommu, enum uiommu_default type);
/*
 * uiommu_group_default_type - which type of default domain a group must or shall have
 * @wanted: UIOMMU_DEFAULT_ANY: no wish
 * @type: set to paging or identity if 0 is returned
 *
 * Drivers and devices decide first: a type that a driver demands for a device holds for the
 * group; if it demands both for different devices, identity wins, with a log line. An
 * untrusted device makes it paging; -EINVAL if a driver demands identity there. A wish
 * against what is demanded is -EINVAL.
 */
UIOMMU_API int uiommu_group_default_type(struct uiommu_group *group, enum uiommu_default wanted,
					 enum uiommu_default *type);
/*
 * uiommu_group_setup_default - give a group a default domain of the core's making
 * @wanted: as above. UIOMMU_DEFAULT_ANY falls back to paging if no identity domain can be had
 *
 * Also a change at run time. The domain is the group's: freed with it, or when another
 * default takes its place. Direct regions of all devices are mapped before any device is
 * put on it. If the default has the type already nothing happens. -EPERM: the group is
 * owned or used by drivers; else as uiommu_group_default_type() and
 * uiommu_group_set_default_domain(). On error nothing changed.
 */
UIOMMU_API int uiommu_group_setup_default(struct uiommu_group *group, enum uiommu_default wanted);
/* The default domain; blocking while there is no other. */
UIOMMU_API struct uiommu_domain *uiommu_group_default_domain(struct uiommu_group *group);

#ifdef __cplusplus
}
#endif
#endif
