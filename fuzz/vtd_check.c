/* SPDX-License-Identifier: MIT */
/*
 * Rules that a VT-d unit keeps whatever software and tables say. Numbers are typed from
 * the specification (11.4), not taken from src/hw.
 */
#include <errno.h>

#include "vtd.h"

static uint32_t rd32(struct world *w, uint32_t off)
{
	return w->rig.hw->ops->read32(w->rig.hw, off);
}

static uint64_t rd64(struct world *w, uint32_t off)
{
	return w->rig.hw->ops->read64(w->rig.hw, off);
}

/* Twice IQH: reading it lets the unit work on its queue, which changes the others. */
void regs_read(struct world *w, struct regs *r)
{
	memset(r, 0, sizeof(*r));
	rd64(w, 0x80);
	r->iqh = rd64(w, 0x80);
	r->ver = rd32(w, 0x00);
	r->cap = rd64(w, 0x08);
	r->ecap = rd64(w, 0x10);
	r->gsts = rd32(w, 0x1C);
	r->rtaddr = rd64(w, 0x20);
	r->fsts = rd32(w, 0x34);
	r->fectl = rd32(w, 0x38);
	r->fedata = rd32(w, 0x3C);
	r->feaddr = rd32(w, 0x40);
	r->feuaddr = rd32(w, 0x44);
	r->iqt = rd64(w, 0x88);
	r->iqa = rd64(w, 0x90);
	r->ics = rd32(w, 0x9C);
	r->iectl = rd32(w, 0xA0);
	r->iedata = rd32(w, 0xA4);
	r->ieaddr = rd32(w, 0xA8);
	r->ieuaddr = rd32(w, 0xAC);
	r->iqercd = rd64(w, 0xB0);
	for (unsigned int i = 0; i < w->opts.fault_records; i++) {
		r->frcd[i][0] = rd64(w, 0x400 + 16 * i);
		r->frcd[i][1] = rd64(w, 0x408 + 16 * i);
	}
}

static void check_faults(struct world *w, const struct regs *r)
{
	bool any = false;

	for (unsigned int i = 0; i < w->opts.fault_records; i++) {
		uint64_t lo = r->frcd[i][0], hi = r->frcd[i][1];
		unsigned int reason = hi >> 32 & 0xFF;

		FUZZ_CHECK(!(lo & 0xFFF), "record %u: 0x%llx", i, (unsigned long long)lo);
		/* Reserved 27:16; T2, PRIV, EXE, AT are of requests that are not there. */
		FUZZ_CHECK(!(hi & 0x300000007FFF0000ull), "record %u: 0x%llx", i, (unsigned long long)hi);
		FUZZ_CHECK(!(hi >> 63) || (reason && strcmp(vtd_reason_text(reason), "unknown")),
			   "record %u: reason 0x%x has no name", i, reason);
		FUZZ_CHECK((hi & 1u << 31) || !(hi >> 40 & 0xFFFFF), "record %u: PASID without PP", i);
		any |= hi >> 63;
	}
	FUZZ_CHECK(any == (r->fsts >> 1 & 1), "PPF and the records: FSTS 0x%x", r->fsts);
	FUZZ_CHECK((r->fsts >> 8) < w->opts.fault_records, "FRI: FSTS 0x%x", r->fsts);
	FUZZ_CHECK(any || !(r->fsts >> 8), "FRI without PPF: FSTS 0x%x", r->fsts);
}

void regs_check(struct world *w, const struct regs *r)
{
	bool error = r->fsts & 0x10;

	FUZZ_CHECK(r->ver == w->reset.ver && r->cap == w->reset.cap && r->ecap == w->reset.ecap, "read only");
	FUZZ_CHECK(!(r->gsts & ~0xC4000000u), "GSTS 0x%x", r->gsts);
	FUZZ_CHECK(!(r->fsts & ~0xFF13u), "FSTS 0x%x", r->fsts);
	FUZZ_CHECK(!(r->ics & ~1u), "ICS 0x%x", r->ics);
	FUZZ_CHECK(!(r->fectl & 0x3FFFFFFF) && !(r->iectl & 0x3FFFFFFF), "FECTL 0x%x, IECTL 0x%x", r->fectl,
		   r->iectl);
	FUZZ_CHECK(!(r->fedata >> 16) && !(r->iedata >> 16), "event data");
	FUZZ_CHECK(!(r->feaddr & 3) && !(r->ieaddr & 3), "event address");
	/* Pending only while masked, and only while something is set. */
	FUZZ_CHECK(!(r->fectl & 1u << 30) || ((r->fectl >> 31) && (r->fsts & 0x73)), "FECTL 0x%x, FSTS 0x%x",
		   r->fectl, r->fsts);
	FUZZ_CHECK(!(r->iectl & 1u << 30) || ((r->iectl >> 31) && r->ics), "IECTL 0x%x, ICS 0x%x", r->iectl,
		   r->ics);
	FUZZ_CHECK(!(r->rtaddr & 0x3FF), "RTADDR");
	FUZZ_CHECK(!(r->iqa & 0x7F8), "IQA 0x%llx", (unsigned long long)r->iqa);
	FUZZ_CHECK(!(r->iqt & ~0x7FFF0ull), "IQT 0x%llx", (unsigned long long)r->iqt);
	FUZZ_CHECK(!(r->iqh & ~0x7FFF0ull), "IQH 0x%llx", (unsigned long long)r->iqh);
	FUZZ_CHECK(!(r->gsts & 1u << 26) || r->iqh < 4096ull << (r->iqa & 7), "IQH 0x%llx, IQA 0x%llx",
		   (unsigned long long)r->iqh, (unsigned long long)r->iqa);
	FUZZ_CHECK((r->gsts & 1u << 26) || !r->iqh, "IQH with the queue off");
	FUZZ_CHECK(error ? r->iqercd >= 1 && r->iqercd <= 7 : !r->iqercd, "IQERCD 0x%llx, FSTS 0x%x",
		   (unsigned long long)r->iqercd, r->fsts);
	check_faults(w, r);
}

/* ---- register accesses ---- */

static bool writable(struct world *w, uint32_t off, unsigned int bits)
{
	bool record = off >= 0x400 && off < 0x400 + 16 * w->opts.fault_records;

	switch (off) {
	case 0x20:
	case 0x88:
	case 0x90:
		return true;
	case 0x18:
	case 0x34:
	case 0x38:
	case 0x3C:
	case 0x40:
	case 0x44:
	case 0x9C:
	case 0xA0:
	case 0xA4:
	case 0xA8:
	case 0xAC:
	case 0x24:
	case 0x8C:
	case 0x94:
		return bits == 32;
	}
	return record && off % (bits / 8) == 0;
}

/* Global commands: what the status must be afterwards (11.4.4). */
static void check_command(struct world *w, uint32_t before, uint32_t val)
{
	uint32_t changed = ((val ^ before) & 0x96FFFFFFu) | (val & 0x69000000u), after = rd32(w, 0x1C);

	switch (changed) {
	case 0x80000000u:
	case 0x04000000u:
		FUZZ_CHECK(after == (before ^ changed), "GCMD 0x%x: GSTS 0x%x -> 0x%x", val, before, after);
		break;
	case 0x40000000u:
		FUZZ_CHECK(after == (before | changed), "GCMD 0x%x: GSTS 0x%x -> 0x%x", val, before, after);
		w->live = rd64(w, 0x20);
		w->clean = false;
		break;
	default:
		FUZZ_CHECK(after == before, "GCMD 0x%x: GSTS 0x%x -> 0x%x", val, before, after);
	}
}

void checked_write(struct world *w, uint32_t off, unsigned int bits, uint64_t val)
{
	const struct hw_ops *ops = w->rig.hw->ops;
	struct regs before, after;

	regs_read(w, &before);
	/* A tail or a command that starts the queue may write a status into memory. */
	w->clean &= off != 0x88 && off != 0x8C && off != 0x18;
	if (bits == 32)
		ops->write32(w->rig.hw, off, (uint32_t)val);
	else
		ops->write64(w->rig.hw, off, val);
	if (off == 0x18 && bits == 32)
		check_command(w, before.gsts, (uint32_t)val);
	regs_read(w, &after);
	if (!writable(w, off, bits))
		FUZZ_CHECK(!memcmp(&before, &after, sizeof(before)), "a %u-bit write of 0x%llx at 0x%x", bits,
			   (unsigned long long)val, off);
	else if (off != 0x18)
		FUZZ_CHECK(before.gsts == after.gsts, "GSTS by a write at 0x%x", off);
}

void checked_read(struct world *w, uint32_t off, unsigned int bits)
{
	if (bits == 64) {
		rd64(w, off);
		return;
	}
	if (off % 4 || off >= 0x1000)
		FUZZ_CHECK(rd32(w, off) == UINT32_MAX, "there is no register at 0x%x", off);
	else if (off == 0x80)
		rd32(w, off);
	else
		FUZZ_CHECK(rd32(w, off) == rd32(w, off), "reading 0x%x changes it", off);
}

/* ---- accesses ---- */

static bool in_msi_range(uint64_t addr)
{
	return addr >= 0xFEE00000ull && addr <= 0xFEEFFFFFull;
}

/* The record of a fault, or a reason why there is none. */
static void check_record(struct world *w, const struct regs *b, const struct regs *a, unsigned int port,
			 const struct dma_req *req, uint32_t reason)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->opts.fault_records; i++) {
		uint64_t hi = a->frcd[i][1];

		if (!memcmp(a->frcd[i], b->frcd[i], 16) || !(hi >> 63))
			continue;
		n++;
		FUZZ_CHECK(!(b->frcd[i][1] >> 63), "record %u was full", i);
		FUZZ_CHECK((hi & 0xFFFF) == fuzz_rids[port] && (hi >> 32 & 0xFF) == reason &&
				   (hi >> 62 & 1) == (req->access == UIOMMU_READ) &&
				   (hi >> 31 & 1) == (req->pasid != UIOMMU_NO_PASID) &&
				   a->frcd[i][0] == (req->iova & ~0xFFFull),
			   "record %u is another fault's: 0x%llx", i, (unsigned long long)hi);
	}
	FUZZ_CHECK(n <= 1, "%u records of one fault", n);
	if (!w->irq_clears && !n && !vtd_reason_qualified(reason))
		FUZZ_CHECK(a->fsts & 1, "reason 0x%x left neither record nor overflow", reason);
}

static void check_updates(struct world *w, const struct naive_result *n)
{
	for (unsigned int i = 0; i < n->n_updates; i++)
		FUZZ_CHECK((*rig_word(&w->rig, n->update_pa[i]) & n->update_bits[i]) == n->update_bits[i],
			   "A or D at 0x%llx", (unsigned long long)n->update_pa[i]);
}

/* Whether caches cannot have told the unit anything else than memory tells now. */
static bool comparable(struct world *w, unsigned int port, uint32_t pasid)
{
	if (w->opts.preset == UIOMMU_PRESET_QEMU)
		return true;
	if (!w->clean)
		return false;
	if (!w->clean_any) {
		w->clean_any = true;
		w->clean_rid = fuzz_rids[port];
		w->clean_pasid = pasid;
	}
	/* Another requester may fill lines under the same tag for other tables, as no good driver has it. */
	w->clean = w->clean_rid == fuzz_rids[port] && w->clean_pasid == pasid;
	return w->clean;
}

static void check_result(struct world *w, const struct dma_req *req, int err, const struct dma_res *res)
{
	FUZZ_CHECK(err == 0 || err == -EFAULT, "translate: %d", err);
	if (err) {
		FUZZ_CHECK(res->reason && strcmp(vtd_reason_text(res->reason), "unknown"), "reason 0x%x",
			   res->reason);
		return;
	}
	FUZZ_CHECK(!((res->pa ^ req->iova) & 0xFFF), "the offset in the page changed");
	if (rd32(w, 0x1C) >> 31 && !res->interrupt) {
		FUZZ_CHECK(!(res->pa >> w->opts.haw), "0x%llx is wider than %u bits",
			   (unsigned long long)res->pa, w->opts.haw);
		FUZZ_CHECK(!in_msi_range(res->pa), "0x%llx is an interrupt", (unsigned long long)res->pa);
	} else {
		FUZZ_CHECK(res->pa == req->iova, "untranslated, but changed");
	}
}

static void translate_once(struct world *w, unsigned int port, const struct dma_req *req)
{
	bool on = rd32(w, 0x1C) >> 31, compare = on && comparable(w, port, req->pasid);
	struct naive_result naive = { 0 };
	struct regs before, after;
	struct dma_res res;
	int err;

	w->unit.rtaddr = w->live;
	if (compare)
		naive_translate(&w->rig, &w->unit, fuzz_rids[port], req->pasid, req->iova,
				req->access == UIOMMU_WRITE, &naive);
	regs_read(w, &before);
	uiommu_agent_begin(w->rig.agent);
	err = w->rig.hw->ops->translate(w->port[port], req, &res);
	uiommu_agent_end(w->rig.agent);
	regs_read(w, &after);
	check_result(w, req, err, &res);
	if (!on)
		FUZZ_CHECK(!err, "a fault without translation");
	if (err)
		check_record(w, &before, &after, port, req, res.reason);
	if (!compare || res.interrupt)
		return;
	FUZZ_CHECK(naive.reason == (err ? res.reason : 0), "the unit says 0x%x, the tables say 0x%x",
		   err ? res.reason : 0, naive.reason);
	FUZZ_CHECK(err || naive.pa == res.pa, "the unit says 0x%llx, the tables say 0x%llx",
		   (unsigned long long)res.pa, (unsigned long long)naive.pa);
	if (!err)
		check_updates(w, &naive);
	if (err && !naive_records(&naive))
		FUZZ_CHECK(!memcmp(before.frcd, after.frcd, sizeof(before.frcd)), "0x%x is not recorded",
			   naive.reason);
	if (naive.n_updates)
		w->clean = false;
}

void checked_dma(struct world *w, unsigned int port, uint32_t pasid, uint64_t iova, unsigned int len,
		 bool write, uint8_t fill)
{
	struct dma_req req = {
		.iova = iova, .len = len, .pasid = pasid, .access = write ? UIOMMU_WRITE : UIOMMU_READ
	};
	struct uiommu_fault fault = { 0 };
	uint8_t buf[4096];
	int err;

	translate_once(w, port, &req);
	memset(buf, fill, sizeof(buf));
	uiommu_agent_begin(w->rig.agent);
	if (write)
		err = uiommu_dma_write(w->port[port], w->rig.agent, pasid, iova, buf, len, &fault);
	else
		err = uiommu_dma_read(w->port[port], w->rig.agent, pasid, iova, buf, len, &fault);
	uiommu_agent_end(w->rig.agent);
	FUZZ_CHECK(err == 0 || err == -EFAULT || err == -EIO, "DMA: %d", err);
	FUZZ_CHECK(err != -EFAULT || (fault.reason && fault.iova == iova), "a fault without a reason");
	if (write && !err)
		w->clean = false;
}

/* One request of a byte; 0 and the address, or the reason. */
static uint32_t single(struct world *w, unsigned int port, const struct dma_req *like, uint64_t iova,
		       uint64_t *pa)
{
	struct dma_req req = *like;
	struct dma_res res;
	int err;

	req.iova = iova;
	req.agent = w->rig.agent;
	err = w->rig.hw->ops->translate(w->port[port], &req, &res);
	FUZZ_CHECK(!err || (err == -EFAULT && res.reason), "translate: %d", err);
	*pa = err ? 0 : res.pa;
	return err ? res.reason : 0;
}

/* What the addresses lead to, each by itself; the first that is blocked, or @n. */
static size_t singles(struct world *w, unsigned int port, const struct dma_req *like, const uint64_t *iova,
		      uint64_t *pa, size_t n, uint32_t *reason)
{
	*reason = 0;
	for (size_t i = 0; i < n; i++) {
		*reason = single(w, port, like, iova[i], &pa[i]);
		if (*reason)
			return i;
	}
	return n;
}

void checked_list(struct world *w, unsigned int port, uint32_t pasid, const uint64_t *iova, size_t n,
		  bool write)
{
	struct dma_req like = { .len = 1, .pasid = pasid, .access = write ? UIOMMU_WRITE : UIOMMU_READ };
	bool compare = comparable(w, port, pasid);
	uint64_t before[LIST_MAX], want[LIST_MAX], pa[LIST_MAX];
	struct uiommu_fault fault = { 0 };
	uint32_t reason, again;
	size_t done, settled;
	int got;

	uiommu_agent_begin(w->rig.agent);
	/* Accessed and dirty bits may change tables that lead to themselves: until nothing changes. */
	settled = singles(w, port, &like, iova, before, n, &reason);
	done = singles(w, port, &like, iova, want, n, &again);
	compare &= done == settled && again == reason && !memcmp(before, want, done * sizeof(want[0]));
	got = uiommu_dma_translate(w->port[port], w->rig.agent, pasid, like.access, iova, pa, n, &fault);
	uiommu_agent_end(w->rig.agent);
	w->clean = false; /* by those bits */
	FUZZ_CHECK(got >= 0 && (size_t)got <= n, "a list of %zu: %d", n, got);
	FUZZ_CHECK((size_t)got == n || (fault.reason && fault.iova == iova[got]),
		   "a list ends without a fault");
	if (!compare)
		return;
	FUZZ_CHECK((size_t)got == done && fault.reason == reason,
		   "a list of %zu ends at %d for 0x%x, not at %zu for 0x%x", n, got, fault.reason, done,
		   reason);
	FUZZ_CHECK(!memcmp(pa, want, done * sizeof(pa[0])), "a list leads elsewhere than its addresses");
}

void checked_misuse(struct world *w, unsigned int port, uint64_t iova)
{
	struct uiommu_port *p = w->port[port];
	struct uiommu_agent *agent = w->rig.agent;
	uint8_t buf[8] = { 0 };
	uint64_t pa;

	FUZZ_CHECK(uiommu_dma_read(p, agent, UIOMMU_NO_PASID, iova, buf, 1, NULL) == -EINVAL, "no batch");
	uiommu_agent_begin(agent);
	FUZZ_CHECK(uiommu_dma_read(p, agent, UIOMMU_NO_PASID, iova, buf, 0, NULL) == -EINVAL, "no length");
	FUZZ_CHECK(uiommu_dma_write(p, agent, UIOMMU_NO_PASID, iova, buf, 4097, NULL) == -EINVAL, "length");
	FUZZ_CHECK(uiommu_dma_write(p, agent, UIOMMU_NO_PASID, iova | 0xFFF, buf, 2, NULL) == -EINVAL,
		   "page");
	FUZZ_CHECK(uiommu_dma_read(p, agent, 1u << 20, iova, buf, 1, NULL) == -EINVAL, "PASID");
	FUZZ_CHECK(uiommu_dma_translate(p, agent, UIOMMU_NO_PASID, 3, &iova, &pa, 1, NULL) == -EINVAL,
		   "access");
	uiommu_agent_end(agent);
}
