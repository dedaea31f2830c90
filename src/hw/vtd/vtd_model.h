/* SPDX-License-Identifier: MIT */
/*
 * The VT-d model's inside: one remapping unit, its ports, and how its files work
 * together. regs.c: registers, events, fault records; queue.c: the invalidation
 * queue; cache.c: caches; config.c: from requester to translation type; walk.c:
 * page walks and the translate operation; model.c: making and ending.
 *
 * Locks, outer to inner: queue.lock; ports_lock; a set of the IOTLB; regs.lock.
 * Interrupt hooks are called with queue.lock held or with none. The translation
 * path takes regs.lock to record a fault and otherwise only tries.
 */
#ifndef HW_VTD_VTD_MODEL_H
#define HW_VTD_VTD_MODEL_H

#include <uiommu/vtd.h>

#include "base/ctx.h"
#include "base/task.h"
#include "hw/hw.h"
#include "hw/vtd/cache.h"
#include "hw/vtd/decode.h"

#define VTD_FRCD_OFFSET 0x400u		/* CAP.FRO */
#define VTD_FRCD_MAX	128u
#define VTD_IOTLB_REG_OFFSET 0xF00u	/* ECAP.IRO; register-based invalidation is not there */

/* What SRTP and TE made live: RTADDR as latched, with TES in a bit that RTADDR reserves. */
#define VTD_LIVE_TES	BIT64(0)

struct vtd_frcd {
	_Atomic uint64_t w[2];
};

/* An event message that waits to be sent after regs.lock was dropped. */
struct vtd_message {
	bool send;
	uint64_t address;
	uint32_t data;
};

/* Fault events and invalidation events: control, data, address and upper address. */
struct vtd_event_regs {
	_Atomic uint32_t ctl, data, addr, uaddr;
};

struct vtd_regs {
	struct lock lock;		/* writes of all below */
	_Atomic uint32_t gsts;
	_Atomic uint32_t fsts;		/* without PPF's FRI when PPF=0 */
	_Atomic uint32_t ics;
	_Atomic uint64_t rtaddr, iqa, iqh, iqt, iqercd;
	struct vtd_event_regs fe, ie;
	struct vtd_frcd *frcd;
	unsigned int n_frcd;
	unsigned int next_frcd;
};

/* How many descriptors may be fetched but not executed: hardware's freedom to reorder. */
#ifdef UIOMMU_STEERED
#define VTD_QUEUE_WINDOW 16u
#else
#define VTD_QUEUE_WINDOW 1u
#endif

struct vtd_queue {
	struct lock lock;		/* who processes */
	/* And one that is never filled: who shifts looks one ahead. */
	uint64_t window[VTD_QUEUE_WINDOW + 1][2];
	unsigned int n;			/* descriptors in window, oldest first */
	unsigned int drain;		/* kinds of access that commands since the last drain named */
	bool last_was_wait;
	bool hung;			/* test hook: a wait that never completes was met */
	_Atomic uint32_t fail_in;	/* test hook: n > 0: the n-th descriptor from now fails */
	_Atomic uint32_t fail_how;	/* enum vtd_fail */
	_Atomic bool stop;
	_Atomic bool held;		/* own thread: the window was not empty when it was left */
	/* Own thread; production build. Submitters read task: not in a line that that thread writes. */
	char apart[64];
	struct task_set *set;
	struct task *task;
};

struct vtd_port;

struct vtd_bus {
	struct vtd_port *port[256];
};

struct vtd_model {
	struct uiommu_hw hw;
	struct vtd_caps caps;
	enum uiommu_preset preset;
	bool caching;			/* false: every transaction reads memory */
	bool cache_pass;		/* pass-through translations are cached too */
	bool context_by_did;		/* legacy: device-selective goes by the domain id too */
	bool drain_by_kind;		/* DR drains reads only, DW writes only */
	uint32_t unit;			/* number in the context, from 1; 0: no front lines (front.h) */
	_Atomic uint64_t live;		/* root table address as latched, VTD_LIVE_TES */
	/* Turns of relax(), so that it yields now and then: waiters write it, in a line of its own. */
	char apart[64];
	_Atomic uint32_t relaxed;
	char apart2[64];
	struct cache cache;
	struct vtd_regs regs;
	struct vtd_queue queue;
	struct lock ports_lock;
	struct vtd_bus *bus[256];	/* ports_lock; made with a bus's first port, freed with the model */
};

#define VTD_PORT_PASIDS 16u		/* PASID lines per port, direct mapped by PASID */

/* See front.h. */
struct quick_line {
	_Atomic uint32_t seq;		/* odd while it changes; made odd by the one who changes it */
	_Atomic uint64_t stamp;
	_Atomic uint64_t live;
	_Atomic uint64_t w[2];
};

struct front_line {
	uint64_t page, tag;		/* tag 0: no line */
	uint64_t stamp;
	uint64_t pa;
};

#ifdef UIOMMU_STEERED
#define FRONT_LINES 32u			/* translations */
#define FRONT_WAYS 8u			/* ways to a table of 4 KiB pages */
#else
#define FRONT_LINES 4096u
#define FRONT_WAYS 512u
#endif

struct vtd_port {
	struct uiommu_port port;
	struct quick_line quick;	/* in the first cache line, with what comes ahead of it */
	_Atomic uint64_t context_gen;	/* device-selective context-cache invalidations */
	struct config_line context;
	struct config_line pasid[VTD_PORT_PASIDS];
} __attribute__((aligned(64)));

/* One request on its way: lives on the stack of translate(). */
struct vtd_txn {
	struct vtd_model *model;
	struct vtd_port *port;
	const struct dma_req *req;
	uint64_t stamp;			/* when it began (cache.h) */
	uint64_t live;
	uint64_t tag;			/* of the agent's lines (front.h); 0: none */
	const struct front_line *way;	/* of them, the way to the lowest table; NULL: not known */
	bool legacy;
	bool fpd;			/* effective FPD so far */
	uint32_t pasid;			/* that translates: the request's or RID_PASID; 0 in legacy mode */
	struct vtd_pasid xlat;		/* translation type; legacy entries in the same form */
};

static inline struct vtd_model *vtd_model(struct uiommu_hw *hw)
{
	return (struct vtd_model *)(void *)hw;
}

/* ---- regs.c ---- */
int vtd_regs_init(struct vtd_model *m, unsigned int fault_records);
void vtd_regs_fini(struct vtd_model *m);
uint32_t vtd_read32(struct uiommu_hw *hw, uint32_t off);
uint64_t vtd_read64(struct uiommu_hw *hw, uint32_t off);
void vtd_write32(struct uiommu_hw *hw, uint32_t off, uint32_t val);
void vtd_write64(struct uiommu_hw *hw, uint32_t off, uint64_t val);
/* Software broke a rule of the specification: an event, and nothing else happens. */
void vtd_misuse(struct vtd_model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Records a fault (7.1) and raises the fault event; nothing when FPD suppresses it. Any thread. */
void vtd_record_fault(struct vtd_model *m, const struct vtd_txn *txn, enum vtd_reason reason);
/* FSTS.IQE with its information (11.4.9.9). */
void vtd_queue_error(struct vtd_model *m, enum vtd_iqei info);
/* ICS.IWC by a wait descriptor with IF. */
void vtd_queue_interrupt(struct vtd_model *m);

/* ---- queue.c ---- */
int vtd_queue_init(struct vtd_model *m, bool own_thread);
void vtd_queue_fini(struct vtd_model *m);
/*
 * Works on the queue until there is nothing to do or another thread is at it.
 * Not inside a DMA batch: a wait may drain. True if something was done.
 */
bool vtd_queue_run(struct vtd_model *m);
/* GCMD.QIE: waits until nobody processes, then switches. */
void vtd_queue_enable(struct vtd_model *m, bool on);

/* ---- config.c ---- */
/* Root to PASID entry; fills txn->xlat, pasid, fpd. A fault reason or VTD_OK. */
enum vtd_reason vtd_config_lookup(struct vtd_txn *txn);

/* ---- walk.c ---- */
int vtd_translate(struct uiommu_port *port, const struct dma_req *req, struct dma_res *res);
size_t vtd_translate_list(struct uiommu_port *port, const struct dma_req *req, const uiommu_iova_t *iova,
			  uiommu_pa_t *pa, size_t n, uint32_t *reason);

/* ---- test hook ---- */

enum vtd_fail {
	VTD_FAIL_NONE,		/* takes back an armed failure and lets a hung queue go on */
	VTD_FAIL_IQE,		/* the descriptor is taken for corrupt: IQE, reserved field */
	VTD_FAIL_HANG,		/* the next wait from there on never completes, nor anything behind it */
};

/*
 * vtd_model_fail_descriptor - make hardware fail, for tests of a driver's error paths
 * @n: the n-th descriptor fetched from now on, 1 is the next. The failure happens
 *     once; what memory holds is not changed, so that a refetch succeeds.
 * Any thread. A hung queue is also freed by QIE=0.
 */
void vtd_model_fail_descriptor(struct uiommu_hw *hw, unsigned int n, enum vtd_fail how);

#endif
