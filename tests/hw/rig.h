/* SPDX-License-Identifier: MIT */
/*
 * A VT-d model with memory of its own, for tests of the model: the test writes
 * tables into the memory, commands into the queue and sends requests through ports.
 * Nothing here uses the layouts of src/hw: numbers are typed from the specification.
 */
#ifndef TESTS_HW_RIG_H
#define TESTS_HW_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <uiommu/vtd.h>

#include "base/ctx.h"
#include "hw/hw.h"

#define RIG_BASE UINT64_C(0x10000000)
#define RIG_SIZE (UINT64_C(4) << 20)
#define RIG_QUEUE RIG_BASE			/* 4 KiB */
#define RIG_STATUS (RIG_BASE + 0x1000)
#define RIG_TABLES (RIG_BASE + 0x10000)		/* the test's */

struct rig {
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct uiommu_agent *agent;
	unsigned char *host;		/* RIG_SIZE bytes at RIG_BASE */
	bool wide;			/* 32-byte descriptors */
	bool accessor;			/* memory is behind an accessor */
	bool accessor_fails;
	uint32_t tail;			/* next descriptor's offset */
	uint32_t seq;			/* of waits */
	unsigned int misuses, irqs, msis;
	uint64_t irq_address;
	uint32_t irq_data;
	uint64_t next;			/* rig_page() */
	unsigned int turn;		/* of rig_translate() */
};

/* opts may be NULL. */
void rig_start(struct rig *r, const struct uiommu_vtd_model_opts *opts, bool accessor);
void rig_stop(struct rig *r);

/* Zeroed pages of the test's memory; rig_reset_pages() takes all back. */
uint64_t rig_page(struct rig *r);
uint64_t rig_pages(struct rig *r, unsigned int n);
void rig_reset_pages(struct rig *r);

uint64_t *rig_word(struct rig *r, uint64_t pa);
void rig_put(struct rig *r, uint64_t pa, uint64_t val);

/* One-bit commands; each checks its completion. */
void rig_queue_on(struct rig *r, bool wide);
void rig_root(struct rig *r, uint64_t rtaddr);
void rig_te(struct rig *r, bool on);

/* Puts a descriptor into the queue's memory; the tail is not written yet. */
void rig_push(struct rig *r, uint64_t w0, uint64_t w1);
/* Writes the tail. */
void rig_kick(struct rig *r);
/* Pushes a wait with status and fence, kicks, and waits until the status is there. False: it never came. */
bool rig_sync(struct rig *r);
/* Global invalidation of everything that the mode knows. */
void rig_flush(struct rig *r);

/* One request inside a batch; the fault reason or 0, and the address. */
uint32_t rig_translate(struct rig *r, struct uiommu_port *port, uint32_t pasid, uint64_t iova, bool write,
		       uint64_t *pa);

/* xorshift */
uint64_t rig_random(uint64_t *state);

#endif
