/* SPDX-License-Identifier: MIT */
/*
 * What is special about a device: what firmware and buses tell of it, reserved
 * regions and direct mappings, aliases, deferred attach, reset; and the calls that
 * name a device where a group is meant.
 *
 * Context and returns as in uiommu/iommu.h.
 */
#ifndef UIOMMU_DEVICE_H
#define UIOMMU_DEVICE_H

#include <uiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In the order in which they are sorted where regions begin at the same address. */
enum uiommu_resv_type {
	/*
	 * Mapped 1:1 in default domains. The device's group cannot be put on blocking, and
	 * so not be owned, by any call that can fail.
	 */
	UIOMMU_RESV_DIRECT,
	/* Mapped 1:1 in default domains; blocking and ownership are allowed. */
	UIOMMU_RESV_DIRECT_RELAXABLE,
	UIOMMU_RESV_RESERVED,		/* DMA there does not reach memory: must not be mapped */
	UIOMMU_RESV_MSI,		/* interrupt messages, by hardware */
	UIOMMU_RESV_SW_MSI,		/* a place for interrupt messages that software maps */
};

struct uiommu_resv_region {
	uiommu_iova_t start, last;	/* inclusive */
	enum uiommu_resv_type type;
	unsigned int prot;		/* of direct ones: enum uiommu_prot, at least one bit */
};

/*
 * What the caller knows of a device that the IOMMU cannot know. Unknown trailing bytes
 * (size larger than the library's) must be zero, else -E2BIG.
 */
struct uiommu_device_opts {
	size_t size;			/* sizeof(struct uiommu_device_opts) */
	/*
	 * PASIDs that the device itself can use, 0 to UIOMMU_MAX_PASIDS; hardware may
	 * lower it. 0: none.
	 */
	uint32_t max_pasids;
	/* Not to be trusted (an external port): its default domain must be a paging one. */
	bool untrusted;
	/*
	 * A previous owner's translation is in use (a kernel that crashed): the device is not
	 * attached, and hardware not touched, before its first move away from the default
	 * domain or uiommu_device_attach_deferred().
	 */
	bool deferred;
	/* Regions that firmware tells, e.g. as RMRRs. Copied. */
	const struct uiommu_resv_region *regions;
	unsigned int n_regions;
	/*
	 * RIDs that the device's DMA may carry too: quirks, bridges. Copied. What
	 * is done with the device is done with them, in the same batch. Devices of
	 * one group may share them; an alias may be the RID of another device of the
	 * group. The device's own RID and repetitions are ignored.
	 */
	const uint16_t *aliases;
	unsigned int n_aliases;
};

/*
 * uiommu_device_add_opts - let the IOMMU know a requester
 * @opts: NULL: none of all this, as uiommu_device_add()
 *
 * As uiommu_device_add(). Direct regions are mapped in the group's default domain, if
 * it is a paging one, before the device is put on it. Besides its errors: -EEXIST (an
 * alias RID belongs to another group); -EINVAL (a region that ends before it starts or
 * has no valid type or protection, max_pasids); -EBUSY (a device of the group is being
 * reset; the device can do PASIDs and some are attached in the group); -EPERM (an
 * untrusted device, and the default domain of the group is identity); the error of
 * uiommu_map() for a direct region. On error nothing changed.
 */
UIOMMU_API int uiommu_device_add_opts(struct uiommu_group *group, uint16_t rid,
				      const struct uiommu_device_opts *opts, struct uiommu_device **dev);
UIOMMU_API struct uiommu_group *uiommu_device_group(const struct uiommu_device *dev);
/* PASIDs that device and hardware can do: valid ones are in [1, this). 0: none. */
UIOMMU_API uint32_t uiommu_device_max_pasids(const struct uiommu_device *dev);
/*
 * What hardware has for the device now: the group's domain, or blocking while the device
 * is being reset, after it was parked, or (as far as the core knows) while it is deferred.
 */
UIOMMU_API struct uiommu_domain *uiommu_device_domain(struct uiommu_device *dev);

/* As uiommu_attach_group() of the device's group. -EINVAL: the group has other devices. */
UIOMMU_API int uiommu_attach_device(struct uiommu_device *dev, struct uiommu_domain *domain,
				    struct uiommu_report *report);
/* As uiommu_detach_group(); nothing, but a log line, if the group has other devices. */
UIOMMU_API void uiommu_detach_device(struct uiommu_device *dev);

/*
 * uiommu_group_resv_regions - reserved regions of all devices of a group
 * @regions: room for @max of them, sorted by start, then type; those of one type that
 * overlap or touch are merged, with the union of their protections
 * @n: how many there are
 *
 * Returns 0; -EMSGSIZE: there are more than @max, the first @max were written; -ENOMEM.
 */
UIOMMU_API int uiommu_group_resv_regions(struct uiommu_group *group, struct uiommu_resv_region *regions,
					 unsigned int max, unsigned int *n);

/*
 * uiommu_device_attach_deferred - the device begins to use its default domain
 * Puts a deferred device on the group's domain: what the first use of DMA does. Other
 * devices: 0, nothing done. -EBUSY: a replacement of the group is prepared, or a device of
 * it is being reset. Errors of the driver: prepare failed, the device stays deferred;
 * hardware failed, it is parked on blocking.
 */
UIOMMU_API int uiommu_device_attach_deferred(struct uiommu_device *dev);

/*
 * uiommu_reset_prepare - block a device for the time of its reset
 * Device, aliases and PASIDs are put on blocking, in one batch, so that no translation
 * requests are under way. Group and PASIDs keep their domains: what they are on is what the
 * device comes back to. A prepared replacement of the group is cancelled.
 *
 * Until uiommu_reset_done(), for the whole group: attach, replace (also prepared ones), adding
 * devices, another default domain, taking ownership are -EBUSY. Calls that must not fail
 * (detach, block, release of ownership, removal) go on and leave the device alone: it comes
 * back to what they decided. Calls nest: each needs its own uiommu_reset_done(), the inner
 * ones do nothing.
 *
 * Direct mappings do not prevent it. Returns 0; -ENOMEM; errors of hardware, then the
 * device is not being reset and is where it was, or parked, which is an event.
 */
UIOMMU_API int uiommu_reset_prepare(struct uiommu_device *dev);
/*
 * The reset is done: device, aliases and PASIDs go to the domains that the group and its
 * PASIDs have now. Cannot fail: what hardware refuses is parked and an event. Without
 * uiommu_reset_prepare(): a log line.
 */
UIOMMU_API void uiommu_reset_done(struct uiommu_device *dev);

#ifdef __cplusplus
}
#endif
#endif
