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
 *  2. dev->att.domain is group->domain, or blocking (parked).
 *  3. A domain is freed only when no group, default or prepared transaction uses
 *     it, and, if hardware may still reach it (quarantined), after hardware is off.
 *  4. A slot is PREPARED exactly while the driver holds reservations for it.
 *  5. group->part is set exactly while a transaction is prepared for the group;
 *     whoever holds group->lock may then use part and part->txn: commit and abort
 *     must take that lock and clear it before they free them.
 *  6. A part holds a reference to its group, so that a group destroyed after a
 *     cancellation can still be locked by the commit that comes too late.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdatomic.h>

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
	/* Blocking is the target only because it is the default. */
	CORE_TO_DEFAULT = 4,
};

struct uiommu_group {
	struct uiommu_iommu *iommu;
	struct core_listed listed;
	bool gone;				/* destroyed: its domains are not its own any more */
	struct uiommu_ctx *ctx;
	struct lock lock;
	struct uiommu_device *devices;		/* in order of adding */
	unsigned int n_devices;
	struct uiommu_domain *domain;		/* current; never NULL */
	struct uiommu_domain *default_domain;	/* blocking when none was set */
	bool blocked;				/* put on blocking by a caller, not for lack of a default */
	_Atomic(struct uiommu_attach_handle *) handle;	/* of the current attachment; read under RCU */
	struct txn_part *part;			/* the prepared transaction that pins the group */
	struct core_slot **slots;		/* room for n_devices pointers: a change allocates nothing */
	unsigned int n_slots;
	_Atomic unsigned int refs;		/* memory only: the caller's and parts of transactions */
};

struct txn_part {
	struct uiommu_txn *txn;
	struct uiommu_group *group;
	struct uiommu_domain *domain;
	struct uiommu_attach_handle *handle;
};

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
void slot_init(struct core_att *att, struct uiommu_domain *to);

/*
 * group_collect - slots of the devices that a change to @to concerns
 * @slots: room for n_devices. Returns their number. Group lock held.
 */
unsigned int group_collect(struct uiommu_group *group, struct uiommu_domain *to, struct core_slot **slots);
/* The first stuck device: a change that may fail is refused while there is one. NULL: none. */
struct uiommu_device *group_stuck(struct uiommu_group *group);
/*
 * Makes @to the group's domain after its devices were moved. The caller's use of
 * @to (domain_get()) becomes the group's. Group lock held.
 */
void group_settle(struct uiommu_group *group, struct uiommu_domain *to,
		  struct uiommu_attach_handle *handle, unsigned int flags);
/*
 * group_set_domain - the one change of one group
 * @plan: initialised by the callee. Group lock held. Errors as the public calls say.
 */
int group_set_domain(struct uiommu_group *group, struct uiommu_domain *to, unsigned int flags,
		     const struct uiommu_replace_opts *opts, struct uiommu_report *plan, bool times);
void group_ref(struct uiommu_group *group);
void group_unref(struct uiommu_group *group);

/* Takes a group out of the transaction prepared for it, which can no longer be committed. Group lock held. */
void txn_cancel(struct uiommu_group *group);

/* Group or domain @item appears, or ends (then waits until show has left it). Takes iommu->lock. */
void core_list_add(struct uiommu_iommu *iommu, struct core_list *list, struct core_listed *item);
void core_list_del(struct uiommu_iommu *iommu, struct core_list *list, struct core_listed *item);

/* Users of a domain. */
static inline void domain_get(struct uiommu_domain *domain)
{
	atomic_fetch_add_explicit(&domain->users, 1, memory_order_relaxed);
}

static inline void domain_put(struct uiommu_domain *domain)
{
	/* Pairs with the acquire in uiommu_domain_free(): all that was done with it came before. */
	atomic_fetch_sub_explicit(&domain->users, 1, memory_order_release);
}

/* Hardware may still reach @domain through @att: its memory is kept. Blocking is kept anyway. */
void domain_quarantine(struct uiommu_domain *domain, struct core_att *att, int error);

/* Sizes of option structs: 0, -EINVAL (smaller than @known), -E2BIG (non-zero bytes behind @known). */
int opts_check(const void *opts, size_t size, size_t known);
int replace_opts_check(const struct uiommu_replace_opts *opts);

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
