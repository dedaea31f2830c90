/* SPDX-License-Identifier: MIT */
/*
 * Registers (11.4), event interrupts, fault recording (7.1). Reads take no lock;
 * writes and status changes take regs.lock; a message is sent after it was dropped.
 *
 * Invariants (all under regs.lock):
 * 1. FSTS.PPF is the or of all FRCD.F; FRI is the record that set it last.
 * 2. A status bit that becomes set while its whole group is clear sets IP; IP with
 *    IM=0 sends the message and clears IP; a group that becomes clear clears IP.
 * 3. F is written after the rest of its record.
 */
#include <errno.h>
#include <stdio.h>

#include "base/choice.h"
#include "hw/vtd/vtd_model.h"

#define FSTS_GROUP ((uint32_t)(VTD_FSTS_PFO | VTD_FSTS_PPF | VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE))
#define FSTS_W1C ((uint32_t)(VTD_FSTS_PFO | VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE))
#define ONE_SHOTS (VTD_G_SRTP | VTD_G_SFL | VTD_G_WBF | VTD_G_SIRTP)

int vtd_regs_init(struct vtd_model *m, unsigned int fault_records)
{
	struct vtd_regs *r = &m->regs;

	lock_init(&r->lock);
	r->frcd = alloc_zeroed(&m->hw.ctx->alloc, fault_records, sizeof(*r->frcd));
	if (!r->frcd)
		return -ENOMEM;
	r->n_frcd = fault_records;
	atomic_init(&r->fe.ctl, VTD_ECTL_IM);
	atomic_init(&r->ie.ctl, VTD_ECTL_IM);
	return 0;
}

void vtd_regs_fini(struct vtd_model *m)
{
	alloc_free(&m->hw.ctx->alloc, m->regs.frcd);
}

void vtd_misuse(struct vtd_model *m, const char *fmt, ...)
{
	struct uiommu_event event = { .kind = UIOMMU_EVENT_DRIVER_MISUSE, .pasid = UIOMMU_NO_PASID };
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctx_event(m->hw.ctx, &event, "VT-d: %s", text);
}

/* ---- events (2) ---- */

static void send(struct vtd_model *m, const struct vtd_message *msg)
{
	if (!msg->send)
		return;
	if (m->hw.unit_irq)
		m->hw.unit_irq(m->hw.unit_irq_opaque, msg->address, msg->data);
	else if (m->hw.msi)
		m->hw.msi(m->hw.msi_opaque, msg->address, msg->data);
}

static void event_pend(struct vtd_event_regs *e, struct vtd_message *msg)
{
	uint32_t ctl = atomic_load_explicit(&e->ctl, memory_order_relaxed);

	if (ctl & VTD_ECTL_IM) {
		atomic_store_explicit(&e->ctl, ctl | VTD_ECTL_IP, memory_order_release);
		return;
	}
	atomic_store_explicit(&e->ctl, ctl & ~VTD_ECTL_IP, memory_order_release);
	msg->send = true;
	msg->address = (uint64_t)atomic_load_explicit(&e->uaddr, memory_order_relaxed) << 32 |
		       atomic_load_explicit(&e->addr, memory_order_relaxed);
	msg->data = atomic_load_explicit(&e->data, memory_order_relaxed);
}

static void event_settle(struct vtd_event_regs *e)
{
	uint32_t ctl = atomic_load_explicit(&e->ctl, memory_order_relaxed);

	atomic_store_explicit(&e->ctl, ctl & ~VTD_ECTL_IP, memory_order_release);
}

static void event_write_ctl(struct vtd_event_regs *e, uint32_t val, struct vtd_message *msg)
{
	uint32_t ip = atomic_load_explicit(&e->ctl, memory_order_relaxed) & VTD_ECTL_IP;

	atomic_store_explicit(&e->ctl, (val & VTD_ECTL_IM) | ip, memory_order_release);
	if (ip && !(val & VTD_ECTL_IM))
		event_pend(e, msg);
}

static void fsts_raise(struct vtd_model *m, uint32_t bits, struct vtd_message *msg)
{
	uint32_t fsts = atomic_load_explicit(&m->regs.fsts, memory_order_relaxed);

	atomic_store_explicit(&m->regs.fsts, fsts | bits, memory_order_release);
	if (!(fsts & FSTS_GROUP))
		event_pend(&m->regs.fe, msg);
}

static void fsts_clear(struct vtd_model *m, uint32_t bits)
{
	uint32_t fsts = atomic_load_explicit(&m->regs.fsts, memory_order_relaxed) & ~bits;

	atomic_store_explicit(&m->regs.fsts, fsts, memory_order_release);
	if (!(fsts & FSTS_GROUP))
		event_settle(&m->regs.fe);
}

/* ---- fault recording ---- */

static void write_record(struct vtd_model *m, const struct vtd_txn *txn, enum vtd_reason reason)
{
	struct vtd_frcd *f = &m->regs.frcd[m->regs.next_frcd];
	bool pp = txn->req->pasid != UIOMMU_NO_PASID;
	uint64_t w1 = field_put(VTD_FRCD1_SID, txn->port->port.rid) | field_put(VTD_FRCD1_FR, reason);

	if (txn->req->access == UIOMMU_READ)
		w1 |= VTD_FRCD1_T1;
	if (pp)
		w1 |= VTD_FRCD1_PP | field_put(VTD_FRCD1_PV, txn->req->pasid);
	atomic_store_explicit(&f->w[0], txn->req->iova & VTD_FRCD0_FI, memory_order_relaxed);
	/* One store of the word with F: release puts the other word before it (3). */
	atomic_store_explicit(&f->w[1], w1 | VTD_FRCD1_F, memory_order_release);
}

void vtd_record_fault(struct vtd_model *m, const struct vtd_txn *txn, enum vtd_reason reason)
{
	struct vtd_regs *r = &m->regs;
	struct vtd_message msg = { 0 };
	uint32_t fsts;

	if (txn->fpd && vtd_reason_qualified(reason))
		return;
	lock_take(&r->lock);
	fsts = atomic_load_explicit(&r->fsts, memory_order_relaxed);
	if (fsts & VTD_FSTS_PFO)
		goto out;
	if (atomic_load_explicit(&r->frcd[r->next_frcd].w[1], memory_order_relaxed) & VTD_FRCD1_F) {
		fsts_raise(m, VTD_FSTS_PFO, &msg);
		goto out;
	}
	write_record(m, txn, reason);
	if (!(fsts & VTD_FSTS_PPF)) {
		fsts = (fsts & ~(uint32_t)VTD_FSTS_FRI) | (uint32_t)field_put(VTD_FSTS_FRI, r->next_frcd);
		atomic_store_explicit(&r->fsts, fsts, memory_order_relaxed);
		fsts_raise(m, VTD_FSTS_PPF, &msg);
	}
	r->next_frcd = (r->next_frcd + 1) % r->n_frcd;
out:
	lock_drop(&r->lock);
	send(m, &msg);
}

static void frcd_clear(struct vtd_model *m, unsigned int i)
{
	struct vtd_regs *r = &m->regs;
	uint64_t any = 0;

	lock_take(&r->lock);
	atomic_fetch_and_explicit(&r->frcd[i].w[1], ~VTD_FRCD1_F, memory_order_release);
	for (unsigned int k = 0; k < r->n_frcd; k++)
		any |= atomic_load_explicit(&r->frcd[k].w[1], memory_order_relaxed) & VTD_FRCD1_F;
	if (!any)
		fsts_clear(m, VTD_FSTS_PPF | (uint32_t)VTD_FSTS_FRI);
	lock_drop(&r->lock);
}

void vtd_queue_error(struct vtd_model *m, enum vtd_iqei info)
{
	struct vtd_message msg = { 0 };

	lock_take(&m->regs.lock);
	atomic_store_explicit(&m->regs.iqercd, field_put(VTD_IQERCD_IQEI, info), memory_order_release);
	fsts_raise(m, VTD_FSTS_IQE, &msg);
	lock_drop(&m->regs.lock);
	send(m, &msg);
}

void vtd_queue_interrupt(struct vtd_model *m)
{
	struct vtd_message msg = { 0 };
	uint32_t ics;

	lock_take(&m->regs.lock);
	ics = atomic_load_explicit(&m->regs.ics, memory_order_relaxed);
	atomic_store_explicit(&m->regs.ics, (uint32_t)VTD_ICS_IWC, memory_order_release);
	if (!ics)
		event_pend(&m->regs.ie, &msg);
	lock_drop(&m->regs.lock);
	send(m, &msg);
}

/* ---- global command (11.4.4) ---- */

static void gsts_set(struct vtd_model *m, uint32_t bit, bool on)
{
	if (on)
		atomic_fetch_or_explicit(&m->regs.gsts, bit, memory_order_release);
	else
		atomic_fetch_and_explicit(&m->regs.gsts, ~bit, memory_order_release);
}

/* 6.6: SRTP latches RTADDR with its mode; nothing else makes it live. */
static void command_srtp(struct vtd_model *m)
{
	uint64_t live = atomic_load_explicit(&m->live, memory_order_relaxed);
	uint64_t root = atomic_load_explicit(&m->regs.rtaddr, memory_order_relaxed);

	if ((live & VTD_LIVE_TES) && ((live ^ root) & VTD_RTADDR_TTM))
		vtd_misuse(m, "translation table mode changed while translation is on");
	gsts_set(m, VTD_G_SRTP, false);
	atomic_store_explicit(&m->live, root | (live & VTD_LIVE_TES), memory_order_release);
	gsts_set(m, VTD_G_SRTP, true);
}

/* Requests that are under way end before TES changes. */
static void command_te(struct vtd_model *m, bool on)
{
	if (on)
		atomic_fetch_or_explicit(&m->live, VTD_LIVE_TES, memory_order_release);
	else
		atomic_fetch_and_explicit(&m->live, ~VTD_LIVE_TES, memory_order_release);
	quiesce_drain(&m->hw.ctx->quiesce);
	gsts_set(m, VTD_G_TE, on);
}

static void write_gcmd(struct vtd_model *m, uint32_t val)
{
	uint32_t gsts = atomic_load_explicit(&m->regs.gsts, memory_order_relaxed);
	uint32_t changed = ((val ^ gsts) & ~ONE_SHOTS) | (val & ONE_SHOTS);

	if (!changed)
		return;
	/* "Software must change one bit at a time": with several, none is done. */
	if (changed & (changed - 1)) {
		vtd_misuse(m, "GCMD 0x%08x changes several bits (GSTS 0x%08x)", val, gsts);
		return;
	}
	switch (changed) {
	case VTD_G_TE:
		command_te(m, val & VTD_G_TE);
		break;
	case VTD_G_SRTP:
		command_srtp(m);
		break;
	case VTD_G_QIE:
		/* Off first, then the head to 0: a queue task must not start over in between. */
		if (!(val & VTD_G_QIE))
			gsts_set(m, VTD_G_QIE, false);
		vtd_queue_enable(m, val & VTD_G_QIE);
		if (val & VTD_G_QIE)
			gsts_set(m, VTD_G_QIE, true);
		vtd_queue_run(m);
		break;
	default:
		vtd_misuse(m, "GCMD 0x%08x: command not in the capabilities", val);
	}
}

/* ---- the other registers ---- */

static void write_iqt(struct vtd_model *m, uint64_t val)
{
	if (val & ~VTD_IQ_PTR)
		vtd_misuse(m, "IQT 0x%llx: reserved bits", (unsigned long long)val);
	/* Release: who processes sees the descriptors that were stored before. */
	atomic_store_explicit(&m->regs.iqt, val & VTD_IQ_PTR, memory_order_release);
	if (!m->queue.task)
		vtd_queue_run(m);
}

static void write_iqa(struct vtd_model *m, uint64_t val)
{
	if (atomic_load_explicit(&m->regs.gsts, memory_order_relaxed) & VTD_G_QIE) {
		vtd_misuse(m, "IQA written while the queue is on");
		return;
	}
	if (val & (VTD_IQA_RSVD | vtd_beyond_haw(&m->caps)))
		vtd_misuse(m, "IQA 0x%llx: reserved bits", (unsigned long long)val);
	atomic_store_explicit(&m->regs.iqa, val & ~VTD_IQA_RSVD, memory_order_release);
}

static void write_rtaddr(struct vtd_model *m, uint64_t val)
{
	if (val & (VTD_RTADDR_RSVD | vtd_beyond_haw(&m->caps)))
		vtd_misuse(m, "RTADDR 0x%llx: reserved bits", (unsigned long long)val);
	atomic_store_explicit(&m->regs.rtaddr, val & ~VTD_RTADDR_RSVD, memory_order_release);
}

static void write_fsts(struct vtd_model *m, uint32_t val)
{
	lock_take(&m->regs.lock);
	fsts_clear(m, val & FSTS_W1C);
	lock_drop(&m->regs.lock);
	/*
	 * After IQE the queue goes on, but not here: this may be a fault handler inside a
	 * DMA batch, and a wait may drain. The next tail write, read of IQH or turn of a
	 * wait loop takes it up.
	 */
}

static void write_ics(struct vtd_model *m, uint32_t val)
{
	lock_take(&m->regs.lock);
	if (val & VTD_ICS_IWC) {
		atomic_store_explicit(&m->regs.ics, 0, memory_order_release);
		event_settle(&m->regs.ie);
	}
	lock_drop(&m->regs.lock);
}

/* off: from the control register of the group. */
static void write_event(struct vtd_model *m, struct vtd_event_regs *e, uint32_t off, uint32_t val)
{
	struct vtd_message msg = { 0 };

	lock_take(&m->regs.lock);
	switch (off) {
	case 0:
		event_write_ctl(e, val, &msg);
		break;
	case 4:
		atomic_store_explicit(&e->data, val & VTD_EDATA_MASK, memory_order_relaxed);
		break;
	case 8:
		atomic_store_explicit(&e->addr, val & VTD_EADDR_MASK, memory_order_relaxed);
		break;
	default:
		atomic_store_explicit(&e->uaddr, val, memory_order_relaxed);
	}
	lock_drop(&m->regs.lock);
	send(m, &msg);
}

static bool in_frcd(struct vtd_model *m, uint32_t off)
{
	return off >= VTD_FRCD_OFFSET && off < VTD_FRCD_OFFSET + 16 * m->regs.n_frcd;
}

static void write_frcd(struct vtd_model *m, uint32_t off, uint64_t val)
{
	if ((off & 8) && (val & VTD_FRCD1_F))
		frcd_clear(m, (off - VTD_FRCD_OFFSET) / 16);
}

/* The 64-bit register that contains this dword; the value with only that dword replaced. */
static uint64_t merge(uint64_t old, uint32_t off, uint32_t val)
{
	return off & 4 ? (old & UINT32_MAX) | (uint64_t)val << 32 : (old & ~(uint64_t)UINT32_MAX) | val;
}

static void no_reg(struct vtd_model *m, const char *what, unsigned int bits, uint32_t off)
{
	vtd_misuse(m, "%u-bit %s at 0x%x: no such register", bits, what, off);
}

static void register_write64(struct vtd_model *m, uint32_t off, uint64_t val)
{
	switch (off) {
	case VTD_REG_IQT:
		write_iqt(m, val);
		return;
	case VTD_REG_IQA:
		write_iqa(m, val);
		return;
	case VTD_REG_RTADDR:
		write_rtaddr(m, val);
		return;
	}
	if (off % 8 == 0 && in_frcd(m, off))
		write_frcd(m, off, val);
	else
		no_reg(m, "write", 64, off);
}

static void register_write32(struct vtd_model *m, uint32_t off, uint32_t val)
{
	struct vtd_regs *r = &m->regs;

	switch (off) {
	case VTD_REG_GCMD:
		write_gcmd(m, val);
		return;
	case VTD_REG_FSTS:
		write_fsts(m, val);
		return;
	case VTD_REG_ICS:
		write_ics(m, val);
		return;
	case VTD_REG_FECTL:
	case VTD_REG_FEDATA:
	case VTD_REG_FEADDR:
	case VTD_REG_FEUADDR:
		write_event(m, &r->fe, off - VTD_REG_FECTL, val);
		return;
	case VTD_REG_IECTL:
	case VTD_REG_IEDATA:
	case VTD_REG_IEADDR:
	case VTD_REG_IEUADDR:
		write_event(m, &r->ie, off - VTD_REG_IECTL, val);
		return;
	case VTD_REG_IQT:
	case VTD_REG_IQT + 4:
		write_iqt(m, merge(atomic_load_explicit(&r->iqt, memory_order_relaxed), off, val));
		return;
	case VTD_REG_IQA:
	case VTD_REG_IQA + 4:
		write_iqa(m, merge(atomic_load_explicit(&r->iqa, memory_order_relaxed), off, val));
		return;
	case VTD_REG_RTADDR:
	case VTD_REG_RTADDR + 4:
		write_rtaddr(m, merge(atomic_load_explicit(&r->rtaddr, memory_order_relaxed), off, val));
		return;
	}
	if (off % 4 == 0 && in_frcd(m, off))
		write_frcd(m, off & ~7u, off & 4 ? (uint64_t)val << 32 : val);
	else
		no_reg(m, "write", 32, off);
}

/* 64-bit registers, also read by halves. False if there is none at off. */
static bool register_read_wide(struct vtd_model *m, uint32_t off, uint64_t *val)
{
	struct vtd_regs *r = &m->regs;

	switch (off) {
	case VTD_REG_CAP:
		*val = m->caps.cap;
		return true;
	case VTD_REG_ECAP:
		*val = m->caps.ecap;
		return true;
	case VTD_REG_RTADDR:
		*val = atomic_load_explicit(&r->rtaddr, memory_order_acquire);
		return true;
	case VTD_REG_IQH:
		if (!m->queue.task)
			vtd_queue_run(m);
		*val = atomic_load_explicit(&r->iqh, memory_order_acquire);
		return true;
	case VTD_REG_IQT:
		*val = atomic_load_explicit(&r->iqt, memory_order_acquire);
		return true;
	case VTD_REG_IQA:
		*val = atomic_load_explicit(&r->iqa, memory_order_acquire);
		return true;
	case VTD_REG_IQERCD:
		*val = 0;
		if (atomic_load_explicit(&r->fsts, memory_order_acquire) & VTD_FSTS_IQE)
			*val = atomic_load_explicit(&r->iqercd, memory_order_acquire);
		return true;
	}
	if (off % 8 || !in_frcd(m, off))
		return false;
	*val = atomic_load_explicit(&r->frcd[(off - VTD_FRCD_OFFSET) / 16].w[(off >> 3) & 1],
				    memory_order_acquire);
	return true;
}

static bool register_read_narrow(struct vtd_model *m, uint32_t off, uint32_t *val)
{
	struct vtd_regs *r = &m->regs;
	struct vtd_event_regs *e = off >= VTD_REG_IECTL ? &r->ie : &r->fe;
	_Atomic uint32_t *reg;

	switch (off) {
	case VTD_REG_VER:
		*val = (uint32_t)(field_put(VTD_VER_MAJ, 1) | field_put(VTD_VER_MIN, 0));
		return true;
	case VTD_REG_GCMD:
		*val = 0;
		return true;
	case VTD_REG_GSTS:
		reg = &r->gsts;
		break;
	case VTD_REG_FSTS:
		reg = &r->fsts;
		break;
	case VTD_REG_ICS:
		reg = &r->ics;
		break;
	case VTD_REG_FECTL:
	case VTD_REG_IECTL:
		reg = &e->ctl;
		break;
	case VTD_REG_FEDATA:
	case VTD_REG_IEDATA:
		reg = &e->data;
		break;
	case VTD_REG_FEADDR:
	case VTD_REG_IEADDR:
		reg = &e->addr;
		break;
	case VTD_REG_FEUADDR:
	case VTD_REG_IEUADDR:
		reg = &e->uaddr;
		break;
	default:
		return false;
	}
	*val = atomic_load_explicit(reg, memory_order_acquire);
	return true;
}

/* ---- the operations; other tasks may run around each of them ---- */

uint32_t vtd_read32(struct uiommu_hw *hw, uint32_t off)
{
	struct vtd_model *m = vtd_model(hw);
	uint64_t wide;
	uint32_t val;

	choice_interleave(CHOICE_REGISTER);
	if (!register_read_narrow(m, off, &val)) {
		if (off % 4 || off >= VTD_REG_PAGE) {
			no_reg(m, "read", 32, off);
			val = UINT32_MAX;
		} else if (register_read_wide(m, off & ~7u, &wide)) {
			val = (uint32_t)(off & 4 ? wide >> 32 : wide);
		} else {
			val = 0;	/* reserved registers read as zero */
		}
	}
	choice_interleave(CHOICE_REGISTER);
	return val;
}

uint64_t vtd_read64(struct uiommu_hw *hw, uint32_t off)
{
	struct vtd_model *m = vtd_model(hw);
	uint64_t val;

	choice_interleave(CHOICE_REGISTER);
	if (!register_read_wide(m, off, &val)) {
		no_reg(m, "read", 64, off);
		val = UINT64_MAX;
	}
	choice_interleave(CHOICE_REGISTER);
	return val;
}

void vtd_write32(struct uiommu_hw *hw, uint32_t off, uint32_t val)
{
	choice_interleave(CHOICE_REGISTER);
	register_write32(vtd_model(hw), off, val);
	choice_interleave(CHOICE_REGISTER);
}

void vtd_write64(struct uiommu_hw *hw, uint32_t off, uint64_t val)
{
	choice_interleave(CHOICE_REGISTER);
	register_write64(vtd_model(hw), off, val);
	choice_interleave(CHOICE_REGISTER);
}
