/* SPDX-License-Identifier: MIT */
/*
 * What a driver gives to the core, and the core's objects as drivers see them.
 *
 * An attachment is what a requester is on: a device's RID, or one PASID of it. A
 * replacement is a set of slots, one per attachment, of RIDs and PASIDs in any
 * mixture. The core calls prepare for every slot, then commit with all slots of one
 * IOMMU at once, then finish for every slot; or abort for the prepared ones.
 *
 * Calls for one attachment come one at a time. Calls for several attachments of one
 * device come one at a time too, all under the lock of its group.
 *
 * A device whose DMA carries other RIDs too (aliases) needs nothing from a driver: the
 * core makes a device of each alias RID (alias is set), which is probed, and whose
 * attachments change in the same batches as the others of the group.
 */
#ifndef CORE_DRIVER_H
#define CORE_DRIVER_H

#include <uiommu/iommu.h>
#include <uiommu/device.h>
#include <uiommu/owner.h>
#include <uiommu/pasid.h>
#include <uiommu/show.h>

#include "base/ctx.h"
#include "base/lock.h"

struct core_att;

struct core_slot {
	struct core_att *att;
	struct uiommu_device *dev;		/* att->dev */
	uint32_t pasid;				/* att->pasid: UIOMMU_NO_PASID for the RID */
	struct uiommu_domain *from;		/* what the attachment is on now */
	struct uiommu_domain *to;
	/* What the caller demands; during prepare only. NULL: any gap will do. */
	const struct uiommu_replace_opts *opts;
	/*
	 * Set by a failing commit: hardware may be on either domain, in any mixture,
	 * and the core must park the device. May be set for several slots of a batch
	 * from *done on; clear when commit is called: lost ones do not come again.
	 */
	bool lost;
	/* Driver's, valid from prepare to finish or abort. */
	void *drv;
	/* Core's. */
	unsigned char state;
	struct uiommu_domain *where;		/* where it is; NULL: not known */
};

/* What a device's RID, or one of its PASIDs, is on. */
struct core_att {
	struct uiommu_device *dev;
	uint32_t pasid;				/* UIOMMU_NO_PASID: the RID's own */
	bool stuck;				/* parking failed: hardware is where it likes; group lock */
	struct uiommu_domain *domain;		/* what hardware was last told; group lock */
	void *drv;				/* driver's, of a PASID's attachment; the RID has dev->drv */
	struct core_slot slot;			/* core's, as it comes to prepare; group lock */
	struct core_att *next;			/* core's */
};

enum core_direction {
	CORE_FORWARD,		/* from -> to */
	CORE_BACK,		/* to -> from, for slots that were committed forward */
};

struct iommu_ops {
	const char *name;

	/*
	 * A domain whose first member is a struct uiommu_domain, for paging and
	 * identity; blocking once, when the IOMMU is made. The driver sets the stage
	 * of a paging domain, the core the other common members. @opts has been
	 * checked against the header. -EOPNOTSUPP, -EINVAL, -ENOMEM.
	 */
	int (*domain_alloc)(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
			    struct uiommu_domain **domain);
	/*
	 * Not attached anywhere; quarantined ones and blocking only from
	 * iommu_unregister(). Cannot fail.
	 */
	void (*domain_free)(struct uiommu_domain *domain);
	/* Paging domains only; addresses, sizes and permissions have been checked. */
	int (*map)(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
		   unsigned int prot);
	int (*unmap)(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size);
	int (*iova_to_phys)(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa);
	/*
	 * Optional. The domain becomes a group's default: what prepare towards it needs
	 * of the domain itself (a tag) is reserved from now on until domain_free, whoever
	 * else takes what is left. Any number of times for one domain, by several threads
	 * at once. 0, -ENOSPC, -ENOMEM.
	 */
	int (*reserve)(struct uiommu_domain *domain);

	/*
	 * A device appears: allocate dev->drv and whatever later operations must not
	 * fail for; hardware blocks it. dev->max_pasids is what the function itself can
	 * do: lower it to what this hardware can (0: none). dev->deferred is set if the
	 * caller knows that a previous owner's translation is in use; the driver may set
	 * it too. What probe does with such a device is the driver's: it may leave the
	 * entry as it is. release: hardware blocks the device already, or it is still
	 * deferred, or translation is off (a device that could not be parked is kept
	 * until then).
	 */
	int (*probe)(struct uiommu_device *dev);
	void (*release)(struct uiommu_device *dev);
	/*
	 * Optional, both or none: without them devices have no PASIDs. An attachment of
	 * att->pasid, in [1, dev->max_pasids), appears: allocate att->drv and whatever
	 * later operations must not fail for; hardware blocks the PASID. pasid_release:
	 * as release, of an attachment that is on blocking. -ENOMEM, -ENOSPC.
	 */
	int (*pasid_probe)(struct core_att *att);
	void (*pasid_release)(struct core_att *att);
	/*
	 * Optional. The only type of default domain that the device can have:
	 * UIOMMU_DEFAULT_IDENTITY or _PAGING; _ANY if it does not care.
	 */
	enum uiommu_default (*def_domain_type)(struct uiommu_device *dev);
	/*
	 * Optional. Calls @add with @opaque for each region of IOVAs that this hardware
	 * reserves (interrupt addresses). Called once, after probe. Returns the first error
	 * of @add, else 0.
	 */
	int (*resv_regions)(struct uiommu_device *dev,
			    int (*add)(void *opaque, const struct uiommu_resv_region *region), void *opaque);

	/*
	 * prepare - reserve all that commit may need, the way back too; nothing that
	 * hardware can see changes. slot->from is what hardware is on. Fills the
	 * report's gap, strategy, stores, config_syncs, tag_flushes, best_gap and
	 * reason for this slot (it comes zeroed, reason empty; never NULL).
	 * -ENOMEM, -ENOSPC (tags), -EINVAL. Towards blocking, or (of a RID) towards a
	 * domain that is the group's default, it must not fail; if it does where the core
	 * cannot fail either, the core parks the device. -EOPNOTSUPP, -EINVAL: this
	 * domain cannot be used here (a stage that hardware has not for PASIDs).
	 * With dev->deferred (RID only) hardware is as a previous owner left it, and
	 * slot->from is blocking all the same: that is where a way back leads.
	 */
	int (*prepare)(struct core_slot *slot, struct uiommu_report *report);
	void (*abort)(struct core_slot *slot);
	/*
	 * commit - all slots of one IOMMU, configuration and translation caches
	 * invalidated in one batch. *done: slots [0, *done) are on their new domain
	 * (CORE_BACK: their old one); on error *done < n, slot *done failed and is
	 * still where it was, those after it are as if not touched. Slots that
	 * hardware lets be put neither here nor there have slot->lost set, whatever
	 * the error is, and the core parks them; nothing else says so. A driver may
	 * try again before it gives up; if it returns 0 then, what prepare reported
	 * held all the way (no worse gap). May be called several times for one set
	 * of slots: the core goes on behind a failure. A device that was deferred when
	 * its slot failed is parked by the core, lost or not.
	 * Adds to report->cpu_ns and drain_ns when report is not NULL.
	 */
	int (*commit)(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
		      enum core_direction direction, unsigned int *done, struct uiommu_report *report);
	/*
	 * After commit, for every slot that was given to it, failed or not: the slot
	 * rests (slots that commit never saw get abort). where says on which of its
	 * domains (from after a way back, blocking after parking). Drops what was
	 * reserved for the others: list nodes, tags. NULL: parking failed, hardware
	 * may still reach both domains, both keep list nodes and tags until park of
	 * the device succeeds. Cannot fail.
	 */
	void (*finish)(struct core_slot *slot, struct uiommu_domain *where);
	/*
	 * park - block an attachment now, whatever state it is in; between commit and
	 * finish of its slot, or with no slot prepared. After success nothing of the
	 * attachment's is cached; what it held, also what finish(NULL) kept, is
	 * dropped by park, or by the finish(blocking) that follows when a slot is
	 * under way. Other attachments of the device are not concerned. Needs no
	 * reservation. Fails only by hardware.
	 */
	int (*park)(struct core_att *att);

	/*
	 * Optional, for uiommu_show(). show_iommu fills in mode; show_domain tag, levels, root,
	 * tables, leaves and mapped (they come zeroed, tag as none), at any time, while others
	 * map and unmap; show_attachment calls @ops->entry, which is not NULL, for each entry on
	 * hardware's way to the attachment's translation, with the group's lock held.
	 */
	void (*show_iommu)(struct uiommu_iommu *iommu, struct uiommu_show_iommu *show);
	void (*show_domain)(struct uiommu_domain *domain, struct uiommu_show_domain *show);
	void (*show_attachment)(struct core_att *att, const struct uiommu_show_ops *ops, void *opaque);

	/*
	 * Turns the hardware off, calls iommu_unregister(), frees what is the
	 * driver's, *iommu too. Groups and domains of callers are gone. Cannot fail.
	 */
	void (*destroy)(struct uiommu_iommu *iommu);
};

struct core_bus;

/* The groups, or the domains, of an IOMMU in order of creation, for show (core/show.c); iommu->lock. */
struct core_listed {
	uint64_t id;				/* from 1 on; the blocking domain is 0; constant */
	unsigned int looked_at;			/* show is at it: it stays in the list */
	struct core_listed *next, *prev;
};

struct core_list {
	struct core_listed *first, *last;
	uint64_t last_id;
};

/* First member of a driver's IOMMU. */
struct uiommu_iommu {
	const struct iommu_ops *ops;
	struct uiommu_ctx *ctx;
	struct lock lock;			/* groups, devices, domains: counts below */
	unsigned int groups, domains;
	/* All, also those removed while stuck (their group is NULL); linked by next_in_iommu; lock. */
	struct uiommu_device *devices;
	_Atomic bool default_identity;		/* what groups get whose devices do not care; else paging */
	struct uiommu_domain *blocking;
	struct uiommu_domain *quarantine;	/* freed by callers, kept: linked by quarantine_next */
	struct core_list group_list, domain_list;
	/* Devices by RID, for those who have no lock: read under RCU, written under lock. */
	_Atomic(struct core_bus *) bus[256];
};

/* First member of a driver's domain. */
struct uiommu_domain {
	struct uiommu_iommu *iommu;
	enum uiommu_domain_type type;
	enum uiommu_stage stage;
	struct core_listed listed;
	_Atomic unsigned int users;		/* beside groups on it: see domain_users() */
	_Atomic bool leaving;			/* who frees it looks for users: new ones wait */
	_Atomic bool quarantined;		/* hardware may still reach its tables: never free */
	struct uiommu_domain *quarantine_next;
};

struct uiommu_device {
	/* What each change looks at first. */
	struct uiommu_device *next;		/* in the group, in order of adding */
	unsigned int reset_depth;		/* core's: it or carriers being reset, blocked meanwhile */
	bool deferred;				/* never attached yet; group lock once probed */
	bool alias;				/* made by the core for an alias RID */
	bool untrusted, require_direct;		/* core's */
	struct core_att att;			/* the RID's */
	void *drv;				/* driver's */
	_Atomic(struct uiommu_group *) group;	/* NULL: removed, kept because it is stuck */
	struct uiommu_iommu *iommu;
	uint16_t rid;
	uint32_t max_pasids;			/* valid PASIDs are below it; constant after probe */
	/* Core's. */
	struct uiommu_device *next_in_iommu, **link_in_iommu;
	uint32_t hw_pasids;			/* max_pasids if the function could do all */
	unsigned int resets;			/* calls of reset_prepare for it that are open */
	unsigned int carriers;			/* of an alias: devices whose DMA carries the RID */
	struct uiommu_device **aliases;
	unsigned int n_aliases;
	struct uiommu_resv_region *resv;	/* all, the driver's too, as they were told */
	unsigned int n_resv, n_hw_resv;		/* n_hw_resv of them, from the front: the driver's */
	struct core_att *lost_pasids;		/* detached, but hardware would not block them */
};

/*
 * iommu_register - for drivers: fills the common part and allocates the blocking
 * domain by ops->domain_alloc, so the driver must be ready for that. 0 or the
 * driver's error, then nothing is left to undo.
 */
int iommu_register(struct uiommu_iommu *iommu, struct uiommu_ctx *ctx, const struct iommu_ops *ops);
/*
 * iommu_unregister - for drivers, from ops->destroy and on their own error paths
 * after iommu_register(): frees the blocking domain, what is quarantined and the
 * devices that could not be parked. Hardware must not translate any more.
 */
void iommu_unregister(struct uiommu_iommu *iommu);

/*
 * core_attach_handle - for drivers' fault paths: whom a fault belongs to
 * @rid, @pasid: as hardware recorded them; UIOMMU_NO_PASID: none. An alias RID leads to
 * the group of the devices that carry it.
 *
 * Takes no lock and allocates nothing: may be called inside a DMA batch. The caller is
 * in an RCU read section (base/rcu.h) and uses *@handle only until its end. Returns 0;
 * -ENOENT: no such device, PASID or no handle with its attachment, *@handle is NULL.
 */
int core_attach_handle(struct uiommu_iommu *iommu, uint16_t rid, uint32_t pasid,
		       const struct uiommu_attach_handle **handle);
/*
 * core_fault - for drivers: an access was blocked
 * Finds the attach handle by the event's rid and pasid, puts its data in and hands the
 * event to the callback. The handle stays until that returned. As core_attach_handle().
 */
void core_fault(struct uiommu_iommu *iommu, const struct uiommu_event *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
