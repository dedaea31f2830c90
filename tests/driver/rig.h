/* SPDX-License-Identifier: MIT */
/*
 * A test bench for the VT-d driver: the real core, driver and model, with a hook
 * behind every store to an entry, a record of the invalidation descriptors that
 * were submitted, and a second unit of the preset "qemu" on the same tables, which
 * has no caches: what it says is what memory says. One rig at a time.
 */
#ifndef TESTS_DRIVER_RIG_H
#define TESTS_DRIVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "driver/vtd/vtd.h"
#include "hw/vtd/vtd_model.h"

#define RAM_BASE UINT64_C(0x100000)
#define RAM_SIZE UINT64_C(0x100000)
#define RIG_IOVA UINT64_C(0x110000) /* inside of the RAM, so that identity leads somewhere */
#define BLOCKED UINT64_MAX	    /* result of rig_look() */
#define RIG_KINDS 6

/* What a device can be on. A page of RAM holds its own address, so a read tells the domain. */
enum rig_domain { D_BLOCKED, D_IDENTITY, D_SECOND_A, D_SECOND_B, D_FIRST_A, D_FIRST_B };

struct rig_dev {
	struct uiommu_group *group;
	struct uiommu_device *dev;
	struct uiommu_port *port, *fresh;
	struct uiommu_attach_handle handle[2]; /* of the PASID that is replaced, in turn; data: the device */
	unsigned int turn;
};

struct rig {
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw, *fresh;
	struct uiommu_iommu *iommu;
	struct uiommu_agent *agent;
	struct hw_ops ops;
	const struct hw_ops *real;
	char *ram;
	/* After each store to an entry; not called while it runs. */
	void (*after_store)(struct rig *rig, void *opaque);
	void *opaque;
	bool hooked;
	/* After each doorbell of the invalidation queue. */
	void (*after_doorbell)(struct rig *rig);
	/* With each note of the driver, before the model hears of it; also in a plain rig. */
	void (*on_note)(struct rig *rig, enum hw_note note, uint64_t a);
	/* With each fault, in whatever thread reports it. */
	void (*on_fault)(struct rig *rig, const struct uiommu_event *event);
	/* Batches that met a queue error, and how many of them right after another such one. */
	unsigned int doorbells, refused_at, refused, refused_in_turn;
	/* While positive: with each queue error, that descriptor from then on fails too. */
	unsigned int rearm, rearm_at;
	bool hung; /* the queue was left hanging: the model calls its end a misuse */
	unsigned int stores;
	/* Descriptors submitted, without waits. */
	struct u128 desc[256];
	unsigned int n_desc, n_waits;
	_Atomic unsigned int events[UIOMMU_EVENT_DIRECT_BLOCKED + 1];
	struct uiommu_event last[UIOMMU_EVENT_DIRECT_BLOCKED + 1];
	char text[UIOMMU_EVENT_DIRECT_BLOCKED + 1][256];
	unsigned int tags_freed, tables_freed, list_adds, list_dels;
	/*
	 * Whose attachment rig_look(), rig_attach() and the like mean: of the RID
	 * (UIOMMU_NO_PASID, from the beginning), or of one PASID.
	 */
	uint32_t pasid;
	uint32_t max_pasids; /* of devices that are added */
};

struct rig_opts {
	enum uiommu_vtd_mode mode;
	bool no_store128, any_order;
	bool plain; /* no second unit, no hooks: for threads */
	uint32_t max_pasids; /* of each device */
	bool accessor; /* what devices read and write lies behind an accessor */
	struct uiommu_vtd_model_opts model;
};

void rig_begin(struct rig *rig, const struct rig_opts *opts);
/* Everything is gone and nothing leaked; the driver broke no rule of the specification. */
void rig_end(struct rig *rig);
/* Only the context, memory and models: the driver has not touched the unit. */
void rig_begin_hw(struct rig *rig, const struct rig_opts *opts);
int rig_create_iommu(struct rig *rig, const struct rig_opts *opts);

void rig_dev_add(struct rig *rig, struct rig_dev *d, uint16_t rid);
/* One more device in a group that is there. */
void rig_dev_join(struct rig *rig, struct rig_dev *d, struct rig_dev *first, uint16_t rid);
void rig_dev_remove(struct rig_dev *d);

/*
 * The same for both kinds of attachments, by rig->pasid. attach: the PASID, or the group, was
 * blocked. replace: a PASID that is not attached is attached, and to blocking it is detached;
 * of one PASID per device.
 */
int rig_attach(struct rig *rig, struct rig_dev *d, struct uiommu_domain *domain,
	       struct uiommu_report *report);
int rig_replace(struct rig *rig, struct rig_dev *d, struct uiommu_domain *domain,
		const struct uiommu_replace_opts *opts, struct uiommu_report *report);
void rig_detach(struct rig *rig, struct rig_dev *d);

/* NULL if this mode has none. @want: what a device on it reads at RIG_IOVA. */
struct uiommu_domain *rig_domain(struct rig *rig, enum rig_domain which, uint64_t *want);
struct uiommu_domain *rig_paging(struct rig *rig, enum uiommu_stage stage);
void rig_domain_free(struct uiommu_domain *domain);

/* What the device reads at @iova with @pasid, or BLOCKED. */
uint64_t rig_read_pasid(struct rig *rig, struct uiommu_port *port, uint32_t pasid, uiommu_iova_t iova);
/* With rig->pasid. */
uint64_t rig_read(struct rig *rig, struct uiommu_port *port, uiommu_iova_t iova);
static inline uint64_t rig_look(struct rig *rig, struct uiommu_port *port)
{
	return rig_read(rig, port, RIG_IOVA);
}

/* Forgets descriptors, stores, notes. */
void rig_clear(struct rig *rig);
unsigned int rig_count_desc(const struct rig *rig, enum vtd_desc type);

#endif
