/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C: reflected polynomial 0x82f63b78. The register is kept reflected, so
 * bit 0 of the first byte is the highest power; eight bytes are folded at a time.
 */
#include "pci/copy/crc32c.h"

#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#include <asm/hwcap.h>
#endif

#define CRC32C_POLY UINT32_C(0x82f63b78)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are folded as little endian");

static inline uint64_t load64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

#if defined(__x86_64__)

static bool cpu_has_crc(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t add_cpu(uint32_t state, const unsigned char *p, size_t len)
{
	uint64_t s = state;

	for (; len >= 8; len -= 8, p += 8)
		s = __builtin_ia32_crc32di(s, load64(p));
	for (; len; len--, p++)
		s = __builtin_ia32_crc32qi((uint32_t)s, *p);
	return (uint32_t)s;
}

#elif defined(__aarch64__)

static bool cpu_has_crc(void)
{
	return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

/* The instructions by name in assembly: no compiler header needs to know of them. */
static uint32_t add_cpu(uint32_t state, const unsigned char *p, size_t len)
{
	for (; len >= 8; len -= 8, p += 8)
		__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %1" : "+r"(state) : "r"(load64(p)));
	for (; len; len--, p++)
		__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(state) : "r"((uint32_t)*p));
	return state;
}

#else

static bool cpu_has_crc(void)
{
	return false;
}

static uint32_t add_cpu(uint32_t state, const unsigned char *p, size_t len)
{
	(void)p;
	(void)len;
	return state;
}

#endif

void crc32c_init(struct crc32c *crc)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i;

		for (int bit = 0; bit < 8; bit++)
			v = v >> 1 ^ (v & 1 ? CRC32C_POLY : 0);
		crc->table[0][i] = v;
	}
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++) {
			uint32_t v = crc->table[k - 1][i];

			crc->table[k][i] = v >> 8 ^ crc->table[0][v & 0xff];
		}
	crc->cpu = cpu_has_crc();
}

static uint32_t add_tables(const struct crc32c *crc, uint32_t state, const unsigned char *p, size_t len)
{
	const uint32_t(*t)[256] = crc->table;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v = load64(p) ^ state;

		state = t[7][v & 0xff] ^ t[6][v >> 8 & 0xff] ^ t[5][v >> 16 & 0xff] ^ t[4][v >> 24 & 0xff] ^
			t[3][v >> 32 & 0xff] ^ t[2][v >> 40 & 0xff] ^ t[1][v >> 48 & 0xff] ^ t[0][v >> 56];
	}
	for (; len; len--, p++)
		state = state >> 8 ^ t[0][(state ^ *p) & 0xff];
	return state;
}

uint32_t crc32c_add(const struct crc32c *crc, uint32_t sum, const void *buf, size_t len)
{
	return ~(crc->cpu ? add_cpu(~sum, buf, len) : add_tables(crc, ~sum, buf, len));
}
