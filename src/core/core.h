/* SPDX-License-Identifier: MIT */
/*
 * The core's own objects and its one engine. Attach, detach, replace, block,
 * device addition and removal are all the engine with other flags.
 *
 * Locks, outermost first:
 *  1. group->lock: the group, its devices and their slots. Held through a change,
 *     also while a driver waits for hardware. Several groups are locked in
 *     ascending order of address (a transaction); nobody else holds two.
 *  2. iommu->lock: the list of devices, the counts, the quarantine list. A leaf:
 *     neither a driver nor a callback is called under it.
 *  Drivers' locks come after group->lock. Events and log lines are delivered
 *  under group->lock. map, unmap and iova_to_phys take no lock of the core.
 *
 * Invariants:
 *  1. att->domain is what hardware does with the device, unless att->stuck or dev->deferred.
 *  2. dev->att.domain is group->domain, or blocking (parked, being reset, deferred). A
 *     PASID's att->domain is that of its core_pasid, or blocking (parked, being reset).
 *  3. A domain is freed only when no group, default or prepared transaction uses
 *     it, and, if hardware may still reach it (quarantined), after hardware is off.
 *  4. A slot is PREPARED exactly while the driver holds reservations for it.
 *  5. group->txn is set exactly while a transaction is prepared for the group;
 *     whoever holds group->lock may then use it: commit and abort must take that lock
 *     and clear it before they free it.
 *  6. A transaction holds a reference to each of its groups, so that a group destroyed
 *     after a cancellation can still be locked by the commit that comes too late.
 *  7. What fault paths may find (devices by RID, groups of devices, PASIDs, handles) is
 *     freed, or given back to a caller, only a grace period after it was taken away. The
 *     wait comes before group->lock is dropped: who takes the lock afterwards and
 *     finds a handle gone may have it back at once, whoever took it away.
 *  8. While dev->reset_depth, dev's RID and PASIDs are on blocking. Changes that may fail
 *     are refused (group->resetting), the others leave these attachments out.
 *  9. A device with carriers is in the group because it is an alias of that many others;
 *     with alias set, for no other reason.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdatomic.h>

#include "base/rcu.h"
#include "core/driver.h"

enum slot_state {
	SLOT_IDLE,
	SLOT_PREPARED,
};

/* Flags of a change. */
enum core_flags {
	/* Failing devices are parked and the change goes on; it also cancels a prepared transaction. */
	CORE_MUST_SUCCEED = 1,
	/* Only from the default or the blocking domain. */
	CORE_NEEDS_CORE_DOMAIN = 2,
	/* The target is, or becomes, the default domain: blocking only for lack of another. */
	CORE_TO_DEFAULT = 4,
	/* The attachment must have no handle yet. */
	CORE_NEEDS_NO_HANDLE = 8,
};

#define CORE_PASID_BUCKETS 16

struct uiommu_group {
	/*
	 * What each change needs. The lock stands apart from what is read first under it: a wide
	 * load over a byte that was just stored has to wait for the store.
	 */
	struct uiommu_iommu *iommu;
	struct core_slot **slots;		/* room for n_devices pointers: a change allocates nothing */
	/*
	 * Current, never NULL; and where a change leads, NULL at rest. Written under lock. Neither
	 * counts among the domain's users, which a replacement would pay locked instructions for:
	 * who frees a domain looks here instead (domain_users()).
	 */
	_Atomic(struct uiommu_domain *) domain, moving_to;
	struct uiommu_domain *default_domain;	/* blocking when none was set */
	_Atomic(struct uiommu_attach_handle *) handle;	/* of the current attachment; read under RCU */
	struct uiommu_txn *txn;			/* the prepared transaction that pins the group */
	struct uiommu_device *devices;		/* in order of adding; linked by next */
	unsigned int resetting;			/* devices between reset_prepare and reset_done */
	unsigned int n_direct;			/* of n_devices: those with require_direct */
	unsigned int n_devices;
	struct lock lock;
	bool gone;				/* destroyed: its domains are not its own any more */
	bool blocked;				/* put on blocking by a caller, not for lack of a default */
	bool own_default;			/* default_domain is the core's: freed with its use */
	/* The rest. */
	unsigned int n_aliases;			/* of n_devices: those that are aliases only */
	unsigned int n_slots;
	struct core_listed listed;
	struct uiommu_ctx *ctx;
	const void *owner;			/* NULL: none */
	unsigned int owner_count;		/* claims of the owner, or drivers that use the group */
	_Atomic unsigned int refs;		/* memory only: the caller's and transactions' */
	unsigned int n_pasids;
	_Atomic(struct core_pasid *) pasids[CORE_PASID_BUCKETS];	/* read under RCU */
};

/* An attached PASID of a group; freed a grace period after it left its bucket. */
struct core_pasid {
	_Atomic(struct core_pasid *) next;	/* in the bucket */
	uint32_t pasid;
	struct uiommu_domain *domain;		/* current; holds a user */
	_Atomic(struct uiommu_attach_handle *) handle;
	struct core_att **atts;			/* one per device that can do PASIDs */
	struct core_slot **slots;		/* room for n: a change allocates nothing */
	unsigned int n;
	struct core_pasid *gone;		/* in a grave */
};

/* In no particular order. The body may take @p, and no other one, out of its bucket. */
#define for_each_pasid(group, b, p) \
	for (unsigned int b = 0; b < CORE_PASID_BUCKETS; b++) \
		for (struct core_pasid *p = rcu_read(&(group)->pasids[b]); p; p = rcu_read(&p->next))

/* What group_set_domain() and its like for PASIDs are asked to do. */
struct core_change {
	struct uiommu_domain *to;
	struct uiommu_attach_handle *handle;	/* NULL: without one */
	const struct uiommu_replace_opts *opts;
	unsigned int flags;
	bool times;				/* the driver shall measure */
};

/* After a handle was taken away: until no fault path can use it any more. Group lock held. */
static inline void core_grace(bool due)
{
	if (due)
		rcu_wait();
}

/* Devices of one bus by devfn. */
struct core_bus {
	unsigned int n;
	struct core_bus *next;			/* in a grave */
	_Atomic(struct uiommu_device *) dev[256];
};

/* What fault paths may still be looking at, to be freed before the lock is dropped. */
struct core_grave {
	struct uiommu_device *devices;		/* by next */
	struct core_bus *buses;
	struct core_pasid *pasids;		/* by gone */
	bool grace;				/* a grace period is due for another reason, too */
};
void grave_end(struct uiommu_ctx *ctx, struct core_grave *grave);

/* Slots of one IOMMU that change together. */
struct core_run {
	struct uiommu_iommu *iommu;
	struct core_slot **slots;
	unsigned int n;
};

/*
 * engine_prepare - reserve for all slots of all runs
 * @plan: initialised; becomes the sum over all slots
 * With CORE_MUST_SUCCEED, devices that cannot be prepared are parked and leave
 * their run. Otherwise 0, or -errno with nothing prepared and the reason in @plan;
 * -EOPNOTSUPP when the demand in @opts (NULL: none) is not met. Group locks held.
 */
int engine_prepare(struct core_run *runs, unsigned int n, unsigned int flags,
		   const struct uiommu_replace_opts *opts, struct uiommu_report *plan);
/* Gives up prepared runs. */
void engine_abort(struct core_run *runs, unsigned int n);
/*
 * engine_commit - move all devices of prepared runs
 * Slots are idle afterwards and att->domain tells the truth, whatever it returns.
 * Without CORE_MUST_SUCCEED an error means: every device is on slot->from, or
 * parked, or stuck. With it: every device is on slot->to, or parked, or stuck.
 * @plan: from engine_prepare(); times are added; a failure's reason is put in.
 * @times: whether the driver shall measure. Group locks held.
 */
int engine_commit(struct core_run *runs, unsigned int n, unsigned int flags, struct uiommu_report *plan,
		  bool times);
/* Tries again to park a stuck attachment. 0, or -errno and it is still stuck. Group lock held. */
int engine_unstick(struct core_att *att);

/* Readies the slot of an attachment for a change to @to. */
static inline void slot_init(struct core_att *att, struct uiommu_domain *to)
{
	att->slot = (struct core_slot){
		.att = att,
		.dev = att->dev,
		.pasid = att->pasid,
		.from = att->domain,
		.to = to,
		.state = SLOT_IDLE,
		/* Of a deferred device hardware is as a previous owner left it. */
		.where = att->dev->deferred && att->pasid == UIOMMU_NO_PASID ? NULL : att->domain,
	};
}

/* Whether a change that may fail has to leave the group alone. 0, or -EBUSY and the reason in @plan. */
int group_busy(const struct uiommu_group *group, struct uiommu_report *plan);
/* For changes that must not fail: cancels a prepared transaction. Group lock held. */
void group_unpin(struct uiommu_group *group);
/*
 * group_collect - slots of the devices that a change of the group to @to concerns
 * @slots: room for n_devices
 * @flags: CORE_TO_DEFAULT matters
 * @stuck: set to the first device that is left out because it is stuck, else left alone
 * Returns their number. Group lock held.
 */
unsigned int group_collect(struct uiommu_group *group, struct uiommu_domain *to, unsigned int flags,
			   struct core_slot **slots, struct uiommu_device **stuck);
/* The first stuck device: a change that may fail is refused while there is one. NULL: none. */
struct uiommu_device *group_stuck(struct uiommu_group *group);
/*
 * Makes @to the group's domain after its devices were moved. Returns whether a handle was
 * taken away and core_grace() is due. Group lock held.
 */
bool group_settle(struct uiommu_group *group, struct uiommu_domain *to,
		  struct uiommu_attach_handle *handle, unsigned int flags);
/*
 * group_set_domain - the one change of one group
 * @plan: initialised by the callee. Group lock held. Errors as the public calls say.
 */
int group_set_domain(struct uiommu_group *group, struct core_change *change, struct uiommu_report *plan);
void group_ref(struct uiommu_group *group);
void group_unref(struct uiommu_group *group);
/* A device with direct mappings is on blocking after all: an event. */
void direct_blocked_event(struct uiommu_device *dev);
/* Moves one attachment, and does not fail. A stuck one is parked if @to is blocking, else left. */
void att_move(struct core_att *att, struct uiommu_domain *to);

/* The devices of a RID, also the removed ones that are stuck; NULL. RCU section or iommu->lock. */
struct uiommu_device *device_find(struct uiommu_iommu *iommu, uint16_t rid);
/* Puts the deferred devices of a group on its domain. 0, or the first error. Group lock held. */
int group_end_deferred(struct uiommu_group *group);
/* @dev, which was being reset, comes back to what its group and PASIDs are on now. Group lock held. */
void device_bring_back(struct uiommu_device *dev);
/* One reset of @dev less for itself and its aliases; nothing moves. Group lock held. */
void reset_close(struct uiommu_device *dev);

/* The core_pasid of a PASID that is attached. NULL: none. Group lock or RCU section. */
struct core_pasid *pasid_find(struct uiommu_group *group, uint32_t pasid);
/* As group_collect(), group_stuck(), group_settle(), of one PASID. */
unsigned int pasid_collect(struct core_pasid *p, struct uiommu_domain *to, struct core_slot **slots);
struct uiommu_device *pasid_stuck(const struct core_pasid *p);
bool pasid_settle(struct core_pasid *p, struct uiommu_domain *to, struct uiommu_attach_handle *handle);
/* A PASID's attachment for @dev; NULL if it has none. */
struct core_att *pasid_att(const struct core_pasid *p, const struct uiommu_device *dev);
/* Slots of @dev's PASIDs, all to @to. Returns their number. */
unsigned int pasids_collect(struct uiommu_device *dev, struct uiommu_domain *to, struct core_slot **slots);
/* @dev's PASIDs go to the domains that they have. */
void pasids_bring_back(struct uiommu_device *dev);
/* @dev leaves its group, and its PASIDs: blocked, and gone if it was the last device that had them. */
void pasids_leave(struct uiommu_device *dev, struct core_grave *grave);
/* Tries again to block PASIDs that are stuck; of a removed device what it left. 0, or -errno. */
int pasids_unstick(struct uiommu_device *dev);
/* Ends what earlier attachments left, once hardware is off or has blocked them. */
void pasids_drop_lost(struct uiommu_device *dev);

/*
 * resv_with - all regions of a device and @n more, in a new array that replaces dev->resv
 * once nothing can fail any more. @all: NULL if there is none. 0, -ENOMEM.
 */
int resv_with(const struct uiommu_device *dev, const struct uiommu_resv_region *more, unsigned int n,
	      struct uiommu_resv_region **all);
/* 0, -EINVAL. */
int resv_check(const struct uiommu_resv_region *region);
/* Whether one of the regions is of type UIOMMU_RESV_DIRECT. */
bool resv_direct(const struct uiommu_resv_region *regions, unsigned int n);
/* What was mapped, so that it can be undone. */
struct resv_undo {
	struct resv_undo *next;
	uiommu_iova_t start;
	uint64_t size;
};
/*
 * resv_map - maps the direct ones of @regions 1:1 in @domain, where nothing is mapped yet
 * Nothing if @domain is not a paging one. *@undo grows by what was mapped, also on error; it
 * goes to resv_undo(), which takes it back, or resv_keep().
 */
int resv_map(struct uiommu_domain *domain, const struct uiommu_resv_region *regions, unsigned int n,
	     struct resv_undo **undo);
void resv_undo(struct uiommu_domain *domain, struct resv_undo *undo);
void resv_keep(struct uiommu_ctx *ctx, struct resv_undo *undo);

/* Takes a group out of the transaction prepared for it, which can no longer be committed. Group lock held. */
void txn_cancel(struct uiommu_group *group);

/* What contains a list item. */
#define CORE_LISTED(item, type) \
	((struct type *)(void *)((char *)(item) - offsetof(struct type, listed)))
/* Group or domain @item appears, or ends (then waits until show has left it). Takes iommu->lock. */
void core_list_add(struct uiommu_iommu *iommu, struct core_list *list, struct core_listed *item);
void core_list_del(struct uiommu_iommu *iommu, struct core_list *list, struct core_listed *item);

/* Users of a domain beside the groups on it: defaults, PASIDs, prepared transactions. */
/*
 * After a new use was published (moving_to, users): waits while somebody looks whether the domain
 * can be freed. So uses only become fewer while one looks, and a look that meets none is right.
 */
static inline void domain_taken(struct uiommu_domain *domain)
{
	struct task_spin spin = { 0 };

	quiesce_light(&domain->iommu->ctx->quiesce);
	while (__builtin_expect(atomic_load_explicit(&domain->leaving, memory_order_acquire), 0))
		task_relax(&spin);
}

static inline void domain_get(struct uiommu_domain *domain)
{
	atomic_fetch_add_explicit(&domain->users, 1, memory_order_relaxed);
	domain_taken(domain);
}

static inline void domain_put(struct uiommu_domain *domain)
{
	/* Pairs with the acquire in uiommu_domain_free(): all that was done with it came before. */
	atomic_fetch_sub_explicit(&domain->users, 1, memory_order_release);
}

/* All users, groups among them; walks the IOMMU's groups, so it may count what moves twice or not at all. */
unsigned int domain_users(struct uiommu_domain *domain);
/*
 * The core gives up a default domain of its own making, of which its group has let go. One
 * that a caller attached elsewhere is kept until the IOMMU ends. No group lock held.
 */
void domain_drop(struct uiommu_domain *domain);

/* Hardware may still reach @domain through @att: its memory is kept. Blocking is kept anyway. */
void domain_quarantine(struct uiommu_domain *domain, struct core_att *att, int error);

/* Sizes of option structs: 0, -EINVAL (smaller than @known), -E2BIG (non-zero bytes behind @known). */
int opts_check(const void *opts, size_t size, size_t known);
/* The report, if there is one, says which field is not valid. */
int replace_opts_check(const struct uiommu_replace_opts *opts, struct uiommu_report *report);
/* -EINVAL, with the reason: @group is NULL, else the domain. */
int report_no_target(struct uiommu_report *report, const struct uiommu_group *group);

/* Reports. reason is formatted only when there is one: the way without a gap formats nothing. */
void report_init(struct uiommu_report *report);
/* @from without its times; @to may be NULL. */
void report_copy(struct uiommu_report *to, const struct uiommu_report *from);
void report_merge(struct uiommu_report *sum, const struct uiommu_report *one);
/* Nothing was done: counts become zero. @dev may be NULL, @report too. Returns @err. */
int report_refuse(struct uiommu_report *report, struct uiommu_device *dev, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Puts in the reason and the device, if none are there yet. */
void report_blame(struct uiommu_report *report, struct uiommu_device *dev, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define RID_FMT "%02x:%02x.%u"
#define RID_ARGS(rid) (unsigned int)((rid) >> 8), (unsigned int)((rid) >> 3 & 31), (unsigned int)((rid) & 7)

#endif
