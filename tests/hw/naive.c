/* SPDX-License-Identifier: MIT */
/* See naive.h. */
#include "naive.h"

#include <string.h>

struct state {
	struct rig *r;
	const struct naive_unit *u;
	uint16_t rid;
	uint32_t pasid;
	uint64_t iova;
	bool write;
	bool legacy;
	struct naive_result *out;
};

static bool readable(struct state *s, uint64_t pa)
{
	return pa >= RIG_BASE && pa < RIG_BASE + RIG_SIZE && !s->r->accessor_fails;
}

static uint64_t get(struct state *s, uint64_t pa)
{
	return *rig_word(s->r, pa);
}

static uint64_t bits(uint64_t word, unsigned int hi, unsigned int lo)
{
	return (word >> lo) & ((hi - lo == 63) ? ~0ull : (1ull << (hi - lo + 1)) - 1);
}

static uint64_t above_haw(struct state *s, uint64_t word)
{
	return word >> s->u->haw;
}

static uint32_t denied(struct state *s)
{
	if (s->legacy)
		return s->write ? 0x05 : 0x06;
	return s->write ? 0x85 : 0x86;
}

static uint32_t output(struct state *s, uint64_t pa)
{
	if (pa >= 0xFEE00000ull && pa <= 0xFEEFFFFFull)
		return s->legacy ? 0x0E : 0x87;
	s->out->pa = pa;
	return 0;
}

static uint32_t pass(struct state *s)
{
	if (above_haw(s, s->iova))
		return s->legacy ? 0x04 : 0x83;
	return output(s, s->iova);
}

static uint32_t second(struct state *s, uint64_t table, unsigned int levels)
{
	bool can_read = true, can_write = true;
	uint64_t page = 0, size = 0;

	if (levels < 5 && s->iova >> (levels == 3 ? 39 : 48))
		return s->legacy ? 0x04 : 0x84;
	if (levels == 5 && s->iova >> 57)
		return s->legacy ? 0x04 : 0x84;
	for (unsigned int level = levels; level >= 1; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		uint64_t pa = table + 8 * bits(s->iova, shift + 8, shift);
		bool large, bad = false;
		uint64_t e;

		if (!readable(s, pa)) {
			if (level == levels)
				return s->legacy ? 0x03 : 0x7B;
			return s->legacy ? 0x07 : 0x78;
		}
		e = get(s, pa);
		if (bits(e, 1, 0) == 0)
			return s->legacy ? denied(s) : 0x79;
		large = bits(e, 7, 7) && (level == 2 || level == 3);
		if (level >= 4 && bits(e, 7, 7))
			bad = true;
		if (bits(e, 11, 11) && level != 1 && !large)
			bad = true;
		if (bits(e, 62, 62) || above_haw(s, bits(e, 51, 0)))
			bad = true;
		if (large && bits(e, shift - 1, 12))
			bad = true;
		if (bad)
			return s->legacy ? 0x0C : 0x7A;
		can_read &= bits(e, 0, 0);
		can_write &= bits(e, 1, 1);
		table = bits(e, 51, 12) << 12;
		if (large || level == 1) {
			page = table;
			size = 1ull << shift;
			break;
		}
	}
	if (!can_read && !can_write)
		return s->legacy ? denied(s) : 0x79;
	if (s->write ? !can_write : !can_read)
		return denied(s);
	return output(s, page + (s->iova & (size - 1)));
}

/* A at every level, D at the leaf for writes, if it can be done. */
static uint32_t update(struct state *s, const uint64_t *path, unsigned int n, bool snoop)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t need = 0x20 | (i == n - 1 && s->write ? 0x40 : 0);

		if ((get(s, path[i]) & need) == need)
			continue;
		if (!snoop)
			return 0x90;
		if (s->r->accessor)
			return 0x91;
		s->out->update_pa[s->out->n_updates] = path[i];
		s->out->update_bits[s->out->n_updates++] = need & ~get(s, path[i]);
	}
	return 0;
}

static uint32_t first(struct state *s, uint64_t table, unsigned int levels, bool snoop)
{
	unsigned int width = levels == 5 ? 57 : 48, n = 0;
	bool can_write = true, user = true;
	uint64_t path[5], page = 0, size = 0, top = s->iova >> (width - 1);
	uint32_t reason;

	if (top != 0 && top != ~0ull >> (width - 1))
		return 0x80;
	for (unsigned int level = levels; level >= 1; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		uint64_t pa = table + 8 * bits(s->iova, shift + 8, shift), e;
		bool large;

		if (!readable(s, pa))
			return level == levels ? 0x73 : 0x70;
		path[n++] = pa;
		e = get(s, pa);
		if (!bits(e, 0, 0))
			return 0x71;
		large = bits(e, 7, 7) && (level == 2 || level == 3);
		if ((level >= 4 && bits(e, 7, 7)) || above_haw(s, bits(e, 51, 0)) ||
		    (large && bits(e, shift - 1, 13)))
			return 0x72;
		can_write &= bits(e, 1, 1);
		user &= bits(e, 2, 2);
		table = bits(e, 51, 12) << 12;
		if (large || level == 1) {
			page = large ? bits(e, 51, 13) << 13 : table;
			size = 1ull << shift;
			break;
		}
	}
	if (!user)
		return 0x81;
	if (s->write && !can_write)
		return 0x85;
	reason = update(s, path, n, snoop);
	return reason ? reason : output(s, page + (s->iova & (size - 1)));
}

static uint32_t legacy(struct state *s)
{
	uint64_t pa = (s->u->rtaddr & ~0xFFFull) + 16 * (s->rid >> 8), lo, hi;
	unsigned int tt, aw;

	if (s->pasid != UIOMMU_NO_PASID)
		return 0x31;
	if (!readable(s, pa))
		return 0x08;
	lo = get(s, pa);
	hi = get(s, pa + 8);
	if (!bits(lo, 0, 0))
		return 0x01;
	if (bits(lo, 11, 1) || above_haw(s, lo) || hi)
		return 0x0A;
	pa = (bits(lo, 63, 12) << 12) + 16 * (s->rid & 255);
	if (!readable(s, pa))
		return 0x09;
	lo = get(s, pa);
	hi = get(s, pa + 8);
	s->out->fpd = bits(lo, 1, 1);
	if (!bits(lo, 0, 0))
		return 0x02;
	tt = (unsigned int)bits(lo, 3, 2);
	aw = (unsigned int)bits(hi, 2, 0);
	if (bits(lo, 11, 4) || (tt != 2 && above_haw(s, lo)) || bits(hi, 7, 7) || bits(hi, 63, 24))
		return 0x0B;
	if (tt == 1 || tt == 3 || (tt == 2 && !s->u->pass_through) || aw < 1 || aw > 3)
		return 0x03;
	return tt == 2 ? pass(s) : second(s, bits(lo, 63, 12) << 12, aw + 2);
}

static uint32_t pasid_entry(struct state *s, uint64_t pa)
{
	uint64_t q[8];
	unsigned int pgtt, aw, fspm;
	bool bad = false;

	if (!readable(s, pa))
		return 0x58;
	for (unsigned int i = 0; i < 8; i++)
		q[i] = get(s, pa + 8 * i);
	s->out->fpd |= bits(q[0], 1, 1);
	if (!bits(q[0], 0, 0))
		return 0x59;
	pgtt = (unsigned int)bits(q[0], 8, 6);
	aw = (unsigned int)bits(q[0], 4, 2);
	fspm = (unsigned int)bits(q[2], 3, 2);
	/* Word 0: bit 5, SSADE, 11:10; pointer beyond HAW, whatever the type. */
	bad |= bits(q[0], 5, 5) || bits(q[0], 11, 9) || above_haw(s, q[0]);
	/* Bits 86:80, CD, EMTE and PAT (MTS=0), 95:91. Snoop bits are supported. */
	bad |= bits(q[1], 22, 16) || bits(q[1], 63, 25);
	/* SRE, 129, EAFE, 139:136; NXE and SMEP are ignored. */
	bad |= bits(q[2], 1, 0) || bits(q[2], 11, 7) || above_haw(s, q[2]);
	for (unsigned int i = 3; i < 8; i++)
		bad |= q[i] != 0;
	if (bad)
		return 0x5A;
	if (pgtt == 1 && s->u->first_stage && fspm <= 1)
		return first(s, bits(q[2], 63, 12) << 12, 4 + fspm, bits(q[1], 23, 23));
	if (pgtt == 2 && aw >= 1 && aw <= 3)
		return second(s, bits(q[0], 63, 12) << 12, aw + 2);
	if (pgtt == 4 && s->u->pass_through)
		return pass(s);
	return 0x5B;
}

static uint32_t scalable(struct state *s)
{
	uint64_t pa = (s->u->rtaddr & ~0xFFFull) + 16 * (s->rid >> 8), half, q[4], limit, pde;
	uint32_t pasid = s->pasid;

	if (!readable(s, pa))
		return 0x38;
	half = get(s, s->rid & 0x80 ? pa + 8 : pa);
	if (!bits(half, 0, 0))
		return 0x39;
	if (bits(half, 11, 1) || above_haw(s, half))
		return 0x3A;
	pa = (bits(half, 63, 12) << 12) + 32 * (s->rid & 0x7F);
	if (!readable(s, pa))
		return 0x40;
	for (unsigned int i = 0; i < 4; i++)
		q[i] = get(s, pa + 8 * i);
	s->out->fpd = bits(q[0], 1, 1);
	if (!bits(q[0], 0, 0))
		return 0x41;
	/* DTE, PRE, 8:5; RID_PRIV and above. */
	if (bits(q[0], 2, 2) || bits(q[0], 8, 4) || above_haw(s, q[0]) || bits(q[1], 63, 20) || q[2] || q[3])
		return 0x42;
	limit = 1ull << (bits(q[0], 11, 9) + 13);
	if (pasid == UIOMMU_NO_PASID) {
		pasid = (uint32_t)bits(q[1], 19, 0);
		if (pasid >= limit)
			return 0x48;
	} else if (!bits(q[0], 3, 3)) {
		return 0x45;
	} else if (pasid >= limit) {
		return 0x46;
	}
	pa = (bits(q[0], 63, 12) << 12) + 8 * (pasid >> 6);
	if (!readable(s, pa))
		return 0x50;
	pde = get(s, pa);
	s->out->fpd |= bits(pde, 1, 1);
	if (!bits(pde, 0, 0))
		return 0x51;
	if (bits(pde, 11, 2) || above_haw(s, pde))
		return 0x52;
	return pasid_entry(s, (bits(pde, 63, 12) << 12) + 64 * (pasid & 63));
}

void naive_translate(struct rig *r, const struct naive_unit *u, uint16_t rid, uint32_t pasid, uint64_t iova,
		     bool write, struct naive_result *out)
{
	struct state s = { r, u, rid, pasid, iova, write, false, out };
	unsigned int ttm = (unsigned int)bits(u->rtaddr, 11, 10);

	memset(out, 0, sizeof(*out));
	s.legacy = ttm == 0;
	if (pasid == UIOMMU_NO_PASID && iova >= 0xFEE00000ull && iova <= 0xFEEFFFFFull)
		out->reason = 0x29;
	else if (ttm > 1 || (ttm == 1 && !u->scalable))
		out->reason = 0x30;
	else
		out->reason = s.legacy ? legacy(&s) : scalable(&s);
}

bool naive_records(const struct naive_result *res)
{
	static const uint8_t always[] = {
		0x01, 0x08, 0x09, 0x0A, 0x29, 0x30, 0x31, 0x38, 0x39, 0x3A, 0x40, 0x50, 0x58,
	};

	for (unsigned int i = 0; i < sizeof(always); i++)
		if (always[i] == res->reason)
			return true;
	return res->reason && !res->fpd;
}
